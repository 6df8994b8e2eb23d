//! Creating, updating and deleting one row, with every check the platform makes.
//!
//! All interfaces (single records, collections, composite, Bulk 2.0, the control API) come through
//! here, so a rule holds on each of them. A refused write changes nothing. Stamps are whole
//! seconds, and an update moves them even where no value changes.

mod bin;
mod derive;
mod input;
mod person;
mod rules;

pub(crate) use bin::cascades;

use super::error::ApiFault;
use super::ids::Serial;
use super::json::{Json, JsonPairs};
use super::schema::{
    OrgField, OrgFieldKind, SLOT_CREATED, SLOT_CREATED_BY, SLOT_ID, SLOT_MODIFIED,
    SLOT_MODIFIED_BY, SLOT_STAMP, TableNumber,
};
use super::store::{OrgRow, OrgStore};
use super::value::{OrgValue, from_text, whole_second};
use crate::control::Origin;

/// User, time and origin of a write.
#[derive(Debug, Clone)]
pub(crate) struct WriteAuthor {
    pub(crate) user: String,
    pub(crate) at_ms: i64,
    pub(crate) origin: Origin,
}

/// A value for a slot.
type SlotValue = (usize, OrgValue);

impl OrgStore {
    /// Creates a row from the fields of a body.
    pub(crate) fn create(
        &mut self,
        table: TableNumber,
        fields: &JsonPairs,
        by: &WriteAuthor,
    ) -> Result<Serial, ApiFault> {
        let serial = self.allot(table);
        self.create_as(table, serial, fields, by)?;
        Ok(serial)
    }

    /// Creates a row under a serial that was allotted before.
    pub(crate) fn create_as(
        &mut self,
        table: TableNumber,
        serial: Serial,
        fields: &JsonPairs,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let changes = self.read(table, fields, true, by)?;
        let row = self.compose(table, serial, changes, by)?;
        self.put_row(table, row);
        self.mirror_person(table, serial, by)
    }

    /// The row that a create makes, checked but not yet stored.
    fn compose(
        &self,
        table: TableNumber,
        serial: Serial,
        changes: Vec<SlotValue>,
        by: &WriteAuthor,
    ) -> Result<OrgRow, ApiFault> {
        let object = self.object(table).ok_or_else(ApiFault::not_found)?;
        let cells = object.fields.iter().map(default_of).collect();
        let mut row = OrgRow { serial, cells, origin: by.origin };
        let stamp = OrgValue::Time(whole_second(by.at_ms));
        let user = OrgValue::Text(by.user.clone());
        if let Some(owner) = object.slot("OwnerId") {
            row.set(owner, user.clone());
        }
        row.set(SLOT_ID, OrgValue::Text(self.id(table, serial)));
        row.set(SLOT_CREATED, stamp);
        row.set(SLOT_CREATED_BY, user);
        if let (Some(slot), [first, ..]) =
            (object.slot("RecordTypeId"), self.record_types(object.name).as_slice())
        {
            row.set(slot, OrgValue::text(&first.id));
        }
        self.become_person(object, &mut row, &changes);
        self.fill(table, &mut row, changes, by)?;
        Ok(row)
    }

    /// Changes fields of a row.
    pub(crate) fn update(
        &mut self,
        table: TableNumber,
        serial: Serial,
        fields: &JsonPairs,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let row = self.row(table, serial).ok_or_else(ApiFault::not_found)?;
        if row.deleted() {
            return Err(ApiFault::deleted());
        }
        let object = self.object(table).ok_or_else(ApiFault::not_found)?;
        if object.slot("IsConverted").is_some_and(|slot| row.cell(slot).is_true()) {
            let message = "cannot reference converted lead";
            return Err(ApiFault::on("CANNOT_UPDATE_CONVERTED_LEAD", message, &[]));
        }
        let mut row = row.clone();
        self.check_shared(table, serial, by)?;
        let changes = self.read(table, fields, false, by)?;
        self.fill(table, &mut row, changes, by)?;
        let every = self.knobs.ignore_update_every;
        if by.origin == Origin::Api && self.ignoring.hits(every) {
            return Ok(());
        }
        self.put_row(table, row);
        self.mirror_person(table, serial, by)
    }

    /// Sets values that no client may set, such as the marks of a merge or a conversion.
    pub(crate) fn force(
        &mut self,
        table: TableNumber,
        serial: Serial,
        fields: &[(&str, OrgValue)],
        by: &WriteAuthor,
    ) {
        let Some(mut row) = self.row(table, serial).cloned() else { return };
        for (name, value) in fields {
            let found = self.object(table).and_then(|object| object.any_field(name));
            if let Some((slot, _)) = found {
                row.set(slot, value.clone());
            }
        }
        touch(&mut row, by);
        self.put_row(table, row);
    }

