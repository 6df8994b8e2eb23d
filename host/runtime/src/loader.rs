//! From the bytes of a file to a generation that may serve: check, compile, link, probe. Touches
//! nothing that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use renkei_package::{Kind, Package, PackageError};
use renkei_sync::plugin::Generation;

use crate::cache::Cache;
use crate::compiler::Compile;
use crate::engine::{EngineError, Machine};
use crate::instance::{State, Stopped, Watch};
use crate::limits::{Cap, Cause, LimitChanges, LimitReached, Limits};
use crate::places::Needs;
use crate::plugin::{Code, Linkers, Plugin};
use crate::probe;
use crate::text::words;

/// The limits of both kinds of plugin, and what the configuration changes for single ones.
#[derive(Debug, Clone)]
pub(crate) struct KindLimits {
    pub(crate) connector: Limits,
    pub(crate) transform: Limits,
    pub(crate) changes: BTreeMap<String, LimitChanges>,
}

impl KindLimits {
    /// What one plugin may use.
    pub(crate) fn of(&self, plugin: &Plugin) -> Limits {
        let limits = match plugin.manifest.kind {
            Kind::Connector(_) => &self.connector,
            Kind::Transform(_) => &self.transform,
        };
        let changes = self.changes.get(&plugin.manifest.id);
        changes.map_or_else(|| limits.clone(), |changes| changes.apply(limits))
    }
}

/// See the module's text.
pub(crate) struct Loader {
    pub(crate) machine: Arc<Machine>,
    pub(crate) linkers: Linkers,
    pub(crate) cache: Arc<Cache>,
    pub(crate) compile: Compile,
    pub(crate) limits: KindLimits,
    /// Whether two-way functions must obey the laws to run both ways.
    pub(crate) try_laws: bool,
}

/// Why a file does not become a generation. Words of the file are escaped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{}", words(&.0.to_string()))]
    Package(#[from] PackageError),
    #[error("{name}: {source}")]
    Engine { name: String, source: EngineError },
    #[error("{name}: {}", words(.reason))]
    Link { name: String, reason: String },
    #[error("{name}: it does not start: {source}")]
    Start { name: String, source: Stopped },
    #[error("{name}: it cannot be tried: {source}")]
    NoPlace { name: String, source: LimitReached },
}

impl LoadError {
    /// Whether the same bytes may fare better another time.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Engine { source, .. } => source.is_passing(),
            Self::NoPlace { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::Package(PackageError::TooLarge { .. }) => Cap::File.into(),
            Self::Engine { source, .. } => source.cause(),
            Self::Start { source, .. } => source.cause().into(),
            Self::NoPlace { source, .. } => source.cap.into(),
            Self::Package(_) | Self::Link { .. } => Cause::Refused,
        }
    }
}

/// Which bytes do not become a generation, and why.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct NotTaken {
    /// The id that they have; empty where they do not get so far.
    pub(crate) plugin: String,
    /// Their SHA-256, hex.
    pub(crate) digest: String,
    pub(crate) error: LoadError,
}

impl Loader {
    /// Makes a generation of the file `name` with these bytes.
    pub(crate) async fn load(&self, name: &str, bytes: Vec<u8>) -> Result<Plugin, NotTaken> {
        let digest = hex::encode(Sha256::digest(&bytes));
        let mut plugin = String::new();
        let loaded = self.take(name, bytes, &mut plugin).await;
        loaded.map_err(|error| NotTaken { plugin, digest, error })
    }

    /// Tells the id as soon as it is known.
    async fn take(&self, name: &str, bytes: Vec<u8>, id: &mut String) -> Result<Plugin, LoadError> {
        let package = {
            let name = name.to_owned();
            let read = tokio::task::spawn_blocking(move || Package::read(&name, bytes));
            read.await.map_err(|_| LoadError::Link {
                name: "a plugin".to_owned(),
                reason: "the parser panicked on it".to_owned(),
            })??
        };
        id.clone_from(&package.manifest.id);
        let component = self.component(name, &package).await?;
        let manifest = package.manifest;
        let generation = Generation {
            plugin: manifest.id.clone(),
            version: manifest.version.clone(),
            digest: package.digest,
        };
        let code = self.linkers.link(&manifest.kind, &component).map_err(|error| {
            LoadError::Link { name: name.to_owned(), reason: format!("{error:#}") }
        })?;
        let (whole, denied, one_way) = (manifest.clone(), BTreeSet::new(), BTreeMap::new());
        let needs = Needs::of(&component);
        let mut plugin = Plugin { generation, manifest, whole, denied, code, needs, one_way };
        self.start(name, &plugin).await?;
        if self.try_laws {
            plugin.one_way = probe::laws(&self.machine, &self.limits.of(&plugin), &plugin).await;
        }
        Ok(plugin)
    }

    async fn component(&self, name: &str, package: &Package) -> Result<Component, LoadError> {
        let (engine, digest) = (&self.machine.engine, &package.digest);
        if let Some(component) = self.cache.load(engine, digest) {
            return Ok(component);
        }
        let failed = |source| LoadError::Engine { name: name.to_owned(), source };
        let artefact = self.compile.artefact(engine, package.bytes().to_vec()).await;
        self.cache
            .adopt(engine, digest, &artefact.map_err(failed)?)
            .map_err(|error| failed(EngineError::Compile(words(&format!("{error:#}")))))
    }

    /// Instantiates it once: its start functions run here, under limits, and not first in the
    /// middle of a job.
    async fn start(&self, name: &str, plugin: &Plugin) -> Result<(), LoadError> {
        let limits = self.limits.of(plugin);
        // Short, so that it is a call also where the plugin is a connector.
        let place = self.machine.places.calls.take(plugin.needs).await;
        let _place =
            place.map_err(|source| LoadError::NoPlace { name: name.to_owned(), source })?;
        let watch = Watch::new(&self.machine, &limits, &plugin.generation, "");
        let mut store = watch.store(State::new(&watch));
        let started = match &plugin.code {
            Code::Connector(code) => watch.run(code.instantiate_async(&mut store)).await.map(drop),
            Code::Transform(code) => watch.run(code.instantiate_async(&mut store)).await.map(drop),
        };
        started.map_err(|source| LoadError::Start { name: name.to_owned(), source })
    }
}
