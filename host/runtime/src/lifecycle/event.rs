//! Publishes what happens to plugins, once: a line of the audit (tracing target `renkei::audit`)
//! and an event for whoever listens.
//!
//! A line names the plugin, its version and the digests before and after; no value of a record and
//! no secret is ever in it.

use tokio::sync::broadcast;

use renkei_model::plugin::Generation;

use crate::sandbox::limits::CountedCause;

/// A change of a plugin or of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadEvent {
    /// A generation serves from now on.
    Loaded {
        /// The file's name in the folder.
        file: String,
        /// The generation that serves now.
        generation: Generation,
        /// The generation that served before, and still serves the work that began under it.
        replaced: Option<Generation>,
    },
    /// A file is not taken.
    Refused {
        /// The file's name in the folder.
        file: String,
        /// The id of the plugin that it says it is; empty where it does not get so far.
        plugin: String,
        /// Its SHA-256, hex; empty where it was not read.
        digest: String,
        /// The cause by which it is counted.
        cause: CountedCause,
        /// The fault.
        reason: String,
        /// The next step.
        hint: Option<String>,
        /// The generation that goes on serving.
        serving: Option<Generation>,
    },
    /// Nothing serves this plugin any more.
    Removed {
        /// The generation that served.
        generation: Generation,
    },
    /// A two-way function broke a lens law and runs one-way.
    OneWay {
        /// The transform.
        generation: Generation,
        /// Its function.
        function: String,
        /// The law.
        reason: String,
    },
    /// A good file does not serve before an admin says so.
    Waiting {
        /// The file's name in the folder.
        file: String,
        /// The generation in it.
        generation: Generation,
        /// `held`, `asks-more` or `rolled-back`.
        why: &'static str,
        /// The matter and what to do.
        reason: String,
        /// The generation that goes on serving.
        serving: Option<Generation>,
    },
    /// An earlier generation serves again.
    RolledBack {
        /// The generation that failed, or that an admin does not want; it is not taken again by
        /// itself.
        from: Generation,
        /// The generation that serves now.
        to: Generation,
        /// Why.
        reason: String,
    },
    /// A plugin fails again and again: no call is taken for a while.
    Quarantined {
        /// The generation.
        generation: Generation,
        /// Until then, ms since 1970.
        until_ms: i64,
        /// Failures without a success between them.
        failures: u32,
    },
    /// An admin approved a version that waited, or wants one again that was rolled back.
    Approved {
        /// The generation.
        generation: Generation,
    },
    /// New versions of a plugin wait for an approval from now on, or no longer.
    Hold {
        /// Its id.
        plugin: String,
        /// True where they wait.
        on: bool,
        /// The generation that serves and goes on.
        serving: Option<Generation>,
    },
    /// An admin changed what a plugin may.
    Granted {
        /// Its id.
        plugin: String,
        /// The permissions that it has, of those that it asks for.
        allowed: Vec<String>,
        /// The permissions that it does not have.
        denied: Vec<String>,
        /// The generation that serves, within that.
        serving: Option<Generation>,
    },
}

/// Writes the audit line and tells whoever listens; nobody listening is fine.
pub(crate) fn publish(events: &broadcast::Sender<ReloadEvent>, event: ReloadEvent) {
    log(&event);
    events.send(event).ok();
}

fn log(event: &ReloadEvent) {
    let digest = |generation: &Option<Generation>| generation.as_ref().map(|g| g.digest.clone());
    match event {
        ReloadEvent::Loaded { file, generation, replaced } => tracing::info!(
            target: "renkei::audit", plugin = %generation, digest = generation.digest,
            before = digest(replaced), file, "plugin loaded"
        ),
        ReloadEvent::Refused { file, plugin, digest: own, cause, reason, hint, serving } => {
            let (goes_on, cause) = (serving.as_ref().map(ToString::to_string), cause.name());
            tracing::error!(
                target: "renkei::audit", file, plugin, digest = own, cause, reason, hint,
                serving = goes_on, before = digest(serving), "plugin refused"
            );
        }
        ReloadEvent::Removed { generation } => tracing::warn!(
            target: "renkei::audit", plugin = %generation, digest = generation.digest,
            "plugin removed"
        ),
        ReloadEvent::OneWay { generation, function, reason } => tracing::warn!(
            target: "renkei::audit", plugin = %generation, digest = generation.digest, function,
            reason, "the function runs one-way"
        ),
        ReloadEvent::Waiting { file, generation, why, reason, serving } => tracing::warn!(
            target: "renkei::audit", plugin = %generation, digest = generation.digest, why, reason,
            file, before = digest(serving), "plugin waits"
        ),
        ReloadEvent::RolledBack { from, to, reason } => tracing::warn!(
            target: "renkei::audit", plugin = %to, digest = to.digest, before = from.digest,
            from = %from, reason, "plugin rolled back"
        ),
        ReloadEvent::Quarantined { generation, until_ms, failures } => tracing::error!(
            target: "renkei::audit", plugin = %generation, digest = generation.digest, until_ms,
            failures, "plugin in quarantine"
        ),
        ReloadEvent::Approved { generation } => tracing::info!(
            target: "renkei::audit", plugin = %generation, digest = generation.digest,
            "plugin approved"
        ),
        ReloadEvent::Hold { plugin, on, serving } => tracing::info!(
            target: "renkei::audit", plugin, digest = digest(serving), on, "plugin hold"
        ),
        ReloadEvent::Granted { plugin, allowed, denied, serving } => tracing::info!(
            target: "renkei::audit", plugin, digest = digest(serving), ?allowed, ?denied,
            "plugin grants"
        ),
    }
}
