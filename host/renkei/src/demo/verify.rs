//! The demo's judge. It reads the simulators, not the store: from the store it takes only which
//! records belong together and which conflicts and reviews are open, and compares the vendors' own
//! values with comparisons of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use renkei_model::state::{LinkId, RecordKey};
use serde::Serialize;

use super::edits::DemoEdit;
use super::fields::{TWO_WAY, canonical, trimmed};
use super::simulators::{SimRecord, Simulators};
use super::store_facts::StoreFacts;

/// The judge's findings.
#[derive(Debug, Default, Serialize)]
pub(crate) struct DemoVerdict {
    /// Both sides agree on every two-way field, or an open conflict says why they do not.
    pub(crate) converged: bool,
    /// Field values compared.
    pub(crate) compared: u64,
    /// Differences, and live records without a partner, that nothing explains.
    pub(crate) unexplained: Vec<String>,
    /// Human values that are neither current, nor superseded by a rule, nor in a conflict.
    pub(crate) lost_edits: u64,
    /// Records that the host made beside one that stood for the same thing already.
    pub(crate) duplicates: u64,
}

/// The objects of the example configuration, by system.
const OBJECTS: [(&str, &str); 7] = [
    ("hubspot", "companies"),
    ("hubspot", "contacts"),
    ("hubspot", "deals"),
    ("salesforce", "Account"),
    ("salesforce", "Contact"),
    ("salesforce", "Lead"),
    ("salesforce", "Opportunity"),
];

/// Every record of both simulators.
pub(crate) struct SimulatedRecords(HashMap<RecordKey, SimRecord>);

impl SimulatedRecords {
    /// Reads both simulators.
    pub(crate) async fn read(simulators: &Simulators) -> anyhow::Result<Self> {
        let mut records = HashMap::new();
        for (system, object) in OBJECTS {
            let side =
                if system == "hubspot" { &simulators.hubspot } else { &simulators.salesforce };
            for record in side.records(object).await? {
                let key = key(system, object, &record.id);
                records.insert(key, record);
            }
        }
        Ok(Self(records))
    }

    /// The record, if it is live.
    pub(crate) fn live(&self, key: &RecordKey) -> Option<&SimRecord> {
        self.0.get(key).filter(|record| is_live(key, record))
    }
}

fn key(system: &str, object: &str, id: &str) -> RecordKey {
    RecordKey { system: system.to_owned(), object: object.to_owned(), id: id.to_owned() }
}

/// A converted Lead is history, not a person to keep in step.
fn is_live(key: &RecordKey, record: &SimRecord) -> bool {
    let converted = key.object == "Lead" && record.text("IsConverted") == "true";
    !record.archived && !converted
}

/// Judges the world against what the host knows and what people did.
pub(crate) fn judge(
    world: &SimulatedRecords,
    known: &StoreFacts,
    edits: &[DemoEdit],
) -> DemoVerdict {
    let mut verdict = DemoVerdict::default();
    for (entity, link, members) in &known.links {
        compare_link(world, known, entity, *link, members, &mut verdict);
    }
    find_strays(world, known, &mut verdict);
    verdict.duplicates = duplicates(world, known);
    verdict.lost_edits = edits
        .iter()
        .filter(|edit| is_lost(world, known, edit))
        .count()
        .try_into()
        .unwrap_or(u64::MAX);
    verdict.converged = verdict.unexplained.is_empty();
    verdict
}

fn compare_link(
    world: &SimulatedRecords,
    known: &StoreFacts,
    entity: &str,
    link: LinkId,
    members: &[RecordKey],
    verdict: &mut DemoVerdict,
) {
    let side = |system: &str| {
        members
            .iter()
            .filter(|key| key.system == system)
            .find_map(|key| world.live(key).map(|record| (key, record)))
    };
    let (Some((_, hubspot)), Some((other, salesforce))) = (side("hubspot"), side("salesforce"))
    else {
        return;
    };
    let fields = TWO_WAY.iter().filter(|two_way| two_way.entity == entity).filter_map(|two_way| {
        let (_, field) = two_way.salesforce.iter().find(|(object, _)| *object == other.object)?;
        let same = (two_way.same)(&hubspot.text(two_way.hubspot), &salesforce.text(field));
        Some((two_way.field, same))
    });
    let mut differing: Vec<&str> = Vec::new();
    for (field, same) in fields {
        verdict.compared += 1;
        if !same {
            differing.push(field);
        }
    }
    if entity == "person" {
        verdict.compared += 1;
        if !same_name(&hubspot.text("full_name"), salesforce) {
            differing.push("family_name");
        }
    }
    if !same_company(known, hubspot, salesforce, &other.object) {
        differing.push("company");
    }
    differing.retain(|field| !known.open.contains_key(&(link, (*field).to_owned())));
    verdict.unexplained.extend(differing.iter().map(|field| {
        format!(
            "{entity}/{link}: {field} differs between hubspot {} and salesforce {}",
            hubspot.id, salesforce.id
        )
    }));
}

