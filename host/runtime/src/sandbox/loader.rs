//! From the bytes of a file to a generation that may serve: check and compile in a process of its
//! own (`sandbox/compiler.rs`), link, probe. Touches nothing that serves.
//!
//! Bytes that were looked at once are known by their digest (`cache.rs`): a plugin is not checked
//! or compiled again, and what is refused for good is refused at once, also by other processes and
//! later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use wasmtime::component::Component;

use renkei_model::plugin::Generation;
use renkei_package::{Manifest, ManifestError, ManifestKind, PackageFacts, PackagePart};

use crate::sandbox::cache::{ArtefactCache, CachedRefusal};
use crate::sandbox::compiler::{self, CompileError, CompilePriority, CompileQueue, CompileRefusal};
use crate::sandbox::engine::{EngineError, SharedEngine};
use crate::sandbox::generation::{LinkedCode, Linkers, PluginGeneration};
use crate::sandbox::instance::{GuestRunner, GuestStop, operating_system_refusal};
use crate::sandbox::instance_permits::ResourceNeeds;
use crate::sandbox::limits::{Cap, CountedCause, GuestLimits, LimitChanges, LimitReached};
use crate::sandbox::plugin_bytes::PluginBytes;
use crate::sandbox::probe;
use renkei_egress::escape::words;

/// The limits of both kinds of plugin, and what the configuration changes for single ones.
#[derive(Debug, Clone)]
pub(crate) struct KindLimits {
    pub(crate) connector: GuestLimits,
    pub(crate) transform: GuestLimits,
    pub(crate) changes: BTreeMap<String, LimitChanges>,
}

impl KindLimits {
    /// The limits of one plugin.
    pub(crate) fn limits_of(&self, plugin: &PluginGeneration) -> GuestLimits {
        let limits = match plugin.manifest.kind {
            ManifestKind::Connector(_) => &self.connector,
            ManifestKind::Transform(_) => &self.transform,
        };
        let changes = self.changes.get(&plugin.manifest.id);
        changes.map_or_else(|| limits.clone(), |changes| changes.apply(limits))
    }
}

/// Makes generations of bytes.
pub(crate) struct PluginLoader {
    pub(crate) shared: Arc<SharedEngine>,
    pub(crate) linkers: Linkers,
    pub(crate) cache: Arc<ArtefactCache>,
    pub(crate) compile: CompileQueue,
    pub(crate) limits: KindLimits,
    /// True where two-way functions must obey the laws to run both ways.
    pub(crate) try_laws: bool,
    /// The source and the number of instances, as text.
    pub(crate) instances: String,
    /// The number that is linked and tried at once.
    pub(crate) tries: Semaphore,
}

/// The reason why a file does not become a generation. Words of the file are escaped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{name}: {}", .refused.reason)]
    Package { name: String, refused: CompileRefusal },
    #[error("{name}: manifest: {}", words(&.source.to_string()))]
    Manifest { name: String, source: ManifestError },
    #[error("{name}: {source}")]
    Engine { name: String, source: EngineError },
    #[error("{name}: {}", words(.reason))]
    Link { name: String, reason: String },
    #[error("{name}: it does not start: {source}")]
    Start { name: String, source: GuestStop },
    #[error("{name}: it cannot be tried: {source}")]
    NoPlace { name: String, source: LimitReached },
    /// Found out before, perhaps by another process.
    #[error("{name}: {reason}")]
    Known { name: String, cause: CountedCause, reason: String, hint: Option<String> },
    /// Its bytes changed or went while they waited for their turn.
    #[error("{name}: it changed while it was read")]
    Moved { name: String },
}

