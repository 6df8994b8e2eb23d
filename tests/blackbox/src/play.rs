//! Plays one history: simulators and program start, people act, the program syncs, and the judge
//! looks at every rest.

use std::process::Child;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::history::{Act, Field, History, Step, calm};
use crate::judge::{Violation, judge};
use crate::ledger::{Deed, Entry, Ledger};
use crate::site::{Site, Template};
use crate::systems::{Record, Side, Systems, TrialClock};

/// How much faster than real time a history runs.
const SPEED: u32 = 60;
/// Cycles in which a history must come to rest.
const ROUNDS_MAX: u32 = 16;
/// Longer than any lag that the simulators may have, and than the program waits before it asks
/// again.
const PAUSE_MS: u64 = 70_000;

/// A history under way.
pub(crate) struct Play<'a> {
    pub(crate) site: Site<'a>,
    pub(crate) systems: Systems,
    pub(crate) ledger: Ledger,
    backup: bool,
}

/// Plays a history to its end or to its first violation.
pub(crate) fn play(template: &Template, history: &History) -> anyhow::Result<Option<Violation>> {
    let clock = TrialClock { origin_ms: now_ms(), speed: SPEED };
    let systems = Systems::start(&template.binary, clock, &calm())?;
    let site = Site::new(template, &systems)?;
    let mut play = Play { site, systems, ledger: Ledger::default(), backup: false };
    for step in &history.steps {
        if let Some(violation) = play.step(step)? {
            return Ok(Some(violation));
        }
    }
    play.rest()
}

fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a black box has only the real time")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default()
}

