//! Systems without a way out here: of those only the pauses matter that they asked for, which the
//! record of calls has (`RULES.md R25`).

use std::path::Path;
use std::sync::Arc;

use renkei_sync::ports::Clock;

use crate::egress::quota::Gate;
use crate::lifecycle::admin::PausedSystem;
use crate::runtime::RuntimeError;

/// One of them, of which calls were recorded before.
pub(crate) struct Resting {
    system: String,
    pub(crate) plugin: String,
    gate: Arc<Gate>,
}

impl Resting {
    /// Of these systems, each with its plugin, those that were ever called.
    pub(crate) fn all(
        folder: &Path,
        clock: &Arc<dyn Clock>,
        systems: &[(String, String)],
    ) -> Result<Vec<Self>, RuntimeError> {
        let mut all = Vec::new();
        for (system, plugin) in systems {
            let gate = Gate::kept(Arc::clone(clock), folder, system);
            let (system, plugin) = (system.clone(), plugin.clone());
            let gate = gate.map_err(RuntimeError::Quotas)?;
            all.extend(gate.map(|gate| Self { system, plugin, gate }));
        }
        Ok(all)
    }

    /// The pause that it asked for, if that is not over.
    pub(crate) async fn paused(&self) -> Option<PausedSystem> {
        // Why it is not known is in the log.
        let until_ms = self.gate.held_until_ms().await.ok().flatten()?;
        Some(PausedSystem { system: self.system.clone(), until_ms })
    }

    /// It is asked again at once.
    pub(crate) async fn lift(&self) {
        // Why it fails is in the log, and the pause is shown as it stands.
        self.gate.lift().await.ok();
    }
}

/// Which of these systems, each with its plugin, asked for a pause that is not over, as the record
/// of calls in `quotas` has it. For who starts no runtime.
pub async fn paused_systems(
    quotas: &Path,
    clock: Arc<dyn Clock>,
    systems: &[(String, String)],
) -> Result<Vec<PausedSystem>, RuntimeError> {
    let mut paused = Vec::new();
    for resting in Resting::all(quotas, &clock, systems)? {
        paused.extend(resting.paused().await);
    }
    Ok(paused)
}
