//! Values that follow from other values of the same row.

use super::super::schema::{Object, SLOT_ID, STAGES};
use super::super::store::Row;
use super::super::value::Cell;

/// Fills in what the platform composes; `set` are the slots that the write gave.
pub(super) fn derive(object: &Object, row: &mut Row, set: &[usize]) {
    match object.name {
        "Contact" | "Lead" => full_name(object, row),
        "Account" if is_person(object, row) => full_name(object, row),
        "Project__c" => own_name(object, row),
        "Opportunity" => stage(object, row, set),
        "Task" => flag(object, row, "IsClosed", "Completed"),
        "CampaignMember" => flag(object, row, "HasResponded", "Responded"),
        _ => {}
    }
}

fn put(object: &Object, row: &mut Row, name: &str, value: Cell) {
    if let Some(slot) = object.slot(name) {
        row.set(slot, value);
    }
}

fn is_person(object: &Object, row: &Row) -> bool {
    object.slot("IsPersonAccount").is_some_and(|slot| row.cell(slot).is_true())
}

/// A custom object's name that is left empty becomes its id of 15 characters.
fn own_name(object: &Object, row: &mut Row) {
    let empty = object.slot("Name").is_some_and(|slot| row.cell(slot).is_null());
    let id = row.cell(SLOT_ID).as_text().and_then(|id| id.get(..15)).map(str::to_owned);
    if let (true, Some(id)) = (empty, id) {
        put(object, row, "Name", Cell::Text(id));
    }
}

/// First name, blank, last name, as a Western locale shows it.
fn full_name(object: &Object, row: &mut Row) {
    let part = |name| object.slot(name).and_then(|slot| row.cell(slot).as_text());
    let parts: Vec<&str> = [part("FirstName"), part("LastName")].into_iter().flatten().collect();
    let name = Cell::Text(parts.join(" "));
    put(object, row, "Name", name);
}

/// The stage decides closed and won, and probability and forecast unless they were given.
fn stage(object: &Object, row: &mut Row, set: &[usize]) {
    let given = |name: &str| object.slot(name).is_some_and(|slot| set.contains(&slot));
    if !given("StageName") {
        return;
    }
    let name = object.slot("StageName").and_then(|slot| row.cell(slot).as_text());
    let Some(stage) = STAGES.iter().find(|stage| Some(stage.name) == name) else { return };
    put(object, row, "IsClosed", Cell::Bool(stage.closed));
    put(object, row, "IsWon", Cell::Bool(stage.won));
    if !given("Probability") {
        put(object, row, "Probability", Cell::Number(stage.probability));
    }
    if !given("ForecastCategoryName") {
        put(object, row, "ForecastCategoryName", Cell::text(stage.forecast));
    }
}

fn flag(object: &Object, row: &mut Row, name: &str, status: &str) {
    let is = object.slot("Status").and_then(|slot| row.cell(slot).as_text()) == Some(status);
    put(object, row, name, Cell::Bool(is));
}