    /// Puts changes into a row with what follows from them, or says what the row breaks.
    fn fill(
        &self,
        table: TableNumber,
        row: &mut OrgRow,
        changes: Vec<SlotValue>,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let object = self.object(table).ok_or_else(ApiFault::not_found)?;
        let set: Vec<usize> = changes.iter().map(|(slot, _)| *slot).collect();
        for (slot, value) in changes {
            // A null where the platform has a default means the default, for flags only.
            let field = object.fields.get(slot).filter(|field| field.kind == OrgFieldKind::Bool);
            let value = match field {
                Some(field) if value.is_null() => default_of(field),
                _ => value,
            };
            row.set(slot, value);
        }
        derive::derive(object, row, &set);
        let missing: Vec<&str> = object
            .fields
            .iter()
            .enumerate()
            .filter(|(slot, _)| object.is_required(*slot) && row.cell(*slot).is_null())
            .map(|(_, field)| field.name)
            .collect();
        if !missing.is_empty() {
            let message = format!("Required fields are missing: [{}]", missing.join(", "));
            return Err(ApiFault::on("REQUIRED_FIELD_MISSING", message, &missing));
        }
        self.check_owner(object, row)?;
        self.check_record_type(object, row)?;
        self.check_unique(table, row, &set)?;
        self.check_member(table, row)?;
        self.check_duplicates(table, row, by)?;
        touch(row, by);
        Ok(())
    }

    fn check_unique(
        &self,
        table: TableNumber,
        row: &OrgRow,
        set: &[usize],
    ) -> Result<(), ApiFault> {
        let object = self.object(table).ok_or_else(ApiFault::not_found)?;
        let unique = object.fields.iter().enumerate();
        let unique = unique.filter(|(slot, _)| object.is_unique(*slot) && set.contains(slot));
        for (slot, field) in unique {
            let Some(text) = row.cell(slot).as_text() else { continue };
            let others = self.live(table, slot, text);
            if let Some(other) = others.iter().find(|serial| **serial != row.serial) {
                let message = format!(
                    "duplicate value found: {} duplicates value on record with id: {}",
                    field.name,
                    self.id(table, *other)
                );
                return Err(ApiFault::on("DUPLICATE_VALUE", message, &[]));
            }
        }
        Ok(())
    }

    /// A campaign member is one lead or contact, once per campaign.
    fn check_member(&self, table: TableNumber, row: &OrgRow) -> Result<(), ApiFault> {
        let object = self.object(table).ok_or_else(ApiFault::not_found)?;
        if object.name != "CampaignMember" {
            return Ok(());
        }
        let slots =
            ["CampaignId", "LeadId", "ContactId"].map(|name| object.slot(name).unwrap_or(0));
        let [campaign, lead, contact] = slots;
        let person = if row.cell(contact).is_null() { lead } else { contact };
        let Some(id) = row.cell(person).as_text() else {
            let message = "Required fields are missing: [LeadId]";
            return Err(ApiFault::on("REQUIRED_FIELD_MISSING", message, &["LeadId"]));
        };
        let same = |serial: &Serial| {
            *serial != row.serial
                && self
                    .row(table, *serial)
                    .is_some_and(|other| other.cell(campaign) == row.cell(campaign))
        };
        if self.live(table, person, id).iter().any(same) {
            return Err(ApiFault::on("DUPLICATE_VALUE", "Already a campaign member.", &[]));
        }
        Ok(())
    }
}

/// Value of a field that nobody gave.
fn default_of(field: &OrgField) -> OrgValue {
    field.default.and_then(|text| from_text(field, text).ok()).unwrap_or_default()
}

fn touch(row: &mut OrgRow, by: &WriteAuthor) {
    let stamp = OrgValue::Time(whole_second(by.at_ms));
    row.set(SLOT_MODIFIED, stamp.clone());
    row.set(SLOT_MODIFIED_BY, OrgValue::Text(by.user.clone()));
    row.set(SLOT_STAMP, stamp);
}

fn unsupported(label: &str, what: &str) -> ApiFault {
    let message = format!("entity type {label} does not support {what}");
    ApiFault::new(400, "INVALID_TYPE_FOR_OPERATION", message)
}

/// The object of a record body; anything else is a parser error.
pub(crate) fn body_object(body: &Json) -> Result<&JsonPairs, ApiFault> {
    body.as_object()
        .ok_or_else(|| ApiFault::parser("The HTTP entity body is required to be an object"))
}
