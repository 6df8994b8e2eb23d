//! The promises, judged from outside: what people typed against what stands in the two systems, and
//! against what `renkei why` and `renkei status` say.

use std::collections::{BTreeMap, BTreeSet};

use renkei_test_support::Promise;
use serde_json::Value;

use crate::history::{FIELDS, Field, PEOPLE};
use crate::ledger::Spot;
use crate::people::People;
use crate::program::Program;
use crate::systems::{Record, SIDES, Side};

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    pub promise: Promise,
    pub story: String,
}

impl Violation {
    pub fn new(promise: Promise, story: String) -> Self {
        Self { promise, story }
    }
}

/// Judges the world at rest, and notes what both sides agree on.
///
/// # Errors
/// It could not look.
pub fn judge(program: &impl Program, people: &mut People) -> anyhow::Result<Option<Violation>> {
    let mut agreed = BTreeMap::new();
    for who in 0..PEOPLE {
        if let Some(violation) = judge_person(program, people, who, &mut agreed)? {
            return Ok(Some(violation));
        }
    }
    if let Some(violation) = find_unwanted_deletion(people)? {
        return Ok(Some(violation));
    }
    if let Some(violation) = find_lost_association(people)? {
        return Ok(Some(violation));
    }
    for side in SIDES {
        let breaches = &people.systems.system(side).get("ledger")?["breaches"];
        if breaches.as_array().is_some_and(|breaches| !breaches.is_empty()) {
            return Ok(Some(Violation::new(Promise::Quota, breaches.to_string())));
        }
    }
    let mut living = BTreeSet::new();
    for who in 0..PEOPLE {
        for side in SIDES {
            if !people.records_of(who, side)?.is_empty() {
                living.insert(who);
            }
        }
    }
    people.ledger.rest(agreed, living);
    Ok(None)
}

fn judge_person(
    program: &impl Program,
    people: &mut People,
    who: usize,
    agreed: &mut BTreeMap<Spot, String>,
) -> anyhow::Result<Option<Violation>> {
    if people.ledger.doubled.contains(&who) {
        // From here on nobody can say from outside which of the records should have what.
        return Ok(None);
    }
    let hubspot = people.records_of(who, Side::HubSpot)?;
    let salesforce = people.records_of(who, Side::Salesforce)?;
    for (side, records) in [(Side::HubSpot, &hubspot), (Side::Salesforce, &salesforce)] {
        if records.len() > 1 {
            // What people saved while the program looked was not to be seen; then they are asked.
            let asked = |record: &Record| is_asked(program, record);
            if people.ledger.is_new(who, side) && asked(&records[0])? | asked(&records[1])? {
                people.ledger.doubled.insert(who);
                return Ok(None);
            }
            let ids: Vec<_> = records.iter().map(key).collect();
            let story = format!("person {who}: {ids:?}");
            return Ok(Some(Violation::new(Promise::Duplicate, story)));
        }
    }
    let (Some(left), Some(right)) = (hubspot.first(), salesforce.first()) else {
        return judge_single(program, people, who, hubspot.first().or(salesforce.first()));
    };
    if people.ledger.is_deleted(who) && !is_asked(program, left)? {
        let story = format!("person {who} was deleted last of all and lives on both sides");
        return Ok(Some(Violation::new(Promise::Resurrected, story)));
    }
    for field in FIELDS {
        let (a, b) = (left.text(field.hubspot), right.text(field.column(&right.object)));
        let why = || program.why(&key(left));
        if a != b {
            let why = why()?;
            if !explains(&why, field.name) {
                let story = format!("person {who} {}: `{a}` and `{b}`; {why}", field.name);
                return Ok(Some(Violation::new(Promise::Unexplained, story)));
            }
            continue;
        }
        if let Some(violation) = judge_value(program, people, who, (field, &a, &key(left)))? {
            return Ok(Some(violation));
        }
        agreed.insert((who, field), a);
    }
    Ok(None)
}

