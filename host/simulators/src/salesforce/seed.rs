//! Fills a new org with the sample world's companies, people and deals, its users and stages.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::json::{Json, JsonPairs};
use super::schema::{
    SLOT_CREATED, SLOT_CREATED_BY, SLOT_ID, SLOT_MODIFIED, SLOT_MODIFIED_BY, SLOT_STAMP, STAGES,
    TYPED, TableNumber,
};
use super::store::{OrgRow, OrgStore};
use super::value::{OrgValue, from_text, whole_second};
use super::write::WriteAuthor;
use crate::control::Origin;
use crate::faults::Faults;
use crate::simulator::SimOptions;
use crate::world::{Company, Deal, DealStage, Person, PersonKind, SampleWorld};

const DAY_MS: i64 = 86_400_000;
/// A year before the start, when the org was set up.
const SETUP_AGE_MS: i64 = 365 * DAY_MS;

/// Fills the store and returns the id of the user that clients run as.
pub(super) fn fill(store: &mut OrgStore, options: &SimOptions, now_ms: i64) -> String {
    let user = setup(store, now_ms - SETUP_AGE_MS);
    let world = SampleWorld::generate(options.seed, options.people);
    let age_ms = |age_ms: i64| if options.faults.seed_with_one_stamp { DAY_MS } else { age_ms };
    let by = |age: i64| WriteAuthor {
        user: user.clone(),
        at_ms: now_ms - age_ms(age),
        origin: Origin::Human,
    };
    let mut accounts = HashMap::new();
    for (number, company) in world.companies.iter().enumerate() {
        let Some((fields, age)) = account(company) else { continue };
        if let Some(id) = add(store, "Account", fields, &by(age)) {
            accounts.insert(number, id);
        }
    }
    for person in &world.people {
        for (object, fields, age) in person_records(person, &world.companies, &accounts) {
            add(store, object, fields, &by(age));
        }
    }
    for deal in world.deals.iter().filter(|deal| deal.presence.on_salesforce()) {
        add(store, "Opportunity", opportunity(deal, &accounts), &by(deal.age_ms));
    }
    store.begin();
    user
}

/// Brings users, the org's own row and their zone in line with the knobs.
pub(super) fn set_up(store: &mut OrgStore, knobs: &Faults, number: u64, born_ms: i64) {
    if let Some(users) = store.schema.any_table("User") {
        let rows: Vec<OrgRow> = store.rows(users).cloned().collect();
        let slot = |name: &str| Some(store.object(users)?.any_field(name)?.0);
        let names = ["Username", "IsActive", "TimeZoneSidKey"].map(slot);
        let [Some(name), Some(active), Some(zone)] = names else { return };
        for mut row in rows {
            let id = store.id(users, row.serial);
            let known = row.cell(name).as_text().unwrap_or_default().to_owned();
            let gone = [known, id].iter().any(|one| knobs.absent_owners.contains(one));
            let before = row.clone();
            row.set(active, OrgValue::Bool(!gone));
            row.set(zone, OrgValue::text(&knobs.time_zone));
            if row.cells != before.cells {
                store.put_row(users, row);
            }
        }
    }
    let Some(orgs) = store.schema.any_table("Organization") else { return };
    let old: Vec<u64> = store.rows(orgs).map(|row| row.serial).collect();
    for serial in old {
        store.erase(orgs, serial);
    }
    let values = [
        ("Name", "連携株式会社"),
        ("TimeZoneSidKey", knobs.time_zone.as_str()),
        ("OrganizationType", "Developer Edition"),
        ("InstanceName", "SIM1"),
        ("IsSandbox", "false"),
        ("DefaultLocaleSidKey", "ja_JP"),
        ("LanguageLocaleKey", "ja"),
    ];
    add_setup_as(store, orgs, number, &values, "", born_ms - SETUP_AGE_MS);
}

