//! Acts of people in the two systems, noted in the judge's ledger.

use std::cell::Cell;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::history::{Act, FIELDS, Field};
use crate::ledger::{Deed, Entry, Ledger};
use crate::systems::{Record, SIDES, Side, Systems};

/// The people of both systems, with the ledger of what they did.
pub struct People {
    pub systems: Systems,
    pub ledger: Ledger,
    /// A system commits late.
    commits_late: Cell<bool>,
    /// A cycle runs.
    amid: bool,
}

impl People {
    /// People who have done nothing yet.
    pub fn new(systems: Systems) -> Self {
        Self { systems, ledger: Ledger::default(), commits_late: Cell::default(), amid: false }
    }

    /// Changes how both simulators behave.
    ///
    /// # Errors
    /// A simulator does not know the fault.
    pub fn set_faults(&self, faults: &Value) -> anyhow::Result<()> {
        self.commits_late.set(faults["late_commit_ms"].as_i64() > Some(0));
        self.systems.hubspot.post("faults", faults)?;
        self.systems.salesforce.post("faults", faults).map(drop)
    }

    /// Somebody acts in the middle of a cycle.
    pub(crate) fn act_amid(&mut self, act: &Act) -> anyhow::Result<()> {
        self.amid = true;
        let done = self.act(act);
        self.amid = false;
        done
    }

    fn note(&mut self, who: usize, side: Side, deed: Deed) {
        let is_late = self.amid && self.commits_late.get();
        self.ledger.note(Entry { who, side, deed, is_late });
    }

    /// Something that changes with every write of anybody to any record.
    pub(crate) fn writes_seen(&self) -> anyhow::Result<String> {
        let mut seen = String::new();
        for side in SIDES {
            for object in side.people().iter().chain([&side.companies()]) {
                for record in self.systems.system(side).records(object)? {
                    seen.push_str(&format!(
                        "{object} {} {} {:?} {:?}\n",
                        record.id, record.archived, record.fields, record.references
                    ));
                }
            }
        }
        Ok(seen)
    }

    /// The live records of a person on a side.
    pub(crate) fn records_of(&self, who: usize, side: Side) -> anyhow::Result<Vec<Record>> {
        let mail = mail(who);
        let mut found = Vec::new();
        for object in side.people() {
            let records = self.systems.system(side).records(object)?;
            found.extend(records.into_iter().filter(|record| {
                let field = if side == Side::HubSpot { "email" } else { "Email" };
                record.is_live() && record.text(field).eq_ignore_ascii_case(&mail)
            }));
        }
        Ok(found)
    }

    pub(crate) fn company_on(&self, company: usize, side: Side) -> anyhow::Result<Option<Record>> {
        let field = if side == Side::HubSpot { "name" } else { "Name" };
        let wanted = company_name(company);
        let records = self.systems.system(side).records(side.companies())?;
        Ok(records.into_iter().find(|record| record.is_live() && record.text(field) == wanted))
    }

    pub(crate) fn enter(&mut self, who: usize, side: Side, lead: bool) -> anyhow::Result<()> {
        // What was saved a moment ago is seen by nobody yet.
        let is_there = self.ledger.is_entered(who, side);
        if is_there || !self.records_of(who, side)?.is_empty() {
            return Ok(());
        }
        let (object, mut fields) = match side {
            Side::HubSpot => {
                ("contacts", json!({ "email": mail(who), "full_name": full_name(who) }))
            }
            Side::Salesforce if lead => (
                "Lead",
                json!({ "Email": mail(who), "LastName": family(who), "FirstName": "Hana",
                        "Company": format!("Firm of {who}") }),
            ),
            Side::Salesforce => (
                "Contact",
                json!({ "Email": mail(who), "LastName": family(who), "FirstName": "Hana" }),
            ),
        };
        let mut typed = Vec::new();
        for field in [FIELDS[2], FIELDS[3]] {
            let value = self.ledger.new_value(&field);
            fields[field.column(object)] = json!(value);
            typed.push((field, value));
        }
        self.systems.system(side).create(object, &fields)?;
        self.note(who, side, Deed::Entered);
        for (field, after) in typed {
            let deed = Deed::Typed { field, before: String::new(), after };
            self.note(who, side, deed);
        }
        Ok(())
    }

    pub(crate) fn found(&mut self, company: usize, side: Side) -> anyhow::Result<()> {
        if self.company_on(company, side)?.is_some() {
            return Ok(());
        }
        let name = company_name(company);
        let site = format!("https://firm{company}.example");
        let (object, fields) = match side {
            Side::HubSpot => ("companies", json!({ "name": name, "website": site })),
            Side::Salesforce => ("Account", json!({ "Name": name, "Website": site })),
        };
        self.systems.system(side).create(object, &fields).map(drop)
    }

