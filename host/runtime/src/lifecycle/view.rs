//! The plugin folder as people and scripts see it: one entry per file, with what serves of it and
//! why something does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use renkei_model::plugin::Generation;
use renkei_package::Manifest;

use crate::lifecycle::decide::WaitReason;
use crate::lifecycle::registry::Registry;

/// One file of the plugin folder, as last seen.
#[derive(Debug, Clone)]
pub struct PluginFile {
    /// Its name in the folder.
    pub file: String,
    /// The generation of it that serves, if any; it may be older than the file.
    pub serving: Option<Generation>,
    /// The manifest of the serving generation, without the denied permissions.
    pub manifest: Option<Arc<Manifest>>,
    /// The file as it is now is being looked at.
    pub loading: bool,
    /// The reason why the file as it is now does not serve.
    pub fault: Option<String>,
    /// The next step where it does not serve.
    pub hint: Option<String>,
    /// Two-way functions that run one-way, with the reason.
    pub one_way: BTreeMap<String, String>,
    /// The file as it is now is good but waits.
    pub waiting: Option<WaitingVersion>,
    /// New versions wait for an approval.
    pub hold: bool,
    /// No call is taken until then, ms since 1970.
    pub quarantined_until_ms: Option<i64>,
    /// The serving version is new and is watched; an earlier version can serve again by itself.
    pub on_probation: bool,
    /// Versions that can serve again, newest first, the one that serves among them.
    pub versions: Vec<KnownVersion>,
}

/// A good file that does not serve before an admin says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingVersion {
    /// Its version.
    pub version: String,
    /// Its SHA-256, hex.
    pub digest: String,
    /// `held`, `asks-more` or `rolled-back`.
    pub why: String,
    /// The matter and what to do.
    pub reason: String,
}

/// A version whose bytes are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownVersion {
    /// Its version.
    pub version: String,
    /// Its SHA-256, hex.
    pub digest: String,
    /// The reason why it is not taken again by itself, if so.
    pub bad: Option<String>,
}

/// One file as the task saw it.
pub(crate) struct SeenFile {
    pub(crate) file: String,
    /// The plugin that this file is.
    pub(crate) id: Option<String>,
    pub(crate) loading: bool,
    pub(crate) fault: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) held: Option<(Generation, WaitReason)>,
}

/// The entries of what was seen, with how it fares now.
pub(crate) fn describe(seen: &[SeenFile], registry: &Registry) -> Vec<PluginFile> {
    let (now_ms, serving, states) = (registry.clock.now_ms(), registry.all(), registry.states());
    let describe = |seen: &SeenFile| {
        let id = seen.id.as_deref();
        let served = id.and_then(|id| serving.get(id));
        let plugin = served.map(|served| &served.plugin);
        let plugin_state = id.map(|id| states.plugin(id)).unwrap_or_default();
        let (quarantined_until_ms, on_probation) =
            served.map(|served| served.state(now_ms)).unwrap_or_default();
        let known = plugin_state.versions.iter().map(|known| KnownVersion {
            version: known.version.clone(),
            digest: known.digest.clone(),
            bad: plugin_state.why_bad(&known.digest).map(str::to_owned),
        });
        let waiting = seen.held.as_ref().map(|(generation, wait)| WaitingVersion {
            version: generation.version.clone(),
            digest: generation.digest.clone(),
            why: wait.word().to_owned(),
            reason: wait.reason(generation),
        });
        PluginFile {
            file: seen.file.clone(),
            serving: plugin.map(|plugin| plugin.generation.clone()),
            manifest: plugin.map(|plugin| Arc::new(plugin.manifest.clone())),
            loading: seen.loading,
            fault: seen.fault.clone(),
            hint: seen.hint.clone(),
            one_way: plugin.map(|plugin| plugin.one_way.clone()).unwrap_or_default(),
            waiting,
            hold: plugin_state.hold,
            quarantined_until_ms,
            on_probation,
            versions: known.collect(),
        }
    };
    seen.iter().map(describe).collect()
}
