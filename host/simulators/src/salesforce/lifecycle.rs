//! Merge and lead conversion, which have no REST resource (S-record-4) and are done through the
//! control API, as people do them in the user interface.

use std::sync::Arc;

use super::error::ApiFault;
use super::ids::Serial;
use super::json::{Json, JsonPairs};
use super::schema::{OrgFieldKind, SLOT_DELETED, SLOT_STAMP, TableNumber};
use super::store::{OrgRow, OrgStore};
use super::value::{OrgValue, day_of, whole_second};
use super::write::WriteAuthor;
use crate::faults::Faults;

/// Ids of the records that a converted lead became.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeadConversion {
    pub(super) contact: String,
    pub(super) account: String,
}

/// Lead fields and where the contact keeps them.
const LEAD_TO_CONTACT: &[(&str, &str)] = &[
    ("LastName", "LastName"),
    ("FirstName", "FirstName"),
    ("Salutation", "Salutation"),
    ("Title", "Title"),
    ("Email", "Email"),
    ("Phone", "Phone"),
    ("MobilePhone", "MobilePhone"),
    ("Fax", "Fax"),
    ("LeadSource", "LeadSource"),
    ("Description", "Description"),
    ("OwnerId", "OwnerId"),
    ("HasOptedOutOfEmail", "HasOptedOutOfEmail"),
    ("Street", "MailingStreet"),
    ("City", "MailingCity"),
    ("State", "MailingState"),
    ("PostalCode", "MailingPostalCode"),
    ("Country", "MailingCountry"),
];

/// Lead fields and where an account made by the conversion keeps them.
const LEAD_TO_ACCOUNT: &[(&str, &str)] = &[
    ("Company", "Name"),
    ("Phone", "Phone"),
    ("Website", "Website"),
    ("Industry", "Industry"),
    ("AnnualRevenue", "AnnualRevenue"),
    ("NumberOfEmployees", "NumberOfEmployees"),
    ("Street", "BillingStreet"),
    ("City", "BillingCity"),
    ("State", "BillingState"),
    ("PostalCode", "BillingPostalCode"),
    ("Country", "BillingCountry"),
];

impl OrgStore {
    /// Gives renamed picklist values to the rows that have the old ones; as on the platform only
    /// `SystemModstamp` moves.
    pub(super) fn rename_options(&mut self, knobs: &Faults, at_ms: i64) {
        for change in &knobs.options {
            let Some(new) = &change.renamed_to else { continue };
            let Some(table) = self.schema.any_table(&change.object) else { continue };
            let object = self.object(table);
            let Some(slot) = object.and_then(|o| Some(o.any_field(&change.field)?.0)) else {
                continue;
            };
            let has = |row: &&OrgRow| row.cell(slot).as_text() == Some(change.value.as_str());
            let serials: Vec<Serial> = self.rows(table).filter(has).map(|row| row.serial).collect();
            for serial in serials {
                let Some(mut row) = self.row(table, serial).cloned() else { continue };
                row.set(slot, OrgValue::text(new));
                row.set(SLOT_STAMP, OrgValue::Time(whole_second(at_ms)));
                self.put_row(table, row);
            }
        }
    }

    /// Deletes `loser` with `winner` as its master and gives its children to the winner, whose
    /// values stay as they are.
    pub(super) fn merge(
        &mut self,
        table: TableNumber,
        winner: Serial,
        loser: Serial,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let schema = Arc::clone(&self.schema);
        let object = schema.object(table).ok_or_else(ApiFault::not_found)?;
        let mergeable = matches!(object.name, "Account" | "Contact" | "Lead");
        if !mergeable || winner == loser {
            return Err(ApiFault::new(400, "INVALID_OPERATION", "these records cannot be merged"));
        }
        for serial in [winner, loser] {
            let row = self.row(table, serial).ok_or_else(ApiFault::not_found)?;
            if row.deleted() {
                return Err(ApiFault::deleted());
            }
        }
        let (winner_id, loser_id) = (self.id(table, winner), self.id(table, loser));
        self.adopt(object.name, &loser_id, &winner_id, by);
        let master = OrgValue::Text(winner_id);
        self.force(
            table,
            loser,
            &[("MasterRecordId", master), ("IsDeleted", OrgValue::Bool(true))],
            by,
        );
        self.force(table, winner, &[], by);
        Ok(())
    }

