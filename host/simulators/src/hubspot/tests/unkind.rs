//! The knobs that make an account as unpleasant as a real one, each by itself.
//!
//! They keep the rules S12 and S14 of `host/sync/RULES.md`.

use super::*;
use crate::rules::{FieldConstraint, FieldRule, OptionChange, OptionState};

const SEARCH: &str = "/crm/v3/objects/contacts/search";

fn calm() -> Faults {
    Faults::none()
}

impl Account {
    fn tune(&mut self, patch: Value) {
        let answer = self.sim("POST", "faults", patch);
        assert!(answer.get("error").is_none(), "{answer}");
    }

    fn property(&mut self, id: &str, name: &str) -> Value {
        let (status, body) = self.get(&format!("{CONTACTS}/{id}?properties={name}"));
        if status == 200 { body["properties"][name].clone() } else { json!(status) }
    }

    fn found(&mut self, id: &str) -> Value {
        let filter = json!({"propertyName": "hs_object_id", "operator": "EQ", "value": id});
        let body = json!({"filterGroups": [{"filters": [filter]}], "properties": ["city"]});
        self.post(SEARCH, body).1["results"][0]["properties"]["city"].clone()
    }

    fn write(&mut self, id: &str, properties: Value) -> (u16, Value) {
        self.patch(&format!("{CONTACTS}/{id}"), json!({"properties": properties}))
    }
}

fn rule(field: &str, rule: FieldConstraint) -> FieldRule {
    FieldRule { object: "contacts".to_owned(), field: field.to_owned(), rule }
}

#[test]
fn a_read_by_id_shows_the_old_row_while_it_lags() {
    let mut account = Account::with(0, Faults { read_lag_ms: 3_000, ..calm() });
    let id = account.create("contacts", json!({"city": "A"}));
    assert_eq!(account.property(&id, "city"), 404, "not even there");
    account.clock.advance(3_000);
    let (_, answer) = account.write(&id, json!({"city": "B"}));
    assert_eq!(answer["properties"]["city"], "B", "the answer to the write is current");
    assert_eq!(account.property(&id, "city"), "A");
    let batch = json!({"inputs": [{"id": id}], "properties": ["city"]});
    let (_, read) = account.post(&format!("{CONTACTS}/batch/read"), batch);
    assert_eq!(read["results"][0]["properties"]["city"], "A");
    assert!(read["results"][0]["updatedAt"].as_str() < answer["updatedAt"].as_str());
    account.clock.advance(3_000);
    assert_eq!(account.property(&id, "city"), "B");
    account.delete(&format!("{CONTACTS}/{id}"));
    assert_eq!(account.property(&id, "city"), "B", "a deletion is seen late as well");
}

#[test]
fn each_record_and_each_object_lags_by_its_own_time() {
    let faults = Faults {
        lag_spread_ms: 10_000,
        hubspot: HubSpotFaults { search_lag_ms: 1_000, ..calm().hubspot },
        ..calm()
    };
    let mut account = Account::with(0, faults);
    let ids: Vec<String> =
        (0..20).map(|_| account.create("contacts", json!({"city": "A"}))).collect();
    account.clock.advance(5_000);
    let seen = |account: &mut Account| ids.iter().filter(|id| account.found(id) == "A").count();
    let early = seen(&mut account);
    assert!((1..20).contains(&early), "{early} of 20 after half of the spread");
    account.clock.advance(6_000);
    assert_eq!(seen(&mut account), 20);
    account.tune(json!({"search_lag_of": {"companies": 60_000}, "lag_spread_ms": 0}));
    account.create("companies", json!({"name": "A"}));
    account.create("contacts", json!({}));
    account.clock.advance(1_000);
    let total = |account: &mut Account, object: &str| {
        account.post(&format!("/crm/v3/objects/{object}/search"), json!({})).1["total"].clone()
    };
    assert_eq!(
        (total(&mut account, "contacts"), total(&mut account, "companies")),
        (json!(21), json!(0))
    );
}

