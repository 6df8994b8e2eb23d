//! Acts of people in the two systems, noted in the judge's ledger.

use std::cell::Cell;
use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::forms;
use crate::history::{Act, CLOSE_DATE, FIELDS, Field, STAGE, Subject};
use crate::ledger::{Deed, Entry, Ledger};
use crate::systems::{Record, SIDES, Side, Systems, opt_out_column};

/// The people of both systems, with the ledger of what they did.
pub struct People {
    pub systems: Systems,
    pub ledger: Ledger,
    /// A system commits late.
    commits_late: Cell<bool>,
    /// A cycle runs.
    amid: bool,
    /// Owners who have left, by number.
    pub(crate) absent: BTreeSet<usize>,
}

impl People {
    /// People who have done nothing yet.
    pub fn new(systems: Systems) -> Self {
        Self {
            systems,
            ledger: Ledger::default(),
            commits_late: Cell::default(),
            amid: false,
            absent: BTreeSet::new(),
        }
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

    pub(crate) fn note(&mut self, who: Subject, side: Side, deed: Deed) {
        let is_late = self.amid && self.commits_late.get();
        self.ledger.note(Entry { who, side, deed, is_late });
    }

    /// True if nobody can be sure to see what was saved last.
    pub(crate) fn commits_late(&self) -> bool {
        self.commits_late.get()
    }

    /// Something that changes with every write of anybody to any record.
    pub(crate) fn writes_seen(&self) -> anyhow::Result<String> {
        let mut seen = String::new();
        for side in SIDES {
            for object in side.all_objects() {
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

    /// The live records of somebody or something on a side.
    pub(crate) fn records_of(&self, who: Subject, side: Side) -> anyhow::Result<Vec<Record>> {
        let name = name(who);
        let column = side.name_column(who);
        let mut found = Vec::new();
        for object in side.objects(who) {
            let records = self.systems.system(side).records(object)?;
            found.extend(records.into_iter().filter(|record| {
                record.is_live() && record.text(column).eq_ignore_ascii_case(&name)
            }));
        }
        Ok(found)
    }

    /// The first of them.
    pub(crate) fn record_of(&self, who: Subject, side: Side) -> anyhow::Result<Option<Record>> {
        Ok(self.records_of(who, side)?.into_iter().next())
    }

    /// The first of them, if the system takes what people save in it.
    fn open_record(&self, who: Subject, side: Side) -> anyhow::Result<Option<Record>> {
        match self.record_of(who, side)? {
            Some(record) if self.is_locked(&record)? => Ok(None),
            found => Ok(found),
        }
    }

    pub(crate) fn enter(&mut self, who: usize, side: Side, lead: bool) -> anyhow::Result<()> {
        let (number, who) = (who, Subject::Person(who));
        // What was saved a moment ago is seen by nobody yet.
        let is_there = self.ledger.is_entered(who, side) || self.ledger.is_taken_over(who, side);
        if is_there || !self.records_of(who, side)?.is_empty() {
            return Ok(());
        }
        let (object, mut fields) = match side {
            Side::HubSpot => {
                ("contacts", json!({ "email": name(who), "full_name": full_name(number) }))
            }
            Side::Salesforce if lead => (
                "Lead",
                json!({ "Email": name(who), "LastName": family(number), "FirstName": "Hana",
                        "Company": format!("Firm of {number}") }),
            ),
            Side::Salesforce => (
                "Contact",
                json!({ "Email": name(who), "LastName": family(number), "FirstName": "Hana" }),
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
        let company = (company, Subject::Company(company));
        if self.ledger.is_entered(company.1, side) || self.record_of(company.1, side)?.is_some() {
            return Ok(());
        }
        let (number, company) = company;
        let name = name(company);
        let site = format!("https://firm{number}.example");
        let (object, fields) = match side {
            Side::HubSpot => ("companies", json!({ "name": name, "website": site })),
            Side::Salesforce => ("Account", json!({ "Name": name, "Website": site })),
        };
        self.systems.system(side).create(object, &fields)?;
        self.note(company, side, Deed::Entered);
        Ok(())
    }

    /// A deal is entered; in HubSpot perhaps without a close date.
    pub(crate) fn offer(
        &mut self,
        deal: usize,
        side: Side,
        company: usize,
        dated: bool,
    ) -> anyhow::Result<()> {
        let deal = Subject::Deal(deal);
        if self.ledger.is_entered(deal, side) || self.record_of(deal, side)?.is_some() {
            return Ok(());
        }
        let (object, mut fields) = match side {
            Side::HubSpot => ("deals", json!({ "dealname": name(deal), "pipeline": "default" })),
            Side::Salesforce => ("Opportunity", json!({ "Name": name(deal) })),
        };
        let mut typed = Vec::new();
        let is_dated = dated || side == Side::Salesforce;
        for field in deal.fields().iter().filter(|field| is_dated || **field != CLOSE_DATE) {
            let value = self.ledger.new_value(field);
            fields[field.column(object)] = forms::cell(field, side, &value);
            typed.push((*field, value));
        }
        self.systems.system(side).create(object, &fields)?;
        self.note(deal, side, Deed::Entered);
        for (field, after) in typed {
            self.note(deal, side, Deed::Typed { field, before: String::new(), after });
        }
        self.belong(deal, side, company)
    }

    pub(crate) fn act(&mut self, act: &Act) -> anyhow::Result<()> {
        match act {
            Act::Type { who, side, field, clears } => {
                let clears = *clears && may_be_empty(field, *side);
                let value = if clears { String::new() } else { self.ledger.new_value(field) };
                self.type_value(*who, *side, *field, value)
            }
            Act::TypeBack { who, side, field } => match self.ledger.former(*who, *side, *field) {
                Some(value) if value.is_empty() && !may_be_empty(field, *side) => Ok(()),
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
                let who = Subject::Person(*who);
                let records = self.records_of(who, Side::Salesforce)?;
                for lead in records.into_iter().filter(|record| record.object == "Lead") {
                    if self.is_locked(&lead)? {
                        continue;
                    }
                    self.systems.salesforce.post("convert", &json!({ "id": lead.id }))?;
                    let deed = Deed::Converted;
                    self.note(who, Side::Salesforce, deed);
                }
                Ok(())
            }
            Act::Associate { who, company, there } => self.associate(*who, *company, *there),
            Act::Belong { who, side, company } => self.belong(*who, *side, *company),
            Act::OptOut { who, side, out } => self.opt_out(*who, *side, *out),
            Act::Hand { who, side, owner } => self.hand(*who, *side, *owner),
            Act::Merge { winner, loser, side } => self.merge(*winner, *loser, *side),
        }
    }

    fn type_value(
        &mut self,
        who: Subject,
        side: Side,
        field: Field,
        value: String,
    ) -> anyhow::Result<()> {
        let Some(record) = self.open_record(who, side)? else { return Ok(()) };
        let column = field.column(&record.object);
        let before = forms::meaning(&field, &record);
        if before == value {
            return Ok(());
        }
        let mut fields = Map::new();
        fields.insert(column.to_owned(), forms::cell(&field, side, &value));
        self.systems.system(side).edit(&record.object, &record.id, fields)?;
        let deed = Deed::Typed { field, before, after: value };
        self.note(who, side, deed);
        Ok(())
    }

    fn associate(&mut self, who: usize, company: usize, there: bool) -> anyhow::Result<()> {
        let (who, company) = (Subject::Person(who), Subject::Company(company));
        let Some(contact) = self.record_of(who, Side::HubSpot)? else { return Ok(()) };
        let Some(company) = self.record_of(company, Side::HubSpot)? else { return Ok(()) };
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

    fn belong(&mut self, who: Subject, side: Side, company: usize) -> anyhow::Result<()> {
        let Some(company) = self.record_of(Subject::Company(company), side)? else {
            return Ok(());
        };
        let records = self.records_of(who, side)?;
        // A Lead has no account.
        let Some(record) = records.into_iter().find(|record| record.object != "Lead") else {
            return Ok(());
        };
        if self.is_locked(&record)? {
            return Ok(());
        }
        match side {
            Side::HubSpot => {
                self.systems.hubspot.make_primary(&record, &company.id)?;
                // From now on it belongs to the mapping.
                self.ledger.further.remove(&(record.id, company.id));
            }
            Side::Salesforce => {
                let mut fields = Map::new();
                fields.insert("AccountId".to_owned(), json!(company.id));
                let edited = self.systems.salesforce.edit(&record.object, &record.id, fields);
                edited.context("changing an account")?;
            }
        }
        self.note(who, side, Deed::Moved);
        Ok(())
    }

    fn opt_out(&mut self, who: usize, side: Side, out: bool) -> anyhow::Result<()> {
        let who = Subject::Person(who);
        let Some(record) = self.open_record(who, side)? else { return Ok(()) };
        if record.is_opted_out() == out {
            return Ok(());
        }
        let column = opt_out_column(side);
        let mut fields = Map::new();
        // HubSpot's API has texts alone.
        let cell = if side == Side::HubSpot { json!(out.to_string()) } else { json!(out) };
        fields.insert(column.to_owned(), cell);
        self.systems.system(side).edit(&record.object, &record.id, fields)?;
        let key = (record.object, record.id);
        if side == Side::HubSpot {
            // The mapping only reads it there.
            let (object, id) = key.clone();
            self.ledger.by_hand.insert((object, id, column), out.to_string());
        }
        self.note(who, side, Deed::OptedOut { out, key });
        Ok(())
    }
}

/// False where the system does not let people leave the field empty.
fn may_be_empty(field: &Field, side: Side) -> bool {
    *field != STAGE && (side == Side::HubSpot || *field != CLOSE_DATE)
}

/// The name by which people know it: a person's mail address.
pub(crate) fn name(who: Subject) -> String {
    match who {
        Subject::Person(who) => format!("person{who}@people.example"),
        Subject::Company(company) => format!("Firm {company} Ltd"),
        Subject::Deal(deal) => format!("Deal {deal}"),
    }
}

fn family(who: usize) -> String {
    const NAMES: [&str; 4] = ["Sato", "Suzuki", "Tanaka", "Mori"];
    NAMES.get(who).copied().unwrap_or("Abe").to_owned()
}

fn full_name(who: usize) -> String {
    format!("{} Hana", family(who))
}
