//! The order of observations of one record, and the verdict about a row after a write of ours.
//!
//! A reading may be older than the stored state: indexes lag behind writes, pages are made before
//! they arrive. Taken as it comes, it would bring an old value back over the edit that replaced it.
//! So a row that is older than the newest known order of its record is no observation. After a
//! write each written field of a row is confirmed, a form of the written value, the value from
//! before, or an edit (RULES.md V1, V8). Pure.

use std::cmp::Ordering;

use crate::read::forms::is_form_of;
use renkei_model::canonical::{is_changed, is_same};
use renkei_model::index::{FieldIndex, PerField};
use renkei_model::record::{Page, Row};
use renkei_model::spec::{EntitySpec, FieldKind, FieldSpec};
use renkei_model::state::{
    Doubt, FieldState, READING_LAG_MS, RETRY_REFUSED_MS, RecordState, RecordStatus, Span,
};
use renkei_model::value::{Cell, Value};

/// Answered writes of one value that no reading shows before the value counts as refused.
pub(crate) const TRIES_MAX: u32 = 3;
/// A second, ms: a system may cut some modification times to whole seconds.
const SECOND_MS: i64 = 1000;
/// The longest lag that a page may claim, ms, so that no value is ignored for ever.
const LAG_MS_MAX: i64 = 3_600_000;

/// The circumstances in which a row was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadingContext {
    /// The host's clock, ms.
    pub(crate) now_ms: i64,
    /// The age that the row may have, ms.
    pub(crate) lag_ms: i64,
    /// The row was read by its id, not in a scan.
    pub(crate) by_id: bool,
    /// The row was read right after our own write.
    pub(crate) read_back: bool,
}

impl ReadingContext {
    /// True if the row shows the present state for certain: it was read by its id, and the stored
    /// state is older than the lag of a reading.
    pub(crate) fn is_final(self, doubt: Option<&Doubt>) -> bool {
        let since_ms = doubt.map_or(self.now_ms, |doubt| doubt.since_ms);
        self.by_id && since_ms.saturating_add(self.lag_ms) <= self.now_ms
    }
}

/// The verdict about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowVerdict {
    /// The row may be older than the stored state and counts for nothing. `ask` wants the record
    /// read by its id at once.
    Nothing { ask: bool },
    /// The row counts as it is: no write of ours is in doubt.
    Plain,
    /// The record stands there as before our archive, which did not happen and is due again.
    There,
    /// One verdict per field.
    Fields(PerField<FieldVerdict>),
}

impl RowVerdict {
    pub(crate) fn of_field(&self, position: FieldIndex) -> FieldVerdict {
        match self {
            Self::Fields(verdicts) => verdicts[position],
            _ => FieldVerdict::Plain,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Fields(verdicts) if contains(verdicts, FieldVerdict::Open))
    }

    /// True if the record is to be read by its id at once.
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Self::Nothing { ask: true }) || self.is_open()
    }
}

/// The verdict about one field of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldVerdict {
    /// A value of any origin: another value than the stored one is an edit.
    Plain,
    /// The value that our write set.
    Confirmed,
    /// The system's own form of the value that our write set.
    Form,
    /// The value that the system set when our write made the record.
    Default,
    /// Our write of this field did not happen: it is due again.
    NotKept,
    /// Either our write did not happen or a person took it back.
    Unsure,
    /// The value may be older than our write.
    Open,
}

/// True where a field has this verdict.
pub(crate) fn contains(verdicts: &PerField<FieldVerdict>, wanted: FieldVerdict) -> bool {
    verdicts.values().any(|verdict| *verdict == wanted)
}

/// The order of a row relative to the newest known order of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Older,
    Same,
    Newer,
    Unknown,
}

/// True if a modification time is older than another one of the same record.
pub(crate) fn is_older(modified_ms: Option<i64>, known_ms: Option<i64>) -> bool {
    matches!((modified_ms, known_ms), (Some(now), Some(known)) if compare(now, known).is_lt())
}

/// Compares modification times at the coarser resolution of the two.
fn compare(modified_ms: i64, known_ms: i64) -> Ordering {
    let is_whole = |ms: i64| ms.rem_euclid(SECOND_MS) == 0;
    if is_whole(modified_ms) || is_whole(known_ms) {
        return modified_ms.div_euclid(SECOND_MS).cmp(&known_ms.div_euclid(SECOND_MS));
    }
    modified_ms.cmp(&known_ms)
}

