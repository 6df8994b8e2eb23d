//! The rules that decide what became of a write without an answer (`RULES.md` E18, E19). Pure.
//!
//! An update is judged by the record: one with the version from before the write was never written;
//! one that holds what was sent was. A record that changed otherwise proves neither, because a
//! person may have put the old value back: the field is weighed as a conflict, so that neither
//! value is lost or comes back unseen (`RULES.md` I3, I4).
//!
//! A create is found by its stamp. Without one it is sent again only where a search by a match key
//! finds nobody (`RULES.md` I5). The only new record that agrees on all that was sent is taken for
//! it; else a person is asked. Until then a record that may be it founds no link. A record that a
//! match key brings to the link meanwhile is weighed against what was sent, so that what people
//! changed in it counts. A stamp that is not found proves that nothing is there, but not that
//! nothing was: a record of that object that went before it was ever read may have been it, and
//! what a person deleted is not made again.

use crate::read::forms::is_form_of;
use renkei_model::canonical::is_same;
use renkei_model::index::{FieldIndex, PerField};
use renkei_model::reason::Reason;
use renkei_model::spec::{EntitySpec, FieldKind, FieldSpec};
use renkei_model::state::{FieldState, FieldWrite, OutboxEntry, RecordKey, RecordState, Span};
use renkei_model::value::{Cell, Value};

/// One field of an update.
#[derive(Debug, Clone, Copy)]
pub struct SentField<'a> {
    /// The field's kind, which says what values are the same.
    pub kind: &'a FieldKind,
    /// The member's value before the write.
    pub before: &'a Cell,
    /// The value that was sent, as the member reads it.
    pub sent: &'a Cell,
    /// The value that is there now.
    pub now: &'a Cell,
}

impl SentField<'_> {
    /// A value and not a reference. References may be written in a call of their own.
    pub fn is_plain(&self) -> bool {
        !matches!(self.kind, FieldKind::Reference { .. })
    }

    fn holds_sent(&self) -> bool {
        is_same(self.kind, self.now, self.sent)
    }

    fn held_before(&self) -> bool {
        is_same(self.kind, self.before, self.sent)
    }

    /// The value that is there now was not there before, and is the system's form of what was sent
    /// (`RULES.md` V8).
    fn holds_form(&self) -> bool {
        self.is_plain() && self.now != self.before && is_form(self.kind, self.sent, self.now)
    }
}

/// The finding about one field of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SentFieldOutcome {
    /// Not written: it is planned again.
    Pending,
    /// Written.
    Held,
    /// Written, and changed by somebody since: an edit of what was sent.
    Edited,
    /// Not known: the present value is weighed against the sent one as a conflict.
    Unsure,
}

/// Judges the fields of an update. `untouched` says that the record is as it was before.
pub fn field_outcomes(untouched: bool, traces: &[SentField<'_>]) -> Vec<SentFieldOutcome> {
    // One value that arrived proves that all values of the same call did.
    let arrived = |trace: &SentField<'_>| {
        trace.is_plain() && trace.sent.is_some() && trace.holds_sent() && !trace.held_before()
    };
    let proven = traces.iter().any(arrived);
    let field_outcome = |trace: &SentField<'_>| match trace {
        _ if untouched || trace.now.is_none() || trace.sent.is_none() => SentFieldOutcome::Pending,
        _ if trace.holds_sent() || trace.holds_form() => SentFieldOutcome::Held,
        _ if proven && trace.is_plain() => SentFieldOutcome::Edited,
        _ if proven => SentFieldOutcome::Pending,
        _ => SentFieldOutcome::Unsure,
    };
    traces.iter().map(field_outcome).collect()
}

/// True if the cell that is there now holds a form of the sent one.
fn is_form(kind: &FieldKind, sent: &Cell, now: &Cell) -> bool {
    let pair = sent.as_ref().zip(now.as_ref());
    pair.is_some_and(|(sent, now)| is_form_of(kind, sent, now))
}

/// True where finding this field as it was sent proves that the call arrived. A reference proves
/// nothing, because it may go in a call of its own.
pub fn is_plain(field: &FieldSpec) -> bool {
    !matches!(field.kind, FieldKind::Reference { .. })
}

