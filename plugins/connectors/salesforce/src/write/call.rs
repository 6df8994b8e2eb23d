//! One request of a write: its operations and its outcome.

use std::collections::BTreeMap;

use renkei_sdk::{Error, Operation, Outcome, WriteRequest};

/// Rows of one collection.
pub(super) const ROWS_MAX: usize = 200;
/// The action of one request on its rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WriteVerb {
    Insert,
    /// By this external id.
    Upsert(String),
    Update,
    Delete,
}

/// One request: what it does, and the operations it carries, by index.
#[derive(Debug)]
pub(super) struct WriteCall {
    pub(super) verb: WriteVerb,
    pub(super) rows: Vec<usize>,
    /// By a job, not by a collection.
    pub(super) by_job: bool,
}

/// The rows of a job, with what is done to them.
#[derive(Debug, Clone, Copy)]
pub(super) struct IngestJob<'a> {
    pub(super) request: &'a WriteRequest,
    pub(super) verb: &'a WriteVerb,
    pub(super) rows: &'a [usize],
}

impl<'a> IngestJob<'a> {
    /// The operations of the rows, in their order.
    pub(super) fn operations(&self) -> impl Iterator<Item = &'a Operation> + use<'a> {
        let request = self.request;
        self.rows.iter().filter_map(move |row| request.operations.get(*row))
    }
}

/// The outcome of one request.
pub(super) enum CallOutcome {
    /// The known outcomes of its rows, and the rows that must travel as a collection instead.
    Written { outcomes: BTreeMap<usize, Outcome>, declined: Vec<usize> },
    /// Nothing was written.
    Refused(Error),
}
