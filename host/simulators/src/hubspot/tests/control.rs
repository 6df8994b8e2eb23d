//! The control API over a seeded account, and what the ledger counts.
//!
//! The routes are generic; that they work for one system is shown here.

use super::*;

#[test]
fn the_seed_has_the_shape_of_the_world() {
    let mut account = Account::with(200, Faults::none());
    let world = SampleWorld::generate(1, 200);
    let contacts = account.sim("GET", "records?object=contacts", Value::Null);
    let contacts = contacts.as_array().unwrap();
    assert_eq!(contacts.len(), 150);
    let from_forms = world.people.iter().filter_map(|person| person.hubspot.as_ref());
    let from_forms = from_forms.filter(|fields| fields.from_form).count();
    let without = contacts.iter().filter(|one| one["fields"]["lastname"].is_null()).count();
    assert_eq!(without, from_forms);
    for contact in contacts {
        assert!(contact["fields"]["full_name"].is_string());
        assert_eq!(contact["created_by"], "human");
        assert_eq!(contact["references"]["companies"].as_array().unwrap().len(), 1);
    }
    let deals = account.sim("GET", "records?object=deals", Value::Null);
    assert_eq!(deals[0]["references"].as_object().unwrap().len(), 2);
}

#[test]
fn people_edit_create_delete_and_merge_behind_the_api() {
    let mut account = Account::empty();
    let company =
        account.sim("POST", "create", json!({"object": "companies", "fields": {"name": "A"}}));
    let person = json!({"object": "contacts", "fields": {"city": "港区", "phone": "1"},
                        "references": {"companies": [company["id"]]}});
    let a = account.sim("POST", "create", person.clone())["id"].clone();
    let b = account.sim("POST", "create", person)["id"].clone();
    account.clock.advance(1_000);
    let edit = json!({"object": "contacts", "id": a, "fields": {"city": null, "phone": "2"}});
    account.sim("POST", "edit", edit);
    let id =
        account.sim("POST", "merge", json!({"object": "contacts", "winner": a, "loser": b}))["id"]
            .clone();
    let records = account.sim("GET", "records?object=contacts", Value::Null);
    assert_eq!(records.as_array().unwrap().len(), 1, "losers are not listed");
    assert_eq!(records[0]["id"], id);
    assert_eq!(records[0]["fields"]["phone"], "2");
    assert_eq!(records[0]["references"]["companies"], json!([company["id"]]));
    account.sim("POST", "delete", json!({"object": "contacts", "id": id}));
    let records = account.sim("GET", "records?object=contacts", Value::Null);
    assert_eq!(records[0]["archived"], true);
}

#[test]
fn control_mistakes_are_errors() {
    let mut account = Account::empty();
    let mut check = |method: &str, path: &str, body: Value, text: &str| {
        let answer = account.sim(method, path, body);
        assert!(answer["error"].as_str().unwrap().contains(text), "{answer}");
    };
    check("GET", "records?object=butterflies", Value::Null, "no such object");
    check("POST", "delete", json!({"object": "contacts", "id": "7"}), "no such record: 7");
    check("POST", "convert", json!({"id": "7"}), "cannot convert");
    check("POST", "faults", json!({"nonsense": 1}), "nonsense");
    check("POST", "edit", json!({"object": "contacts"}), "missing field");
    let bad = json!({"object": "contacts", "fields": {"email": "x"}});
    check("POST", "create", bad, "valid email");
}

#[test]
fn faults_and_clock_change_at_run_time() {
    let mut account = Account::empty();
    let faults = account.sim("POST", "faults", json!({"search_lag_ms": 7}));
    assert_eq!((&faults["search_lag_ms"], &faults["rate_limits"]), (&json!(7), &json!(false)));
    let before = account.sim("GET", "clock", Value::Null)["now_ms"].as_i64().unwrap();
    let after = account.sim("POST", "advance", json!({"ms": 5}))["now_ms"].as_i64().unwrap();
    assert_eq!(after - before, 5);
}

#[test]
fn the_ledger_tells_waste_from_need() {
    let mut account = Account::with(400, Faults::none());
    let search = "/crm/v3/objects/contacts/search";
    account.post(search, json!({"limit": 200}));
    account.post(search, json!({"limit": 200, "after": "200"}));
    account.post(search, json!({"limit": 50}));
    account.create("contacts", json!({}));
    account.create("contacts", json!({}));
    account.get("/crm/v3/properties/contacts");
    account.get("/crm/v3/owners");
    let ledger = account.sim("GET", "ledger", Value::Null);
    // Two pages for 300 rows, one for 50, and two creates that one batch could hold.
    assert_eq!((&ledger["made"], &ledger["minimum"]), (&json!(5), &json!(4)));
    assert_eq!((&ledger["metadata"], &ledger["token"]), (&json!(2), &json!(0)));
    let create = json!({"kind": "create", "object": "contacts", "calls": 2, "rows": 2,
                        "cap": 100, "minimum": 1});
    assert_eq!(ledger["by_kind"][0], create);
    account.sim("POST", "ledger/reset", json!({}));
    assert_eq!(account.sim("GET", "ledger", Value::Null)["made"], 0);
}
