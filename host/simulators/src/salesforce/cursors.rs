//! The cursors of queries that have further pages.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ids::Serial;
use super::soql::SoqlPlan;

/// The open cursors, oldest first.
#[derive(Debug, Default)]
pub(crate) struct QueryCursors {
    pub(super) open: VecDeque<QueryCursor>,
    pub(super) issued: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct QueryCursor {
    pub(super) locator: String,
    pub(super) plan: Arc<SoqlPlan>,
    pub(super) rows: Arc<Vec<Serial>>,
    pub(super) page_len: usize,
    pub(super) all: bool,
    pub(super) used_at_ms: i64,
}
