//! How long a link is left alone after an operation that came to nothing.
//!
//! Only a system that asks for time, or says to try again, holds a cycle. What a cycle cannot know
//! is left to the next one, which reads first.

use super::BatchSettler;
use crate::engine::WriteResult;
use crate::model::reason::Reason;
use crate::model::state::OutboxEntry;

/// How long an operation is put off that may simply be tried again, ms.
pub(crate) const RETRY_MS: u64 = 1000;

/// How one operation ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettledOperation {
    pub(crate) result: WriteResult,
    /// How long the link is not planned again.
    pub(crate) pause: Option<LinkPause>,
}

/// How long a link is not planned again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkPause {
    /// So many ms, which the system needs.
    Ms(u64),
    /// For the rest of the cycle: the next one reads what this one cannot know.
    Cycle,
}

impl BatchSettler<'_> {
    /// What is known of a record that is not as it was planned from, now that it was read again.
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