#[test]
fn an_update_can_be_answered_and_not_done() {
    let mut account = Account::with(0, Faults { ignore_update_every: 2, ..calm() });
    let id = account.create("contacts", json!({"city": "A"}));
    account.write(&id, json!({"city": "B"}));
    account.clock.advance(1_000);
    let (status, answer) = account.write(&id, json!({"city": "C"}));
    assert_eq!((status, &answer["properties"]["city"]), (200, &json!("C")));
    assert_eq!((account.property(&id, "city"), account.found(&id)), (json!("B"), json!("B")));
}

#[test]
fn a_write_can_happen_and_be_answered_with_not_found() {
    let mut account = Account::with(0, Faults { not_found_after_write: 1, ..calm() });
    let (status, _) = account.post(CONTACTS, json!({"properties": {"city": "A"}}));
    assert_eq!(status, 404);
    assert_eq!(account.get(CONTACTS).1["results"].as_array().unwrap().len(), 1);
}

#[test]
fn rules_refuse_one_property_alone() {
    let rules = vec![
        rule("city", FieldConstraint::MaxLength(3)),
        rule("phone", FieldConstraint::Without("x".to_owned())),
        rule("jobtitle", FieldConstraint::ReadOnly),
        rule("zip", FieldConstraint::Required),
        rule("state", FieldConstraint::Unique),
    ];
    let mut account = Account::with(0, Faults { rules, ..calm() });
    let id = account.create("contacts", json!({"zip": "1", "state": "東京都"}));
    let check = |account: &mut Account, properties: Value, code: &str, name: &str| {
        let (status, error) = account.write(&id, properties);
        let detail = &error["errors"][0];
        assert_eq!((status, &detail["code"]), (400, &json!(code)), "{error}");
        assert_eq!(detail["context"]["propertyName"][0], name);
    };
    check(&mut account, json!({"city": "long", "phone": "1"}), "INVALID_LENGTH", "city");
    check(&mut account, json!({"phone": "1x"}), "INVALID_ALPHA", "phone");
    check(&mut account, json!({"jobtitle": "a"}), "READ_ONLY_VALUE", "jobtitle");
    check(&mut account, json!({"zip": ""}), "MISSING_REQUIRED_PROPERTY", "zip");
    let other = account.create("contacts", json!({"zip": "2"}));
    let (status, error) = account.write(&other, json!({"state": "東京都"}));
    assert_eq!(status, 400);
    assert!(error["message"].as_str().unwrap().contains("already has that value"), "{error}");
    let edit = json!({"object": "contacts", "id": id, "fields": {"jobtitle": "a"}});
    assert_eq!(account.sim("POST", "edit", edit)["ok"], true, "people may");
    let (_, described) = account.get("/crm/v3/properties/contacts/state");
    assert_eq!(described["hasUniqueValue"], true);
}

#[test]
fn a_property_vanishes_and_returns_with_its_values() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"city": "A"}));
    account.tune(json!({"rules": [{"object": "contacts", "field": "city", "rule": "hidden"}]}));
    assert_eq!(account.property(&id, "city"), Value::Null);
    assert_eq!(account.get("/crm/v3/properties/contacts/city").0, 404);
    let (_, error) = account.write(&id, json!({"city": "B"}));
    assert_eq!(error["errors"][0]["code"], "PROPERTY_DOESNT_EXIST");
    let edit = json!({"object": "contacts", "id": id, "fields": {"city": "C"}});
    account.sim("POST", "edit", edit);
    account.tune(json!({"rules": []}));
    assert_eq!(account.property(&id, "city"), "C");
}

