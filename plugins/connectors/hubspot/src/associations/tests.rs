//! Associations: order of a cell, changes to make, and what HubSpot answers.
//!
//! Contacts and companies stand for all pairs; they are one of two with a primary type.

use renkei_sdk::testing::{respond, with_http};

use super::*;

fn contact_to_company() -> &'static Relation {
    find_relation("contacts", "associations.companies").unwrap()
}

fn link(to: &str, primary: bool, labelled: bool) -> Link {
    Link { to: to.into(), primary, labelled }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn cell_has_the_primary_first_and_the_others_by_id() {
    let check =
        |links: &[Link], expected| assert_eq!(contact_to_company().make_cell(links), expected);
    check(&[], Value::Null);
    check(
        &[link("100", false, false), link("20", false, false), link("300", true, false)],
        Value::References(ids(&["300", "20", "100"])),
    );
    check(&[link("20", false, false)], Value::References(ids(&["", "20"])));
    let deals = find_relation("contacts", "associations.deals").unwrap();
    assert_eq!(deals.make_cell(&[link("20", false, false)]), Value::References(ids(&["20"])));
}

#[test]
fn list_tells_the_primary_by_its_type() {
    let list: AssociationList = serde_json::from_str(
        r#"{"results":[{"id":"7","type":"contact_to_company_unlabeled"},
            {"id":"9","type":"contact_to_company"},
            {"id":"9","type":"contact_to_company_unlabeled"}]}"#,
    )
    .unwrap();
    let links = contact_to_company().read_listed(Some(&list)).unwrap();
    assert_eq!(contact_to_company().make_cell(&links), Value::References(ids(&["9", "7"])));
    assert_eq!(contact_to_company().read_listed(None), Some(Vec::new()));
}

#[test]
fn list_with_a_next_page_is_not_complete() {
    let list: AssociationList =
        serde_json::from_str(r#"{"results":[{"id":"7"}],"paging":{"next":{"after":"7"}}}"#)
            .unwrap();
    assert_eq!(contact_to_company().read_listed(Some(&list)), None);
}

#[test]
fn change_adds_removes_what_goes_and_keeps_labelled_pairs() {
    let check = |has: &[Link], wanted: &[&str], add: &[(&str, bool)], remove: &[&str]| {
        let change = contact_to_company().plan_change("1", has, &ids(wanted), |to| to == "5");
        let added: Vec<_> =
            change.add.iter().map(|pair| (pair.to.as_str(), pair.primary)).collect();
        assert_eq!(added, add);
        assert_eq!(change.remove, remove);
    };
    check(&[], &["5", "6"], &[("5", true), ("6", false)], &[]);
    check(&[link("5", true, false)], &["5"], &[], &[]);
    check(&[link("5", true, false)], &["6"], &[("6", true)], &["5"]);
    check(&[link("5", false, false)], &["5"], &[("5", true)], &[]);
    check(&[link("5", true, true)], &["6"], &[("6", true)], &[]);
    check(&[link("5", true, false)], &[], &[], &["5"]);
    // What is not named stays.
    check(&[link("5", true, false), link("7", false, false)], &["6"], &[("6", true)], &["5"]);
    check(&[link("7", true, false)], &["6"], &[("6", true)], &[]);
}

#[test]
fn labelled_pair_that_stays_is_in_the_state_afterwards() {
    let has = [link("5", true, true)];
    let change = contact_to_company().plan_change("1", &has, &ids(&["6"]), |_| true);
    assert_eq!(contact_to_company().make_cell(&change.after), Value::References(ids(&["6", "5"])));
}

#[test]
fn record_without_associations_is_an_error_in_the_answer_only() {
    let links = with_http(
        |request| {
            assert_eq!(request.path, "/crm/v4/associations/contacts/companies/batch/read");
            Ok(respond(
                207,
                r#"{"status":"COMPLETE","results":[{"from":{"id":"1"},"to":[
                    {"toObjectId":29022297485,
                    "associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":279,"label":null},
                    {"category":"HUBSPOT_DEFINED","typeId":1,"label":"Primary"}]}]}],
                    "numErrors":1,"errors":[{"status":"error","category":"OBJECT_NOT_FOUND",
                    "subCategory":"crm.associations.NO_ASSOCIATIONS_FOUND","message":"No company",
                    "context":{"fromObjectId":["2"]}}]}"#,
            ))
        },
        || contact_to_company().read_links(&ids(&["1", "2"])),
    )
    .unwrap();
    assert_eq!(links.get("1").unwrap(), &[link("29022297485", true, false)]);
    assert_eq!(links.get("2"), None);
}

#[test]
fn one_bad_pair_is_found_by_halving() {
    let change =
        contact_to_company().plan_change("1", &[], &ids(&["5", "6", "bad", "7"]), |_| false);
    let missing = with_http(
        |request| {
            let body: Json = serde_json::from_slice(&request.body).unwrap();
            let inputs = body["inputs"].as_array().unwrap();
            if inputs.iter().any(|input| input["to"]["id"] == "bad") {
                return Ok(respond(400, r#"{"category":"VALIDATION_ERROR","message":"no"}"#));
            }
            let made = inputs.iter().map(
                |input| json!({ "fromObjectId": 1, "toObjectId": input["to"]["id"], "labels": [] }),
            );
            let results: Vec<Json> = made.collect();
            Ok(respond(201, &json!({ "results": results }).to_string()))
        },
        || contact_to_company().create_pairs(&change.add),
    );
    assert_eq!(missing.unwrap().into_iter().collect::<Vec<_>>(), [("1".into(), "bad".into())]);
}