    /// Gives every row that points to one parent to another.
    fn adopt(&mut self, parent: &str, from: &str, to: &str, by: &WriteAuthor) {
        let schema = Arc::clone(&self.schema);
        for (table, object) in schema.objects() {
            let fields = object.fields.iter().enumerate().filter(|(_, f)| f.createable);
            for (slot, field) in fields {
                let points =
                    field.reference().is_some_and(|(targets, _)| targets.contains(&parent));
                if !points {
                    continue;
                }
                for serial in self.live(table, slot, from) {
                    self.force(table, serial, &[(field.name, OrgValue::text(to))], by);
                }
            }
        }
    }

    /// Turns a lead into a contact of the account of its company, found by name or made.
    pub(super) fn convert(
        &mut self,
        lead: Serial,
        by: &WriteAuthor,
    ) -> Result<LeadConversion, ApiFault> {
        let [leads, contacts, accounts] =
            ["Lead", "Contact", "Account"].map(|name| self.schema.table(name).unwrap_or_default());
        let row = self.row(leads, lead).ok_or_else(ApiFault::not_found)?;
        if row.cell(SLOT_DELETED).is_true() {
            return Err(ApiFault::deleted());
        }
        let converted = self.value(leads, lead, "IsConverted");
        if converted.is_true() {
            let message = "lead already converted";
            return Err(ApiFault::on("CANNOT_UPDATE_CONVERTED_LEAD", message, &[]));
        }
        let account = match self.account_named(accounts, &self.value(leads, lead, "Company")) {
            Some(account) => account,
            None => self.create(accounts, &self.mapped(leads, lead, LEAD_TO_ACCOUNT), by)?,
        };
        let account_id = self.id(accounts, account);
        let mut fields = self.mapped(leads, lead, LEAD_TO_CONTACT);
        fields.push(("AccountId".into(), account_id.as_str().into()));
        let contact = self.create(contacts, &fields, by)?;
        let contact_id = self.id(contacts, contact);
        let marks = [
            ("IsConverted", OrgValue::Bool(true)),
            ("Status", OrgValue::text("Closed - Converted")),
            ("ConvertedDate", OrgValue::Date(day_of(by.at_ms))),
            ("ConvertedAccountId", OrgValue::text(&account_id)),
            ("ConvertedContactId", OrgValue::text(&contact_id)),
        ];
        self.force(leads, lead, &marks, by);
        self.follow_lead(&self.id(leads, lead), &contact_id, by);
        Ok(LeadConversion { contact: contact_id, account: account_id })
    }

    /// Tasks go to the contact; campaign members keep the lead and get the contact as well.
    fn follow_lead(&mut self, lead: &str, contact: &str, by: &WriteAuthor) {
        for (object, points, takes) in
            [("Task", "WhoId", "WhoId"), ("CampaignMember", "LeadId", "ContactId")]
        {
            let Some(table) = self.schema.table(object) else { continue };
            let slot = self.object(table).and_then(|object| object.slot(points));
            for serial in slot.map(|slot| self.live(table, slot, lead)).unwrap_or_default() {
                self.force(table, serial, &[(takes, OrgValue::text(contact))], by);
            }
        }
    }

    /// A value by the name of its field, whether or not the client sees it.
    pub(super) fn value(&self, table: TableNumber, serial: Serial, name: &str) -> OrgValue {
        let slot = self.object(table).and_then(|object| Some(object.any_field(name)?.0));
        let row = self.row(table, serial);
        row.zip(slot).map(|(row, slot)| row.cell(slot).clone()).unwrap_or_default()
    }

    /// Conversions are rare and done by hand, so accounts are not indexed by name.
    fn account_named(&self, accounts: TableNumber, name: &OrgValue) -> Option<Serial> {
        let slot = self.object(accounts)?.slot("Name")?;
        let mut rows = self.rows(accounts).filter(|row| !row.deleted());
        rows.find(|row| row.cell(slot) == name).map(|row| row.serial)
    }

    fn mapped(
        &self,
        table: TableNumber,
        serial: Serial,
        map: &[(&'static str, &'static str)],
    ) -> JsonPairs {
        let values = map.iter().map(|(from, to)| {
            let value = self.value(table, serial, from).json(OrgFieldKind::Text(0));
            ((*to).into(), value)
        });
        values.filter(|(_, value)| *value != Json::Null).collect()
    }
}
