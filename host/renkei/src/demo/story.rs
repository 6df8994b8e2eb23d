//! The demo's table: what people did, what became of it, and the rule or question behind it.

use super::edits::DemoEdit;
use super::fields::canonical;
use super::simulators::SimRecord;
use super::store_facts::StoreFacts;
use super::verify::{SimulatedRecords, current_key};
use crate::table;

/// One row per edit.
pub(crate) fn table(edits: &[DemoEdit], world: &SimulatedRecords, known: &StoreFacts) -> String {
    let rows = edits.iter().map(|edit| {
        let (now, why) = fate(edit, world, known);
        vec![edit.story.to_owned(), deed(edit), now, why]
    });
    table::plain(&["story", "edit", "now there", "why"], rows)
}

fn deed(edit: &DemoEdit) -> String {
    let place = format!("{}.{}", edit.system, edit.object);
    match &edit.field {
        None => format!("removed one from {place}"),
        Some((field, value)) => match value.as_str() {
            Some(text) => format!("set {place} {field} to {text}"),
            None => format!("cleared {place} {field}"),
        },
    }
}

fn fate(edit: &DemoEdit, world: &SimulatedRecords, known: &StoreFacts) -> (String, String) {
    let Some((field, wanted)) = &edit.field else {
        let key = edit.key();
        let anew = known.others(&key).find(|other| world.live(other).is_some());
        let now = anew.map_or("gone".to_owned(), |anew| format!("made again: {anew}"));
        return (now, known.why_gone(&key));
    };
    let Some(key) = current_key(edit, world, known) else {
        return ("lost".to_owned(), known.why_gone(&edit.key()));
    };
    let now = world.live(&key).map(|record: &SimRecord| record.text(field)).unwrap_or_default();
    let stands = now.trim() == wanted.as_str().unwrap_or_default();
    let asked = known.link_of.get(&key).map(|link| known.why(*link, canonical(field)));
    let why = match asked {
        Some(why) if !why.is_empty() => why,
        _ if stands => "carried over or kept".to_owned(),
        _ => format!("`renkei why {key}` tells"),
    };
    (if now.is_empty() { "(empty)".to_owned() } else { now }, why)
}