/// The verdict about a row of a known record.
pub(crate) fn compare_row(
    entity: &EntitySpec,
    record: &RecordState,
    doubt: Option<&Doubt>,
    (row, cells): (&Row, &PerField<Cell>),
    context: ReadingContext,
) -> RowVerdict {
    let order = order_of(record, doubt, row);
    let is_final = context.is_final(doubt);
    let is_gone = !record.status.is_there();
    if (order == Order::Older || is_gone && order != Order::Newer) && !is_final {
        return RowVerdict::Nothing { ask: false };
    }
    // A version that is neither known nor from before: somebody restored the record.
    let is_other = order == Order::Unknown && row.version.is_some() && record.version.is_some();
    let is_archived =
        record.status == RecordStatus::Withdrawn && order != Order::Newer && !is_other;
    if is_archived && doubt.is_some_and(|doubt| doubt.archives > 0) {
        return RowVerdict::There;
    }
    let Some(doubt) = doubt.filter(|doubt| doubt.written) else { return RowVerdict::Plain };
    let row = WrittenRow { entity, record, doubt, row, cells, order, is_final, context };
    let verdicts = PerField::from_fn(entity, |position, field| row.judge_field(position, field));
    // An open field shows that the whole row may be old, unless the row is known to be newer.
    if contains(&verdicts, FieldVerdict::Open) && !row.is_current() {
        return RowVerdict::Nothing { ask: true };
    }
    RowVerdict::Fields(verdicts)
}

fn order_of(record: &RecordState, doubt: Option<&Doubt>, row: &Row) -> Order {
    if row.version.is_some() && row.version == record.version {
        return Order::Same;
    }
    let is_past = |version: &String| doubt.is_some_and(|doubt| doubt.past.contains(version));
    if row.version.as_ref().is_some_and(is_past) {
        return Order::Older;
    }
    match (row.modified_ms, record.modified_ms) {
        (Some(now), Some(known)) => match compare(now, known) {
            Ordering::Less => Order::Older,
            Ordering::Equal => Order::Unknown,
            Ordering::Greater => Order::Newer,
        },
        _ => Order::Unknown,
    }
}

fn is_reference(field: &FieldSpec) -> bool {
    matches!(field.kind, FieldKind::Reference { .. })
}

/// A row of a record with an unconfirmed write.
struct WrittenRow<'a> {
    entity: &'a EntitySpec,
    record: &'a RecordState,
    doubt: &'a Doubt,
    row: &'a Row,
    cells: &'a PerField<Cell>,
    order: Order,
    /// The row shows the present state for certain.
    is_final: bool,
    context: ReadingContext,
}

