//! Counts what the way out refuses and leaves one line for the audit (TRUST.md 2.6).
//!
//! The line names the plugin with version and digest, the system, and the reason by its fixed name:
//! no value, no path, no query, nothing that a guest or a server said.

use std::sync::Arc;

use renkei_sync::plugin::Generation;

use super::refusal::Refusal;
use super::traffic::Counters;

/// Who is refused: one generation that serves one system.
#[derive(Clone)]
pub(crate) struct Witness {
    pub(crate) counters: Arc<Counters>,
    pub(crate) plugin: Generation,
    pub(crate) system: String,
}

impl Witness {
    /// Something was refused.
    pub(crate) fn saw(&self, refusal: &Refusal) {
        let reason = refusal.reason();
        self.counters.refused(reason);
        let Generation { plugin, version, digest } = &self.plugin;
        tracing::warn!(
            target: "renkei::audit",
            %plugin, %version, %digest, system = %self.system, reason = reason.name(),
            "egress refused"
        );
    }
}
