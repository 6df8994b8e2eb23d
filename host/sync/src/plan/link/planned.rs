//! What planning one link results in.

use std::sync::Arc;

use crate::model::reason::Reason;
use crate::model::record::Action;
use crate::model::state::{Awaited, FieldWrite, Link, LinkId, RecordKey, RecordState, Review};
use crate::model::value::Cell;

/// What becomes of one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPlan {
    /// The link from now on.
    pub link: Arc<Link>,
    /// Its records from now on; those that did not change are not repeated.
    pub records: Vec<Arc<RecordState>>,
    /// Writes, in canonical values.
    pub drafts: Vec<PlannedWrite>,
    /// What it waits for.
    pub waits: Vec<Awaited>,
    /// Reviews opened, changed or closed.
    pub reviews: Vec<Review>,
    /// Why something is not written, and other things worth telling.
    pub notes: Vec<PlanNote>,
    /// Members that get no record for want of something.
    pub lacking: Vec<MissingRequirement>,
    /// Fields of members that are due and wait until they can be read there.
    pub unread: Vec<UnreadField>,
    /// What the journal keeps even while the link is held.
    pub news: Vec<PlanNote>,
    /// It stays dirty: a hold or a cap holds it.
    pub held: bool,
    /// A person is asked about a record that is gone: what failed there is kept until then.
    pub stands: bool,
}

/// What a member lacks, so that no record is made there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRequirement {
    /// The member's position in the entity.
    pub member: usize,
    /// The field that it insists on and that has no value.
    pub field: Option<String>,
    /// The column that stands still.
    pub column: Option<String>,
    /// Why.
    pub reason: Reason,
}

/// A write before it has columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedWrite {
    /// The link.
    pub link: LinkId,
    /// The member's position in the entity.
    pub member: usize,
    /// What to do.
    pub action: Action,
    /// The record, except for a create.
    pub id: Option<String>,
    /// The record that a merge lets it absorb.
    pub loser: Option<String>,
    /// Its version as last seen.
    pub if_version: Option<String>,
    /// Its own stamp as last seen, ms.
    pub if_modified_ms: Option<i64>,
    /// Groups to write, each with the cells of its fields; references as remote ids.
    pub groups: Vec<(usize, Vec<Cell>)>,
    /// The fields, with reasons.
    pub fields: Vec<FieldWrite>,
    /// Why.
    pub reason: Reason,
    /// Columns as last read, for mappings that must keep what they do not carry.
    pub raw: Vec<(String, Cell)>,
    /// Columns of a new record that come from records that it refers to.
    pub copies: Vec<(String, Cell)>,
}

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanNote {
    /// About which record.
    pub record: Option<RecordKey>,
    /// About which field.
    pub field: Option<String>,
    /// What.
    pub reason: Reason,
}

/// A field that is due in a member and is not written, because it was not read there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadField {
    /// The member's position in the entity.
    pub member: usize,
    /// The field's name.
    pub field: String,
    /// Its system did not answer it, so that what was refused there may have its cause there.
    pub not_answered: bool,
}
