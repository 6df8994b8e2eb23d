//! The standing of one record's field to the truth.

use crate::plan::mapping::FieldMappings;
use crate::plan::references::References;
use crate::read::unreadable::was_not_answered;
use renkei_model::index::FieldIndex;
use renkei_model::spec::{FieldKind, FieldSpec};
use renkei_model::state::{Failure, Link, RecordState, RecordStatus};
use renkei_model::value::{Cell, Value};

/// The standing of a record's field to the truth, in plain words.
pub(super) fn standing(
    (mappings, references): (&FieldMappings<'_>, &References),
    position: FieldIndex,
    record: &RecordState,
    link: &Link,
) -> Option<String> {
    let truth = &link.truth[position].value;
    let member = mappings.member_of(record)?;
    let member_of = (&record.key.system, &record.key.object);
    let state = &record.fields[position];
    let Some(mapping) = mappings.mapping(member, position) else {
        return Some("not mapped there".to_owned());
    };
    let direction = mapping.group.direction;
    // A reference is seen as ids of its system and kept as links, so the two do not compare.
    let FieldSpec { name, kind, .. } = &mappings.entity[position];
    let comparable = !matches!(kind, FieldKind::Reference { .. });
    let holds_truth = if comparable { state.seen == *truth } else { state.base == *truth };
    let fails = |failures: &[Failure]| {
        let here = |one: &&Failure| one.system == *member_of.0 && one.object == *member_of.1;
        failures.iter().filter(here).any(|one| one.field.as_ref() == Some(name))
    };
    let words = if record.status != RecordStatus::Live {
        "the record is not the one that is kept in step"
    } else if state.seen.is_none() && was_not_answered(&record.failures, name) {
        "was not read there: the system did not answer it; see the failure"
    } else if state.seen.is_none() && fails(&record.failures) {
        "was not read there: it holds what cannot be used; see the failure"
    } else if state.seen.is_none() {
        "was not read there"
    } else if holds_truth && state.tries > 0 {
        "written, but not kept before; no reading has confirmed it yet"
    } else if holds_truth {
        "in step"
    } else if comparable && direction.reads() && state.seen != state.base {
        "edited there; not taken over yet, or someone must decide"
    } else if fails(&link.failures) {
        "differs: what should stand there cannot be written; see the failure"
    } else if !comparable && !is_empty(truth) && references.is_same_by_now(truth, &None) {
        "differs: what it refers to is gone everywhere, so nothing is written"
    } else if !direction.writes() {
        "differs: the mapping only reads it there"
    } else if !direction.reads() && state.agreed == *truth && truth.is_some() {
        "differs: it has a form of its own or was changed there, and the mapping only writes it"
    } else if state.agreed == *truth && truth.is_some() && is_empty(&state.seen) {
        "differs: it is empty there and left so"
    } else if state.agreed == *truth && truth.is_some() {
        "in step, in the system's own form"
    } else if state.base.is_none() {
        "not compared yet, or someone must decide"
    } else {
        "a write is due"
    };
    Some(words.to_owned())
}

fn is_empty(cell: &Cell) -> bool {
    cell.as_ref().is_none_or(Value::is_null)
}
