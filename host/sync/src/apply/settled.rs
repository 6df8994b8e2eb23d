//! The end of one operation, and the pause of its link after it.

use crate::cycle_state::LinkPause;
use crate::engine::WriteResult;
use renkei_model::reason::Reason;
use renkei_model::record::VendorJob;
use renkei_model::state::{OutboxEntry, OutboxState, PendingJob};

/// The pause before an operation that may simply be tried again, ms.
pub(crate) const RETRY_MS: u64 = 1000;

/// The end of one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettledOperation {
    pub(crate) result: WriteResult,
    /// The pause before the link is planned again, if there is one.
    pub(crate) pause: Option<LinkPause>,
}

/// The longest wait before a job at a vendor is asked about, ms: an hour.
const JOB_WAIT_MS_MAX: u64 = 3_600_000;

/// An operation whose job at the vendor goes on, with the reason of the wait (`RULES.md` E24).
pub(crate) fn with_job(entry: &OutboxEntry, job: VendorJob, now_ms: i64) -> (OutboxEntry, Reason) {
    let after_ms = job.after_ms.clamp(RETRY_MS, JOB_WAIT_MS_MAX);
    let due_ms = now_ms.saturating_add(i64::try_from(after_ms).unwrap_or(i64::MAX));
    let job = Some(PendingJob { token: job.token, due_ms });
    let waiting = OutboxEntry { state: OutboxState::Sent, job, ..entry.clone() };
    (waiting, Reason::BeingDone { after_ms })
}