/// A value on which both sides agree: somebody typed it, and what it overruled can be read.
fn judge_value(
    program: &impl Program,
    people: &People,
    who: usize,
    (field, value, key): (Field, &str, &str),
) -> anyhow::Result<Option<Violation>> {
    let ledger = &people.ledger;
    let (candidates, both) = ledger.candidates(who, field);
    if candidates.is_empty() || ledger.is_disturbed(who) && ledger.was_ever_deleted(who) {
        return Ok(None);
    }
    let why = program.why(key)?.to_string();
    let is_told = |typed: &String| why.contains(typed.as_str());
    if !candidates.iter().any(|typed| typed == value) {
        // What a database that was put back has forgotten is met as at the first link.
        if ledger.restored && candidates.iter().all(is_told) {
            return Ok(None);
        }
        let story = format!("person {who} {}: `{value}` stands, typed {candidates:?}", field.name);
        return Ok(Some(Violation::new(Promise::ReturnedValue, story)));
    }
    if !both || ledger.restored || ledger.is_late(who, field) {
        return Ok(None);
    }
    let lost = candidates.iter().find(|typed| {
        *typed != value
            && !typed.is_empty()
            && !ledger.was_replaced_by_hand(who, field, typed)
            && !is_told(typed)
    });
    Ok(lost.map(|lost| {
        let story = format!("person {who} {}: `{lost}` lost to `{value}`", field.name);
        Violation::new(Promise::LostEdit, story)
    }))
}

/// A person on one side only, or on none.
fn judge_single(
    program: &impl Program,
    people: &People,
    who: usize,
    record: Option<&Record>,
) -> anyhow::Result<Option<Violation>> {
    let Some(record) = record else {
        let gone =
            people.ledger.was_ever_deleted(who) || people.ledger.recent(who).next().is_none();
        return Ok((!gone).then(|| {
            Violation::new(Promise::UnwantedDeletion, format!("person {who} is gone everywhere"))
        }));
    };
    if is_asked(program, record)? {
        return Ok(None);
    }
    let promise =
        if people.ledger.is_deleted(who) { Promise::MissedDeletion } else { Promise::Unexplained };
    let why = program.why(&key(record))?;
    let story = format!("person {who} is on one side only: {}; {why}", key(record));
    Ok(Some(Violation::new(promise, story)))
}

/// Records that are archived although nobody deleted anything of that person.
fn find_unwanted_deletion(people: &People) -> anyhow::Result<Option<Violation>> {
    for side in SIDES {
        let mail = if side == Side::HubSpot { "email" } else { "Email" };
        for object in side.people() {
            for record in people.systems.system(side).records(object)? {
                let who = (0..PEOPLE).find(|who| record.text(mail) == crate::people::mail(*who));
                let Some(who) = who else { continue };
                if record.archived && !people.ledger.was_ever_deleted(who) {
                    let story = format!("person {who}: {} is archived", key(&record));
                    return Ok(Some(Violation::new(Promise::UnwantedDeletion, story)));
                }
            }
        }
        for record in people.systems.system(side).records(side.companies())? {
            if record.archived {
                let story = format!("company {} is archived", key(&record));
                return Ok(Some(Violation::new(Promise::UnwantedDeletion, story)));
            }
        }
    }
    Ok(None)
}

/// Associations that people made beside the primary one and that are not there any more.
fn find_lost_association(people: &People) -> anyhow::Result<Option<Violation>> {
    let contacts = people.systems.hubspot.records("contacts")?;
    for (contact, company) in &people.ledger.further {
        let Some(contact) = contacts.iter().find(|c| c.id == *contact && c.is_live()) else {
            continue;
        };
        let companies = contact.references.get("companies").cloned().unwrap_or_default();
        if !companies.contains(company) {
            let story = format!("contact {} and company {company}; has {companies:?}", contact.id);
            return Ok(Some(Violation::new(Promise::Association, story)));
        }
    }
    Ok(None)
}

/// True if an open question, a refusal or a wait explains what stands still about a field.
fn explains(why: &Value, field: &str) -> bool {
    let open = why["reviews"].as_array().into_iter().flatten().any(|review| {
        let about = review.to_string();
        review["status"] == "open" && (!about.contains("\"field\"") || about.contains(field))
    });
    let listed = |name: &str| why[name].as_array().is_some_and(|list| !list.is_empty());
    open || listed("refusals") || listed("failures")
}

/// True if a question about the record, or a refusal, is open.
fn is_asked(program: &impl Program, record: &Record) -> anyhow::Result<bool> {
    let why = program.why(&key(record))?;
    let reviews = why["reviews"].as_array().cloned().unwrap_or_default();
    let open = reviews.iter().any(|review| review["status"] == "open");
    let listed = |name: &str| why[name].as_array().is_some_and(|list| !list.is_empty());
    if open || listed("refusals") || listed("failures") || listed("waits") {
        return Ok(true);
    }
    Ok(program.questions()?.iter().any(|question| question.contains(&key(record))))
}

fn key(record: &Record) -> String {
    let system = if record.object == "contacts" || record.object == "companies" {
        "hubspot"
    } else {
        "salesforce"
    };
    format!("{system}.{}/{}", record.object, record.id)
}
