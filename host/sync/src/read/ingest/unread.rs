//! Cells without an answer: nothing is taken from them, nothing is written over them, and the
//! record is read again until they are answered (RULES.md V13).

use crate::read::fields::RowReading;
use renkei_model::reason::Reason;
use renkei_model::record::Row;
use renkei_model::state::{Doubt, RecordState};

/// True if a row shows the version, or else the modification time, that is stored.
pub(crate) fn is_as_known(before: &RecordState, row: &Row) -> bool {
    let same = before.version.is_some() && before.version == row.version;
    same || (before.version.is_none()
        && row.modified_ms.is_some()
        && before.modified_ms == row.modified_ms)
}

/// Adds fields without an answer to the row's failures. A field that was read in the same version
/// is known and does not fail.
pub(crate) fn note(reading: &mut RowReading, before: Option<&RecordState>, row: &Row) {
    let known = before.filter(|before| {
        before.version.is_some() && before.version == row.version && before.status.is_there()
    });
    for (field, column) in std::mem::take(&mut reading.absent) {
        let is_known = known.is_some_and(|known| known.fields[field].seen.is_some());
        if !is_known && !reading.problems.iter().any(|(other, _)| *other == field) {
            reading.fail(field, Reason::NotAnswered { column });
        }
    }
}

/// The doubt that remains after this row was taken in. `doubts` are the one that the order of
/// readings leaves, and the one from before.
pub(crate) fn with_unread(
    doubts: (Option<Doubt>, Option<&Doubt>),
    reading: &RowReading,
    before: Option<&RecordState>,
    row: &Row,
    now_ms: i64,
) -> Option<Doubt> {
    let mut reasons = reading.problems.iter().map(|(_, reason)| reason);
    let unread = reasons.any(|reason| matches!(reason, Reason::NotAnswered { .. }));
    let is_news = before.is_none_or(|before| !is_as_known(before, row));
    Doubt::of_row(doubts, unread, is_news, now_ms)
}
