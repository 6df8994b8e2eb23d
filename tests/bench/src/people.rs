//! People and companies in two systems, as a store remembers them: what the planner is fed.
//!
//! Made by number alone, so that every run sees the same. Of the people's links eighty in a hundred
//! have nothing to do, ten have one edit, five have a conflict in two fields (one that a rule
//! decides, one that a person is asked about) and five are new and need a record in the other
//! system. Every person refers to a company, anywhere in the store.

use renkei_model::index::{FieldIndex, PerField};
use renkei_model::spec::{
    Direction, EntitySpec, FieldKind, FieldSpec, FirstLink, MemberSpec, Spec, SpecError,
    ValueTable, Via, Winner,
};
use renkei_model::state::{
    FieldState, Link, LinkId, LinkStatus, RecordKey, RecordState, RecordStatus, Span, Truth,
};
use renkei_model::store::port::Changes;
use renkei_model::value::{Cell, SmolStr, Value};
use renkei_store::Layouts;
use renkei_test_support::spec::{self, field};
use smol_str::format_smolstr;

/// The entity whose links are planned.
pub(crate) const PERSON: &str = "person";
const COMPANY: &str = "company";
const HUBSPOT: &str = "hubspot";
const SALESFORCE: &str = "salesforce";
const CONTACTS: &str = "contacts";
const CONTACT: &str = "Contact";
const COMPANIES: &str = "companies";
const ACCOUNT: &str = "Account";
/// People per company.
const STAFF: u64 = 20;

const TITLE: usize = 4;
const EMPLOYER: usize = 5;
const CITY: usize = 6;
const COUNTRY: usize = 8;
const PHONE: usize = 3;

/// Change of a person since the last cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Story {
    /// Nothing.
    Idle,
    /// The phone number was changed in one system.
    Edited,
    /// Title and city were changed in both systems, to different values.
    Contested,
    /// The person was added in one system.
    New,
}

/// Change of the person with this number.
pub(crate) fn story(person: u64) -> Story {
    match scatter(person) % 100 {
        0..80 => Story::Idle,
        80..90 => Story::Edited,
        90..95 => Story::Contested,
        _ => Story::New,
    }
}

/// A number as random as an id, the same for the same input.
fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

/// Companies and people, twelve fields a person.
pub(crate) fn spec() -> Result<Spec, SpecError> {
    let salesforce = || Winner::Always(SALESFORCE.to_owned());
    let fields = vec![
        field("given_name", FieldKind::Text, Winner::Newest),
        field("family_name", FieldKind::Text, Winner::Newest),
        field("mail", FieldKind::Mail, Winner::Newest),
        field("phone", FieldKind::Phone, Winner::Newest),
        field("title", FieldKind::Text, salesforce()),
        field(
            "company",
            FieldKind::Reference { entity: COMPANY.to_owned(), many: false },
            salesforce(),
        ),
        field("city", FieldKind::Text, Winner::Manual),
        field("postal_code", FieldKind::Text, Winner::Newest),
        field("country", FieldKind::Choice, Winner::Newest),
        field("newsletter", FieldKind::Boolean, Winner::Newest),
        field("birthday", FieldKind::Date, Winner::Newest),
        field("interests", FieldKind::Choices, Winner::Newest),
    ];
    let people = |system, object, target| {
        let mut member = member(system, object, fields.len());
        if let Some(group) = member.groups.get_mut(EMPLOYER) {
            group.target = Some(String::from(target));
        }
        if let Some(group) = member.groups.get_mut(COUNTRY) {
            group.via = Via::Table(countries());
        }
        member
    };
    let members = vec![people(HUBSPOT, CONTACTS, COMPANIES), people(SALESFORCE, CONTACT, ACCOUNT)];
    let name = field("name", FieldKind::Text, salesforce());
    let companies = vec![member(HUBSPOT, COMPANIES, 1), member(SALESFORCE, ACCOUNT, 1)];
    Spec::new(vec![entity(COMPANY, vec![name], companies), entity(PERSON, fields, members)])
}

fn countries() -> ValueTable {
    let pairs = [("Japan", "jp"), ("Germany", "de"), ("France", "fr"), ("Brazil", "br")];
    let read = pairs.map(|(remote, canonical)| (remote.to_owned(), canonical.to_owned()));
    let write = pairs.map(|(remote, canonical)| (canonical.to_owned(), remote.to_owned()));
    ValueTable { read: read.into(), write: write.into() }
}

fn member(system: &str, object: &str, fields: usize) -> MemberSpec {
    let group = |position| spec::direct(position, &format!("column_{position}"), Direction::Both);
    let groups = (0..fields).map(group).collect();
    MemberSpec { read_rows: 1000, stamp: None, ..spec::member(system, object, groups) }
}

fn entity(name: &str, fields: Vec<FieldSpec>, members: Vec<MemberSpec>) -> EntitySpec {
    let first_link = FirstLink::Prefer(SALESFORCE.to_owned());
    EntitySpec { first_link, ..spec::entity(name, fields, members) }
}

/// Number of companies that so many people work for; their links come first.
pub(crate) fn companies(people: u64) -> u64 {
    people.div_ceil(STAFF)
}

/// Link, records and mark of the company with this number, from 0.
pub(crate) fn put_company(changes: &mut Changes, layouts: &Layouts, company: u64) {
    let id = LinkId(company + 1);
    let name = || text(format!("Company {company} Holding"));
    let state = settled(name());
    for key in [company_key(HUBSPOT, COMPANIES, company), company_key(SALESFORCE, ACCOUNT, company)]
    {
        changes.records.push(record(
            COMPANY,
            key,
            id,
            layouts.per_field(COMPANY, vec![state.clone()]),
        ));
    }
    let truths = layouts.per_field(COMPANY, vec![truth(name())]);
    changes.links.push(link(COMPANY, id, truths));
}

