//! The engine's stored state: records as last seen, links with their truth, the outbox, reviews and
//! the journal.
//!
//! Pure data, carried by the [`crate::store::port::Store`] port. Values are as they were read
//! (`RULES.md` V9); [`crate::canonical`] compares them. Truths and field states are one per
//! field of the entity. Only `host/store/src/codec.rs` turns positions into names, so that a
//! stored record survives a change of the mapping.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::index::PerField;
use crate::reason::Reason;
use crate::value::Cell;

pub use awaited::Awaited;
pub use doubt::{Doubt, READING_LAG_MS};
pub use entity_plan::{EntityPlan, WriteCounts};
pub use failure::keep_failure;
pub use failure::{Failing, Failure, FailureClass, RETRY_REFUSED_MS, newest};
pub use field::FieldState;
pub use guard_counts::{GuardCounts, first_hour_of, hour_of};
pub use ids::{LinkId, RecordKey, Span};
pub use outbox::{
    ColumnWrite, FieldWrite, OutboxEntry, OutboxState, PendingJob, SKEW_MS, VISIBLE_AFTER_MS,
};
pub use record::{LinkWork, RecordState, RecordStatus};
pub use stream::{Cursor, Stream, Sweep, SweepCounts, SweepStage};

mod awaited;
mod doubt;
mod entity_plan;
mod failure;
mod field;
mod guard_counts;
mod ids;
mod outbox;
mod record;
mod stream;

/// The hub's value of one field of a link.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Truth {
    /// The value; `None` before any member had one.
    pub value: Cell,
    /// The value before it, for the oscillation breaker.
    pub previous: Cell,
    /// The system that it came from.
    pub from: Option<String>,
    /// The span in which it came about there.
    pub edited: Span,
    /// Consecutive returns of the value to `previous` right after the engine's own write.
    pub flips: u32,
}

/// The status of a link: kept in step, ended, or merged into another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkStatus {
    /// The link is kept in step.
    Active,
    /// Not kept in step any more: its records are gone, or one is gone and the policy leaves the
    /// others alone.
    Ended,
    /// Its records belong to that link now.
    MergedInto(LinkId),
}

/// The records of several members that are the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The number of the link, which is never used again.
    pub id: LinkId,
    /// The entity's name.
    pub entity: String,
    /// The status of the link.
    pub status: LinkStatus,
    /// Counts the plans that made operations; part of every intent.
    pub version: u64,
    /// One truth per field.
    pub truth: PerField<Truth>,
    /// Writes that failed, one entry per cause (RULES.md V5).
    pub failures: Vec<Failure>,
    /// The database was put back from a backup or a copy since the link was last planned. Writes
    /// and agreements of the time between are unknown to it (RULES.md P14).
    pub restored: bool,
}

/// A link with its records and reviews: the planner's input. Link and records are shared, because
/// most plans change none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// The link.
    pub link: Arc<Link>,
    /// All its records, removed and surplus ones too, ordered by key.
    pub records: Vec<Arc<RecordState>>,
    /// Its reviews that are open, or were closed by a choice that the planner has not used yet.
    pub reviews: Vec<Review>,
    /// An operation of the link is still in the outbox; until it is done the link is not planned
    /// again.
    pub busy: bool,
}

/// A question that a person may answer, or a decision that a person may reverse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Deterministic: the same question has the same id.
    pub id: String,
    /// The entity's name.
    pub entity: String,
    /// The link it is about.
    pub link: Option<LinkId>,
    /// The record it is about.
    pub record: Option<RecordKey>,
    /// The subject of the review.
    #[serde(alias = "matter")]
    pub subject: ReviewSubject,
    /// The status of the review.
    pub status: ReviewStatus,
    /// The choice of a person, where there is one.
    pub choice: Option<ReviewChoice>,
    /// The time when it was opened or last changed, ms.
    pub at_ms: i64,
}

impl Review {
    /// The records that get no link while the review is open.
    pub fn asks_about(&self) -> &[RecordKey] {
        match &self.subject {
            ReviewSubject::Ambiguous { records, .. } => records,
            _ => self.record.as_slice(),
        }
    }

    /// The field that it is about.
    pub fn field(&self) -> Option<&str> {
        match &self.subject {
            ReviewSubject::Conflict { field, .. }
            | ReviewSubject::Oscillation { field, .. }
            | ReviewSubject::Cleared { field, .. }
            | ReviewSubject::Stopped { field, .. } => Some(field),
            _ => None,
        }
    }
}