#[test]
fn options_are_renamed_hidden_and_removed() {
    let change = |value: &str, label: Option<&str>, state| OptionChange {
        object: "contacts".to_owned(),
        field: "hs_lead_status".to_owned(),
        value: value.to_owned(),
        label: label.map(str::to_owned),
        renamed_to: None,
        state,
    };
    let options = vec![
        change("NEW", Some("新規"), OptionState::Active),
        change("OPEN", None, OptionState::Inactive),
        change("CONNECTED", None, OptionState::Removed),
    ];
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"hs_lead_status": "CONNECTED"}));
    account.tune(json!({"options": options}));
    let (_, property) = account.get("/crm/v3/properties/contacts/hs_lead_status");
    let listed = property["options"].as_array().unwrap();
    let of = |value: &str| listed.iter().find(|option| option["value"] == value);
    assert_eq!(of("NEW").unwrap()["label"], "新規");
    assert_eq!(of("OPEN").unwrap()["hidden"], true);
    assert_eq!(of("CONNECTED"), None);
    assert_eq!(account.property(&id, "hs_lead_status"), "CONNECTED", "old values stay");
    assert_eq!(account.write(&id, json!({"hs_lead_status": "OPEN"})).0, 200);
    assert_eq!(account.write(&id, json!({"hs_lead_status": "CONNECTED"})).0, 400);
}

#[test]
fn phones_are_stored_stripped_where_they_are_checked() {
    let mut account = Account::with(
        0,
        Faults { hubspot: HubSpotFaults { phone_validation: true, ..calm().hubspot }, ..calm() },
    );
    let id = account.create("contacts", json!({"phone": "+81 (3) 1234-5678"}));
    assert_eq!(account.property(&id, "phone"), "+81312345678");
    assert_eq!(account.write(&id, json!({"phone": "ext. 7"})).0, 400);
}

#[test]
fn other_clients_fill_the_windows_and_that_is_no_breach() {
    let mut account = Account::empty();
    account.tune(json!({"limit_shared_every": 1}));
    let (status, error) = account.get(CONTACTS);
    assert_eq!((status, &error["policyName"]), (429, &json!("TEN_SECONDLY_ROLLING")));
    let (status, error) = account.post(&format!("{CONTACTS}/search"), json!({"limit": 1}));
    assert_eq!((status, &error["policyName"]), (429, &json!("SECONDLY")));
    account.tune(json!({"limit_shared_every": 0, "day_is_used_up": true}));
    let (status, error) = account.get(CONTACTS);
    assert_eq!((status, &error["policyName"]), (429, &json!("DAILY")));
    let report = account.hubspot.ledger().report();
    assert_eq!((report.refused, report.breaches.len()), (3, 0));
}

#[test]
fn owners_leave_and_are_listed_as_archived() {
    let mut account = Account::empty();
    account.tune(json!({"absent_owners": ["77350002"]}));
    assert_eq!(account.get("/crm/v3/owners").1["results"].as_array().unwrap().len(), 2);
    let (_, gone) = account.get("/crm/v3/owners?archived=true");
    assert_eq!(gone["results"][0]["id"], "77350002");
    assert_eq!(gone["results"][0].get("userId"), None);
    let (status, _) =
        account.post(CONTACTS, json!({"properties": {"hubspot_owner_id": "77350002"}}));
    assert_eq!(status, 400);
}

#[test]
fn records_are_hidden_or_closed_to_the_client() {
    let mut account = Account::empty();
    let (hidden, closed) =
        (account.create("contacts", json!({})), account.create("contacts", json!({})));
    account.tune(json!({"hidden_records": [hidden], "read_only_records": [closed]}));
    assert_eq!(account.get(&format!("{CONTACTS}/{hidden}")).0, 404);
    assert_eq!(account.get(CONTACTS).1["results"].as_array().unwrap().len(), 1);
    assert_eq!(account.post(SEARCH, json!({})).1["total"], 1);
    let (status, error) = account.write(&closed, json!({"city": "A"}));
    assert_eq!((status, &error["category"]), (403, &json!("MISSING_SCOPES")));
    let edit = json!({"object": "contacts", "id": hidden, "fields": {"city": "A"}});
    assert_eq!(account.sim("POST", "edit", edit)["ok"], true);
}

#[test]
fn another_account_answers_at_the_same_address() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({}));
    account.tune(json!({"account_id": 4_711, "time_zone": "America/New_York"}));
    let (_, details) = account.get("/account-info/v3/details");
    assert_eq!(details["portalId"], 4_711);
    assert_eq!(
        (&details["timeZone"], &details["utcOffset"]),
        (&json!("America/New_York"), &json!("-04:00"))
    );
    let (_, record) = account.get(&format!("{CONTACTS}/{id}"));
    assert!(record["url"].as_str().unwrap().contains("/4711/"));
}

