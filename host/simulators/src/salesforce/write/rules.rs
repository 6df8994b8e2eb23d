//! Refusals by rules of administrators: validation, duplicates, record types, picklist options,
//! owners who left, and records that are shared for reading only or not at all.

use super::super::error::{ApiFault, DuplicateFinding, DuplicateMatch};
use super::super::ids::Serial;
use super::super::schema::{OrgField, OrgFieldKind, OrgObject, TableNumber};
use super::super::store::{OrgRow, OrgStore};
use super::super::value::OrgValue;
use super::WriteAuthor;
use crate::control::Origin;
use crate::rules::{DuplicateRule, OptionState};

/// Objects whose records may not get an owner who left.
const STRICT_OWNERS: [&str; 3] = ["Contact", "Lead", "Task"];

/// Values that the second record type of an object does not offer.
const PARTNER_LACKS: [(&str, &str, &str); 2] =
    [("Lead", "Rating", "Cold"), ("Opportunity", "StageName", "Perception Analysis")];

impl OrgStore {
    /// Checks a value against the administrator's rules about its field.
    pub(super) fn check_ruled(
        &self,
        object: &OrgObject,
        slot: usize,
        field: &OrgField,
        cell: OrgValue,
    ) -> Result<OrgValue, ApiFault> {
        let Some(text) = cell.as_text() else { return Ok(cell) };
        let overlay = object.overlay(slot);
        if let Some(most) = overlay.max_length().filter(|most| text.chars().count() > *most) {
            let message =
                format!("{}: data value too large: {text} (max length={most})", field.label);
            return Err(ApiFault::on("STRING_TOO_LONG", message, &[field.name]));
        }
        if overlay.refuses(text) {
            let message = format!("{}の値は使えません", field.label);
            return Err(ApiFault::on("FIELD_CUSTOM_VALIDATION_EXCEPTION", message, &[field.name]));
        }
        match field.kind {
            OrgFieldKind::Restricted(_) | OrgFieldKind::Picklist(_) => {
                self.option(object, slot, field, text)
            }
            OrgFieldKind::Multi(_) => {
                let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
                let parts: Result<Vec<OrgValue>, ApiFault> =
                    parts.map(|part| self.option(object, slot, field, part)).collect();
                let parts = parts?;
                let texts: Vec<&str> = parts.iter().filter_map(OrgValue::as_text).collect();
                Ok(if texts.is_empty() { OrgValue::Null } else { OrgValue::text(texts.join(";")) })
            }
            _ => Ok(cell),
        }
    }

    /// The option that a text means, in its own spelling; only unrestricted ones may be unknown.
    fn option(
        &self,
        object: &OrgObject,
        slot: usize,
        field: &OrgField,
        text: &str,
    ) -> Result<OrgValue, ApiFault> {
        let options = object.options(slot);
        let same = options.iter().find(|(value, ..)| value.to_lowercase() == text.to_lowercase());
        let restricted = !matches!(field.kind, OrgFieldKind::Picklist(_));
        match same {
            Some((value, active, _)) if *active || !restricted => Ok(OrgValue::text(value)),
            None if !restricted && object.overlay(slot).state(text) != OptionState::Removed => {
                Ok(OrgValue::text(text))
            }
            _ if !restricted => Ok(OrgValue::text(text)),
            _ => {
                let label = field.label;
                let message = format!("{label}: bad value for restricted picklist field: {text}");
                let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
                Err(ApiFault::on(code, message, &[field.name]))
            }
        }
    }

    /// Refuses an owner who left, where the object does not allow one.
    pub(super) fn check_owner(&self, object: &OrgObject, row: &OrgRow) -> Result<(), ApiFault> {
        let Some((slot, _)) = object.any_field("OwnerId") else { return Ok(()) };
        if !STRICT_OWNERS.contains(&object.name) || self.knobs.absent_owners.is_empty() {
            return Ok(());
        }
        let Some(owner) = row.cell(slot).as_text() else { return Ok(()) };
        let user = self.locate(owner).and_then(|(table, serial)| {
            let active = self.object(table)?.any_field("IsActive")?.0;
            Some(self.row(table, serial)?.cell(active).is_true())
        });
        if user != Some(false) {
            return Ok(());
        }
        let of = object.name.to_lowercase();
        let message = format!("operation performed with inactive user [{owner}] as owner of {of}");
        Err(ApiFault::on("INACTIVE_OWNER_OR_USER", message, &[]))
    }

