//! The end of one operation, and how long its link is left alone after it.

use crate::engine::WriteResult;

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
