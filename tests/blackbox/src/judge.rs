//! The rules, judged from outside: what people typed against what stands in the two systems, and
//! against what `renkei why` and `renkei status` say.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::history::{FIELDS, PEOPLE};
use crate::ledger::Spot;
use crate::play::Play;
use crate::systems::{Record, SIDES, Side};

/// A broken promise.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// Which promise, in a word.
    pub(crate) rule: &'static str,
    pub(crate) story: String,
}

impl Violation {
    pub(crate) fn new(rule: &'static str, story: String) -> Self {
        Self { rule, story }
    }
}

/// Judges the world at rest, and notes what both sides agree on.
pub(crate) fn judge(play: &mut Play<'_>) -> anyhow::Result<Option<Violation>> {
    let mut agreed = BTreeMap::new();
    for who in 0..PEOPLE {
        if let Some(violation) = judge_person(play, who, &mut agreed)? {
            return Ok(Some(violation));
        }
    }
    if let Some(violation) = find_unwanted_deletion(play)? {
        return Ok(Some(violation));
    }
    if let Some(violation) = find_lost_association(play)? {
        return Ok(Some(violation));
    }
    for side in SIDES {
        let breaches = &play.systems.of(side).get("ledger")?["breaches"];
        if breaches.as_array().is_some_and(|breaches| !breaches.is_empty()) {
            return Ok(Some(Violation::new("quota", breaches.to_string())));
        }
    }
    play.ledger.rest(agreed);
    Ok(None)
}

fn judge_person(
    play: &Play<'_>,
    who: usize,
    agreed: &mut BTreeMap<Spot, String>,
) -> anyhow::Result<Option<Violation>> {
    let hubspot = play.records_of(who, Side::HubSpot)?;
    let salesforce = play.records_of(who, Side::Salesforce)?;
    for records in [&hubspot, &salesforce] {
        if records.len() > 1 {
            let ids: Vec<_> = records.iter().map(key).collect();
            return Ok(Some(Violation::new("duplicate", format!("person {who}: {ids:?}"))));
        }
    }
    let (Some(left), Some(right)) = (hubspot.first(), salesforce.first()) else {
        return judge_single(play, who, hubspot.first().or(salesforce.first()));
    };
    if play.ledger.is_deleted(who) && !is_asked(play, left)? {
        let story = format!("person {who} was deleted last of all and lives on both sides");
        return Ok(Some(Violation::new("resurrected", story)));
    }
    for field in FIELDS {
        let (a, b) = (left.text(field.hubspot), right.text(field.column(&right.object)));
        let why = || play.site.why(&key(left));
        if a != b {
            let why = why()?;
            if !explains(&why, field.name) {
                let story = format!("person {who} {}: `{a}` and `{b}`; {why}", field.name);
                return Ok(Some(Violation::new("unexplained", story)));
            }
            continue;
        }
        let (candidates, both) = play.ledger.candidates(who, field);
        let disturbed = play.ledger.is_disturbed(who) && play.ledger.was_ever_deleted(who);
        if !disturbed {
            if !candidates.is_empty() && !candidates.contains(&a) {
                let story =
                    format!("person {who} {}: `{a}` stands, typed {candidates:?}", field.name);
                return Ok(Some(Violation::new("returned", story)));
            }
            let overruled: Vec<_> =
                candidates.iter().filter(|v| **v != a && !v.is_empty()).collect();
            if both && !overruled.is_empty() {
                let why = why()?.to_string();
                if let Some(lost) = overruled.iter().find(|value| !why.contains(value.as_str())) {
                    let story = format!("person {who} {}: `{lost}` lost to `{a}`", field.name);
                    return Ok(Some(Violation::new("lost", story)));
                }
            }
        }
        agreed.insert((who, field), a);
    }
    Ok(None)
}

/// A person on one side only, or on none.
fn judge_single(
    play: &Play<'_>,
    who: usize,
    record: Option<&Record>,
) -> anyhow::Result<Option<Violation>> {
    let Some(record) = record else {
        let gone = play.ledger.was_ever_deleted(who) || play.ledger.recent(who).next().is_none();
        return Ok((!gone).then(|| {
            Violation::new("unwanted deletion", format!("person {who} is gone everywhere"))
        }));
    };
    if is_asked(play, record)? {
        return Ok(None);
    }
    let rule = if play.ledger.is_deleted(who) { "missed deletion" } else { "unexplained" };
    let why = play.site.why(&key(record))?;
    let story = format!("person {who} is on one side only: {}; {why}", key(record));
    Ok(Some(Violation::new(rule, story)))
}

/// Records that are archived although nobody deleted anything of that person.
fn find_unwanted_deletion(play: &Play<'_>) -> anyhow::Result<Option<Violation>> {
    for side in SIDES {
        let mail = if side == Side::HubSpot { "email" } else { "Email" };
        for object in side.people() {
            for record in play.systems.of(side).records(object)? {
                let who = (0..PEOPLE).find(|who| record.text(mail) == crate::play::mail(*who));
                let Some(who) = who else { continue };
                if record.archived && !play.ledger.was_ever_deleted(who) {
                    let story = format!("person {who}: {} is archived", key(&record));
                    return Ok(Some(Violation::new("unwanted deletion", story)));
                }
            }
        }
        for record in play.systems.of(side).records(side.companies())? {
            if record.archived {
                let story = format!("company {} is archived", key(&record));
                return Ok(Some(Violation::new("unwanted deletion", story)));
            }
        }
    }
    Ok(None)
}

/// Associations that people made beside the primary one and that are not there any more.
fn find_lost_association(play: &Play<'_>) -> anyhow::Result<Option<Violation>> {
    let contacts = play.systems.hubspot.records("contacts")?;
    for (contact, company) in &play.ledger.further {
        let Some(contact) = contacts.iter().find(|c| c.id == *contact && c.is_live()) else {
            continue;
        };
        let companies = contact.references.get("companies").cloned().unwrap_or_default();
        if !companies.contains(company) {
            let story = format!("contact {} and company {company}; has {companies:?}", contact.id);
            return Ok(Some(Violation::new("association", story)));
        }
    }
    Ok(None)
}

/// Whether an open question, a refusal or a wait explains what stands still about a field.
fn explains(why: &Value, field: &str) -> bool {
    let open = why["reviews"].as_array().into_iter().flatten().any(|review| {
        let about = review.to_string();
        review["status"] == "open" && (!about.contains("\"field\"") || about.contains(field))
    });
    let listed = |name: &str| why[name].as_array().is_some_and(|list| !list.is_empty());
    open || listed("refusals") || listed("failures")
}

/// Whether a question about the record, or a refusal, is open.
fn is_asked(play: &Play<'_>, record: &Record) -> anyhow::Result<bool> {
    let why = play.site.why(&key(record))?;
    let reviews = why["reviews"].as_array().cloned().unwrap_or_default();
    let open = reviews.iter().any(|review| review["status"] == "open");
    let listed = |name: &str| why[name].as_array().is_some_and(|list| !list.is_empty());
    if open || listed("refusals") || listed("failures") || listed("waits") {
        return Ok(true);
    }
    let status = play.site.run("status", &[])?.json;
    let reviews = status["reviews"].as_array().cloned().unwrap_or_default();
    Ok(reviews.iter().any(|review| review.to_string().contains(&key(record))))
}

fn key(record: &Record) -> String {
    let system = if record.object == "contacts" || record.object == "companies" {
        "hubspot"
    } else {
        "salesforce"
    };
    format!("{system}.{}/{}", record.object, record.id)
}
