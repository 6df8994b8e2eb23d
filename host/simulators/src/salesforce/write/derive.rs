//! Values that follow from other values of the same row.

use super::super::schema::{OrgObject, SLOT_ID, STAGES};
use super::super::store::OrgRow;
use super::super::value::OrgValue;

/// Fills in what the platform composes; `set` are the slots that the write gave.
pub(super) fn derive(object: &OrgObject, row: &mut OrgRow, set: &[usize]) {
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

fn set_field(object: &OrgObject, row: &mut OrgRow, name: &str, value: OrgValue) {
    if let Some(slot) = object.slot(name) {
        row.set(slot, value);
    }
}

fn is_person(object: &OrgObject, row: &OrgRow) -> bool {
    object.slot("IsPersonAccount").is_some_and(|slot| row.cell(slot).is_true())
}

/// A custom object's name that is left empty becomes its id of 15 characters.
fn own_name(object: &OrgObject, row: &mut OrgRow) {
    let empty = object.slot("Name").is_some_and(|slot| row.cell(slot).is_null());
    let id = row.cell(SLOT_ID).as_text().and_then(|id| id.get(..15)).map(str::to_owned);
    if let (true, Some(id)) = (empty, id) {
        set_field(object, row, "Name", OrgValue::Text(id));
    }
}

/// First name, blank, last name, as a Western locale shows it.
fn full_name(object: &OrgObject, row: &mut OrgRow) {
    let part = |name| object.slot(name).and_then(|slot| row.cell(slot).as_text());
    let parts: Vec<&str> = [part("FirstName"), part("LastName")].into_iter().flatten().collect();
    let name = OrgValue::Text(parts.join(" "));
    set_field(object, row, "Name", name);
}

/// The stage decides closed and won, and probability and forecast unless they were given.
fn stage(object: &OrgObject, row: &mut OrgRow, set: &[usize]) {
    let given = |name: &str| object.slot(name).is_some_and(|slot| set.contains(&slot));
    if !given("StageName") {
        return;
    }
    let name = object.slot("StageName").and_then(|slot| row.cell(slot).as_text());
    let Some(stage) = STAGES.iter().find(|stage| Some(stage.name) == name) else { return };
    set_field(object, row, "IsClosed", OrgValue::Bool(stage.closed));
    set_field(object, row, "IsWon", OrgValue::Bool(stage.won));
    if !given("Probability") {
        set_field(object, row, "Probability", OrgValue::Number(stage.probability));
    }
    if !given("ForecastCategoryName") {
        set_field(object, row, "ForecastCategoryName", OrgValue::text(stage.forecast));
    }
}

fn flag(object: &OrgObject, row: &mut OrgRow, name: &str, status: &str) {
    let is = object.slot("Status").and_then(|slot| row.cell(slot).as_text()) == Some(status);
    set_field(object, row, name, OrgValue::Bool(is));
}
