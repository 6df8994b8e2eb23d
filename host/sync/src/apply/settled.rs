//! The end of one operation, and the pause of its link after it.

use crate::cycle_state::LinkPause;
use crate::engine::WriteResult;

/// The pause before an operation that may simply be tried again, ms.
pub(crate) const RETRY_MS: u64 = 1000;

/// The end of one operation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SettledOperation {
    pub(crate) result: WriteResult,
    /// The pause before the link is planned again, if there is one.
    pub(crate) pause: Option<LinkPause>,
}
