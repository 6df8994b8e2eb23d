//! Fills a new account with the HubSpot side of the [`World`].
//!
//! Seeded records are in the search index from the start, and their stamps lie before the start
//! by the age that the world gives them.

use std::collections::HashMap;
use std::sync::Arc;

use super::kinds::{Kind, Pair};
use super::store::Store;
use super::table::{Record, Row};
use crate::control::Origin;
use crate::world::{CompanyFields, Deal, PersonFields, Stage, World};

/// Field names with their values; empty ones are left out.
type Fields<'a> = Vec<(&'static str, &'a str)>;

/// Adds all records and associations; with `one_stamp` all were modified at the same moment.
pub(super) fn fill(store: &mut Store, world: &World, now_ms: i64, one_stamp: bool) {
    let stamp = |age_ms: i64| if one_stamp { now_ms - 86_400_000 } else { now_ms - age_ms };
    let mut companies = HashMap::new();
    for (index, fields) in each(&world.companies, |company| company.hubspot.as_ref()) {
        let employees = fields.employees.to_string();
        let id = insert(store, Kind::Company, stamp(fields.age_ms), company(fields, &employees));
        companies.insert(index, id);
    }
    let mut people = HashMap::new();
    for (index, fields) in each(&world.people, |person| person.hubspot.as_ref()) {
        let employer = fields.company.and_then(|company| world.companies.get(company));
        let employer = employer.and_then(|company| company.hubspot.as_ref());
        let id = insert(store, Kind::Contact, stamp(fields.age_ms), contact(fields, employer));
        people.insert(index, id);
        let company = fields.company.and_then(|company| companies.get(&company));
        link(store, (Kind::Contact, id), Kind::Company, company);
    }
    for (_, deal) in each(&world.deals, |deal| deal.presence.on_hubspot().then_some(deal)) {
        let amount = deal.amount.to_string();
        let closes = format!("{}T00:00:00Z", deal.close_date);
        let fields = deal_fields(deal, &amount, &closes);
        let id = insert(store, Kind::Deal, stamp(deal.age_ms), fields);
        let company = deal.company.and_then(|company| companies.get(&company));
        link(store, (Kind::Deal, id), Kind::Company, company);
        let person = deal.person.and_then(|person| people.get(&person));
        link(store, (Kind::Deal, id), Kind::Contact, person);
    }
}

fn each<'a, T, F>(
    all: &'a [T],
    side: impl Fn(&'a T) -> Option<F>,
) -> impl Iterator<Item = (usize, F)> {
    all.iter().enumerate().filter_map(move |(index, one)| Some((index, side(one)?)))
}

fn company<'a>(fields: &'a CompanyFields, employees: &'a str) -> Fields<'a> {
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

fn contact<'a>(fields: &'a PersonFields, employer: Option<&'a CompanyFields>) -> Fields<'a> {
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

fn deal_fields<'a>(deal: &'a Deal, amount: &'a str, closes: &'a str) -> Fields<'a> {
    vec![
        ("dealname", &deal.name),
        ("amount", amount),
        ("dealstage", stage_id(deal.stage)),
        ("pipeline", "default"),
        ("closedate", closes),
    ]
}

fn stage_id(stage: Stage) -> &'static str {
    match stage {
        Stage::Appointment => "appointmentscheduled",
        Stage::Qualified => "qualifiedtobuy",
        Stage::Presentation => "presentationscheduled",
        Stage::DecisionMaker => "decisionmakerboughtin",
        Stage::Contract => "contractsent",
        Stage::Won => "closedwon",
        Stage::Lost => "closedlost",
    }
}

fn insert(store: &mut Store, kind: Kind, modified_ms: i64, fields: Fields<'_>) -> u64 {
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
    let mut row = Row { id, created_ms: modified_ms, modified_ms, values };
    store.derive(kind, &mut row);
    let record = Record {
        row: Arc::new(row),
        archived_ms: None,
        origin: Origin::Human,
        history: Vec::new(),
    };
    // Written long ago, so that the search index has it from the start.
    store.put(kind, record, i64::MIN);
    id
}

fn link(store: &mut Store, (kind, id): (Kind, u64), to: Kind, other: Option<&u64>) {
    if let (Some(pair), Some(other)) = (Pair::between(kind, to), other) {
        store.associations.link(pair, id, *other, false);
    }
}
