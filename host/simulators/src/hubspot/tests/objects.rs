//! Single records, lists, properties and metadata (H-schema-1, H-record-1, H-list-3,
//! H-list-5).
//!
//! Values, clearing, stamps, uniqueness, paging, archiving and history.

use super::*;

#[test]
fn values_are_strings_and_unknown_names_are_dropped_on_reading() {
    let mut account = Account::empty();
    let id = account.create("deals", json!({"dealname": "A", "amount": "5000.00"}));
    let (_, deal) =
        account.get(&format!("/crm/v3/objects/deals/{id}?properties=amount,closedate,nonsense"));
    let expected = json!({
        "amount": "5000.00", "closedate": null, "hs_object_id": id,
        "createdate": "2026-03-12T10:04:17.969Z", "hs_lastmodifieddate": "2026-03-12T10:04:17.969Z",
    });
    assert_eq!(deal["properties"], expected);
    assert_eq!(deal["archived"], false);
    assert!(deal["url"].as_str().unwrap().ends_with(&format!("/record/0-3/{id}")));
}

#[test]
fn an_empty_string_clears_and_null_changes_nothing() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"city": "港区", "phone": "1"}));
    let path = format!("{CONTACTS}/{id}");
    let (_, changed) = account.patch(&path, json!({"properties": {"city": "", "phone": null}}));
    assert_eq!(changed["properties"]["city"], Value::Null);
    assert_eq!(changed["properties"]["phone"], "1");
}

#[test]
fn contacts_and_other_objects_are_restamped_under_different_names() {
    let mut account = Account::empty();
    let contact = account.create("contacts", json!({}));
    let company = account.create("companies", json!({"name": "A"}));
    account.clock.advance(1_000);
    for (object, id, stamp, other) in [
        ("contacts", contact, "lastmodifieddate", "hs_lastmodifieddate"),
        ("companies", company, "hs_lastmodifieddate", "lastmodifieddate"),
    ] {
        let path = format!("/crm/v3/objects/{object}/{id}");
        let (_, changed) = account.patch(&path, json!({"properties": {"phone": "1"}}));
        assert_eq!(changed["properties"][stamp], "2026-03-12T10:04:18.969Z");
        assert_eq!(changed["properties"].get(other), None);
    }
}

#[test]
fn a_mail_address_is_lower_cased_and_unique() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"email": "Taro@Example.JP"}));
    let (status, error) =
        account.post(CONTACTS, json!({"properties": {"email": "taro@example.jp"}}));
    assert_eq!((status, &error["category"]), (409, &json!("CONFLICT")));
    assert_eq!(error["message"], format!("Contact already exists. Existing ID: {id}"));
    assert!(error["correlationId"].is_string());
    let other = account.create("contacts", json!({"email": "jiro@example.jp"}));
    let path = format!("{CONTACTS}/{other}");
    assert_eq!(account.patch(&path, json!({"properties": {"email": "taro@example.jp"}})).0, 409);
    account.delete(&format!("{CONTACTS}/{id}"));
    assert_eq!(account.patch(&path, json!({"properties": {"email": "taro@example.jp"}})).0, 200);
}

