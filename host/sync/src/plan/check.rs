//! Rules that every plan keeps, checked on each chunk before it is committed.
//!
//! A plan that breaks one is a fault of the engine. Nothing of it is committed or sent.

use std::collections::BTreeSet;

use crate::model::record::Action;
use crate::model::spec::{EntitySpec, MemberSpec};
use crate::model::state::{LinkView, OutboxEntry, RecordKey, RecordStatus};

/// Checks the operations of one entity that are to be committed together.
///
/// # Errors
/// The broken rule in plain words.
pub fn check(
    entity: &EntitySpec,
    entries: &[OutboxEntry],
    views: &[LinkView],
    braked: bool,
) -> Result<(), String> {
    let mut targets = BTreeSet::new();
    let mut intents = BTreeSet::new();
    for entry in entries {
        let at = || format!("{}.{} of link {}", entry.system, entry.object, entry.link);
        let Some((_, member)) = entity.member(&entry.system, &entry.object) else {
            return Err(format!("{} is no member of {}", at(), entity.name));
        };
        let target =
            (&entry.system, entry.id.as_ref().map_or(entry.link.to_string(), String::clone));
        if !targets.insert(target) {
            return Err(format!("two operations on {}", at()));
        }
        if !intents.insert(&entry.intent) {
            return Err(format!("two operations with the intent {}", entry.intent));
        }
        check_action(member, entry, braked).map_err(|rule| format!("{}: {rule}", at()))?;
        check_merge(entry, views).map_err(|rule| format!("{}: {rule}", at()))?;
        check_columns(member, entry).map_err(|rule| format!("{}: {rule}", at()))?;
    }
    Ok(())
}

fn check_action(member: &MemberSpec, entry: &OutboxEntry, braked: bool) -> Result<(), String> {
    match entry.action {
        Action::Create if !member.create => Err("records are not made there".to_owned()),
        Action::Create if entry.id.is_some() => Err("a create has an id".to_owned()),
        Action::Update if entry.id.is_none() => Err("an update has no id".to_owned()),
        Action::Update if entry.fields.is_empty() => Err("an update without a field".to_owned()),
        Action::Archive if braked => Err("deletions are braked".to_owned()),
        Action::Archive if entry.id.is_none() => Err("an archive has no id".to_owned()),
        _ => Ok(()),
    }
}

/// A merge is of a surplus record into the live one of the same object and link, and writes nothing
/// itself.
fn check_merge(entry: &OutboxEntry, views: &[LinkView]) -> Result<(), String> {
    let (winner, loser) = match (entry.action, entry.record(), &entry.loser) {
        (Action::Merge, Some(winner), Some(loser)) => (winner, loser),
        (Action::Merge, ..) => return Err("a merge of fewer than two records".to_owned()),
        (_, _, Some(_)) => return Err("another record although it is no merge".to_owned()),
        _ => return Ok(()),
    };
    let loser = RecordKey { id: loser.clone(), ..winner.clone() };
    let view = views.iter().find(|view| view.link.id == entry.link);
    let has = |key: &RecordKey, status: &RecordStatus| {
        let mut records = view.iter().flat_map(|view| &view.records);
        records.any(|record| record.key == *key && record.status == *status)
    };
    if !has(&winner, &RecordStatus::Live) {
        Err(format!("{winner} is not the live record of the link"))
    } else if !has(&loser, &RecordStatus::Surplus) {
        Err(format!("{loser} is not a surplus record of the link"))
    } else if !entry.columns.is_empty() || !entry.fields.is_empty() {
        Err("a merge that writes fields".to_owned())
    } else {
        Ok(())
    }
}

/// Checks that only mapped columns are written, in the direction of the mapping (`RULES.md` I7,
/// I8).
fn check_columns(member: &MemberSpec, entry: &OutboxEntry) -> Result<(), String> {
    for write in &entry.columns {
        let mut groups = member.groups.iter().filter(|group| group.direction.writes());
        let mapped = groups.any(|group| group.columns.contains(&write.column));
        let constant = entry.action == Action::Create
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
