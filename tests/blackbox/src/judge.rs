//! The promises, judged from outside: what people typed against what stands in the two systems, and
//! against what `renkei why` and `renkei status` say.

use std::collections::{BTreeMap, BTreeSet};

use renkei_test_support::Promise;
use serde_json::Value;

use crate::forms;
use crate::history::{COMPANIES, Field, PEOPLE, Subject};
use crate::ledger::Spot;
use crate::people::{People, name};
use crate::program::Program;
use crate::systems::{Record, SIDES, Side};

mod consent;
mod references;

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
    for who in Subject::judged() {
        if let Some(violation) = judge_subject(program, people, who, &mut agreed)? {
            return Ok(Some(violation));
        }
    }
    for who in (0..PEOPLE).map(Subject::Person) {
        if let Some(violation) = consent::judge(program, people, who)? {
            return Ok(Some(violation));
        }
    }
    for company in (0..COMPANIES).map(Subject::Company) {
        if let Some(violation) = judge_company(program, people, company)? {
            return Ok(Some(violation));
        }
    }
    if let Some(violation) = find_unwanted_deletion(people)? {
        return Ok(Some(violation));
    }
    if let Some(violation) = references::find_lost(people)? {
        return Ok(Some(violation));
    }
    if let Some(violation) = find_foreign_write(people)? {
        return Ok(Some(violation));
    }
    for side in SIDES {
        let breaches = &people.systems.system(side).get("ledger")?["breaches"];
        if breaches.as_array().is_some_and(|breaches| !breaches.is_empty()) {
            return Ok(Some(Violation::new(Promise::Quota, breaches.to_string())));
        }
    }
    rest(people, agreed)
}

/// Everything is in step.
fn rest(people: &mut People, agreed: BTreeMap<Spot, String>) -> anyhow::Result<Option<Violation>> {
    let (mut living, mut stood) = (BTreeSet::new(), BTreeSet::new());
    for who in Subject::judged() {
        for side in SIDES {
            for record in people.records_of(who, side)? {
                living.insert(who);
                stood.insert((record.object, record.id));
            }
        }
    }
    people.ledger.consent = consent::found(people)?;
    people.ledger.rest(agreed, living, stood);
    Ok(None)
}

fn judge_subject(
    program: &impl Program,
    people: &mut People,
    who: Subject,
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
            // What people saved while the program looked was not to be seen, and a merge may give
            // another one's record this name; then they are asked.
            let may_be = people.ledger.is_new(who, side) || people.ledger.is_merged(who);
            let asked = |record: &Record| is_asked(program, record);
            // Names of deals may repeat, so such a deal is one of its own and nobody is asked; the
            // program itself makes one at most.
            let made = records.iter().filter(|record| !record.is_made_by_people()).count();
            let is_another = matches!(who, Subject::Deal(_)) && made <= 1;
            if may_be && (is_another || asked(&records[0])? | asked(&records[1])?) {
                people.ledger.doubled.insert(who);
                return Ok(None);
            }
            let ids: Vec<_> = records.iter().map(key).collect();
            let story = format!("{who}: {ids:?}");
            return Ok(Some(Violation::new(Promise::Duplicate, story)));
        }
    }
    let (Some(left), Some(right)) = (hubspot.first(), salesforce.first()) else {
        return judge_single(program, people, who, hubspot.first().or(salesforce.first()));
    };
    let places = [left, right].map(|record| (record.object.clone(), record.id.clone()));
    let places = [(Side::HubSpot, &places[0]), (Side::Salesforce, &places[1])];
    let is_over = people.ledger.is_deleted(who)
        && !people.ledger.is_forgotten(who)
        && !people.ledger.is_replaced(who, places);
    if is_over && !is_asked(program, left)? {
        let story = format!("{who} was deleted last of all and lives on both sides");
        return Ok(Some(Violation::new(Promise::Resurrected, story)));
    }
    for field in who.fields() {
        let (a, b) = (forms::meaning(field, left), forms::meaning(field, right));
        if a != b {
            let why = program.why(&key(left))?;
            let is_left_empty = [(&a, left, Side::HubSpot), (&b, right, Side::Salesforce)]
                .into_iter()
                .any(|(value, record, side)| {
                    value.is_empty()
                        && people.ledger.is_emptied(who, side, *field)
                        && standing(&why, field.name, record) == LEFT_EMPTY
                });
            if !explains(&why, field.name) && !is_left_empty {
                let story = format!("{who} {}: `{a}` and `{b}`; {why}", field.name);
                return Ok(Some(Violation::new(Promise::Unexplained, story)));
            }
            continue;
        }
        if let Some(violation) = judge_value(program, people, who, (*field, &a, &key(left)))? {
            return Ok(Some(violation));
        }
        agreed.insert((who, *field), a);
    }
    references::judge(program, people, who, (left, right))
}

