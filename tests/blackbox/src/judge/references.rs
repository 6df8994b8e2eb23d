//! The companies of people and deals.

use renkei_test_support::Promise;
use serde_json::Value;

use super::{Violation, explains, key, standing};
use crate::history::{COMPANIES, Subject};
use crate::people::{People, name};
use crate::program::Program;
use crate::systems::{Record, Side};

/// Both sides name the same company, or people can read why not.
pub(super) fn judge(
    program: &impl Program,
    people: &People,
    who: Subject,
    (left, right): (&Record, &Record),
) -> anyhow::Result<Option<Violation>> {
    // A Lead has no account.
    if right.object == "Lead" {
        return Ok(None);
    }
    let a = company_named(people, Side::HubSpot, left.primary.get("companies"))?;
    let account = right.references.get("Account").and_then(|ids| ids.first());
    let b = company_named(people, Side::Salesforce, account)?;
    if a == b || is_one(people, a.as_deref(), b.as_deref()) {
        return Ok(None);
    }
    let why = program.why(&key(left))?;
    let is_listed = |name: &str| why[name].as_array().is_some_and(|list| !list.is_empty());
    let differs = |record| standing(&why, "company", record).starts_with("differs: ");
    if explains(&why, "company") || is_listed("waits") || differs(left) || differs(right) {
        return Ok(None);
    }
    Ok(Some(different(who, (a, b), &why)))
}

fn different(who: Subject, (a, b): (Option<String>, Option<String>), why: &Value) -> Violation {
    let story = format!("{who} company: {a:?} and {b:?}; {why}");
    Violation::new(Promise::Unexplained, story)
}

/// The name of a company, also of one that is gone.
fn company_named(
    people: &People,
    side: Side,
    id: Option<&String>,
) -> anyhow::Result<Option<String>> {
    let Some(id) = id else { return Ok(None) };
    let company = Subject::Company(0);
    for object in side.objects(company) {
        let records = people.systems.system(side).records(object)?;
        if let Some(record) = records.iter().find(|record| record.id == *id) {
            return Ok(Some(record.text(side.name_column(company))));
        }
    }
    Ok(None)
}

/// True if people made one company of both, on either side.
fn is_one(people: &People, a: Option<&str>, b: Option<&str>) -> bool {
    let numbered = |wanted: Option<&str>| {
        (0..COMPANIES).map(Subject::Company).find(|one| Some(name(*one).as_str()) == wanted)
    };
    let (Some(a), Some(b)) = (numbered(a), numbered(b)) else { return false };
    people.ledger.any_like(a, |one| one == b)
}

/// Associations that people made beside the primary one and that are not there any more.
pub(super) fn find_lost(people: &People) -> anyhow::Result<Option<Violation>> {
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
