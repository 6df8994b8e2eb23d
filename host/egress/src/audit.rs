//! Counts and logs what the way out refuses or finds unusual (`SECURITY.md` E12).
//!
//! The line names the plugin with version and digest, the system, and the reason by its fixed name:
//! no value, no path, no query, nothing that a guest or a server said.

use std::sync::Arc;

use renkei_model::plugin::Generation;

use crate::anomaly::Anomaly;
use crate::refusal::EgressRefusal;
use crate::traffic::{TrafficCounters, add};

/// Records for one generation that serves one system.
#[derive(Clone)]
pub(crate) struct EgressAudit {
    pub(crate) counters: Arc<TrafficCounters>,
    pub(crate) plugin: Generation,
    pub(crate) system: String,
}

impl EgressAudit {
    /// Counts and logs a refusal.
    pub(crate) fn record_refusal(&self, refusal: &EgressRefusal) {
        let reason = refusal.reason();
        self.counters.refused(reason);
        let Generation { plugin, version, digest } = &self.plugin;
        tracing::warn!(
            target: "renkei::audit",
            %plugin, %version, %digest, system = %self.system, reason = reason.name(),
            "egress refused"
        );
    }

    /// Counts and logs an anomaly.
    pub(crate) fn record_anomaly(&self, anomaly: Anomaly) {
        add(&self.counters.alarms, 1);
        let Generation { plugin, version, digest } = &self.plugin;
        tracing::warn!(
            target: "renkei::audit",
            %plugin, %version, %digest, system = %self.system, unusual = anomaly.name(),
            "egress unusual"
        );
    }
}
