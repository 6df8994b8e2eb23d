//! Associations over the wire (H-link-1 to H-link-7).
//!
//! Types of an association are tested beside their code.

use super::*;

const V4: &str = "/crm/v4/associations";

#[test]
fn associations_are_seen_from_both_ends_with_numeric_ids() {
    let mut account = Account::empty();
    let contact = account.create("contacts", json!({}));
    let company = account.create("companies", json!({"name": "A"}));
    let path = format!("/crm/v4/objects/contacts/{contact}/associations");
    let (status, _, made) =
        account.send("PUT", &format!("{path}/default/companies/{company}"), Value::Null);
    assert_eq!((status, &made["status"]), (200, &json!("COMPLETE")));
    let (_, listed) = account.get(&format!("{path}/companies"));
    let expected = json!({
        "toObjectId": company.parse::<u64>().unwrap(),
        "associationTypes": [
            {"category": "HUBSPOT_DEFINED", "typeId": 1, "label": "Primary"},
            {"category": "HUBSPOT_DEFINED", "typeId": 279, "label": null},
        ],
    });
    assert_eq!(listed["results"], json!([expected]));
    let (_, seen) =
        account.get(&format!("/crm/v3/objects/companies/{company}?associations=contacts"));
    assert_eq!(seen["associations"]["contacts"]["results"][0]["id"], *contact);
    assert_eq!(seen["associations"]["contacts"]["results"][0]["type"], "company_to_contact");
    assert_eq!(account.delete(&format!("{path}/companies/{company}")), 204);
    assert_eq!(account.get(&format!("{path}/companies")).1["results"], json!([]));
}

#[test]
fn no_association_is_an_error_of_a_batch_read() {
    let mut account = Account::empty();
    let contact = account.create("contacts", json!({}));
    let inputs = json!({"inputs": [{"id": contact}]});
    let (status, batch) = account.post(&format!("{V4}/contacts/companies/batch/read"), inputs);
    assert_eq!((status, &batch["results"], &batch["numErrors"]), (207, &json!([]), &json!(1)));
    let error = &batch["errors"][0];
    assert_eq!(error["subCategory"], "crm.associations.NO_ASSOCIATIONS_FOUND");
    assert_eq!(error["message"], format!("No company is associated with contact {contact}."));
}

#[test]
fn a_change_of_an_association_restamps_both_ends() {
    let mut account = Account::empty();
    let contact = account.create("contacts", json!({}));
    let note = account.create("notes", json!({"hs_timestamp": "0", "hs_note_body": "x"}));
    account.clock.advance(1_000);
    let inputs = json!({"inputs": [{"from": {"id": note}, "to": {"id": contact}}]});
    let path = format!("{V4}/notes/contacts/batch/associate/default");
    assert_eq!(account.post(&path, inputs.clone()).0, 200);
    let read = format!("{CONTACTS}/{contact}?properties=notes_last_updated");
    let (_, touched) = account.get(&read);
    assert_eq!(touched["properties"]["lastmodifieddate"], "2026-03-12T10:04:18.969Z");
    assert_eq!(touched["properties"]["notes_last_updated"], "2026-03-12T10:04:18.969Z");
    account.clock.advance(1_000);
    account.post(&path, inputs);
    assert_eq!(account.get(&read).1["updatedAt"], touched["updatedAt"], "again changes nothing");
}

#[test]
fn wrong_associations_are_refused_one_by_one() {
    let mut account = Account::empty();
    let contact = account.create("contacts", json!({}));
    let company = account.create("companies", json!({"name": "A"}));
    let input = |from: &str, to: &str, type_id: u32| {
        json!({"from": {"id": from}, "to": {"id": to},
               "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]})
    };
    let inputs = json!({"inputs": [
        input(&contact, &company, 279), input(&contact, "7", 279), input(&contact, &contact, 279),
        input(&contact, &company, 3),
    ]});
    let (status, batch) = account.post(&format!("{V4}/contacts/companies/batch/create"), inputs);
    assert_eq!((status, &batch["numErrors"]), (207, &json!(3)));
    assert_eq!(batch["results"][0]["fromObjectTypeId"], "0-1");
    assert_eq!(batch["errors"][0]["subCategory"], "crm.associations.INVALID_IDENTIFIER");
    let message = batch["errors"][1]["message"].as_str().unwrap();
    assert_eq!(message, format!("Object {contact} cannot be associated to itself ({contact})"));
}

#[test]
fn a_create_can_carry_associations() {
    let mut account = Account::empty();
    let contact = account.create("contacts", json!({}));
    let link = |to: &str| {
        json!({"to": {"id": to},
               "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 3}]})
    };
    let mut create = |to: &str| {
        let body = json!({"properties": {"dealname": "A"}, "associations": [link(to)]});
        account.post("/crm/v3/objects/deals", body)
    };
    let (status, deal) = create(&contact);
    assert_eq!(status, 201);
    assert_eq!(create("7").0, 400);
    let id = deal["id"].as_str().unwrap();
    let (_, links) = account.get(&format!("/crm/v4/objects/deals/{id}/associations/contacts"));
    assert_eq!(links["results"][0]["associationTypes"][0]["typeId"], 3);
}

#[test]
fn long_lists_come_in_pages() {
    let mut account = Account::empty();
    let company = account.create("companies", json!({"name": "A"}));
    for _ in 0..3 {
        let contact = account.create("contacts", json!({}));
        let path =
            format!("/crm/v4/objects/contacts/{contact}/associations/default/companies/{company}");
        account.send("PUT", &path, Value::Null);
    }
    let path = format!("/crm/v4/objects/companies/{company}/associations/contacts");
    let (_, first) = account.get(&format!("{path}?limit=2"));
    let after = first["paging"]["next"]["after"].as_str().unwrap().to_owned();
    let (_, rest) = account.get(&format!("{path}?limit=2&after={after}"));
    assert_eq!(rest["results"].as_array().unwrap().len(), 1);
    assert_eq!(rest.get("paging"), None);
    assert_eq!(account.get(&format!("{path}?limit=501")).0, 400);
}