#[test]
fn a_unique_property_refuses_a_second_holder() {
    let mut account = Account::empty();
    let id = account.create("companies", json!({"renkei_id": "k1"}));
    let (status, error) =
        account.post("/crm/v3/objects/companies", json!({"properties": {"renkei_id": "k1"}}));
    assert_eq!((status, &error["category"]), (400, &json!("VALIDATION_ERROR")));
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Cannot set PropertyValueCoordinates{portalId=62515"), "{message}");
    assert!(message.ends_with(&format!("{id} already has that value.")), "{message}");
}

#[test]
fn wrong_writes_name_the_property() {
    let mut account = Account::empty();
    let mut check = |properties: Value, code: &str| {
        let (status, error) = account.post(CONTACTS, json!({"properties": properties}));
        assert_eq!((status, error["errors"][0]["code"].as_str()), (400, Some(code)), "{error}");
        assert!(error["errors"][0]["context"]["propertyName"][0].is_string());
        assert!(
            error["message"].as_str().unwrap().starts_with("Property values were not valid: [")
        );
    };
    check(json!({"nonsense": "1"}), "PROPERTY_DOESNT_EXIST");
    check(json!({"email": "taro"}), "INVALID_EMAIL");
    check(json!({"hs_object_id": "1"}), "READ_ONLY_VALUE");
    check(json!({"hs_lead_status": "new"}), "INVALID_OPTION");
    assert_eq!(account.get(CONTACTS).1["results"], json!([]));
}

#[test]
fn a_list_goes_by_id_and_ends_without_paging() {
    let mut account = Account::empty();
    let ids: Vec<String> = (0..25).map(|_| account.create("contacts", json!({}))).collect();
    let (_, first) = account.get(CONTACTS);
    assert_eq!(first["results"].as_array().unwrap().len(), 10, "the default limit");
    assert_eq!(first["paging"]["next"]["after"], *ids[9]);
    assert!(first["paging"]["next"]["link"].as_str().unwrap().contains("after="));
    let (_, rest) = account.get(&format!("{CONTACTS}?limit=100&after={}", ids[9]));
    assert_eq!(rest["results"].as_array().unwrap().len(), 15);
    assert_eq!(rest.get("paging"), None);
    assert_eq!(account.get(&format!("{CONTACTS}?limit=101")).0, 400);
    assert_eq!(account.get(&format!("{CONTACTS}?limit=51&propertiesWithHistory=city")).0, 400);
    account.hubspot.faults.hubspot.history_lowers_page_cap = false;
    assert_eq!(account.get(&format!("{CONTACTS}?limit=51&propertiesWithHistory=city")).0, 200);
}

#[test]
fn a_short_page_still_leads_on() {
    let mut account = Account::with(0, Faults { short_pages_every: 1, ..Faults::none() });
    let ids: Vec<String> = (0..4).map(|_| account.create("contacts", json!({}))).collect();
    let (_, page) = account.get(&format!("{CONTACTS}?limit=4"));
    assert_eq!(page["results"].as_array().unwrap().len(), 2);
    assert_eq!(page["paging"]["next"]["after"], *ids[1]);
}

#[test]
fn archived_records_are_listed_apart() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"email": "taro@example.jp"}));
    let path = format!("{CONTACTS}/{id}");
    assert_eq!(account.delete(&path), 204);
    assert_eq!(account.delete(&path), 204, "again is no error");
    assert_eq!(account.get(&path).0, 404);
    assert_eq!(account.get(CONTACTS).1["results"], json!([]));
    let (_, archived) = account.get(&format!("{CONTACTS}?archived=true"));
    assert_eq!(archived["results"][0]["id"], *id);
    assert_eq!(archived["results"][0]["archivedAt"], "2026-03-12T10:04:17.969Z");
    assert_eq!(account.delete(&format!("{CONTACTS}/1")), 204);
    account.hubspot.faults.hubspot.archive_unknown_is_404 = true;
    assert_eq!(account.delete(&format!("{CONTACTS}/1")), 404);
}

#[test]
fn a_history_holds_every_value_newest_first() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"city": "港区"}));
    let path = format!("{CONTACTS}/{id}");
    account.clock.advance(5);
    account.patch(&path, json!({"properties": {"city": "渋谷区"}}));
    let (_, contact) = account.get(&format!("{path}?propertiesWithHistory=city"));
    let history = &contact["propertiesWithHistory"]["city"];
    assert_eq!(history[0]["value"], "渋谷区");
    assert_eq!(history[1]["value"], "港区");
    assert_eq!(history[1]["timestamp"], "2026-03-12T10:04:17.969Z");
}