/// Stores the finding about a field to which `truth` was sent as `sent`.
pub fn note(
    state: &mut FieldState,
    field_outcome: SentFieldOutcome,
    truth: &Cell,
    sent: &Cell,
    plain: bool,
) {
    match field_outcome {
        SentFieldOutcome::Pending => {}
        SentFieldOutcome::Held => {
            state.base = if plain { state.seen.clone() } else { truth.clone() };
            state.agreed.clone_from(truth);
            state.edited = Span::default();
        }
        SentFieldOutcome::Edited => {
            state.base.clone_from(sent);
            state.agreed.clone_from(truth);
        }
        SentFieldOutcome::Unsure => {
            state.base = state.base.take().or_else(|| sent.clone());
            state.unsure = true;
            state.edited = Span::default();
        }
    }
}

/// Weighs a record that a match key has brought to a link whose create has no answer. It is what
/// that made, or a person has made the same thing. What agrees besides the key proves the former:
/// then what differs was edited since. An empty cell is never proof that somebody emptied it.
pub fn weigh_found_record(
    entity: &EntitySpec,
    entry: &OutboxEntry,
    sent: &PerField<Cell>,
    record: &mut RecordState,
) {
    let written = entry.fields.iter().filter_map(|write| {
        let (position, field) = entity.field(&write.field)?;
        Some((position, is_plain(field), &write.after, &sent[position]))
    });
    let written: Vec<(FieldIndex, bool, &Cell, &Cell)> = written.collect();
    let seen = |position: FieldIndex| record.fields[position].seen.as_ref();
    let holds = |position: FieldIndex, sent: &Cell| {
        is_same(&entity[position].kind, &record.fields[position].seen, sent)
    };
    let holds_form = |position: FieldIndex, plain: bool, sent: &Cell| {
        plain && is_form(&entity[position].kind, sent, &record.fields[position].seen)
    };
    let agrees = |position: FieldIndex| {
        let sent = &sent[position];
        sent.as_ref().is_some_and(|value| !value.is_null()) && holds(position, sent)
    };
    // The key that found it proves nothing: it would be there anyway.
    let found_by = entity.match_keys.iter().find(|key| key.fields.iter().all(|one| agrees(*one)));
    let by_key = |position| found_by.is_some_and(|key| key.fields.contains(&position));
    let proven = written
        .iter()
        .any(|(position, plain, ..)| *plain && agrees(*position) && !by_key(*position));
    let field_outcome = |position, plain: bool, sent: &Cell| match (seen(position), sent) {
        (None, _) | (_, None) => SentFieldOutcome::Pending,
        _ if holds(position, sent) || holds_form(position, plain, sent) => SentFieldOutcome::Held,
        _ if !plain => SentFieldOutcome::Pending,
        (Some(seen), _) if seen.is_null() && proven => SentFieldOutcome::Unsure,
        (Some(seen), _) if seen.is_null() => SentFieldOutcome::Pending,
        _ if proven => SentFieldOutcome::Edited,
        _ => SentFieldOutcome::Unsure,
    };
    let field_outcomes: Vec<SentFieldOutcome> = written
        .iter()
        .map(|(position, plain, _, sent)| field_outcome(*position, *plain, sent))
        .collect();
    for ((position, plain, truth, sent), field_outcome) in written.into_iter().zip(field_outcomes) {
        note(&mut record.fields[position], field_outcome, truth, sent, plain);
    }
}

fn is_key(entity: &EntitySpec, position: FieldIndex) -> bool {
    entity.match_keys.iter().flat_map(|key| &key.fields).any(|field| *field == position)
}

/// True where a record is as it was when an operation was planned, by version or else by
/// modification time.
/// False where neither is known.
pub fn is_untouched(before: (Option<&str>, Option<i64>), now: (Option<&str>, Option<i64>)) -> bool {
    match (before, now) {
        ((Some(before), _), (Some(now), _)) => before == now,
        ((_, Some(before)), (_, Some(now))) => before == now,
        _ => false,
    }
}

/// The likeness of a record to the fields that a create sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateLikeness {
    /// It holds everything that was sent.
    Same,
    /// It holds some of it: it may have been edited since, or keep a value in a form of its own.
    Partly,
    /// It holds nothing of it; or another match key, and less than half of the rest.
    Other,
}

/// Compares a record with the fields that a create sent; absent and empty ones say nothing.
pub fn likeness(
    entity: &EntitySpec,
    sent: &PerField<Cell>,
    record: &RecordState,
) -> CreateLikeness {
    let (mut same, mut other, mut other_key) = (0, 0, false);
    for (position, field) in entity.indexed_fields() {
        let (sent, state) = (&sent[position], &record.fields[position]);
        if sent.as_ref().is_none_or(Value::is_null) || state.seen.is_none() {
            continue;
        }
        let filled = state.seen.as_ref().is_some_and(|value| !value.is_null());
        if is_same(&field.kind, sent, &state.seen) {
            same += 1;
        } else if filled && is_key(entity, position) {
            other_key = true;
        } else {
            other += 1;
        }
    }
    match (same, other) {
        // Somebody may have changed the key of what was made.
        _ if other_key && (same == 0 || same < other) => CreateLikeness::Other,
        _ if other_key => CreateLikeness::Partly,
        (0, 0) => CreateLikeness::Partly,
        (0, _) => CreateLikeness::Other,
        (_, 0) => CreateLikeness::Same,
        _ => CreateLikeness::Partly,
    }
}

