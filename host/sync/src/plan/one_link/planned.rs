//! The result of planning one link: its changes, writes, waits, questions and notes.

use crate::plan::merge::answers::MergeQuestion;
use std::sync::Arc;

use crate::journal::JournalNote;
use renkei_model::effect::Effect;
use renkei_model::index::{GroupIndex, MemberIndex};
use renkei_model::reason::Reason;
use renkei_model::spec::MemberSpec;
use renkei_model::state::{Awaited, FieldWrite, Link, LinkId, RecordKey, RecordState, Review};
use renkei_model::value::Cell;

/// The plan of one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPlan {
    /// The link from now on.
    pub link: Arc<Link>,
    /// Its records from now on; those that did not change are not repeated.
    pub records: Vec<Arc<RecordState>>,
    /// Writes, in canonical values.
    pub writes: Vec<PlannedWrite>,
    /// Records and links that it waits for.
    pub waits: Vec<Awaited>,
    /// Reviews opened, changed or closed.
    pub reviews: Vec<Review>,
    /// Reasons why something is not written, and other remarks.
    pub notes: Vec<JournalNote>,
    /// Members that get no record for want of something.
    pub lacking: Vec<MissingRequirement>,
    /// Fields of members that are due and wait until they can be read there.
    pub unread: Vec<UnreadField>,
    /// Notes that the journal keeps even while the link is held.
    pub news: Vec<JournalNote>,
    /// True where a hold or a guard keeps a write back: the link stays dirty.
    pub held: bool,
    /// True while a person is asked about a record that is gone: its failures are kept.
    pub awaits_answer: bool,
    /// Questions to merge functions: the link is planned again once they are answered.
    pub asks: Vec<MergeQuestion>,
}

/// A requirement of a member that is not met, so that no record is created there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRequirement {
    /// The member.
    pub member: MemberIndex,
    /// The field that it insists on and that has no value.
    pub field: Option<String>,
    /// The column that stands still.
    pub column: Option<String>,
    /// The reason, as the journal and the failure show it.
    pub reason: Reason,
}

/// A write in canonical values, before it is rendered into columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedWrite {
    /// The link.
    pub link: LinkId,
    /// The member.
    pub member: MemberIndex,
    /// The change, with the records that it is about.
    pub effect: Effect,
    /// The record's version as last seen.
    pub if_version: Option<String>,
    /// Its modification time as last seen, ms.
    pub if_modified_ms: Option<i64>,
    /// Groups to write, each with the cells of its fields; references as remote ids.
    pub groups: Vec<(GroupIndex, Vec<Cell>)>,
    /// The fields, with reasons.
    pub fields: Vec<FieldWrite>,
    /// The reason for the write as a whole.
    pub reason: Reason,
    /// Columns as last read, for mappings that must keep what they do not carry.
    pub raw: Vec<(String, Cell)>,
    /// Columns of a new record that come from records that it refers to.
    pub copies: Vec<(String, Cell)>,
}

impl PlannedWrite {
    /// The record that it changes in `member`, its own; a create has none yet.
    pub(crate) fn record(&self, member: &MemberSpec) -> Option<RecordKey> {
        let id = self.effect.id()?.to_owned();
        Some(RecordKey { system: member.system.clone(), object: member.object.clone(), id })
    }
}

/// A field that is due in a member and is not written, because it was not read there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadField {
    /// The member.
    pub member: MemberIndex,
    /// The field's name.
    pub field: String,
    /// Its system did not answer it, so that what was refused there may have its cause there.
    pub not_answered: bool,
}
