//! Rules that every plan keeps, checked on each chunk before it is committed.
//!
//! A plan that breaks one is a fault of the engine. Nothing of it is committed or sent.

use std::collections::BTreeSet;

use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{LinkView, OutboxEntry, RecordKey, RecordStatus};

/// Checks the operations of one entity that are to be committed together.
///
/// # Errors
/// The broken rule in plain words.
pub fn check(
    entity: &EntitySpec,
    entries: &[OutboxEntry],
    views: &[LinkView],
    deletions_held: bool,
) -> Result<(), String> {
    let mut targets = BTreeSet::new();
    let mut intents = BTreeSet::new();
    for entry in entries {
        let at = || format!("{}.{} of link {}", entry.system, entry.object, entry.link);
        let Some((_, member)) = entity.member(&entry.system, &entry.object) else {
            return Err(format!("{} is no member of {}", at(), entity.name));
        };
        let target =
            (&entry.system, entry.effect.id().map_or(entry.link.to_string(), str::to_owned));
        if !targets.insert(target) {
            return Err(format!("two operations on {}", at()));
        }
        if !intents.insert(&entry.intent) {
            return Err(format!("two operations with the intent {}", entry.intent));
        }
        check_kind(member, entry, deletions_held).map_err(|rule| format!("{}: {rule}", at()))?;
        check_records(entry, views).map_err(|rule| format!("{}: {rule}", at()))?;
        check_columns(member, entry).map_err(|rule| format!("{}: {rule}", at()))?;
    }
    Ok(())
}

fn check_kind(
    member: &MemberSpec,
    entry: &OutboxEntry,
    deletions_held: bool,
) -> Result<(), String> {
    let kind = entry.effect.kind();
    let is_bare = entry.columns.is_empty() && entry.fields.is_empty();
    if kind.makes_record() && !member.create {
        Err("records are not made there".to_owned())
    } else if kind.changes_record() && entry.fields.is_empty() {
        Err(format!("{} without a field", kind.word()))
    } else if !kind.writes_columns() && !is_bare {
        Err(format!("{} with fields", kind.word()))
    } else if kind.removes_record() && deletions_held {
        Err("deletions are held".to_owned())
    } else {
        Ok(())
    }
}

/// The records of an effect are those of the link that the effect is for: a merge is of a surplus
/// record into the live one of the same object.
fn check_records(entry: &OutboxEntry, views: &[LinkView]) -> Result<(), String> {
    let view = views.iter().find(|view| view.link.id == entry.link);
    let is_there = |id: &str, status: &RecordStatus| {
        let mut records = view.iter().flat_map(|view| &view.records);
        records.any(|record| {
            let RecordKey { system, object, id: known } = &record.key;
            (system, object, known.as_str()) == (&entry.system, &entry.object, id)
                && record.status == *status
        })
    };
    for (id, status) in entry.effect.required_statuses() {
        if !is_there(id, &status) {
            return Err(format!("{id} is no {status:?} record of the link"));
        }
    }
    Ok(())
}

/// Checks that only mapped columns are written, in the direction of the mapping (`RULES.md` I7,
/// I8).
fn check_columns(member: &MemberSpec, entry: &OutboxEntry) -> Result<(), String> {
    for write in &entry.columns {
        let mut groups = member.groups.iter().filter(|group| group.direction.writes());
        let mapped = groups.any(|group| group.columns.contains(&write.column));
        let constant = entry.effect.kind().makes_record()
            && (member.constants.iter().any(|(column, _)| *column == write.column)
                || member.copies.iter().any(|copy| copy.column == write.column));
        if !mapped && !constant {
            return Err(format!("{} is not for writing", write.column));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