/// Users and stages, which no client may write.
fn setup(store: &mut OrgStore, at_ms: i64) -> String {
    let users = [("連携", "renkei"), ("営業", "eigyo"), ("管理", "kanri")];
    let mut client = String::new();
    for (last, alias) in users {
        let mail = format!("{alias}@sim.example.jp");
        let name = format!("{last} 担当");
        let values = [
            ("Username", mail.as_str()),
            ("LastName", "担当"),
            ("FirstName", last),
            ("Name", name.as_str()),
            ("Email", mail.as_str()),
            ("Alias", alias),
            ("IsActive", "true"),
            ("UserType", "Standard"),
            ("TimeZoneSidKey", "Asia/Tokyo"),
            ("LocaleSidKey", "ja_JP"),
            ("LanguageLocaleKey", "ja"),
        ];
        let id = add_setup(store, "User", &values, &client, at_ms);
        if client.is_empty() {
            client = id;
        }
    }
    for (place, stage) in STAGES.iter().enumerate() {
        let (order, probability) = ((place + 1).to_string(), stage.probability.to_string());
        let values = [
            ("MasterLabel", stage.name),
            ("ApiName", stage.name),
            ("IsActive", "true"),
            ("SortOrder", order.as_str()),
            ("IsClosed", if stage.closed { "true" } else { "false" }),
            ("IsWon", if stage.won { "true" } else { "false" }),
            ("ForecastCategoryName", stage.forecast),
            ("DefaultProbability", probability.as_str()),
        ];
        add_setup(store, "OpportunityStage", &values, &client, at_ms);
    }
    for object in TYPED {
        for (name, developer, person) in [
            ("標準", "Standard", "false"),
            ("パートナー", "Partner", "false"),
            ("個人", "Person", "true"),
        ] {
            if person == "true" && object != "Account" {
                continue;
            }
            let values = [
                ("Name", name),
                ("DeveloperName", developer),
                ("SobjectType", object),
                ("IsActive", "true"),
                ("IsPersonType", person),
            ];
            add_setup(store, "RecordType", &values, &client, at_ms);
        }
    }
    client
}

fn add_setup(
    store: &mut OrgStore,
    name: &str,
    values: &[(&str, &str)],
    user: &str,
    at_ms: i64,
) -> String {
    let Some(table) = store.schema.any_table(name) else { return String::new() };
    let serial = store.allot(table);
    add_setup_as(store, table, serial, values, user, at_ms)
}

fn add_setup_as(
    store: &mut OrgStore,
    table: TableNumber,
    serial: u64,
    values: &[(&str, &str)],
    user: &str,
    at_ms: i64,
) -> String {
    let id = store.id(table, serial);
    let row = setup_row(store, table, serial, values);
    let Some(mut row) = row else { return id };
    let creator = OrgValue::text(if user.is_empty() { &id } else { user });
    let at = OrgValue::Time(whole_second(at_ms));
    row.set(SLOT_ID, OrgValue::text(&id));
    for slot in [SLOT_CREATED_BY, SLOT_MODIFIED_BY] {
        row.set(slot, creator.clone());
    }
    for slot in [SLOT_CREATED, SLOT_MODIFIED, SLOT_STAMP] {
        row.set(slot, at.clone());
    }
    store.put_row(table, row);
    id
}

fn setup_row(
    store: &OrgStore,
    table: TableNumber,
    serial: u64,
    values: &[(&str, &str)],
) -> Option<OrgRow> {
    let object = store.object(table)?;
    let cells = object.fields.iter().map(|field| {
        let text = values.iter().find(|(name, _)| *name == field.name).map(|(_, text)| *text);
        text.or(field.default).and_then(|text| from_text(field, text).ok()).unwrap_or_default()
    });
    Some(OrgRow { serial, cells: cells.collect(), origin: Origin::Human })
}

fn add(store: &mut OrgStore, name: &str, fields: Value, by: &WriteAuthor) -> Option<String> {
    let table = store.schema.any_table(name)?;
    let Json::Object(fields) = Json::from(fields) else { return None };
    let fields: JsonPairs = fields.into_iter().filter(|(_, value)| *value != Json::Null).collect();
    let serial = store.create(table, &fields, by).ok()?;
    Some(store.id(table, serial))
}

