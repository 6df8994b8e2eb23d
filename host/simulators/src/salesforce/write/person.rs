//! Person accounts: an account that is a person, with the one contact that is the same person.
//!
//! Both rows are one record to people: a change of either shows on the other.

use std::sync::Arc;

use super::super::error::ApiFault;
use super::super::ids::Serial;
use super::super::json::{Json, JsonPairs};
use super::super::schema::{OrgFieldKind, OrgObject, TableNumber};
use super::super::store::{OrgRow, OrgStore};
use super::super::value::OrgValue;
use super::{SlotValue, WriteAuthor};

/// Fields of the account and those of its contact.
const SHARED: [(&str, &str); 6] = [
    ("LastName", "LastName"),
    ("FirstName", "FirstName"),
    ("Salutation", "Salutation"),
    ("PersonEmail", "Email"),
    ("PersonTitle", "Title"),
    ("PersonMobilePhone", "MobilePhone"),
];

impl OrgStore {
    /// Makes a new account a person, by its record type or by a last name alone.
    pub(super) fn become_person(
        &self,
        object: &OrgObject,
        row: &mut OrgRow,
        changes: &[SlotValue],
    ) {
        let Some(flag) = object.slot("IsPersonAccount") else { return };
        let text = |name: &str| {
            let slot = object.slot(name)?;
            let change = changes.iter().rev().find(|(of, _)| *of == slot)?;
            change.1.as_text()
        };
        let types = self.record_types(object.name);
        let person = types.iter().find(|one| one.person);
        let asked = text("RecordTypeId");
        let by_type = person.is_some_and(|one| asked == Some(one.id.as_str()));
        let by_name = asked.is_none() && text("LastName").is_some() && text("Name").is_none();
        if by_type || by_name {
            row.set(flag, OrgValue::Bool(true));
            if let (Some(slot), Some(person)) = (object.slot("RecordTypeId"), person) {
                row.set(slot, OrgValue::text(&person.id));
            }
        }
    }

    /// Brings the other row of a person up to date with the one that was written.
    pub(super) fn mirror_person(
        &mut self,
        table: TableNumber,
        serial: Serial,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        if !self.knobs.salesforce.person_accounts {
            return Ok(());
        }
        let schema = Arc::clone(&self.schema);
        let name = schema.object(table).map_or("", |object| object.name);
        match name {
            "Account" if self.value(table, serial, "IsPersonAccount").is_true() => {
                self.mirror_account(table, serial, by)
            }
            "Contact" => {
                self.mirror_contact(table, serial, by);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn mirror_account(
        &mut self,
        table: TableNumber,
        serial: Serial,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let Some(contacts) = self.schema.any_table("Contact") else { return Ok(()) };
        let contact = self.value(table, serial, "PersonContactId");
        let contact = contact.as_text().and_then(|id| self.locate(id));
        let values = SHARED.map(|(own, theirs)| (theirs, self.value(table, serial, own)));
        let Some((_, contact)) = contact else {
            let value = |(name, cell): (&'static str, OrgValue)| {
                (name.into(), cell.json(OrgFieldKind::Text(0)))
            };
            let mut fields: JsonPairs =
                values.into_iter().map(value).filter(|(_, json)| *json != Json::Null).collect();
            fields.push(("AccountId".into(), self.id(table, serial).into()));
            let contact = self.allot(contacts);
            let changes = self.read(contacts, &fields, true, by)?;
            let row = self.compose(contacts, contact, changes, by)?;
            self.put_row(contacts, row);
            let id = OrgValue::Text(self.id(contacts, contact));
            self.force(table, serial, &[("PersonContactId", id)], by);
            return Ok(());
        };
        self.force(contacts, contact, &values, by);
        Ok(())
    }

    fn mirror_contact(&mut self, table: TableNumber, serial: Serial, by: &WriteAuthor) {
        let account = self.value(table, serial, "AccountId");
        let Some((accounts, account)) = account.as_text().and_then(|id| self.locate(id)) else {
            return;
        };
        let own = OrgValue::Text(self.id(table, serial));
        if self.value(accounts, account, "PersonContactId") != own {
            return;
        }
        let values = SHARED.map(|(theirs, own)| (theirs, self.value(table, serial, own)));
        self.force(accounts, account, &values, by);
        let names = ["FirstName", "LastName"].map(|name| self.value(table, serial, name));
        let names: Vec<&str> = names.iter().filter_map(OrgValue::as_text).collect();
        self.force(accounts, account, &[("Name", OrgValue::Text(names.join(" ")))], by);
    }
}