impl LoadError {
    /// The next step.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Package { refused, .. } => refused.hint.clone(),
            Self::Manifest { source, .. } => source.hint().map(|hint| words(&hint)),
            Self::Engine { source, .. } => source.hint().map(str::to_owned),
            Self::Known { hint, .. } => hint.clone(),
            Self::Link { .. } | Self::Start { .. } | Self::NoPlace { .. } | Self::Moved { .. } => {
                None
            }
        }
    }

    /// True where the same bytes may fare better another time.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Engine { source, .. } => source.is_passing(),
            Self::Start { source, .. } => !source.cause().is_its_own(),
            Self::NoPlace { .. } | Self::Moved { .. } => true,
            _ => false,
        }
    }

    /// True where the same bytes fare the same in every process with the same limits.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Package { .. } | Self::Manifest { .. } | Self::Link { .. } => true,
            Self::Engine { source, .. } => source.is_lasting(),
            Self::Start { source, .. } => source.cause().is_its_own(),
            Self::NoPlace { .. } | Self::Known { .. } | Self::Moved { .. } => false,
        }
    }

    pub(crate) fn cause(&self) -> CountedCause {
        match self {
            Self::Package { refused: CompileRefusal { part: PackagePart::Size, .. }, .. } => {
                Cap::File.into()
            }
            Self::Engine { source, .. } => source.cause(),
            Self::Start { source, .. } => source.cause().into(),
            Self::NoPlace { source, .. } => source.cap.into(),
            Self::Known { cause, .. } => *cause,
            _ => CountedCause::Refused,
        }
    }
}

/// The bytes that do not become a generation, and the reason.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct LoadFailure {
    /// The id that they have; empty where they do not get so far.
    pub(crate) plugin: String,
    /// Their SHA-256, hex.
    pub(crate) digest: String,
    pub(crate) error: LoadError,
}

impl LoadFailure {
    /// The bytes were others by the time that they were read.
    pub(crate) fn is_moved(&self) -> bool {
        matches!(self.error, LoadError::Moved { .. })
    }
}

impl PluginLoader {
    /// Makes a generation of the file `name`, whose content has this digest.
    pub(crate) async fn load(
        &self,
        name: &str,
        digest: &str,
        priority: CompilePriority,
        bytes: Arc<dyn PluginBytes>,
    ) -> Result<PluginGeneration, LoadFailure> {
        let mut plugin = String::new();
        let not_taken = |plugin, error| LoadFailure { plugin, digest: digest.to_owned(), error };
        let limits = self.limits_digest();
        if let Some(known) = self.cache.refusal(digest, &limits) {
            let cause = CountedCause::by_name(&known.cause).unwrap_or(CountedCause::Refused);
            let (name, reason, hint) = (name.to_owned(), known.reason, known.hint);
            return Err(not_taken(known.plugin, LoadError::Known { name, cause, reason, hint }));
        }
        let loaded = self.make(name, digest, priority, bytes, &mut plugin).await;
        loaded.map_err(|error| {
            if error.is_lasting() {
                let text = error.to_string();
                let reason = text.strip_prefix(name).and_then(|text| text.strip_prefix(": "));
                let reason = reason.unwrap_or(&text).to_owned();
                let (plugin, cause) = (plugin.clone(), error.cause().name().to_owned());
                let hint = error.hint();
                let refusal = CachedRefusal { plugin, cause, reason, hint, limits };
                self.cache.refuse(digest, &refusal);
            }
            not_taken(plugin, error)
        })
    }

    /// The limits that decide what is refused, as one word.
    fn limits_digest(&self) -> String {
        let limits = format!("{:?} {:?} {}", self.compile.limits(), self.limits, self.instances);
        hex::encode(Sha256::digest(limits))
    }

    /// Says the id as soon as it is known.
    async fn make(
        &self,
        name: &str,
        digest: &str,
        priority: CompilePriority,
        bytes: Arc<dyn PluginBytes>,
        id: &mut String,
    ) -> Result<PluginGeneration, LoadError> {
        let (facts, component) = self.component(name, digest, priority, bytes, id).await?;
        let manifest = Manifest::from_json(facts.manifest.to_string().as_bytes())
            .map_err(|source| LoadError::Manifest { name: name.to_owned(), source })?;
        id.clone_from(&manifest.id);
        let _turn = self.tries.acquire().await.ok();
        let generation = Generation {
            plugin: manifest.id.clone(),
            version: manifest.version.clone(),
            digest: digest.to_owned(),
        };
        let code = self.linkers.link(&manifest.kind, &component).map_err(|error| {
            LoadError::Link { name: name.to_owned(), reason: format!("{error:#}") }
        })?;
        let (whole, denied, one_way) = (manifest.clone(), BTreeSet::new(), BTreeMap::new());
        let needs = ResourceNeeds::of_component(&component);
        let memos = Arc::default();
        let mut plugin =
            PluginGeneration { generation, manifest, whole, denied, code, needs, one_way, memos };
        self.start(name, &plugin).await?;
        if self.try_laws {
            plugin.one_way =
                probe::laws(&self.shared, &self.limits.limits_of(&plugin), &plugin).await;
        }
        Ok(plugin)
    }