    /// A record type must be one of the object, and offer the values that it restricts.
    pub(super) fn check_record_type(
        &self,
        object: &OrgObject,
        row: &OrgRow,
    ) -> Result<(), ApiFault> {
        let Some(slot) = object.slot("RecordTypeId") else { return Ok(()) };
        let Some(id) = row.cell(slot).as_text() else { return Ok(()) };
        let types = self.record_types(object.name);
        let Some(of) = types.iter().find(|one| one.id == id) else {
            let message = format!("Record Type ID: this ID value isn't valid for the user: {id}");
            return Err(ApiFault::on("INVALID_CROSS_REFERENCE_KEY", message, &["RecordTypeId"]));
        };
        for (name, field, value) in PARTNER_LACKS {
            let Some((slot, of_field)) = object.any_field(field).filter(|_| name == object.name)
            else {
                continue;
            };
            if of.developer_name == "Partner" && row.cell(slot).as_text() == Some(value) {
                let label = of_field.label;
                let message = format!("{label}: bad value for restricted picklist field: {value}");
                let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
                return Err(ApiFault::on(code, message, &[of_field.name]));
            }
        }
        Ok(())
    }

    /// Refuses a client's write of a record that it may only read.
    pub(super) fn check_shared(
        &self,
        table: TableNumber,
        serial: Serial,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let id = self.id(table, serial);
        let closed = |set: &std::collections::BTreeSet<String>| {
            set.contains(&id) || id.get(..15).is_some_and(|short| set.contains(short))
        };
        if by.origin == Origin::Api && closed(&self.knobs.read_only_records) {
            let message = "insufficient access rights on object id";
            return Err(ApiFault {
                fields: Some(Vec::new()),
                ..ApiFault::new(403, "INSUFFICIENT_ACCESS_OR_READONLY", message)
            });
        }
        Ok(())
    }

    /// Refuses a row that a duplicate rule finds again, unless the client may save it anyway.
    pub(super) fn check_duplicates(
        &self,
        table: TableNumber,
        row: &OrgRow,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let Some(object) = self.object(table) else { return Ok(()) };
        let rules = self.knobs.salesforce.duplicate_rules.iter();
        for rule in rules.filter(|rule| rule.object.eq_ignore_ascii_case(object.name)) {
            let passes = !rule.blocks && (self.allow_duplicates || by.origin == Origin::Human);
            if passes {
                continue;
            }
            let against = rule.against.as_deref().unwrap_or(object.name);
            let Some(other) = self.schema.any_table(against) else { continue };
            let matches = self.duplicates(rule, (table, row), other);
            if !matches.is_empty() {
                return Err(ApiFault::duplicates(DuplicateFinding {
                    allow_save: !rule.blocks,
                    object: object.name.to_owned(),
                    matches,
                }));
            }
        }
        Ok(())
    }

    fn duplicates(
        &self,
        rule: &DuplicateRule,
        (table, row): (TableNumber, &OrgRow),
        other: TableNumber,
    ) -> Vec<DuplicateMatch> {
        let slots = |table: TableNumber| -> Option<Vec<usize>> {
            let object = self.object(table)?;
            rule.fields.iter().map(|name| Some(object.any_field(name)?.0)).collect()
        };
        let Some((own, theirs)) = slots(table).zip(slots(other)) else { return Vec::new() };
        let text = |row: &OrgRow, slot: usize| row.cell(slot).as_text().map(str::to_lowercase);
        let key: Option<Vec<String>> = own.iter().map(|slot| text(row, *slot)).collect();
        let Some(key) = key.filter(|key| !key.is_empty()) else { return Vec::new() };
        let same = |candidate: &&OrgRow| {
            !candidate.deleted()
                && (other != table || candidate.serial != row.serial)
                && theirs
                    .iter()
                    .zip(&key)
                    .all(|(slot, value)| text(candidate, *slot).as_deref() == Some(value.as_str()))
        };
        let name = self.object(other).map_or("", |object| object.name);
        let found = self.rows(other).filter(same);
        found
            .map(|row| DuplicateMatch { object: name.to_owned(), id: self.id(other, row.serial) })
            .collect()
    }
}
