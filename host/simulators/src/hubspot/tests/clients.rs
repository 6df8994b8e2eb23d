//! The simulator takes requests of real client libraries, and refuses what HubSpot refuses.
//!
//! The rules are `host/sync/RULES.md` S1 to S4, S7 and S13.

use super::*;

const SEARCH: &str = "/crm/v3/objects/contacts/search";

/// RULES.md S1.
#[test]
fn unknown_and_missing_members_are_refused_in_every_body() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"city": "A"}));
    let batch = |input: Value| json!({"inputs": [input]});
    let one = format!("{CONTACTS}/{id}");
    let v4 = "/crm/v4/associations/contacts/companies/batch";
    let cases = [
        ("POST", CONTACTS.to_owned(), json!({"propertiez": {}})),
        ("POST", CONTACTS.to_owned(), json!({})),
        ("POST", CONTACTS.to_owned(), json!({"properties": {}, "id": "7"})),
        ("PATCH", one, json!({"city": "B"})),
        ("POST", format!("{CONTACTS}/batch/create"), batch(json!({"city": "B"}))),
        ("POST", format!("{CONTACTS}/batch/update"), batch(json!({"id": id}))),
        ("POST", format!("{CONTACTS}/batch/read"), json!({"inputs": [], "propertys": []})),
        ("POST", format!("{CONTACTS}/batch/archive"), batch(json!({"id": id, "x": 1}))),
        ("POST", format!("{CONTACTS}/merge"), json!({"primaryObjectId": id, "loser": id})),
        ("POST", SEARCH.to_owned(), json!({"filterGroup": []})),
        ("POST", format!("{v4}/create"), batch(json!({"from": {"id": id}, "too": {"id": id}}))),
        ("POST", format!("{v4}/read"), batch(json!({"id": id, "next": 1}))),
    ];
    for (method, path, body) in cases {
        let (status, _, error) = account.send(method, &path, body.clone());
        assert_eq!(
            (status, &error["category"]),
            (400, &json!("VALIDATION_ERROR")),
            "{path} {body}"
        );
    }
    assert_eq!(account.get(CONTACTS).1["results"].as_array().unwrap().len(), 1, "nothing was done");
}

/// RULES.md S1.
#[test]
fn filters_beside_groups_are_one_group() {
    let mut account = Account::empty();
    account.create("contacts", json!({"city": "A"}));
    account.create("contacts", json!({"city": "B"}));
    let filters = json!([{"propertyName": "city", "operator": "EQ", "value": "A"}]);
    let (_, page) = account.post(SEARCH, json!({"filters": filters, "limit": "5"}));
    assert_eq!(page["total"], 1);
}

/// RULES.md S2.
#[test]
fn a_truth_value_is_true_in_any_case_and_not_a_number() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({}));
    account.delete(&format!("{CONTACTS}/{id}"));
    for (value, count) in [("True", 1), ("true", 1), ("TRUE", 1), ("1", 0), ("false", 0)] {
        let (_, page) = account.get(&format!("{CONTACTS}?archived={value}"));
        assert_eq!(page["results"].as_array().unwrap().len(), count, "{value}");
        let (status, _) = account.get(&format!("{CONTACTS}/{id}?archived={value}"));
        assert_eq!(status, if count == 1 { 200 } else { 404 }, "{value}");
    }
}

/// RULES.md S3.
#[test]
fn a_single_stage_of_a_pipeline_is_read() {
    let mut account = Account::empty();
    let path = "/crm/v3/pipelines/deals/default/stages";
    let (status, stage) = account.get(&format!("{path}/closedwon"));
    assert_eq!((status, &stage["metadata"]["probability"]), (200, &json!("1.0")));
    assert_eq!(account.get(&format!("{path}/nope")).0, 404);
    assert_eq!(account.get("/crm/v3/pipelines/deals/nope/stages/closedwon").0, 404);
}

