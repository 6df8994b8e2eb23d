//! Cells that were asked for and not answered: what they would say is not known, so nothing is
//! taken from them, nothing is written over them, and the record is read again until they are
//! answered (RULES.md V13).

use crate::model::reason::Reason;
use crate::model::record::Row;
use crate::model::state::{Doubt, RecordState};
use crate::read::fields::RowReading;

/// Whether a row shows a record as it was read before.
pub(crate) fn is_as_known(before: &RecordState, row: &Row) -> bool {
    let same = before.version.is_some() && before.version == row.version;
    same || (before.version.is_none()
        && row.modified_ms.is_some()
        && before.modified_ms == row.modified_ms)
}

/// Fields that were not answered are failures of this row. What is known of the very same row is
/// known without them.
pub(crate) fn note(reading: &mut RowReading, before: Option<&RecordState>, row: &Row) {
    let known = before.filter(|before| {
        before.version.is_some() && before.version == row.version && before.status.is_there()
    });
    for (field, column) in std::mem::take(&mut reading.absent) {
        let is_known = known.and_then(|known| known.fields.get(field.0));
        let is_known = is_known.is_some_and(|state| state.seen.is_some());
        if !is_known && !reading.problems.iter().any(|(other, _)| *other == field) {
            reading.fail(field, Reason::NotAnswered { column });
        }
    }
}

/// What is left of a doubt after this row was taken in: of what is left otherwise, and of what was.
pub(crate) fn left(
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