/// Words of `why` about a column that people emptied and that `clear = "ignore"` leaves so.
const LEFT_EMPTY: &str = "differs: it is empty there and left so";

/// A value on which both sides agree: somebody typed it, and what it overruled can be read.
fn judge_value(
    program: &impl Program,
    people: &People,
    who: Subject,
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
        let story = format!("{who} {}: `{value}` stands, typed {candidates:?}", field.name);
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
        let story = format!("{who} {}: `{lost}` lost to `{value}`; {why}", field.name);
        Violation::new(Promise::LostEdit, story)
    }))
}

/// A person or deal on one side only, or on none.
fn judge_single(
    program: &impl Program,
    people: &People,
    who: Subject,
    record: Option<&Record>,
) -> anyhow::Result<Option<Violation>> {
    let Some(record) = record else {
        let ledger = &people.ledger;
        let gone = ledger.was_ever_deleted(who)
            || ledger.is_merged(who)
            || ledger.recent(who).next().is_none();
        return Ok((!gone).then(|| {
            Violation::new(Promise::UnwantedDeletion, format!("{who} is gone everywhere"))
        }));
    };
    if is_asked(program, record)? {
        return Ok(None);
    }
    let promise =
        if people.ledger.is_deleted(who) { Promise::MissedDeletion } else { Promise::Unexplained };
    let why = program.why(&key(record))?;
    let story = format!("{who} is on one side only: {}; {why}", key(record));
    Ok(Some(Violation::new(promise, story)))
}

/// A company stands once on each side, or people are asked.
fn judge_company(
    program: &impl Program,
    people: &People,
    company: Subject,
) -> anyhow::Result<Option<Violation>> {
    let hubspot = people.records_of(company, Side::HubSpot)?;
    let salesforce = people.records_of(company, Side::Salesforce)?;
    let ids: Vec<_> = hubspot.iter().chain(&salesforce).map(key).collect();
    let broken = match (hubspot.len(), salesforce.len()) {
        (0, 0) | (1, 1) => return Ok(None),
        (0 | 1, 0 | 1) => Promise::Unexplained,
        _ => Promise::Duplicate,
    };
    for record in hubspot.iter().chain(&salesforce) {
        if is_asked(program, record)? {
            return Ok(None);
        }
    }
    Ok(Some(Violation::new(broken, format!("{company}: {ids:?}"))))
}

/// Records that are archived although nobody deleted anything of theirs.
fn find_unwanted_deletion(people: &People) -> anyhow::Result<Option<Violation>> {
    let companies = (0..COMPANIES).map(Subject::Company);
    for who in Subject::judged().chain(companies) {
        if people.ledger.any_like(who, |one| people.ledger.was_ever_deleted(one)) {
            continue;
        }
        for side in SIDES {
            for object in side.objects(who) {
                let records = people.systems.system(side).records(object)?;
                let gone = records.into_iter().find(|record| {
                    record.archived && record.text(side.name_column(who)) == name(who)
                });
                if let Some(record) = gone {
                    let story = format!("{who}: {} is archived", key(&record));
                    return Ok(Some(Violation::new(Promise::UnwantedDeletion, story)));
                }
            }
        }
    }
    Ok(None)
}

/// Cells that the mapping does not write, and that another hand than people's has changed.
fn find_foreign_write(people: &People) -> anyhow::Result<Option<Violation>> {
    for side in SIDES {
        for object in side.all_objects() {
            for record in people.systems.system(side).records(object)? {
                let own = people.ledger.by_hand.iter().filter(|((of, id, _), _)| {
                    *of == record.object && *id == record.id && record.is_live()
                });
                for ((.., column), left) in own {
                    let (now, key) = (record.text(column), key(&record));
                    if now != *left {
                        let story = format!("{key} {column}: `{now}`, people left `{left}`");
                        return Ok(Some(Violation::new(Promise::Direction, story)));
                    }
                }
            }
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

/// The words of `why` about a record's field.
fn standing(why: &Value, field: &str, record: &Record) -> String {
    let fields = why["fields"].as_array().into_iter().flatten();
    let about = fields.filter(|one| one["field"] == field);
    let mut members = about.flat_map(|one| one["members"].as_array().into_iter().flatten());
    let mine = members.find(|member| member["record"]["id"] == record.id.as_str());
    mine.and_then(|member| member["standing"].as_str()).unwrap_or_default().to_owned()
}

fn key(record: &Record) -> String {
    format!("{}.{}/{}", record.side().name(), record.object, record.id)
}
