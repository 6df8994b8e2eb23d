//! The columns of an operation by the groups of the mapping that write them, and the digests under
//! which refusals of them are kept.

use std::collections::BTreeMap;

use renkei_model::review::digest;
use renkei_model::spec::{EntitySpec, MappingGroup, MemberSpec};
use renkei_model::state::{
    ColumnWrite, Failure, FailureClass, FieldWrite, OutboxEntry, RETRY_REFUSED_MS,
};
use renkei_model::value::Cell;

pub(crate) fn is_at(failure: &Failure, entry: &OutboxEntry) -> bool {
    failure.system == entry.system && failure.object == entry.object
}

pub(super) fn is_gating(failure: &Failure, now_ms: i64) -> bool {
    let rested = failure.last_ms.saturating_add(RETRY_REFUSED_MS) <= now_ms;
    match failure.class {
        FailureClass::GivenUp => true,
        FailureClass::Unanswered => false,
        _ => !failure.digest.is_empty() && !rested,
    }
}

/// The groups of which an operation writes a column.
pub(crate) fn groups_of<'a>(member: &'a MemberSpec, entry: &OutboxEntry) -> Vec<&'a MappingGroup> {
    let is_written = |group: &&MappingGroup| entry.columns.iter().any(|write| writes(group, write));
    member.groups.iter().filter(is_written).collect()
}

pub(super) fn writes(group: &MappingGroup, write: &ColumnWrite) -> bool {
    group.direction.writes() && group.columns.contains(&write.column)
}

pub(crate) fn fields_of<'a>(
    entity: &'a EntitySpec,
    group: &'a MappingGroup,
) -> impl Iterator<Item = String> + 'a {
    group.fields.iter().map(|field| entity[*field].name.clone())
}

/// The same columns with the same values under the same mapping look the same, whether they are
/// part of a create or of an update.
pub(crate) fn column_digest(group: &MappingGroup, entry: &OutboxEntry, mapping: &str) -> String {
    let written = entry.columns.iter().filter(|write| writes(group, write));
    let written: Vec<&ColumnWrite> = written.collect();
    digest(&["column", &format!("{written:?}"), mapping])
}

/// The digest of each field's write, as a refusal would keep it ([`Failure::digest`]).
pub(crate) fn field_digests(
    entity: &EntitySpec,
    member: &MemberSpec,
    entry: &OutboxEntry,
) -> BTreeMap<String, String> {
    let groups = groups_of(member, entry).into_iter();
    let named = groups.flat_map(|group| {
        let digest = column_digest(group, entry, &member.digest);
        fields_of(entity, group).map(move |field| (field, digest.clone()))
    });
    named.collect()
}

/// A field and the digest of the hub's value that a write carries.
pub(crate) fn value_of(write: &FieldWrite) -> (String, String) {
    (write.field.clone(), value_digest(&write.after))
}

pub(super) fn value_digest(value: &Cell) -> String {
    digest(&["value", &format!("{value:?}")])
}
