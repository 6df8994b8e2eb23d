//! Rules that every plan keeps, checked before it is committed: a second pair of eyes on the
//! planner.
//!
//! A plan that breaks one is a fault of the engine. Nothing of it is committed or sent.

use std::collections::BTreeSet;

use crate::record::Action;
use crate::spec::{EntitySpec, MemberSpec};
use crate::state::OutboxEntry;

/// Checks the operations of one entity that are to be committed together.
///
/// # Errors
/// The broken rule in plain words.
pub fn check(entity: &EntitySpec, entries: &[OutboxEntry], braked: bool) -> Result<(), String> {
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

/// Only mapped columns, only in the direction of the mapping (I7, I8).
fn check_columns(member: &MemberSpec, entry: &OutboxEntry) -> Result<(), String> {
    for write in &entry.columns {
        let mut groups = member.groups.iter().filter(|group| group.direction.writes());
        let mapped = groups.any(|group| group.columns.contains(&write.column));
        let constant = entry.action == Action::Create
            && member.constants.iter().any(|(column, _)| *column == write.column);
        if !mapped && !constant {
            return Err(format!("{} is not for writing", write.column));
        }
    }
    Ok(())
}