/// Link, records and mark of the person with this number, from 0, among so many.
pub(crate) fn put_person(changes: &mut Changes, layouts: &Layouts, person: u64, people: u64) {
    let id = LinkId(companies(people) + person + 1);
    let company = scatter(person.wrapping_add(7)) % companies(people);
    let story = story(person);
    let contact = record_key(HUBSPOT, CONTACTS, person);
    let states_in =
        |system, object| layouts.per_field(PERSON, states(person, company, system, object, story));
    let fields = states_in(HUBSPOT, COMPANIES);
    changes.records.push(record(PERSON, contact, id, fields));
    let mut truths = Vec::new();
    if story != Story::New {
        truths.extend(values(person, company).into_iter().map(truth));
        let contact = record_key(SALESFORCE, CONTACT, person);
        let fields = states_in(SALESFORCE, ACCOUNT);
        changes.records.push(record(PERSON, contact, id, fields));
    }
    changes.links.push(link(PERSON, id, layouts.per_field(PERSON, truths)));
    changes.dirty.push(id);
}

/// The hub's values of a person.
fn values(person: u64, company: u64) -> Vec<Cell> {
    let salt = scatter(person);
    let countries = ["jp", "de", "fr", "br"];
    let country = countries.iter().cycle().nth((salt % 4) as usize).copied().unwrap_or("jp");
    vec![
        text(format!("Given {}", salt % 5000)),
        text(format!("Family {}", salt % 9973)),
        text(format!("person.{person}@company-{company}.example")),
        text(format!("+81 3 {:08}", salt % 100_000_000)),
        if salt.is_multiple_of(3) {
            Some(Value::Null)
        } else {
            text(format!("Title {}", salt % 300))
        },
        Some(Value::References(vec![SmolStr::from((company + 1).to_string())])),
        text(format!("City {}", salt % 700)),
        if salt.is_multiple_of(4) {
            Some(Value::Null)
        } else {
            text(format!("{:07}", salt % 9_999_999))
        },
        text(country.to_owned()),
        Some(Value::Boolean(salt.is_multiple_of(2))),
        Some(if salt.is_multiple_of(5) {
            Value::Date(format_smolstr!(
                "19{:02}-{:02}-{:02}",
                salt % 100,
                salt % 12 + 1,
                salt % 28 + 1
            ))
        } else {
            Value::Null
        }),
        Some(Value::Choices(vec![
            format_smolstr!("topic-{}", salt % 9),
            format_smolstr!("topic-{}", salt % 7 + 9),
        ])),
    ]
}

fn states(person: u64, company: u64, system: &str, object: &str, story: Story) -> Vec<FieldState> {
    let mut states: Vec<FieldState> = values(person, company).into_iter().map(settled).collect();
    let mut change = |field: usize, seen: Cell| {
        if let Some(state) = states.get_mut(field) {
            state.seen = seen;
        }
    };
    let ids = vec![company_key(system, object, company).id.into()];
    change(EMPLOYER, Some(Value::References(ids)));
    match story {
        Story::Edited if system == HUBSPOT => change(PHONE, text(format!("+81 90 {person:08}"))),
        Story::Contested => {
            change(TITLE, text(format!("{system} title {person}")));
            change(CITY, text(format!("{system} city {person}")));
        }
        Story::New => states.iter_mut().for_each(|state| {
            (state.base, state.agreed) = (None, None);
        }),
        _ => {}
    }
    states
}

/// A field on which a member and the hub agree.
fn settled(value: Cell) -> FieldState {
    let edited = Span { after: Some(1_600_000_000_000), until: Some(1_700_000_000_000) };
    let (seen, base) = (value.clone(), value.clone());
    FieldState { seen, base, agreed: value, edited, ..FieldState::default() }
}

fn truth(value: Cell) -> Truth {
    Truth { value, from: Some(SALESFORCE.to_owned()), ..Truth::default() }
}

fn text(text: String) -> Cell {
    Some(Value::Text(text.into()))
}

fn link(entity: &str, id: LinkId, truth: PerField<Truth>) -> Link {
    Link {
        id,
        entity: entity.to_owned(),
        status: LinkStatus::Active,
        version: 3,
        truth,
        failures: Vec::new(),
        restored: false,
    }
}

fn record(entity: &str, key: RecordKey, link: LinkId, fields: PerField<FieldState>) -> RecordState {
    let country = fields.find(FieldIndex(COUNTRY)).and_then(|state| state.seen.clone());
    let raw = country.map(|code| (format!("column_{COUNTRY}"), Some(code)));
    RecordState {
        key,
        entity: entity.to_owned(),
        link: Some(link),
        version: Some("2026-11-22T09:00:00Z".to_owned()),
        modified_ms: Some(1_700_000_000_000),
        status: RecordStatus::Live,
        fields,
        raw: raw.into_iter().collect(),
        failures: Vec::new(),
    }
}

fn record_key(system: &str, object: &str, number: u64) -> RecordKey {
    let id = format!("{:016x}", scatter(number.wrapping_add(1 << 40)));
    RecordKey { system: system.to_owned(), object: object.to_owned(), id }
}

fn company_key(system: &str, object: &str, company: u64) -> RecordKey {
    record_key(system, object, company.wrapping_add(1 << 41))
}
