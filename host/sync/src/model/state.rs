//! What the engine remembers: records as last seen, links with their truth, the outbox, reviews and
//! the journal.
//!
//! Pure data, carried by the [`crate::store::port::Store`] port. Values are as
//! they were read (`RULES.md` V9); [`crate::read::canonical`] compares them.
//! Vectors of cells and field states are in the order of the entity's fields; only [`crate::store::codec`]
//! turns positions into names, so that a stored record survives a change of the mapping.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::reason::Reason;
use crate::model::value::Cell;

pub use awaited::Awaited;
pub use doubt::{Doubt, LAG_MS};
pub use failure::{Failing, Failure, FailureClass, RETRY_REFUSED_MS, newest};
pub use field::FieldState;
pub use first::{EntityPlan, WriteCounts};
pub use guard::{GuardCounts, first_hour_of, hour_of};
pub use ids::{LinkId, RecordKey, Span};
pub use outbox::{ColumnWrite, FieldWrite, OutboxEntry, OutboxState, SETTLE_MS, SKEW_MS};
pub use record::{LinkWork, RecordState, RecordStatus};
pub use stream::{Cursor, Stream, Sweep, SweepCounts, SweepStage};

mod awaited;
mod doubt;
mod failure;
mod field;
mod first;
mod guard;
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
    /// When it came about there.
    pub edited: Span,
    /// How often in a row the value went back to `previous` right after the engine's own write.
    pub flips: u32,
}

/// Whether a link is kept in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkStatus {
    /// Yes.
    Active,
    /// No more: its records are gone, or one is gone and the policy is to leave the others alone.
    Ended,
    /// Its records belong to that link now.
    MergedInto(LinkId),
}

/// The records of several members that are the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub id: LinkId,
    /// The entity's name.
    pub entity: String,
    /// Whether it is kept in step.
    pub status: LinkStatus,
    /// Counts the plans that made operations; part of every intent.
    pub version: u64,
    /// In the order of the entity's fields.
    pub truth: Vec<Truth>,
    /// What could not be written.
    pub failures: Vec<Failure>,
    /// The database was put back from a backup or a copy since the link was last planned: what was
    /// written and agreed on meanwhile is not known.
    pub restored: bool,
}

/// A link with all that belongs to it: what the planner sees. Link and records are shared, because
/// most plans change nothing of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// The link.
    pub link: Arc<Link>,
    /// All its records, removed and surplus ones too, ordered by key.
    pub records: Vec<Arc<RecordState>>,
    /// Its reviews that are open, or were closed by a choice that the planner has not used yet.
    pub reviews: Vec<Review>,
    /// Whether an operation of it is still in the outbox; then it is not planned again yet.
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
    /// What it is about.
    pub matter: ReviewSubject,
    /// Whether it is open.
    pub status: ReviewStatus,
    /// What a person chose.
    pub choice: Option<ReviewChoice>,
    /// When it was opened or last changed, ms.
    pub at_ms: i64,
}

/// Where a review stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewStatus {
    /// A person is asked; what it is about stands still.
    Open,
    /// A rule has decided; a person may take that back while its value stands.
    Decided,
    /// A person has chosen; the next plan uses it.
    Chosen,
    /// Over: the world has changed so that there is no question any more.
    Closed,
}

/// What a review is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewSubject {
    /// Members differ in a field.
    Conflict {
        /// The field's name.
        field: String,
        /// The value before.
        base: Cell,
        /// System and value of those that differ.
        values: Vec<(String, Cell)>,
        /// The rule that was applied, in plain words.
        policy: String,
        /// What was chosen, if a rule could choose.
        chosen: Option<Cell>,
    },
    /// A field went to and fro too often and stands still.
    Oscillation {
        /// The field's name.
        field: String,
        /// The two values.
        values: Vec<Cell>,
    },
    /// A field was emptied and the policy asks.
    Cleared {
        /// The field's name.
        field: String,
        /// Where.
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
        /// The active one.
        active: RecordKey,
        /// The one that is kept as an alias.
        surplus: RecordKey,
        /// Whether the connector can merge them; else a person merges them there by hand.
        #[serde(default)]
        mergeable: bool,
    },
    /// A record of another link has a value that no two records may have, so the link's own write
    /// is refused.
    Taken {
        /// The record that has it.
        record: RecordKey,
    },
    /// A field stands still in a member because the system no longer has what it needs.
    Stopped {
        /// The field's name.
        field: String,
        /// The system.
        system: String,
        /// The object.
        object: String,
        /// What is missing.
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
    /// More deletions in a day than the guard allows, or some that take other records along.
    Deletions {
        /// How many, with what they take along.
        count: u64,
        /// How many are allowed in a day.
        limit: u64,
        /// What they take along: `system.object`, and how many records of it.
        along: Vec<(String, u64)>,
        /// A digest of the records, so that an answer is about these and no others.
        digest: String,
    },
    /// Records went because the engine archived the record that they belonged to.
    TookAlong {
        /// The record that was archived.
        with: RecordKey,
    },
    /// More creations in a day than the guard allows; the others wait.
    Creations {
        /// How many are allowed.
        limit: u64,
        /// How many wait; 0 in a question of an older program, which did not say.
        #[serde(default)]
        count: u64,
    },
    /// Entities that nothing was written of yet; nothing is before this is approved.
    FirstSync {
        /// What would be written of each.
        entities: Vec<EntityPlan>,
    },
    /// A create whose outcome is unknown and that left no stamp.
    Uncertain {
        /// The intent.
        intent: String,
        /// Records that may be it.
        records: Vec<RecordKey>,
    },
}

/// What a person chose.
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
    /// Leave things as they are.
    Leave,
}

/// One line of the history: why something was written, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When, ms.
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
    /// Why.
    pub reason: Reason,
}
