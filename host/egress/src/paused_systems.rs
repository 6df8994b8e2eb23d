//! Pauses of systems that this process does not connect to.
//!
//! A runtime opens no way out of a system whose connector is missing or refused. The pause that
//! such a system asked for is in the record of calls (`host/sync/RULES.md` R25), and an admin may
//! see and lift it.

use std::io;
use std::sync::Arc;

use renkei_model::ports::{CallRecords, Clock};
use serde::{Deserialize, Serialize};

use crate::quota::QuotaGate;

/// A system that wants no calls for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedSystem {
    /// Its name in the configuration.
    pub system: String,
    /// The end of the pause, ms since 1970.
    pub until_ms: i64,
}

/// A system without a way out in this process, of which calls were recorded before.
pub struct UnopenedSystem {
    system: String,
    plugin: String,
    gate: Arc<QuotaGate>,
}

impl UnopenedSystem {
    /// Opens the records of those of `systems`, each with its plugin, that were ever
    /// called.
    pub fn open_recorded(
        records: &Arc<dyn CallRecords>,
        clock: &Arc<dyn Clock>,
        systems: &[(String, String)],
    ) -> io::Result<Vec<Self>> {
        let mut recorded = Vec::new();
        for (system, plugin) in systems {
            let gate = QuotaGate::open_recorded(Arc::clone(clock), records, system)?;
            let (system, plugin) = (system.clone(), plugin.clone());
            recorded.extend(gate.map(|gate| Self { system, plugin, gate }));
        }
        Ok(recorded)
    }

    /// The id of the plugin that serves it.
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// The pause that it asked for, if that is not over.
    pub async fn pause(&self) -> Option<PausedSystem> {
        // Why it is not known is in the log.
        let until_ms = self.gate.paused_until_ms().await.ok().flatten()?;
        Some(PausedSystem { system: self.system.clone(), until_ms })
    }

    /// Lifts the pause: an admin wants the system asked again.
    pub async fn lift_pause(&self) {
        // Why it fails is in the log, and the pause is shown as it stands.
        self.gate.lift_pauses().await.ok();
    }
}

/// The pauses that are not over of these systems, each with its plugin, as the record of calls has
/// them. For a program that starts no runtime.
pub async fn paused_systems(
    records: &Arc<dyn CallRecords>,
    clock: Arc<dyn Clock>,
    systems: &[(String, String)],
) -> io::Result<Vec<PausedSystem>> {
    let mut paused = Vec::new();
    for system in UnopenedSystem::open_recorded(records, &clock, systems)? {
        paused.extend(system.pause().await);
    }
    Ok(paused)
}