    async fn component(
        &self,
        name: &str,
        digest: &str,
        priority: CompilePriority,
        bytes: Arc<dyn PluginBytes>,
        id: &mut String,
    ) -> Result<(PackageFacts, Component), LoadError> {
        let engine = &self.shared.engine;
        if let Some(known) = self.cache.load(engine, digest) {
            return Ok(known);
        }
        let name = || name.to_owned();
        let compiled = self.compile.plugin(engine, priority, digest, bytes).await;
        let compiled = compiled.map_err(|error| match error {
            CompileError::Moved => LoadError::Moved { name: name() },
            CompileError::Refused(refused) => LoadError::Package { name: name(), refused },
            CompileError::Unchecked(source) => LoadError::Engine { name: name(), source },
            CompileError::Engine(facts, source) => {
                *id = id_in(&facts);
                LoadError::Engine { name: name(), source }
            }
        })?;
        let adopted = self.cache.adopt(engine, digest, &compiled.facts, &compiled.artefact);
        let component = adopted.map_err(|error| {
            *id = id_in(&compiled.facts);
            let reason = words(&format!("{error:#}"));
            let source = compiler::lacks_memory(&reason);
            let refused = || operating_system_refusal(&error).map(EngineError::OperatingSystem);
            let source = source.or_else(refused).unwrap_or(EngineError::Compile(reason));
            LoadError::Engine { name: name(), source }
        })?;
        Ok((compiled.facts, component))
    }

    /// Instantiates it once: its start functions run here, under limits, and not first in the
    /// middle of a job.
    async fn start(&self, name: &str, plugin: &PluginGeneration) -> Result<(), LoadError> {
        let limits = self.limits.limits_of(plugin);
        // Short, so that it is a call also where the plugin is a connector.
        let place = self.shared.permits.calls.acquire(plugin.needs).await;
        let _place =
            place.map_err(|source| LoadError::NoPlace { name: name.to_owned(), source })?;
        let runner = GuestRunner::new(&self.shared, &limits, &plugin.generation, "");
        let mut store = runner.store(runner.new_state());
        let started = match &plugin.code {
            LinkedCode::Connector(code) => {
                runner.run(code.instantiate_async(&mut store)).await.map(drop)
            }
            LinkedCode::Transform(code) => {
                runner.run(code.instantiate_async(&mut store)).await.map(drop)
            }
        };
        started.map_err(|source| {
            let (name, source) = (name.to_owned(), source.with_panic(store.data().panic()));
            match compiler::lacks_memory(&source.to_string()) {
                Some(source) => LoadError::Engine { name, source },
                None => LoadError::Start { name, source },
            }
        })
    }
}

/// The id in a manifest that was checked.
fn id_in(facts: &PackageFacts) -> String {
    let id = facts.manifest.get("id").and_then(serde_json::Value::as_str);
    id.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_lacks_at_a_start_is_not_remembered_of_the_file() {
        let start = |source| LoadError::Start { name: "a.wasm".to_owned(), source };
        let call_time = LimitReached::new(Cap::CallTime, 1u64);
        for (source, is_lasting) in [
            (GuestStop::Trap("wasm trap".to_owned()), true),
            (GuestStop::Limit(LimitReached::new(Cap::Memory, 1u64)), true),
            (GuestStop::OperatingSystem("busy".to_owned()), false),
            (GuestStop::Limit(call_time), false),
            (GuestStop::HostPanic, false),
        ] {
            let error = start(source);
            assert_eq!((error.is_lasting(), error.is_passing()), (is_lasting, !is_lasting));
        }
    }
}
