//! The pause of a link after an operation that was not carried out.
//!
//! Only a system that asks for time, or says to try again, holds a cycle. A change that no reading
//! shows yet is left to the next cycle, which reads first.

use super::BatchSettler;
use crate::apply::settled::SettledOperation;
use crate::cycle_state::LinkPause;
use crate::engine::WriteResult;
use renkei_model::reason::Reason;
use renkei_model::state::OutboxEntry;

impl BatchSettler<'_> {
    /// Judges a record that is not as it was planned from, now that it was read again.
    pub(super) fn conflict(&self, entry: &OutboxEntry) -> (Reason, Option<LinkPause>) {
        let Some(record) = self.target(entry) else { return (Reason::ChangedMeanwhile, None) };
        if !record.status.is_there() {
            return (Reason::FoundGone, None);
        }
        match record.version.is_some() && record.version == entry.if_version {
            true => (Reason::NotShownYet, Some(LinkPause::Cycle)),
            false => (Reason::ChangedMeanwhile, None),
        }
    }

    pub(super) fn later(
        &mut self,
        entry: &OutboxEntry,
        reason: Reason,
        after_ms: u64,
    ) -> SettledOperation {
        self.drop(entry, reason);
        SettledOperation { result: WriteResult::Later, pause: Some(LinkPause::Ms(after_ms)) }
    }
}