/// The full name holds exactly the two parts, in either order and with any separator.
fn same_name(full: &str, salesforce: &SimRecord) -> bool {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let (family, given) = (bare(&salesforce.text("LastName")), bare(&salesforce.text("FirstName")));
    let full = bare(&full.replace(',', " "));
    full == format!("{family}{given}") || full == format!("{given}{family}")
}

/// The company on one side is linked with the company on the other.
fn same_company(
    known: &StoreFacts,
    hubspot: &SimRecord,
    salesforce: &SimRecord,
    object: &str,
) -> bool {
    if object != "Contact" && object != "Opportunity" {
        return true;
    }
    let account = salesforce.text("AccountId");
    let companies = hubspot.references.get("companies").map(Vec::as_slice).unwrap_or_default();
    if account.is_empty() || companies.is_empty() {
        return account.is_empty() == companies.is_empty();
    }
    let account = known.link_of.get(&key("salesforce", "Account", &account));
    let mut linked = companies.iter().map(|id| known.link_of.get(&key("hubspot", "companies", id)));
    account.is_some() && linked.any(|company| company == account)
}

/// Live records that are in no link with both sides and in no review.
fn find_strays(world: &SimulatedRecords, known: &StoreFacts, verdict: &mut DemoVerdict) {
    let mut paired: BTreeSet<&RecordKey> = BTreeSet::new();
    for (_, _, members) in &known.links {
        let live: Vec<&RecordKey> =
            members.iter().filter(|key| world.live(key).is_some()).collect();
        let systems: BTreeSet<&String> = live.iter().map(|key| &key.system).collect();
        if systems.len() > 1 {
            paired.extend(live);
        }
    }
    let unpaired = world.0.iter().filter(|(key, record)| {
        is_live(key, record) && !paired.contains(key) && !known.reviewed.contains(*key)
    });
    verdict
        .unexplained
        .extend(unpaired.map(|(key, _)| format!("{key}: has no partner and no review")));
    verdict.unexplained.sort();
}

/// Records made by the host that share their mail address or stamp with another live record of the
/// same system.
fn duplicates(world: &SimulatedRecords, known: &StoreFacts) -> u64 {
    let mut seen: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for (key, record) in &world.0 {
        if !is_live(key, record) || known.reviewed.contains(key) {
            continue;
        }
        let mail =
            if key.system == "hubspot" { record.text("email") } else { record.text("Email") };
        let stamp = if key.system == "hubspot" {
            record.text("renkei_id")
        } else {
            record.text("Renkei_Id__c")
        };
        let made = u64::from(record.created_by == "api");
        for value in [mail.to_lowercase(), stamp].into_iter().filter(|value| !value.is_empty()) {
            let (all, by_host) = seen.entry((key.system.clone(), value)).or_default();
            *all += 1;
            *by_host += made;
        }
    }
    // Of several records for one thing, the host may have made one only if no person made any.
    seen.values().map(|(all, by_host)| by_host.saturating_sub(u64::from(all == by_host))).sum()
}

/// Returns whether a person's value has vanished without a trace.
fn is_lost(world: &SimulatedRecords, known: &StoreFacts, edit: &DemoEdit) -> bool {
    let Some((field, value)) = &edit.field else { return false };
    let Some(key) = current_key(edit, world, known) else { return true };
    let wanted = value.as_str().unwrap_or_default();
    let stands = world.live(&key).is_some_and(|record| trimmed(&record.text(field), wanted));
    let place = known.link_of.get(&key).map(|link| (*link, canonical(field).to_owned()));
    let kept = place
        .is_some_and(|place| known.open.contains_key(&place) || known.decided.contains_key(&place));
    !(stands || kept)
}

/// The live record that stands for the edited one now.
pub(crate) fn current_key(
    edit: &DemoEdit,
    world: &SimulatedRecords,
    known: &StoreFacts,
) -> Option<RecordKey> {
    let mut key = key(edit.system, edit.object, &edit.id);
    while world.live(&key).is_none() {
        key = known.successors.get(&key)?.clone();
    }
    Some(key)
}