#[test]
fn the_vendors_clock_differs_and_steps_back() {
    let mut account = Account::with(0, Faults { clock_offset_ms: 60_000, ..calm() });
    let id = account.create("contacts", json!({}));
    let (_, first) = account.write(&id, json!({"city": "A"}));
    account.tune(json!({"clock_offset_ms": -60_000}));
    let (_, second) = account.write(&id, json!({"city": "B"}));
    assert_eq!(first["updatedAt"], "2026-03-12T10:05:17.969Z");
    assert_eq!(second["updatedAt"], "2026-03-12T10:03:17.969Z");
}

#[test]
fn a_record_comes_back_from_the_bin_with_its_links() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"email": "a@example.jp"}));
    let company = account.create("companies", json!({"name": "A"}));
    let link = json!({"object": "contacts", "id": id, "to_object": "companies", "to_id": company});
    assert_eq!(account.sim("POST", "link", link)["ok"], true);
    account.delete(&format!("{CONTACTS}/{id}"));
    account.clock.advance(1_000);
    let target = json!({"object": "contacts", "id": id});
    assert_eq!(account.sim("POST", "restore", target.clone())["ok"], true);
    let (_, back) = account.get(&format!("{CONTACTS}/{id}?associations=companies"));
    assert_eq!(back["updatedAt"], "2026-03-12T10:04:18.969Z");
    assert_eq!(back["associations"]["companies"]["results"][0]["id"], *company);
    account.delete(&format!("{CONTACTS}/{id}"));
    account.create("contacts", json!({"email": "a@example.jp"}));
    let refused = account.sim("POST", "restore", target);
    assert!(refused["error"].as_str().unwrap().contains("has the email"), "{refused}");
}

#[test]
fn people_change_the_primary_company_and_labels() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({}));
    let (a, b) = (
        account.create("companies", json!({"name": "A"})),
        account.create("companies", json!({"name": "B"})),
    );
    let link = |to: &str, primary: bool| json!({"object": "contacts", "id": id, "to_object": "companies", "to_id": to, "primary": primary});
    account.sim("POST", "link", link(&a, false));
    account.sim("POST", "link", link(&b, false));
    let primary = |account: &mut Account| -> Vec<String> {
        let (_, all) =
            account.get(&format!("/crm/v4/objects/contacts/{id}/associations/companies"));
        let has = |one: &&Value| {
            one["associationTypes"].as_array().unwrap().iter().any(|t| t["typeId"] == 1)
        };
        let all = all["results"].as_array().unwrap().clone();
        all.iter().filter(has).map(|one| one["toObjectId"].to_string()).collect()
    };
    assert_eq!(primary(&mut account), [&*a], "the first is primary by itself");
    account.sim("POST", "link", link(&b, true));
    assert_eq!(primary(&mut account), [&*b]);
    account.sim("POST", "unlink", link(&b, true));
    assert_eq!(primary(&mut account), [""; 0], "the mark goes, the link stays");
    account.sim("POST", "link", link(&b, true));
    account.tune(json!({"primary_is_inherited": true}));
    account.sim("POST", "unlink", link(&b, false));
    assert_eq!(primary(&mut account), [a]);
}

#[test]
fn one_object_fails_or_is_forbidden_and_the_others_go_on() {
    let mut account = Account::empty();
    account.tune(json!({"failing_objects": ["companies"], "forbidden_objects": ["0-3"]}));
    assert_eq!(account.get("/crm/v3/objects/companies").0, 500);
    let (status, error) = account.get("/crm/v3/properties/deals");
    assert_eq!((status, &error["category"]), (403, &json!("MISSING_SCOPES")));
    assert_eq!(account.get(CONTACTS).0, 200);
}

#[test]
fn a_calculation_restamps_without_a_person() {
    let mut account = Account::with(
        0,
        Faults { hubspot: HubSpotFaults { recalculate_after_ms: 500, ..calm().hubspot }, ..calm() },
    );
    let id = account.create("contacts", json!({"city": "A"}));
    account.clock.advance(600);
    let (_, read) = account.get(&format!("{CONTACTS}/{id}?properties=city"));
    assert_eq!(read["updatedAt"], "2026-03-12T10:04:18.469Z");
    assert_eq!(read["properties"]["city"], "A");
}

