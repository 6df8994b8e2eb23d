//! Reads the fields of a record body and checks each against its field.

use super::super::error::ApiFault;
use super::super::ids;
use super::super::json::{Json, JsonPairs};
use super::super::schema::{self, OrgField, OrgFieldKind, TableNumber};
use super::super::store::OrgStore;
use super::super::value::{OrgValue, from_json};
use super::{SlotValue, WriteAuthor, unsupported};
use crate::control::Origin;
use crate::rules::FieldConstraint;

impl OrgStore {
    /// The changes a body asks for; `attributes` and the id are no fields.
    pub(super) fn read(
        &self,
        table: TableNumber,
        fields: &JsonPairs,
        creating: bool,
        by: &WriteAuthor,
    ) -> Result<Vec<SlotValue>, ApiFault> {
        let object = self.object(table).ok_or_else(ApiFault::not_found)?;
        if !object.writable {
            return Err(unsupported(object.label, if creating { "create" } else { "update" }));
        }
        let mut changes = Vec::with_capacity(fields.len());
        let mut locked = Vec::new();
        for (key, value) in fields {
            if key == "attributes" || (key.eq_ignore_ascii_case("id") && !creating) {
                continue;
            }
            if key.eq_ignore_ascii_case("id") {
                let message = "cannot specify Id in an insert call";
                return Err(ApiFault::on("INVALID_FIELD_FOR_INSERT_UPDATE", message, &["Id"]));
            }
            let person = by.origin == Origin::Human;
            let found = if person { object.any_field(key) } else { object.field(key) };
            match found {
                Some((slot, field)) if open(object, slot, field, creating, person) => {
                    let cell = self.cell(field, value, by)?;
                    changes.push((slot, self.check_ruled(object, slot, field, cell)?));
                }
                Some((_, field)) => locked.push(field.name),
                None => changes.push(self.foreign_key(object, key, value)?),
            }
        }
        if locked.is_empty() {
            return Ok(changes);
        }
        let message = format!(
            "Unable to create/update fields: {}. Please check the security settings of this field \
             and verify that it is read/write for your profile or permission set.",
            locked.join(", ")
        );
        Err(ApiFault::on("INVALID_FIELD_FOR_INSERT_UPDATE", message, &locked))
    }

    fn cell(&self, field: &OrgField, value: &Json, by: &WriteAuthor) -> Result<OrgValue, ApiFault> {
        let cell = from_json(field, value)?;
        let rounds = by.origin == Origin::Human && self.knobs.salesforce.screen_rounds_numbers;
        match (field.reference(), &cell) {
            (Some((to, _)), OrgValue::Text(id)) => self.reference(field, to, id),
            (None, OrgValue::Number(number)) if rounds && field.kind == OrgFieldKind::Currency => {
                Ok(OrgValue::Number((number * 100.0).round() / 100.0))
            }
            _ => Ok(cell),
        }
    }

    /// The full id of the record that a reference names, if there is one of a right object.
    fn reference(&self, field: &OrgField, to: &[&str], id: &str) -> Result<OrgValue, ApiFault> {
        let wrong = || {
            let message = format!("{}: id value of incorrect type: {id}", field.label);
            (message, [field.name])
        };
        let malformed = || {
            let (message, fields) = wrong();
            ApiFault::on("MALFORMED_ID", message, &fields)
        };
        let (prefix, serial) = ids::parse(id).ok_or_else(malformed)?;
        let table = self.schema.by_prefix(prefix).ok_or_else(malformed)?;
        if !self.object(table).is_some_and(|object| to.contains(&object.name)) {
            // A well-formed id of another object is another fault than no id.
            let (message, fields) = wrong();
            return Err(ApiFault::on("FIELD_INTEGRITY_EXCEPTION", message, &fields));
        }
        match serial.and_then(|serial| self.shared(table, serial)) {
            Some(row) if row.deleted() => Err(ApiFault { status: 400, ..ApiFault::deleted() }),
            Some(row) => Ok(OrgValue::Text(self.id(table, row.serial))),
            None if field.name == "OwnerId" => {
                let message = "invalid cross reference id";
                Err(ApiFault::on("INVALID_CROSS_REFERENCE_KEY", message, &[]))
            }
            None => {
                let short = id.get(..15).unwrap_or(id);
                let message = format!("insufficient access rights on cross-reference id: {short}");
                Err(ApiFault::on("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message, &[]))
            }
        }
    }

    /// `"Account": {"Renkei_Id__c": "x"}`: a reference by the parent's external id.
    fn foreign_key(
        &self,
        object: &schema::OrgObject,
        key: &str,
        value: &Json,
    ) -> Result<SlotValue, ApiFault> {
        let unknown = || ApiFault::no_such_column(key, object.name);
        let (slot, field) = object.relationship(key).ok_or_else(unknown)?;
        let (to, _) = field.reference().ok_or_else(unknown)?;
        let pairs = match value {
            Json::Null => return Ok((slot, OrgValue::Null)),
            Json::Object(pairs) => pairs,
            _ => return Err(unknown()),
        };
        if !writable(field, true) {
            return Err(unknown());
        }
        let table = to.first().and_then(|name| self.schema.table(name)).ok_or_else(unknown)?;
        let parent = self.object(table).ok_or_else(unknown)?;
        let keys = pairs.iter().find(|(key, _)| key != "attributes");
        let (by, text) =
            keys.and_then(|(key, value)| Some((key, value.as_str()?))).ok_or_else(unknown)?;
        let (by_slot, by_field) =
            parent.field(by).ok_or_else(|| ApiFault::no_such_column(by, parent.name))?;
        if !by_field.lookup || by_field.kind == OrgFieldKind::Id {
            return Err(ApiFault::no_such_column(by, parent.name));
        }
        match self.live(table, by_slot, text).as_slice() {
            [serial] => Ok((slot, OrgValue::Text(self.id(table, *serial)))),
            [] => {
                let message = format!(
                    "Foreign key external ID: {text} not found for field {} in entity {}",
                    by_field.name, parent.name
                );
                Err(ApiFault::on("INVALID_FIELD", message, &[]))
            }
            many => Err(self.several(table, by_field, many)),
        }
    }

    /// The fault of a key that several records share.
    pub(crate) fn several(
        &self,
        table: TableNumber,
        field: &OrgField,
        serials: &[u64],
    ) -> ApiFault {
        let ids: Vec<String> = serials.iter().map(|serial| self.id(table, *serial)).collect();
        let message = format!(
            "{}: more than one record found for external id field: [{}]",
            field.label,
            ids.join(", ")
        );
        ApiFault::on("DUPLICATE_EXTERNAL_ID", message, &[])
    }
}

/// True if this one may write a field: the administrator may have closed it to the client.
fn open(
    object: &schema::OrgObject,
    slot: usize,
    field: &OrgField,
    creating: bool,
    person: bool,
) -> bool {
    writable(field, creating) && (person || !object.overlay(slot).has(&FieldConstraint::ReadOnly))
}

fn writable(field: &OrgField, creating: bool) -> bool {
    if creating { field.createable } else { field.updateable }
}
