//! Fills a new account with the HubSpot side of the [`SampleWorld`].
//!
//! Seeded records are in the search index from the start, and their stamps lie before the start
//! by the age that the world gives them.

use std::collections::HashMap;
use std::sync::Arc;

use super::kinds::{KindPair, ObjectKind};
use super::store::HubSpotStore;
use super::table::{HubSpotRecord, HubSpotRow};
use crate::control::Origin;
use crate::world::{CompanyFields, Deal, DealStage, PersonFields, SampleWorld};

/// Field names with their values; empty ones are left out.
type SeedFields<'a> = Vec<(&'static str, &'a str)>;

/// Adds all records and associations; with `one_stamp` all were modified at the same moment.
pub(super) fn fill(store: &mut HubSpotStore, world: &SampleWorld, now_ms: i64, one_stamp: bool) {
    let stamp = |age_ms: i64| if one_stamp { now_ms - 86_400_000 } else { now_ms - age_ms };
    let mut companies = HashMap::new();
    for (index, fields) in each(&world.companies, |company| company.hubspot.as_ref()) {
        let employees = fields.employees.to_string();
        let id =
            insert(store, ObjectKind::Company, stamp(fields.age_ms), company(fields, &employees));
        companies.insert(index, id);
    }
    let mut people = HashMap::new();
    for (index, fields) in each(&world.people, |person| person.hubspot.as_ref()) {
        let employer = fields.company.and_then(|company| world.companies.get(company));
        let employer = employer.and_then(|company| company.hubspot.as_ref());
        let id =
            insert(store, ObjectKind::Contact, stamp(fields.age_ms), contact(fields, employer));
        people.insert(index, id);
        let company = fields.company.and_then(|company| companies.get(&company));
        link(store, (ObjectKind::Contact, id), ObjectKind::Company, company);
    }
    for (_, deal) in each(&world.deals, |deal| deal.presence.on_hubspot().then_some(deal)) {
        let amount = deal.amount.to_string();
        let closes = format!("{}T00:00:00Z", deal.close_date);
        let fields = deal_fields(deal, &amount, &closes);
        let id = insert(store, ObjectKind::Deal, stamp(deal.age_ms), fields);
        let company = deal.company.and_then(|company| companies.get(&company));
        link(store, (ObjectKind::Deal, id), ObjectKind::Company, company);
        let person = deal.person.and_then(|person| people.get(&person));
        link(store, (ObjectKind::Deal, id), ObjectKind::Contact, person);
    }
}

fn each<'a, T, F>(
    all: &'a [T],
    side: impl Fn(&'a T) -> Option<F>,
) -> impl Iterator<Item = (usize, F)> {
    all.iter().enumerate().filter_map(move |(index, one)| Some((index, side(one)?)))
}

fn company<'a>(fields: &'a CompanyFields, employees: &'a str) -> SeedFields<'a> {
    vec![
        ("name", &fields.name),
        ("domain", &fields.domain),
        ("website", &fields.domain),
        ("phone", &fields.phone),
        ("state", &fields.prefecture),
        ("city", &fields.city),
        ("zip", &fields.postal_code),
        ("country", "日本"),
        ("numberofemployees", employees),
        ("lifecyclestage", "lead"),
    ]
}

fn contact<'a>(fields: &'a PersonFields, employer: Option<&'a CompanyFields>) -> SeedFields<'a> {
    let (given, family) =
        if fields.from_form { ("", "") } else { (&*fields.given, &*fields.family) };
    vec![
        ("email", fields.mail.as_deref().unwrap_or_default()),
        ("full_name", &fields.full_name),
        ("firstname", given),
        ("lastname", family),
        ("phone", &fields.phone),
        ("mobilephone", &fields.mobile),
        ("jobtitle", &fields.title),
        ("company", employer.map_or("", |company| &company.name)),
        ("state", &fields.prefecture),
        ("city", &fields.city),
        ("zip", &fields.postal_code),
        ("country", "日本"),
        ("lifecyclestage", "lead"),
        ("hs_email_optout", if fields.opted_out { "true" } else { "" }),
    ]
}

fn deal_fields<'a>(deal: &'a Deal, amount: &'a str, closes: &'a str) -> SeedFields<'a> {
    vec![
        ("dealname", &deal.name),
        ("amount", amount),
        ("dealstage", stage_id(deal.stage)),
        ("pipeline", "default"),
        ("closedate", closes),
    ]
}

fn stage_id(stage: DealStage) -> &'static str {
    match stage {
        DealStage::Appointment => "appointmentscheduled",
        DealStage::Qualified => "qualifiedtobuy",
        DealStage::Presentation => "presentationscheduled",
        DealStage::DecisionMaker => "decisionmakerboughtin",
        DealStage::Contract => "contractsent",
        DealStage::Won => "closedwon",
        DealStage::Lost => "closedlost",
    }
}

fn insert(
    store: &mut HubSpotStore,
    kind: ObjectKind,
    modified_ms: i64,
    fields: SeedFields<'_>,
) -> u64 {
    let id = store.take_id();
    let schema = store.schema(kind);
    let values = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| {
            let property = schema.and_then(|schema| schema.get(name))?;
            Some((Arc::clone(&property.name), value.into()))
        })
        .collect();
    let mut row = HubSpotRow { id, created_ms: modified_ms, modified_ms, values };
    store.derive(kind, &mut row);
    let record = HubSpotRecord {
        row: Arc::new(row),
        archived_ms: None,
        origin: Origin::Human,
        history: Vec::new(),
    };
    // Written long ago, so that the search index has it from the start.
    store.store_record(kind, record, i64::MIN);
    id
}

fn link(
    store: &mut HubSpotStore,
    (kind, id): (ObjectKind, u64),
    to: ObjectKind,
    other: Option<&u64>,
) {
    if let (Some(pair), Some(other)) = (KindPair::between(kind, to), other) {
        store.associations.link(pair, id, *other, false);
    }
}