#[test]
fn pages_drift_when_a_row_before_them_moves() {
    let mut account = Account::with(
        0,
        Faults { hubspot: HubSpotFaults { drift_every: 1, ..calm().hubspot }, ..calm() },
    );
    for _ in 0..4 {
        account.create("contacts", json!({}));
        account.clock.advance(1_000);
    }
    let sort = json!([{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}]);
    let (_, first) = account.post(SEARCH, json!({"sorts": sort, "limit": 2}));
    let (_, second) = account.post(SEARCH, json!({"sorts": sort, "limit": 2, "after": "2"}));
    let ids = |page: &Value| -> Vec<Value> {
        page["results"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids(&second)[1], ids(&first)[0], "the first row is last now");
    let (_, all) = account.post(SEARCH, json!({"sorts": sort}));
    let missed = ids(&all)
        .iter()
        .filter(|id| !ids(&first).contains(id) && !ids(&second).contains(id))
        .count();
    assert_eq!(missed, 1);
}

#[test]
fn the_vendor_fills_values_by_itself() {
    let faults = Faults {
        hubspot: HubSpotFaults {
            companies_by_domain: true,
            closing_sets_date: true,
            ..calm().hubspot
        },
        ..calm()
    };
    let mut account = Account::with(0, faults);
    let id = account.create("contacts", json!({"email": "a@neu.example.jp"}));
    assert_eq!(account.property(&id, "lifecyclestage"), "lead");
    let (_, companies) = account.get("/crm/v3/objects/companies?properties=domain");
    assert_eq!(companies["results"][0]["properties"]["domain"], "neu.example.jp");
    let deal = account.create("deals", json!({"dealname": "A", "dealstage": "qualifiedtobuy"}));
    let path = format!("/crm/v3/objects/deals/{deal}");
    account.patch(&path, json!({"properties": {"dealstage": "closedwon"}}));
    let (_, deal) = account.get(&format!("{path}?properties=closedate"));
    assert_eq!(deal["properties"]["closedate"], "2026-03-12T10:04:17.969Z");
}

#[test]
fn several_merges_leave_several_additional_addresses() {
    let mut account = Account::empty();
    let ids: Vec<String> = ["a", "b", "c"]
        .map(|name| account.create("contacts", json!({"email": format!("{name}@example.jp")})))
        .into();
    let merge = |winner: &Value, loser: &str| json!({"object": "contacts", "winner": winner, "loser": loser});
    let first = account.sim("POST", "merge", merge(&json!(ids[0]), &ids[1]))["id"].clone();
    let last = account.sim("POST", "merge", merge(&first, &ids[2]))["id"].clone();
    let further = account.property(last.as_str().unwrap(), "hs_additional_emails");
    assert_eq!(further, "b@example.jp;c@example.jp");
    for name in ["a", "b", "c"] {
        let (_, found) = account.get(&format!("{CONTACTS}/{name}@example.jp?idProperty=email"));
        assert_eq!(found["id"], last);
    }
}

#[test]
fn a_custom_object_is_there_only_where_the_account_has_it() {
    let mut account = Account::empty();
    assert_eq!(account.get("/crm/v3/schemas").0, 403);
    assert_eq!(account.get("/crm/v3/objects/2-1001").0, 400);
    account.tune(json!({"custom_objects": true}));
    let (_, schemas) = account.get("/crm/v3/schemas");
    assert_eq!(schemas["results"][0]["fullyQualifiedName"], "p62515_project");
    let id = account.create("p_project", json!({"project_name": "A", "topics": "sales;service"}));
    let (_, read) = account.get(&format!("/crm/v3/objects/2-1001/{id}?properties=topics"));
    assert_eq!(read["properties"]["topics"], "sales;service");
    let (status, error) = account.get("/crm/v3/objects/project");
    assert_eq!(
        (status, &error["message"]),
        (400, &json!("Unable to infer object type from: project"))
    );
}