/// RULES.md S4.
#[test]
fn records_of_one_object_are_associated_and_labelled() {
    let mut account = Account::empty();
    let (a, b) = (
        account.create("companies", json!({"name": "A"})),
        account.create("companies", json!({"name": "B"})),
    );
    let path = format!("/crm/v4/objects/companies/{a}/associations/companies");
    let parent = json!([{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 13}]);
    assert_eq!(account.send("PUT", &format!("{path}/{b}"), parent).0, 201);
    let types = |account: &mut Account, id: &str| -> Vec<Value> {
        let (_, all) =
            account.get(&format!("/crm/v4/objects/companies/{id}/associations/companies"));
        all["results"][0]["associationTypes"].as_array().unwrap().clone()
    };
    assert_eq!(types(&mut account, &a)[0]["label"], "Parent Company");
    assert_eq!(types(&mut account, &b)[0]["label"], "Child Company");
    let own = "/crm/v4/associations/contacts/companies/labels";
    let new = json!({"label": "Adviser", "name": "adviser", "inverseLabel": "Advised by"});
    let (status, made) = account.post(own, new);
    assert_eq!((status, made["results"].as_array().unwrap().len()), (200, 2));
    let contact = account.create("contacts", json!({}));
    let link = |account: &mut Account, type_id: &Value| {
        let types = json!([{"associationCategory": "USER_DEFINED", "associationTypeId": type_id}]);
        let path = format!("/crm/v4/objects/contacts/{contact}/associations/companies/{a}");
        account.send("PUT", &path, types).0
    };
    assert_eq!(link(&mut account, &made["results"][0]["typeId"]), 201);
    assert_eq!(link(&mut account, &json!(99)), 400);
    let (_, seen) = account.get(&format!("/crm/v4/objects/companies/{a}/associations/contacts"));
    let labels: Vec<&Value> = seen["results"][0]["associationTypes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["label"])
        .collect();
    assert!(labels.contains(&&json!("Advised by")), "{labels:?}");
    assert_eq!(account.get(own).1["results"].as_array().unwrap().len(), 3);
}

/// RULES.md S4.
#[test]
fn the_lesser_objects_exist() {
    let mut account = Account::empty();
    for object in ["products", "quotes", "communications", "goal_targets", "postal_mail"] {
        assert_eq!(account.get(&format!("/crm/v3/objects/{object}")).0, 200, "{object}");
        assert_eq!(account.get(&format!("/crm/v3/properties/{object}")).0, 200, "{object}");
    }
}

/// RULES.md S7.
#[test]
fn owners_have_real_times() {
    let mut account = Account::empty();
    let (_, owners) = account.get("/crm/v3/owners");
    let stamps = |owner: &Value| (owner["createdAt"].clone(), owner["updatedAt"].clone());
    let (first, second) = (stamps(&owners["results"][0]), stamps(&owners["results"][1]));
    assert!(first.0.as_str().unwrap() > "2022-01-01" && first != second, "{first:?} {second:?}");
    assert!(first.0.as_str() < first.1.as_str());
}

/// RULES.md S13.
#[test]
fn a_search_filters_on_associations() {
    let mut account = Account::empty();
    let company = account.create("companies", json!({"name": "A"}));
    let ids: Vec<String> = (0..2).map(|_| account.create("contacts", json!({}))).collect();
    let path =
        format!("/crm/v4/objects/contacts/{}/associations/default/companies/{company}", ids[0]);
    account.send("PUT", &path, Value::Null);
    let body = |object: &str, operator: &str, id: &str| {
        json!({"filterGroups": [{"filters": [
            {"propertyName": format!("associations.{object}"), "operator": operator, "value": id}]}]})
    };
    let (_, page) = account.post(SEARCH, body("company", "EQ", &company));
    assert_eq!((&page["total"], &page["results"][0]["id"]), (&json!(1), &json!(ids[0])));
    assert_eq!(account.post(SEARCH, body("companies", "EQ", "7")).1["total"], 0);
    assert_eq!(account.post(SEARCH, body("company", "NEQ", &company)).1["total"], 1);
    assert_eq!(account.post(SEARCH, body("butterfly", "EQ", "7")).0, 400);
    assert_eq!(account.post(SEARCH, body("company", "GT", "7")).0, 400);
}
