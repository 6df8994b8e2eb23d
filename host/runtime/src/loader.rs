//! From the bytes of a file to a generation that may serve: check, compile, link, probe. Touches
//! nothing that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::Component;

use renkei_package::{Package, PackageError};
use renkei_sync::plugin::Generation;

use crate::cache::Cache;
use crate::engine::{self, EngineError};
use crate::instance::{self, GuestLog, State};
use crate::limits::Limits;
use crate::plugin::{Code, Linkers, Plugin};
use crate::probe;

/// The limits of both kinds of plugin.
#[derive(Debug, Clone)]
pub(crate) struct KindLimits {
    pub(crate) connector: Limits,
    pub(crate) transform: Limits,
}

/// See the module's text.
pub(crate) struct Loader {
    pub(crate) engine: Engine,
    pub(crate) linkers: Linkers,
    pub(crate) cache: Arc<Cache>,
    pub(crate) limits: KindLimits,
    /// Whether two-way functions must obey the laws to run both ways.
    pub(crate) try_laws: bool,
}

/// Why a file does not become a generation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error("{name}: {source}")]
    Engine { name: String, source: EngineError },
    #[error("{name}: {reason}")]
    Link { name: String, reason: String },
    #[error("{name}: it does not start: {reason}")]
    Start { name: String, reason: String },
}

impl LoadError {
    /// Whether the same bytes may fare better another time.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Engine { source: EngineError::Slow(_), .. })
    }
}

impl Loader {
    /// Makes a generation of the file `name` with these bytes.
    pub(crate) async fn load(&self, name: &str, bytes: Vec<u8>) -> Result<Plugin, LoadError> {
        let package = {
            let name = name.to_owned();
            let read = tokio::task::spawn_blocking(move || Package::read(&name, bytes));
            read.await.map_err(|_| LoadError::Link {
                name: "a plugin".to_owned(),
                reason: "the parser panicked on it".to_owned(),
            })??
        };
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
        let mut plugin = Plugin { generation, manifest, whole, denied, code, one_way };
        self.start(&plugin)
            .await
            .map_err(|reason| LoadError::Start { name: name.to_owned(), reason })?;
        if self.try_laws {
            plugin.one_way = probe::laws(&self.engine, &self.limits.transform, &plugin).await;
        }
        Ok(plugin)
    }

    async fn component(&self, name: &str, package: &Package) -> Result<Component, LoadError> {
        let digest = &package.digest;
        if let Some(component) = self.cache.load(&self.engine, digest) {
            return Ok(component);
        }
        let (component, artefact) =
            engine::compile(&self.engine, package.bytes().to_vec())
                .await
                .map_err(|source| LoadError::Engine { name: name.to_owned(), source })?;
        if let Err(error) = self.cache.store(digest, &artefact) {
            tracing::warn!(file = name, %error, "the compiled plugin cannot be cached");
        }
        Ok(component)
    }

    /// Instantiates it once: its start functions run here, under limits, and not first in the
    /// middle of a job.
    async fn start(&self, plugin: &Plugin) -> Result<(), String> {
        let limits = match plugin.code {
            Code::Connector(_) => &self.limits.connector,
            Code::Transform(_) => &self.limits.transform,
        };
        let state = State::new(limits, GuestLog::new(plugin.generation.clone(), ""));
        let mut store = instance::store(&self.engine, limits, state);
        let patience = store.data().patience();
        match &plugin.code {
            Code::Connector(code) => {
                instance::run(limits, &patience, code.instantiate_async(&mut store)).await.map(drop)
            }
            Code::Transform(code) => {
                instance::run(limits, &patience, code.instantiate_async(&mut store)).await.map(drop)
            }
        }
    }
}