#[test]
fn the_life_cycle_does_not_go_back() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"lifecyclestage": "customer"}));
    let path = format!("{CONTACTS}/{id}");
    for (written, read) in [("lead", json!("customer")), ("", Value::Null), ("lead", json!("lead"))]
    {
        let (status, contact) =
            account.patch(&path, json!({"properties": {"lifecyclestage": written}}));
        assert_eq!((status, &contact["properties"]["lifecyclestage"]), (200, &read), "{written}");
    }
}

#[test]
fn a_deal_computes_what_its_stage_implies() {
    let mut account = Account::empty();
    let id = account.create("deals", json!({"dealstage": "closedwon"}));
    let names = "pipeline,hs_is_closed,hs_is_closed_won,hs_deal_stage_probability";
    let (_, deal) = account.get(&format!("/crm/v3/objects/deals/{id}?properties={names}"));
    let properties = &deal["properties"];
    assert_eq!(properties["pipeline"], "default");
    assert_eq!(properties["hs_is_closed_won"], "true");
    assert_eq!(properties["hs_deal_stage_probability"], "1.0");
}

#[test]
fn records_can_be_named_by_a_unique_property_only() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"email": "taro@example.jp", "renkei_id": "k"}));
    for (name, property) in [("TARO@example.jp", "email"), ("k", "renkei_id")] {
        let (status, contact) = account.get(&format!("{CONTACTS}/{name}?idProperty={property}"));
        assert_eq!((status, contact["id"].as_str()), (200, Some(&*id)));
    }
    assert_eq!(account.get(&format!("{CONTACTS}/x?idProperty=city")).0, 400);
    assert_eq!(account.get("/crm/v3/objects/companies/x?idProperty=domain").0, 400);
}

#[test]
fn properties_can_be_made_replaced_and_deleted() {
    let mut account = Account::empty();
    let path = "/crm/v3/properties/contacts";
    let new = json!({"name": "grade", "label": "等級", "type": "enumeration",
                     "fieldType": "select", "options": [{"value": "a", "label": "A"}]});
    assert_eq!(account.post(path, new.clone()).0, 201);
    let (status, error) = account.post(path, new);
    assert_eq!((status, &error["category"]), (409, &json!("OBJECT_ALREADY_EXISTS")));
    assert_eq!(error["subCategory"], "Properties.PROPERTY_WITH_NAME_EXISTS");
    let options = json!({"options": [{"value": "b", "label": "B"}]});
    let (_, changed) = account.patch(&format!("{path}/grade"), options);
    assert_eq!(changed["options"].as_array().unwrap().len(), 1);
    assert_eq!(account.delete(&format!("{path}/grade")), 204);
    assert_eq!(account.get(&format!("{path}/grade")).0, 404);
    let (status, _, error) = account.send("DELETE", &format!("{path}/full_name"), Value::Null);
    assert_eq!(status, 400);
    assert_eq!(error["subCategory"], "PropertyValidationError.CANNOT_DELETE_PROPERTY_IN_USE");
}

#[test]
fn metadata_has_the_recorded_shape() {
    let mut account = Account::empty();
    let (_, pipelines) = account.get("/crm/v3/pipelines/deals");
    let stages = pipelines["results"][0]["stages"].as_array().unwrap();
    assert_eq!(stages.len(), 7);
    assert_eq!(stages[0]["metadata"], json!({"isClosed": "false", "probability": "0.2"}));
    let (_, owners) = account.get("/crm/v3/owners?limit=1");
    assert_eq!(owners["paging"]["next"]["after"], owners["results"][0]["id"]);
    assert_eq!(account.get("/account-info/v3/details").1["timeZone"], "Asia/Tokyo");
    let (status, error) = account.get("/crm/v3/schemas");
    assert_eq!((status, &error["category"]), (403, &json!("MISSING_SCOPES")));
    let (status, error) = account.get("/crm/v3/objects/butterflies");
    assert_eq!((status, error.get("category")), (400, None));
    assert_eq!(error["message"], "Unable to infer object type from: butterflies");
}