fn account(company: &Company) -> Option<(Value, i64)> {
    let of = company.salesforce.as_ref()?;
    let fields = json!({
        "Name": of.name,
        "Website": of.website,
        "Phone": of.phone,
        "NumberOfEmployees": of.employees,
        "BillingState": of.prefecture,
        "BillingCity": of.city,
        "BillingPostalCode": of.postal_code,
        "BillingCountry": "日本",
    });
    Some((fields, of.age_ms))
}

/// The Salesforce records of a person: none, one, or two where they are ambiguous.
fn person_records(
    person: &Person,
    companies: &[Company],
    accounts: &HashMap<usize, String>,
) -> Vec<(&'static str, Value, i64)> {
    let record = |of: &crate::world::PersonFields| {
        let employer = of.company.and_then(|index| companies.get(index)?.salesforce.as_ref());
        let fields = match person.kind {
            PersonKind::Lead => json!({
                "LastName": of.family,
                "FirstName": of.given,
                "Company": employer.map_or("個人", |company| company.name.as_str()),
                "Email": of.mail,
                "Phone": of.phone,
                "MobilePhone": of.mobile,
                "Title": of.title,
                "State": of.prefecture,
                "City": of.city,
                "PostalCode": of.postal_code,
                "Country": "日本",
                "HasOptedOutOfEmail": of.opted_out,
            }),
            PersonKind::Contact => json!({
                "LastName": of.family,
                "FirstName": of.given,
                "AccountId": of.company.and_then(|index| accounts.get(&index)),
                "Email": of.mail,
                "Phone": of.phone,
                "MobilePhone": of.mobile,
                "Title": of.title,
                "MailingState": of.prefecture,
                "MailingCity": of.city,
                "MailingPostalCode": of.postal_code,
                "MailingCountry": "日本",
                "HasOptedOutOfEmail": of.opted_out,
            }),
        };
        let object = match person.kind {
            PersonKind::Lead => "Lead",
            PersonKind::Contact => "Contact",
        };
        (object, fields, of.age_ms)
    };
    person.salesforce.iter().map(record).collect()
}

fn opportunity(deal: &Deal, accounts: &HashMap<usize, String>) -> Value {
    json!({
        "Name": deal.name,
        "Amount": deal.amount,
        "StageName": stage_name(deal.stage),
        "CloseDate": deal.close_date,
        "AccountId": deal.company.and_then(|index| accounts.get(&index)),
    })
}

fn stage_name(stage: DealStage) -> &'static str {
    match stage {
        DealStage::Appointment => "Prospecting",
        DealStage::Qualified => "Qualification",
        DealStage::Presentation => "Value Proposition",
        DealStage::DecisionMaker => "Id. Decision Makers",
        DealStage::Contract => "Negotiation/Review",
        DealStage::Won => "Closed Won",
        DealStage::Lost => "Closed Lost",
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::OrgSchema;
    use super::*;
    use crate::clock::SimClock;

    #[test]
    fn every_record_of_the_world_is_taken() {
        let options = SimOptions {
            seed: 7,
            people: 300,
            clock: SimClock::manual(1_790_000_000_000),
            faults: Faults::default(),
        };
        let mut store = OrgStore::new(OrgSchema::standard());
        fill(&mut store, &options, options.clock.now_ms());
        let world = SampleWorld::generate(7, 300);
        let count = |name| store.rows(store.schema.table(name).unwrap()).count();
        let companies = world.companies.iter().filter(|c| c.salesforce.is_some()).count();
        let people: usize = world.people.iter().map(|person| person.salesforce.len()).sum();
        let deals = world.deals.iter().filter(|deal| deal.presence.on_salesforce()).count();
        assert_eq!(count("Account"), companies);
        assert_eq!(count("Lead") + count("Contact"), people);
        assert_eq!(count("Opportunity"), deals);
        assert_eq!(count("OpportunityStage"), STAGES.len());
    }
}
