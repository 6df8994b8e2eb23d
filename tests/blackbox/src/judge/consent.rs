//! Consent: an opt-out by a person is never taken back without a person.
//!
//! HubSpot's column is only read, so what stands there is what people did. In Salesforce an
//! opt-out that stood at the last rest, one that was made since, and one that HubSpot shows must
//! stand.

use renkei_test_support::Promise;

use super::{Violation, explains, key, standing};
use crate::history::{PEOPLE, Subject};
use crate::ledger::Consent;
use crate::people::People;
use crate::program::Program;
use crate::systems::{Record, Side};

/// The field of the example configuration.
const FIELD: &str = "email_opt_out";

/// The opt-outs that stand now.
pub(super) fn found(people: &People) -> anyhow::Result<Consent> {
    let mut found = Consent::default();
    for who in (0..PEOPLE).map(Subject::Person) {
        let out = opted_out(people.records_of(who, Side::HubSpot)?);
        if !out.is_empty() {
            found.people.insert(who);
        }
        for record in opted_out(people.records_of(who, Side::Salesforce)?) {
            found.people.insert(who);
            found.records.insert((record.object, record.id));
        }
    }
    Ok(found)
}

fn opted_out(mut records: Vec<Record>) -> Vec<Record> {
    records.retain(Record::is_opted_out);
    records
}

pub(super) fn judge(
    program: &impl Program,
    people: &People,
    who: Subject,
) -> anyhow::Result<Option<Violation>> {
    let ledger = &people.ledger;
    let broken = |record: &Record, reason: &str| {
        let story = format!("{who}: {} is not opted out: {reason}", key(record));
        Ok(Some(Violation::new(Promise::Consent, story)))
    };
    let salesforce = people.records_of(who, Side::Salesforce)?;
    let stood = ledger.consent.people.contains(&who) && !ledger.is_taken_back(who);
    for record in salesforce.iter().filter(|record| !record.is_opted_out()) {
        let place = (record.object.clone(), record.id.clone());
        if !ledger.is_taken_back(who) && ledger.consent.records.contains(&place) {
            return broken(record, "it was at the last rest");
        }
        if stood && !ledger.is_renewed(who) && !ledger.doubled.contains(&who) {
            return broken(record, "the person was at the last rest");
        }
        if ledger.last_word(who) == Some((true, &place)) {
            return broken(record, "a person opted it out");
        }
    }
    if ledger.doubled.contains(&who) {
        return Ok(None);
    }
    let hubspot = people.records_of(who, Side::HubSpot)?;
    let (Some(left), Some(right)) = (hubspot.first(), salesforce.first()) else {
        return Ok(None);
    };
    if left.is_opted_out() == right.is_opted_out() {
        return Ok(None);
    }
    let why = program.why(&key(left))?;
    if left.is_opted_out() && !explains(&why, FIELD) {
        return broken(right, &format!("it is in hubspot; {why}"));
    }
    // HubSpot's column is never written, and people can read that.
    if !left.is_opted_out() && standing(&why, FIELD, left).starts_with("in step") {
        let story = format!("{who} {FIELD}: differs, and is called in step; {why}");
        return Ok(Some(Violation::new(Promise::Unexplained, story)));
    }
    Ok(None)
}