/// The status of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewStatus {
    /// A person is asked; the subject waits for the answer.
    Open,
    /// A rule has decided; a person may take that back while its value stands.
    Decided,
    /// A person has chosen; the next plan uses it.
    Chosen,
    /// Over: the question has lost its cause.
    Closed,
}

/// The subject of a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewSubject {
    /// Members differ in a field.
    Conflict {
        /// The field's name.
        field: String,
        /// The value before the edits.
        base: Cell,
        /// System and value of each member that differs.
        values: Vec<(String, Cell)>,
        /// The rule that was applied, in plain words.
        policy: String,
        /// The value that the rule chose, where a rule could choose.
        chosen: Option<Cell>,
    },
    /// A field alternated between two values too often and waits for a person.
    Oscillation {
        /// The field's name.
        field: String,
        /// The two values that alternate.
        values: Vec<Cell>,
    },
    /// A field was emptied and the policy asks.
    Cleared {
        /// The field's name.
        field: String,
        /// The system in which it was emptied.
        system: String,
        /// The value that the others still have.
        value: Cell,
    },
    /// Several records could be the same thing.
    Ambiguous {
        /// The match key's name.
        key: String,
        /// All records with that key, the record in question among them.
        records: Vec<RecordKey>,
    },
    /// Two records of one system in one link.
    Surplus {
        /// The active record.
        active: RecordKey,
        /// The one that is kept as an alias.
        surplus: RecordKey,
        /// The connector can merge them; else a person merges them in the system by hand.
        #[serde(default)]
        mergeable: bool,
    },
    /// A record of another link has a value that no two records may have, so the link's own write
    /// is refused.
    Taken {
        /// The record that has it.
        record: RecordKey,
    },
    /// A field is stopped in a member because the system no longer has what the mapping needs
    /// (RULES.md V13).
    Stopped {
        /// The field's name.
        field: String,
        /// The system.
        system: String,
        /// The object.
        object: String,
        /// The missing property or option.
        missing: String,
    },
    /// A record is gone and the policy asks what to do with the others.
    Deleted {
        /// The record that is gone.
        gone: RecordKey,
    },
    /// A record is neither listed nor answered, and nothing says that it was deleted.
    Missing {
        /// The record.
        record: RecordKey,
    },
    /// The active record of a system is gone and several surplus ones could take its place.
    Successor {
        /// The record that is gone.
        gone: RecordKey,
        /// Those that could take its place.
        records: Vec<RecordKey>,
    },
    /// More deletions than the guard allows in a day, or some that take other records along.
    Deletions {
        /// Deletions that wait, with the records that they take along.
        count: u64,
        /// Deletions allowed in a day.
        limit: u64,
        /// Records that go along: `system.object` and their number.
        along: Vec<(String, u64)>,
        /// A digest of the records, so that an answer is about these and no others.
        digest: String,
    },
    /// Records went because the engine archived the record that they belonged to.
    TookAlong {
        /// The record that was archived.
        with: RecordKey,
    },
    /// More creations than the guard allows in a day; the others wait.
    Creations {
        /// Creations allowed in a day.
        limit: u64,
        /// Creations that wait; 0 in a question of an older program, which did not store it.
        #[serde(default)]
        count: u64,
    },
    /// Entities whose first sync waits for approval; nothing is written of them before
    /// (RULES.md P15).
    FirstSync {
        /// The planned writes of each entity.
        entities: Vec<EntityPlan>,
    },
    /// A create whose outcome is unknown and that left no stamp.
    Uncertain {
        /// The intent of the create.
        intent: String,
        /// Records that the create may have made.
        records: Vec<RecordKey>,
    },
}

/// The choice of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewChoice {
    /// This value of a field.
    Value(Cell),
    /// Link the record with this one.
    LinkWith(RecordKey),
    /// Treat the record as a thing of its own.
    Separate,
    /// Do what was asked (archive the others, go on with the deletions).
    Approve,
    /// Leave everything as it is.
    Leave,
}

/// One line of the history, with the reason for a write or for leaving it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// The time of the line, ms.
    pub at_ms: i64,
    /// The entity's name.
    pub entity: String,
    /// The link.
    pub link: Option<LinkId>,
    /// The record.
    pub record: Option<RecordKey>,
    /// The field's name.
    pub field: Option<String>,
    /// The intent of the operation.
    pub intent: Option<String>,
    /// `plugin@version` and digest that did it.
    pub generation: Option<String>,
    /// The reason.
    pub reason: Reason,
}