/// The facts about a create that was not found by a stamp.
#[derive(Debug, Clone, Default)]
pub struct CreateEvidence {
    /// It would have left a stamp, and no record carries that.
    pub stamped: bool,
    /// It carries a match key, by which the system was searched.
    pub searched: bool,
    /// The system has had the time to show what it made, to a search by stamp or by key.
    pub would_show: bool,
    /// The records that the search found.
    pub alike: Vec<RecordKey>,
    /// Records first seen after it that agree on all that was sent.
    pub same: Vec<RecordKey>,
    /// Records first seen after it that agree on some of it.
    pub partly: Vec<RecordKey>,
    /// Another create without an answer looks like one of `same` too.
    pub contested: bool,
    /// Records that went after it and before they were ever read.
    pub gone_unread: Vec<RecordKey>,
}

/// The decision about a create that was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateVerdict {
    /// This record is what it made.
    Take(RecordKey),
    /// It is looked for again later.
    Wait,
    /// Nothing was made: it is sent again.
    SendAgain,
    /// A person must say which of these records it is, if any.
    Ask(Vec<RecordKey>),
}

/// Decides about a create that was not found.
pub fn judge(evidence: &CreateEvidence) -> CreateVerdict {
    let CreateEvidence {
        stamped,
        searched,
        would_show,
        alike,
        same,
        partly,
        contested,
        gone_unread,
    } = evidence;
    let ask = |groups: &[&Vec<RecordKey>]| {
        let mut records: Vec<RecordKey> = groups.iter().copied().flatten().cloned().collect();
        records.sort_unstable();
        records.dedup();
        CreateVerdict::Ask(records)
    };
    if !stamped {
        match same.as_slice() {
            [record] if !contested => return CreateVerdict::Take(record.clone()),
            [] => {}
            _ => return ask(&[same, partly, alike]),
        }
    }
    if !would_show {
        return CreateVerdict::Wait;
    }
    if !(*stamped || partly.is_empty() && alike.is_empty()) {
        return ask(&[partly, alike, gone_unread]);
    }
    if gone_unread.is_empty() && (*stamped || *searched) {
        return CreateVerdict::SendAgain;
    }
    ask(&[gone_unread])
}

/// Moves bases and agreements by what the record, or the `heir` that has taken its place, proves.
/// The reason says what became of the update as a whole.
pub(crate) fn settle_unanswered_update(
    entity: &EntitySpec,
    entry: &OutboxEntry,
    sent: &PerField<Cell>,
    record: &mut RecordState,
    heir: bool,
) -> Reason {
    let untouched = !heir
        && is_untouched(
            (entry.if_version.as_deref(), entry.if_modified_ms),
            (record.version.as_deref(), record.modified_ms),
        );
    let written: Vec<(FieldIndex, &FieldWrite)> = entry
        .fields
        .iter()
        .filter_map(|write| Some((entity.field(&write.field)?.0, write)))
        .collect();
    let traces: Vec<SentField<'_>> = written
        .iter()
        .map(|&(position, write)| SentField {
            kind: &entity[position].kind,
            before: &write.before,
            sent: &sent[position],
            now: &record.fields[position].seen,
        })
        .collect();
    let field_outcomes = field_outcomes(untouched, &traces);
    let plain: Vec<bool> = traces.iter().map(SentField::is_plain).collect();
    let since = Span { after: entry.if_modified_ms, until: record.modified_ms };
    for (((position, write), field_outcome), plain) in
        written.into_iter().zip(&field_outcomes).zip(&plain)
    {
        let state = &mut record.fields[position];
        note(state, *field_outcome, &write.after, &sent[position], *plain);
        if *field_outcome == SentFieldOutcome::Edited {
            state.edited = since;
        }
    }
    if field_outcomes.contains(&SentFieldOutcome::Unsure) {
        Reason::Unclear
    } else if field_outcomes.contains(&SentFieldOutcome::Held) {
        Reason::FoundByProbe
    } else {
        Reason::SentAgain
    }
}

#[cfg(test)]
mod tests;
