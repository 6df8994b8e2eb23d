//! Remarks about a link, and the lines of the journal that they become.

use renkei_model::reason::Reason;
use renkei_model::state::{JournalEntry, LinkId, RecordKey};

/// A remark of linking or planning, for the journal and the printed plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalNote {
    /// The record that it is about.
    pub record: Option<RecordKey>,
    /// The field that it is about.
    pub field: Option<String>,
    /// The remark.
    pub reason: Reason,
}

/// Notes about a link as lines of the journal.
pub(crate) fn journal_of(
    entity: &str,
    link: LinkId,
    at_ms: i64,
    notes: impl IntoIterator<Item = JournalNote>,
) -> impl Iterator<Item = JournalEntry> {
    let line = move |note: JournalNote| JournalEntry {
        at_ms,
        entity: entity.to_owned(),
        link: Some(link),
        record: note.record,
        field: note.field,
        intent: None,
        generation: None,
        reason: note.reason,
    };
    notes.into_iter().map(line).collect::<Vec<_>>().into_iter()
}
