//! Rows, tombstones and outcomes: what a connector reads and writes, in the engine's own types.
//!
//! They mirror `wit/v0.2/types.wit` and `connector.wit`; the meaning of every item is documented
//! there and not repeated.

use serde::{Deserialize, Serialize};

use crate::value::{Cell, Value};

/// The fact of a page that names a cell that cannot be read: record, column, code.
pub const UNREADABLE_CELL: &str = "unreadable-cell";

/// Growable facts: documented code and value.
pub type Attributes = Vec<(String, Value)>;

/// A header and rows of cells in the order of the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows with as many cells as there are columns; the runtime refuses others from a guest.
    pub rows: Vec<Row>,
}

/// One record of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// The record's id in its system; empty in a transform.
    pub id: String,
    /// Opaque version, compared for equality only.
    pub version: Option<String>,
    /// The system's own modification time in ms: a hint, never a tie-breaker by itself.
    pub modified_ms: Option<i64>,
    /// One per column; `None` is absent.
    pub cells: Vec<Cell>,
}

/// The system's own word that a record is no longer there. Absence from a listing is no removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removal {
    /// Deleted for good, as far as the system says.
    Deleted,
    /// Put away; may come back.
    Archived,
    /// Merged into the record with this id, which may be new.
    MergedInto(String),
    /// Became other records: pairs of object and id.
    ConvertedTo(Vec<(String, String)>),
    /// Out of what the system lists, but not gone.
    Hidden,
}

/// A record that is no longer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The record's id.
    pub id: String,
    /// The kind of removal.
    pub removal: Removal,
    /// The system's own time of the removal, ms; `None` where it names none.
    pub at_ms: Option<i64>,
}

/// The part of the records that a scan covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// Everything; the last cursor is where `Changes` begins.
    Backfill,
    /// Records that may have changed since the cursor was made.
    Changes,
    /// Ids and versions only, to compare with the stored ones.
    Sweep,
}

/// One page wanted from a connector.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// The object's name in its system.
    pub object: String,
    /// The columns wanted; the answer has exactly these.
    pub columns: Vec<String>,
    /// The part of the records to read.
    pub scan: Scan,
    /// Opaque; `None` starts the scan.
    pub cursor: Option<Vec<u8>>,
    /// Column, operator, values.
    pub filter: Vec<(String, String, Vec<Value>)>,
    /// The most rows wanted at once.
    pub limit: u32,
    /// Documented codes, see `connector.wit`.
    pub options: Attributes,
}

/// One page read.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The rows of the page.
    pub batch: Batch,
    /// The records that the system reports as removed.
    pub removed: Vec<Tombstone>,
    /// The connector's own position after this page, for the next request.
    pub cursor: Vec<u8>,
    /// The scan has more pages after this one.
    pub more: bool,
    /// The server's clock, ms.
    pub server_time_ms: Option<i64>,
    /// Documented codes.
    pub facts: Attributes,
}

/// The kind of change that one operation of a write makes to a record; the contract's `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Make it, stamped with the intent.
    Create,
    /// Change the present cells.
    Update,
    /// Make or change by a unique column.
    Upsert,
    /// Archive it; the system may restore it.
    Archive,
    /// Restore it from the archive.
    Restore,
}

impl Action {
    /// Its word in the contract and in permissions: `create`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Archive => "archive",
            Self::Restore => "restore",
        }
    }
}

/// One write to one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The host's key of this intent.
    pub intent: String,
    /// The kind of change.
    pub action: Action,
    /// The record's id, for update, archive and restore.
    pub id: Option<String>,
    /// The columns that are unique together, for upsert.
    pub key: Vec<String>,
    /// The version that the record must still have; another one makes the outcome a conflict.
    pub if_version: Option<String>,
    /// One cell per column of the request, in the order of its columns.
    pub cells: Vec<Cell>,
}

