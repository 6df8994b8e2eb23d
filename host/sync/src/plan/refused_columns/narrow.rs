//! Leaves refused columns out of an operation.

use super::columns::{column_digest, fields_of, groups_of, is_at, is_gating, writes};
use crate::plan::render::{given_up, refusal_digest};
use renkei_model::spec::{EntitySpec, MappingGroup, MemberSpec};
use renkei_model::state::{ColumnWrite, Failure, OutboxEntry};

/// An operation without the columns that were refused before.
pub(crate) struct NarrowedOperation {
    /// Nothing where all of it was refused before.
    pub(crate) entry: Option<OutboxEntry>,
    /// Fields that are left out, none for the record as a whole, and the codes of the refusal.
    pub(crate) left_out: Vec<(Option<String>, Vec<String>)>,
    /// It is a part of what was refused as a whole: the other parts come after it.
    pub(crate) is_part: bool,
}

/// An operation without the columns that were refused before and have not changed since.
pub(crate) fn narrow(
    entity: &EntitySpec,
    member: &MemberSpec,
    failures: &[Failure],
    entry: OutboxEntry,
    now_ms: i64,
) -> NarrowedOperation {
    let mut left_out = Vec::new();
    let here = |failure: &&Failure| is_at(failure, &entry) && is_gating(failure, now_ms);
    let gates: Vec<&Failure> = failures.iter().filter(here).collect();
    if gates.is_empty() {
        return NarrowedOperation { entry: Some(entry), left_out, is_part: false };
    }
    if entry.effect.kind().makes_record() {
        let given_up = given_up(&entry);
        if let Some(gate) = gates.iter().find(|gate| gate.digest == given_up) {
            let left_out = vec![(None, gate.codes())];
            return NarrowedOperation { entry: None, left_out, is_part: false };
        }
    }
    let mut kept = Vec::new();
    for group in groups_of(member, &entry) {
        let refused = column_digest(group, &entry, &member.digest);
        let Some(gate) = gates.iter().find(|gate| gate.digest == refused) else {
            kept.push(group);
            continue;
        };
        left_out.extend(fields_of(entity, group).map(|field| (Some(field), gate.codes())));
        if entry.effect.kind().makes_record() && group.required {
            return NarrowedOperation { entry: None, left_out, is_part: false };
        }
    }
    let bare = !entry.effect.kind().writes_columns();
    let part =
        if left_out.is_empty() { entry.clone() } else { only(entity, member, &entry, &kept) };
    if part.columns.is_empty() && !bare {
        return NarrowedOperation { entry: None, left_out, is_part: false };
    }
    let whole = |part: &OutboxEntry| {
        let refused = refusal_digest(part, &member.digest);
        gates.iter().find(|gate| gate.digest == refused)
    };
    let Some(gate) = whole(&part) else {
        return NarrowedOperation { entry: Some(part), left_out, is_part: false };
    };
    let parts = if entry.effect.kind().changes_record() { halves(&kept) } else { Vec::new() };
    let parts = parts.iter().map(|groups| only(entity, member, &entry, groups));
    let half = parts.into_iter().find(|part| whole(part).is_none());
    if half.is_none() {
        left_out.push((None, gate.codes()));
    }
    NarrowedOperation { is_part: half.is_some(), entry: half, left_out }
}

/// All of these, then each half with its halves: the order in which they are tried.
pub(super) fn halves<'a>(groups: &[&'a MappingGroup]) -> Vec<Vec<&'a MappingGroup>> {
    let mut parts = vec![groups.to_vec()];
    if groups.len() > 1 {
        let (first, second) = groups.split_at(groups.len() / 2);
        parts.extend(halves(first));
        parts.extend(halves(second));
    }
    parts
}

/// The operation with the columns of these groups only, and with what no group has: constants.
pub(super) fn only(
    entity: &EntitySpec,
    member: &MemberSpec,
    entry: &OutboxEntry,
    kept: &[&MappingGroup],
) -> OutboxEntry {
    let is_kept = |write: &ColumnWrite| {
        let own = member.groups.iter().any(|group| writes(group, write));
        !own || kept.iter().any(|group| writes(group, write))
    };
    let columns = entry.columns.iter().filter(|write| is_kept(write)).cloned().collect();
    let carries =
        |name: &str| kept.iter().any(|group| fields_of(entity, group).any(|field| field == name));
    let fields = entry.fields.iter().filter(|write| carries(&write.field)).cloned().collect();
    OutboxEntry { columns, fields, ..entry.clone() }
}