impl WrittenRow<'_> {
    /// True if the row has the version that the write made, or was read right after the write made
    /// the record.
    fn is_of_write(&self) -> bool {
        self.is_named() || !self.doubt.confirmed && self.context.read_back && self.doubt.created
    }

    /// True if the row has the version that the answer to the write named.
    fn is_named(&self) -> bool {
        let doubt = self.doubt;
        !doubt.confirmed && doubt.version.is_some() && self.row.version == doubt.version
    }

    /// True if the row's modification time is in whole seconds. Somebody may have edited within
    /// that second, under the same version, and an edit must not pass for a form.
    fn is_coarse(&self) -> bool {
        let is_whole = |ms: i64| ms.rem_euclid(SECOND_MS) == 0;
        !self.context.read_back && self.row.modified_ms.is_some_and(is_whole)
    }

    /// True if the row is from after the write: by its time, or by a version that is neither the
    /// write's nor one from before it. The check of that version came right before the write.
    fn is_after_write(&self) -> bool {
        let is_other = self.doubt.version.is_some() && self.row.version.is_some();
        match self.order {
            Order::Newer => self.doubt.timed || is_other,
            Order::Unknown => is_other,
            // A reading that decided nothing has shown this version already.
            Order::Same => is_other && self.row.version != self.doubt.version,
            Order::Older => false,
        }
    }

    fn is_current(&self) -> bool {
        self.is_of_write() || self.is_after_write()
    }

    /// True if the record changed since its state before the write.
    fn has_changed(&self) -> bool {
        match self.order {
            Order::Older => false,
            Order::Same => self.doubt.version.is_some(),
            Order::Newer => true,
            Order::Unknown => self.row.version.is_some(),
        }
    }

    /// The verdict about one field, by what its cell holds:
    ///
    /// | the cell holds | while the write is unconfirmed | later |
    /// |---|---|---|
    /// | the value of our write | confirmed | confirmed |
    /// | a value before it | `judge_old_value`, `judge_old_reference` | an edit or an old row |
    /// | any other value | `judge_other_value` | an edit |
    fn judge_field(&self, position: FieldIndex, field: &FieldSpec) -> FieldVerdict {
        let Some(cell) = &self.cells[position] else { return FieldVerdict::Plain };
        let Some((written, before)) = self.pending(position) else {
            return self.judge_unwritten(position, cell);
        };
        if cell == written {
            return FieldVerdict::Confirmed;
        }
        let now = Some(cell.clone());
        let is_same = |value: &Value| is_same(&field.kind, &Some(value.clone()), &now);
        let is_form = is_form_of(&field.kind, written, cell) || is_same(written);
        let is_before = before.contains(cell) || !is_form && before.iter().any(is_same);
        if self.doubt.confirmed {
            // A difference from a confirmed value is an edit, if the row is not older than that.
            let may_be_old = !self.is_final && !self.is_after_write() && !self.is_made(field);
            return if is_before && may_be_old { FieldVerdict::Open } else { FieldVerdict::Plain };
        }
        match (is_before, is_reference(field)) {
            (true, false) => self.judge_old_value(position, field, is_form),
            (true, true) => self.judge_old_reference(position, is_form),
            (false, _) => self.judge_other_value(field, is_form),
        }
    }

    /// The verdict about a field without a pending write of ours. The system itself may have set it
    /// when our write made the record.
    fn judge_unwritten(&self, position: FieldIndex, cell: &Value) -> FieldVerdict {
        let is_new = self.record.fields[position].base.is_none() && !cell.is_null();
        let is_default = self.doubt.created && self.is_of_write() && is_new;
        if is_default { FieldVerdict::Default } else { FieldVerdict::Plain }
    }

    /// The verdict about a value that is neither the one that our write set nor one from before.
    fn judge_other_value(&self, field: &FieldSpec, is_form: bool) -> FieldVerdict {
        let is_value = !is_reference(field);
        // Whatever the version of our write holds is the system's own form.
        if is_form || is_value && self.is_named() && !self.is_coarse() {
            return FieldVerdict::Form;
        }
        // Older than our write, and it stands there: the write did not happen, and the value is an
        // edit that no reading had shown before it.
        if is_value && self.is_final && self.order == Order::Older {
            return FieldVerdict::Unsure;
        }
        FieldVerdict::Plain
    }

    /// The verdict about a value from before our write. It may also be a form of the written one.
    /// The order of the row decides first, then a reading that is final.
    fn judge_old_value(
        &self,
        position: FieldIndex,
        field: &FieldSpec,
        is_form: bool,
    ) -> FieldVerdict {
        if is_form && self.is_current() {
            return FieldVerdict::Form;
        }
        if self.is_of_write() {
            return FieldVerdict::NotKept;
        }
        // Nothing is older than the write that made the record.
        if self.is_after_write() || self.is_made(field) {
            return self.taken_back(position);
        }
        if !self.is_final {
            return FieldVerdict::Open;
        }
        if is_form {
            return FieldVerdict::Form;
        }
        if self.shows_no_write() { FieldVerdict::NotKept } else { self.taken_back(position) }
    }

    /// The verdict about a reference from before our write. References are often written, and read,
    /// in calls of their own, so that the row's version and other columns prove nothing.
    fn judge_old_reference(&self, position: FieldIndex, is_form: bool) -> FieldVerdict {
        if !self.is_final {
            return FieldVerdict::Open;
        }
        if is_form {
            return FieldVerdict::Form;
        }
        let is_last = !self.is_after_write() && self.is_of_last_write(position);
        if self.shows_no_write() || is_last { FieldVerdict::NotKept } else { FieldVerdict::Unsure }
    }

    /// True if a final row shows the record as it was before the write.
    fn shows_no_write(&self) -> bool {
        self.context.read_back || !self.has_changed()
    }

    /// True if the field was empty before our write because there was no record.
    fn is_made(&self, field: &FieldSpec) -> bool {
        self.doubt.created && !self.doubt.before.contains_key(&field.name)
    }

    /// The value that our write set in a field, with the values from before; `None` where no write
    /// is pending.
    fn pending(&self, position: FieldIndex) -> Option<(&Value, &[Value])> {
        let state = &self.record.fields[position];
        let seen = state.seen.as_ref().filter(|_| state.base.is_some())?;
        let before = self.doubt.before(&self.entity[position].name)?;
        Some((seen, before)).filter(|_| !before.contains(seen))
    }

    /// True if no other write of ours came after the one that set this field.
    fn is_of_last_write(&self, position: FieldIndex) -> bool {
        let writes = &self.doubt.writes;
        writes.get(&self.entity[position].name) == writes.values().max()
    }

    /// The verdict about a later version that holds the value from before the write. Another field
    /// that holds the value of the same write proves that the write happened.
    fn taken_back(&self, position: FieldIndex) -> FieldVerdict {
        let write = |position: FieldIndex| self.doubt.writes.get(&self.entity[position].name);
        let arrived = |(other, field): (FieldIndex, &FieldSpec)| {
            if write(other) != write(position) {
                return false;
            }
            let Some((seen, _)) = self.pending(other) else { return false };
            let held = self.cells[other].as_ref() == Some(seen);
            other != position && !is_reference(field) && held
        };
        match self.entity.indexed_fields().any(arrived) {
            true => FieldVerdict::Plain,
            false => FieldVerdict::Unsure,
        }
    }
}

