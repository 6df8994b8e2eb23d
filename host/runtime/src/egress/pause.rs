//! A pause that a system asks for: nobody sends anything for its account until it is over
//! (`RULES.md R25`).
//!
//! Systems say it in two ways. Where the manifest's quota statuses tell it, with `Retry-After`, the
//! host reads it from the answer. Where it stands in the body, only the guest can read it, and says
//! so by `retry-after`. Both come here and are kept in the record of calls, for every process. A
//! guest is believed where it asked the system in that call, as in all that it says of the system;
//! what it says wrongly slows its own account for an hour at most.

use std::sync::Arc;

use super::errand::Errand;
use super::quota::Claim;
use super::{Door, Exit, Failure};
use crate::system::SystemConfig;

/// How long a request waits for a quota, ms; beyond that the guest is told. A longer wait that a
/// guest reports is a pause of the whole account; a shorter one may be about a single record.
pub(super) const WAIT_MOST_MS: u64 = 60_000;

impl Exit {
    /// The system wants no calls like this one for `ms`.
    pub(super) async fn pause(&self, claim: &Arc<Claim>, ms: u64) -> Result<(), Failure> {
        let is_news = self.gate.hold(claim, ms).await?;
        if is_news && ms > WAIT_MOST_MS {
            let SystemConfig { name: system, plugin, .. } = self.config();
            let wait_s = ms / 1_000;
            tracing::warn!(
                system,
                wait_s,
                "the system asks for a pause; `renkei plugin reload {plugin}` lifts it"
            );
        }
        Ok(())
    }

    /// The guest has read in an answer that the system wants no calls at all for `ms`.
    pub(crate) async fn pause_all(&self, ms: u64) {
        // Why it fails is in the log, and the next call meets it too.
        self.pause(&Arc::new(Claim::new(&[], &[], 1)), ms).await.ok();
    }
}

impl Door {
    /// Whether the guest reports a pause of the account that nobody knows of yet: it asked the
    /// system, and does not repeat what the host told it.
    pub(crate) fn is_news(&self, wait_ms: u64) -> bool {
        self.errand != Errand::Idle && wait_ms > self.told_ms.max(WAIT_MOST_MS)
    }
}