impl Play<'_> {
    fn step(&mut self, step: &Step) -> anyhow::Result<Option<Violation>> {
        match step {
            Step::Appear { who, sides, lead } => {
                for side in sides {
                    self.enter(*who, *side, *lead)?;
                }
            }
            Step::Found { company, side } => self.found(*company, *side)?,
            Step::Act(act) => self.act(act)?,
            Step::Sync => drop(self.site.sync()?),
            Step::SyncWhile { calls, act } => {
                let sync = self.site.start_sync()?;
                let mut sync = self.after_calls(sync, *calls)?;
                self.act(act)?;
                sync.wait()?;
            }
            Step::Killed { calls } => {
                let sync = self.site.start_sync()?;
                let mut sync = self.after_calls(sync, *calls)?;
                sync.kill()?;
                sync.wait()?;
            }
            Step::Twice => {
                let mut first = self.site.start_sync()?;
                drop(self.site.sync()?);
                first.wait()?;
            }
            Step::Serve { ms, act, swap, kill } => self.serve(*ms, act.as_ref(), *swap, *kill)?,
            Step::Wait { ms } => self.systems.clock.wait(*ms),
            Step::Faults(faults) => self.set_faults(faults)?,
            Step::Backup if self.site.template.can_restore => {
                let file = self.site.path().join("kept.backup");
                if file.exists() {
                    std::fs::remove_file(&file)?;
                }
                let file = file.to_string_lossy().into_owned();
                self.backup = self.site.run("backup", &[&file])?.code == Some(0);
            }
            Step::Restore if self.backup => {
                let file = self.site.path().join("kept.backup").to_string_lossy().into_owned();
                let ended = self.site.run("restore", &[&file])?;
                if ended.code != Some(0) {
                    let story = format!("restore failed: {}", ended.errors);
                    return Ok(Some(Violation::new("restore", story)));
                }
            }
            Step::Backup | Step::Restore => {}
            Step::Rest => return self.rest(),
        }
        Ok(None)
    }

    fn set_faults(&self, faults: &Value) -> anyhow::Result<()> {
        self.systems.hubspot.post("faults", faults)?;
        self.systems.salesforce.post("faults", faults).map(drop)
    }

    /// The running command, once the simulators have answered so many more calls.
    fn after_calls(&self, mut child: Child, calls: u64) -> anyhow::Result<Child> {
        let wanted = self.systems.calls()? + calls;
        while self.systems.calls()? < wanted && child.try_wait()?.is_none() {}
        Ok(child)
    }

    fn serve(&mut self, ms: u64, act: Option<&Act>, swap: bool, kill: bool) -> anyhow::Result<()> {
        let mut serve = self.site.start_serve()?;
        self.systems.clock.wait(ms / 2);
        if let Some(act) = act {
            self.act(act)?;
        }
        if swap {
            self.site.replace_plugin()?;
        }
        self.systems.clock.wait(ms / 2);
        if kill {
            serve.kill()?;
        } else {
            let id = serve.id().to_string();
            std::process::Command::new("kill").args(["-TERM", &id]).status()?;
        }
        serve.wait()?;
        Ok(())
    }

    /// Syncs until nothing moves any more, then lets the judge look.
    fn rest(&mut self) -> anyhow::Result<Option<Violation>> {
        self.set_faults(&calm())?;
        let mut quiet = 0;
        let mut last = String::new();
        for _ in 0..ROUNDS_MAX {
            self.systems.clock.wait(PAUSE_MS);
            let before = self.writes_seen()?;
            let ended = self.site.sync()?;
            last = ended.errors;
            let still = ended.code == Some(0) && ended.json["writes"].as_u64() == Some(0);
            quiet = if still && self.writes_seen()? == before { quiet + 1 } else { 0 };
            if quiet == 2 {
                return judge(self);
            }
        }
        Ok(Some(Violation::new("quiescence", format!("no rest in {ROUNDS_MAX} cycles: {last}"))))
    }

    /// Something that changes with every write of anybody to any record.
    fn writes_seen(&self) -> anyhow::Result<String> {
        let mut seen = String::new();
        for side in crate::systems::SIDES {
            for object in side.people().iter().chain([&side.companies()]) {
                for record in self.systems.of(side).records(object)? {
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
            let records = self.systems.of(side).records(object)?;
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
        let records = self.systems.of(side).records(side.companies())?;
        Ok(records.into_iter().find(|record| record.is_live() && record.text(field) == wanted))
    }

    fn enter(&mut self, who: usize, side: Side, lead: bool) -> anyhow::Result<()> {
        if !self.records_of(who, side)?.is_empty() {
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
        for field in [crate::history::FIELDS[2], crate::history::FIELDS[3]] {
            let value = self.ledger.new_value(&field);
            fields[field.column(object)] = json!(value);
            typed.push((field, value));
        }
        self.systems.of(side).create(object, &fields)?;
        self.ledger.note(Entry { who, side, deed: Deed::Entered });
        for (field, after) in typed {
            let deed = Deed::Typed { field, before: String::new(), after };
            self.ledger.note(Entry { who, side, deed });
        }
        Ok(())
    }

    fn found(&mut self, company: usize, side: Side) -> anyhow::Result<()> {
        if self.company_on(company, side)?.is_some() {
            return Ok(());
        }
        let name = company_name(company);
        let site = format!("https://firm{company}.example");
        let (object, fields) = match side {
            Side::HubSpot => ("companies", json!({ "name": name, "website": site })),
            Side::Salesforce => ("Account", json!({ "Name": name, "Website": site })),
        };
        self.systems.of(side).create(object, &fields).map(drop)
    }

    fn act(&mut self, act: &Act) -> anyhow::Result<()> {
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
                    self.systems.of(*side).post("delete", &body)?;
                    let key = (record.object, record.id);
                    let deed = Deed::Deleted { key };
                    self.ledger.note(Entry { who: *who, side: *side, deed });
                }
                Ok(())
            }
            Act::Convert { who } => {
                let records = self.records_of(*who, Side::Salesforce)?;
                for lead in records.into_iter().filter(|record| record.object == "Lead") {
                    self.systems.salesforce.post("convert", &json!({ "id": lead.id }))?;
                    let deed = Deed::Converted;
                    self.ledger.note(Entry { who: *who, side: Side::Salesforce, deed });
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
        self.systems.of(side).edit(&record.object, &record.id, fields)?;
        let deed = Deed::Typed { field, before, after: value };
        self.ledger.note(Entry { who, side, deed });
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
        } else if !there && self.ledger.further.remove(&pair) && is_there {
            self.systems.hubspot.associate(&contact.id, &company.id, false)?;
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
        self.systems.salesforce.edit("Contact", &contact.id, fields).context("changing an account")
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
