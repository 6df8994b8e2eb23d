//! Batches and their partial failures (H-batch-1 to H-batch-8).
//!
//! A batch fails as a whole or in part as the recorded answers did.

use super::*;

const BATCH: &str = "/crm/v3/objects/contacts/batch";

fn new(mail: &str) -> Value {
    json!({"properties": {"email": mail}})
}

fn traced(mail: &str, trace: &str) -> Value {
    json!({"properties": {"email": mail}, "objectWriteTraceId": trace})
}

#[test]
fn a_create_without_trace_ids_fails_as_a_whole() {
    let mut account = Account::empty();
    account.create("contacts", json!({"email": "a@example.jp"}));
    let path = format!("{BATCH}/create");
    let (status, error) =
        account.post(&path, json!({"inputs": [new("b@example.jp"), new("a@example.jp")]}));
    assert_eq!((status, error["message"].as_str()), (409, Some("Contact already exists")));
    let wrong = json!({"properties": {"nonsense": "1"}});
    let (status, error) = account.post(&path, json!({"inputs": [new("b@example.jp"), wrong]}));
    assert_eq!((status, &error["errors"][0]["code"]), (400, &json!("PROPERTY_DOESNT_EXIST")));
    let twice = json!({"inputs": [new("c@example.jp"), new("c@example.jp")]});
    assert_eq!(account.post(&path, twice).0, 409);
    assert_eq!(account.get(CONTACTS).1["results"].as_array().unwrap().len(), 1);
}

#[test]
fn a_create_with_trace_ids_fails_in_part() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({"email": "a@example.jp"}));
    let inputs = json!({"inputs": [traced("a@example.jp", "0"), traced("b@example.jp", "1")]});
    let (status, batch) = account.post(&format!("{BATCH}/create"), inputs);
    assert_eq!((status, &batch["numErrors"]), (207, &json!(1)));
    assert_eq!(batch["results"][0]["properties"]["email"], "b@example.jp");
    let expected = json!({
        "status": "error", "category": "CONFLICT",
        "message": format!("Contact already exists. Existing ID: {id}"),
        "context": {"objectWriteTraceId": ["0"], "existingId": [id]},
    });
    assert_eq!(batch["errors"], json!([expected]));
}

#[test]
fn an_update_reports_missing_ids_without_trace_ids() {
    let mut account = Account::empty();
    let id = account.create("contacts", json!({}));
    let input = |id: &str| json!({"id": id, "properties": {"city": "港区"}});
    let path = format!("{BATCH}/update");
    let (status, batch) = account.post(&path, json!({"inputs": [input(&id), input("7")]}));
    assert_eq!((status, &batch["status"]), (207, &json!("COMPLETE")));
    assert_eq!(batch["results"][0]["properties"]["city"], "港区");
    assert_eq!(batch["errors"][0]["context"]["ids"], json!(["7"]));
    let message = batch["errors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("Could not get some CONTACT objects"), "{message}");
    let (status, error) = account.post(&path, json!({"inputs": [input(&id), input(&id)]}));
    assert_eq!((status, &error["context"]["ids"]), (400, &json!([id])));
}

#[test]
fn an_upsert_says_what_is_new_and_still_minds_mail_addresses() {
    let mut account = Account::empty();
    account.create("contacts", json!({"email": "a@example.jp"}));
    let path = format!("{BATCH}/upsert");
    let input = |id: &str, property: &str, properties: Value| {
        let input = json!({"id": id, "idProperty": property, "properties": properties});
        json!({"inputs": [input]})
    };
    let by_key = input("k", "renkei_id", json!({"email": "b@example.jp"}));
    let (status, first) = account.post(&path, by_key.clone());
    assert_eq!((status, &first["results"][0]["new"]), (200, &json!(true)));
    let (_, again) = account.post(&path, by_key);
    assert_eq!(again["results"][0]["new"], false);
    assert_eq!(again["results"][0]["id"], first["results"][0]["id"]);
    let taken = input("other", "renkei_id", json!({"email": "a@example.jp"}));
    assert_eq!(account.post(&path, taken).0, 409);
    let by_mail = input("a@example.jp", "email", json!({"city": "港区"}));
    assert_eq!(account.post(&path, by_mail).1["results"][0]["new"], false);
    let (status, _) = account.post(
        "/crm/v3/objects/companies/batch/upsert",
        input("a.example.jp", "domain", json!({"name": "A"})),
    );
    assert_eq!(status, 400, "a domain does not name a company");
}

#[test]
fn a_read_reports_missing_ids_and_follows_merges() {
    let mut account = Account::empty();
    let (a, b) = (account.create("contacts", json!({})), account.create("contacts", json!({})));
    let merge = json!({"primaryObjectId": a, "objectIdToMerge": b});
    let survivor = account.post(&format!("{CONTACTS}/merge"), merge).1["id"].clone();
    let inputs = json!({"properties": [], "inputs": [{"id": a}, {"id": b}, {"id": "7"}]});
    let (status, batch) = account.post(&format!("{BATCH}/read"), inputs);
    assert_eq!(status, 207);
    assert_eq!(batch["results"].as_array().unwrap().len(), 1);
    assert_eq!(batch["results"][0]["id"], survivor);
    assert_eq!(batch["errors"][0]["context"]["ids"], json!(["7"]));
}

#[test]
fn a_batch_holds_one_to_a_hundred_inputs() {
    let mut account = Account::empty();
    let inputs = |count: usize| json!({"inputs": vec![json!({"id": "7"}); count]});
    for (count, status) in [(0, 400), (1, 204), (100, 204), (101, 400)] {
        assert_eq!(account.post(&format!("{BATCH}/archive"), inputs(count)).0, status, "{count}");
    }
}