    pub(crate) fn act(&mut self, act: &Act) -> anyhow::Result<()> {
        match act {
            Act::Type { who, side, field, clears } => {
                let value = if *clears { String::new() } else { self.ledger.new_value(field) };
                self.type_value(*who, *side, *field, value)
            }
            Act::TypeBack { who, side, field } => match self.ledger.former(*who, *side, *field) {
                Some(value) => self.type_value(*who, *side, *field, value),
                None => Ok(()),
            },
            Act::Delete { who, side } => {
                for record in self.records_of(*who, *side)? {
                    let body = json!({ "object": record.object, "id": record.id });
                    self.systems.system(*side).post("delete", &body)?;
                    let key = (record.object, record.id);
                    let deed = Deed::Deleted { key };
                    self.note(*who, *side, deed);
                }
                Ok(())
            }
            // Nobody converts what is not there yet.
            Act::Convert { .. } if self.commits_late.get() => Ok(()),
            Act::Convert { who } => {
                let records = self.records_of(*who, Side::Salesforce)?;
                for lead in records.into_iter().filter(|record| record.object == "Lead") {
                    self.systems.salesforce.post("convert", &json!({ "id": lead.id }))?;
                    let deed = Deed::Converted;
                    self.note(*who, Side::Salesforce, deed);
                }
                Ok(())
            }
            Act::Associate { who, company, there } => self.associate(*who, *company, *there),
            Act::Account { who, company } => self.move_to(*who, *company),
        }
    }

    fn type_value(
        &mut self,
        who: usize,
        side: Side,
        field: Field,
        value: String,
    ) -> anyhow::Result<()> {
        let Some(record) = self.records_of(who, side)?.into_iter().next() else { return Ok(()) };
        let column = field.column(&record.object);
        let before = record.text(column);
        if before == value {
            return Ok(());
        }
        let mut fields = Map::new();
        let cell = if value.is_empty() { Value::Null } else { json!(value) };
        fields.insert(column.to_owned(), cell);
        self.systems.system(side).edit(&record.object, &record.id, fields)?;
        let deed = Deed::Typed { field, before, after: value };
        self.note(who, side, deed);
        Ok(())
    }

    fn associate(&mut self, who: usize, company: usize, there: bool) -> anyhow::Result<()> {
        let Some(contact) = self.records_of(who, Side::HubSpot)?.into_iter().next() else {
            return Ok(());
        };
        let Some(company) = self.company_on(company, Side::HubSpot)? else { return Ok(()) };
        let pair = (contact.id.clone(), company.id.clone());
        let companies = contact.references.get("companies").cloned().unwrap_or_default();
        let is_there = companies.contains(&company.id);
        // Only further companies: the primary one belongs to the mapping.
        let act = if there { !companies.is_empty() && !is_there } else { false };
        if act {
            self.systems.hubspot.associate(&contact.id, &company.id, true)?;
            self.ledger.further.insert(pair);
            self.note(who, Side::HubSpot, Deed::Moved);
        } else if !there && self.ledger.further.remove(&pair) && is_there {
            self.systems.hubspot.associate(&contact.id, &company.id, false)?;
            self.note(who, Side::HubSpot, Deed::Moved);
        }
        Ok(())
    }

    fn move_to(&mut self, who: usize, company: usize) -> anyhow::Result<()> {
        let side = Side::Salesforce;
        let Some(account) = self.company_on(company, side)? else { return Ok(()) };
        let records = self.records_of(who, side)?;
        let contact = records.into_iter().find(|record| record.object == "Contact");
        let Some(contact) = contact else { return Ok(()) };
        let mut fields = Map::new();
        fields.insert("AccountId".to_owned(), json!(account.id));
        let edited = self.systems.salesforce.edit("Contact", &contact.id, fields);
        edited.context("changing an account")?;
        self.note(who, side, Deed::Moved);
        Ok(())
    }
}

pub(crate) fn mail(who: usize) -> String {
    format!("person{who}@people.example")
}

fn family(who: usize) -> String {
    const NAMES: [&str; 4] = ["Sato", "Suzuki", "Tanaka", "Mori"];
    NAMES.get(who).copied().unwrap_or("Abe").to_owned()
}

fn full_name(who: usize) -> String {
    format!("{} Hana", family(who))
}

fn company_name(company: usize) -> String {
    format!("Firm {company} Ltd")
}