/// Changes a field's state by its verdict. `span` is the time of an edit.
pub(crate) fn apply(
    state: &mut FieldState,
    kind: &FieldKind,
    verdict: FieldVerdict,
    cell: Cell,
    span: Span,
) {
    if cell.is_none() || verdict == FieldVerdict::Open {
        return;
    }
    let is_news = state.seen != cell;
    match verdict {
        FieldVerdict::Open => {}
        FieldVerdict::Confirmed => state.tries = 0,
        FieldVerdict::Plain | FieldVerdict::Default if is_news => {
            if is_changed(kind, &state.seen, &cell) {
                state.edited = span;
            }
            state.lose(kind, &cell);
            state.seen = cell;
            state.preset = verdict == FieldVerdict::Default;
            state.tries = 0;
        }
        FieldVerdict::Plain | FieldVerdict::Default => {}
        FieldVerdict::Form => {
            state.seen.clone_from(&cell);
            state.base = cell;
            state.edited = Span::default();
            state.tries = 0;
        }
        FieldVerdict::NotKept => {
            state.seen.clone_from(&cell);
            state.base = cell;
            state.agreed = None;
            state.edited = Span::default();
            state.tries += 1;
        }
        FieldVerdict::Unsure => {
            state.seen = cell;
            state.unsure = true;
            state.edited = Span::default();
            state.tries += 1;
        }
    }
}

/// The doubt that remains after a row was judged; `None` ends it.
pub(crate) fn remaining_doubt(
    doubt: Option<&Doubt>,
    row_verdict: &RowVerdict,
    entity: &EntitySpec,
    row: &Row,
    context: ReadingContext,
) -> Option<Doubt> {
    if let RowVerdict::Nothing { ask } = row_verdict {
        let stale = || Doubt::of_stale(context.now_ms, context.lag_ms);
        let mut remaining = doubt.cloned().unwrap_or_else(stale);
        remaining.stale |= !ask;
        if context.by_id {
            remaining.due_ms =
                remaining.due_ms.max(remaining.since_ms.saturating_add(context.lag_ms));
        }
        return Some(remaining);
    }
    let doubt = doubt?;
    if *row_verdict == RowVerdict::There {
        let (archives, due_ms) = (doubt.archives, context.now_ms.saturating_add(RETRY_REFUSED_MS));
        return Some(Doubt { since_ms: context.now_ms, due_ms, archives, ..Doubt::default() });
    }
    if row_verdict.is_open() {
        let mut remaining = doubt.clone();
        let fields = entity.indexed_fields();
        let open =
            fields.filter(|(position, _)| row_verdict.of_field(*position) == FieldVerdict::Open);
        let before = open.filter_map(|(_, field)| {
            Some((field.name.clone(), doubt.before(&field.name)?.to_vec()))
        });
        remaining.before = before.collect();
        remaining.created = false;
        return Some(remaining);
    }
    // Where modification times order two rows, an old row is known by its own.
    let is_fine = |ms: i64| ms.rem_euclid(SECOND_MS) != 0;
    let is_ordered = row.modified_ms.is_some_and(is_fine);
    if is_ordered || doubt.due_ms <= context.now_ms || !doubt.written {
        return None;
    }
    // Rows of the index may still be old, and only their values show it.
    let version = row.version.clone().or_else(|| doubt.version.clone());
    Some(Doubt { confirmed: true, stale: false, version, ..doubt.clone() })
}

/// The age that the rows of a page may have, ms: the page's own fact, or [`READING_LAG_MS`].
pub(crate) fn lag_of(page: &Page) -> i64 {
    said_lag(page).unwrap_or(READING_LAG_MS)
}

/// The age that the rows of a page may have, ms, by its fact `lag-ms`.
pub(crate) fn said_lag(page: &Page) -> Option<i64> {
    let lag = page.facts.iter().find(|(code, _)| code == "lag-ms");
    match lag {
        Some((_, Value::Integer(ms))) => Some((*ms).clamp(0, LAG_MS_MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