/// Writes to one object, in one call.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The object's name in its system.
    pub object: String,
    /// Column names: the header of the operations' cells.
    pub columns: Vec<String>,
    /// The writes, each answered by one outcome.
    pub operations: Vec<Operation>,
    /// Documented codes.
    pub options: Attributes,
}

/// The result of one write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The system has written it.
    Applied(Applied),
    /// Changed since `if_version`; nothing was written.
    Conflict,
    /// Records with the same unique value are already there: their ids, at least one.
    Exists(Vec<String>),
    /// The record is gone; nothing was written.
    Gone,
    /// The system refused it, with reasons; nothing was written.
    Rejected(Vec<Problem>),
    /// Nothing was written; the write is repeated after this many ms.
    RetryAfter(u64),
    /// Sent, no answer: probe before sending again.
    Uncertain(String),
    /// Accepted, and still being done: ask [`crate::ports::Connector::finish`].
    Pending(VendorJob),
}

/// A job at the vendor that was started and is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VendorJob {
    /// The connector's own word for the job.
    pub token: String,
    /// The time until it is asked about, ms.
    pub after_ms: u64,
}

impl Outcome {
    /// The outcome of a request that the host repeated. An earlier attempt broke off and may have
    /// made the record, so "nothing was written" becomes `Uncertain` (RULES.md P16).
    #[must_use]
    pub fn after_broken_attempt(self, action: Action) -> Self {
        let says_nothing = match &self {
            Self::RetryAfter(_) => true,
            Self::Rejected(problems) => can_retry(problems),
            _ => false,
        };
        if says_nothing && action == Action::Create {
            return Self::Uncertain("an attempt before the last one had no answer".to_owned());
        }
        self
    }
}

/// True if every problem asks for a retry, and there is at least one.
pub fn can_retry(problems: &[Problem]) -> bool {
    !problems.is_empty() && problems.iter().all(|problem| problem.remedy == Remedy::Retry)
}

/// A write that was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The record's id.
    pub id: String,
    /// The write made the record.
    pub created: bool,
    /// Its version now.
    pub version: Option<String>,
    /// The system's own time of the write, ms.
    pub modified_ms: Option<i64>,
    /// One cell per column of the request, as the system holds it now; empty where the answer lists
    /// none.
    pub after: Vec<Cell>,
}

/// The party that can act on a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remedy {
    /// A retry of the same write.
    Retry,
    /// The admin of Renkei or of the system.
    Admin,
    /// The person who keeps the data that the value came from.
    SourceData,
    /// The person who keeps the data of the record that is written.
    TargetData,
    /// The author of the plugin.
    Plugin,
    /// Nobody, or unknown.
    Nobody,
}

/// One reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The system's or the plugin's code.
    pub code: String,
    /// The system's own words. They may contain field values, so they go to `why` and never to the
    /// log.
    pub message: String,
    /// The column that is refused.
    pub field: Option<String>,
    /// The party that can act on it.
    pub remedy: Remedy,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RULES.md` P16.
    #[test]
    fn only_a_create_that_says_nothing_is_uncertain() {
        let problem = |remedy| Problem {
            code: "LOCK".to_owned(),
            message: String::new(),
            field: None,
            remedy,
        };
        let locked = || Outcome::Rejected(vec![problem(Remedy::Retry)]);
        let wrong = || Outcome::Rejected(vec![problem(Remedy::Retry), problem(Remedy::Admin)]);
        for outcome in [Outcome::RetryAfter(1), locked()] {
            let told = outcome.clone().after_broken_attempt(Action::Create);
            assert!(matches!(told, Outcome::Uncertain(_)), "{told:?}");
            assert_eq!(outcome.clone().after_broken_attempt(Action::Update), outcome);
        }
        let known =
            [wrong(), Outcome::Gone, Outcome::Conflict, Outcome::Exists(vec!["1".to_owned()])];
        for outcome in known {
            assert_eq!(outcome.clone().after_broken_attempt(Action::Create), outcome);
        }
    }
}
