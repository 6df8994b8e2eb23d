//! The connector against an API in memory: what it sends, and what it makes of the answers.

use std::cell::RefCell;
use std::rc::Rc;

use renkei_sdk::http::{Failure, Request, Response};
use renkei_sdk::testing::{respond, texts, with_http};
use renkei_sdk::{
    Action, Applied, Attributes, Connector, Error, Field, FindRequest, Kind, Operation, Outcome,
    PageRequest, Problem, RecordsRequest, Remedy, Removal, Scan, Tombstone, Value, WriteRequest,
};
use serde_json::json;

use {{crate}}::Crm;

/// Runs `call` while each request takes the next answer; gives back the result and the requests as
/// `METHOD path body`.
fn run<T>(
    answers: Vec<Result<Response, Failure>>,
    call: impl FnOnce(&mut Crm) -> T,
) -> (T, Vec<String>) {
    let sent = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&sent);
    let mut answers = answers.into_iter();
    let handler = move |request: &Request| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let line = format!("{} {} {body}", request.method.as_str(), request.path);
        log.borrow_mut().push(line.trim_end().to_owned());
        answers.next().expect("an answer for each request")
    };
    let result = with_http(handler, || call(&mut Crm::configure(&Attributes::new()).unwrap()));
    (result, sent.take())
}

fn ok(json: &serde_json::Value) -> Result<Response, Failure> {
    Ok(respond(200, &json.to_string()))
}

fn page_request(scan: Scan, cursor: Option<Vec<u8>>) -> PageRequest {
    let request = PageRequest::new("contacts", ["email", "name", "phone"], scan);
    PageRequest { cursor, limit: 2, ..request }
}

#[test]
fn page_has_wanted_columns_and_deleted_records_apart() {
    let answer = json!({ "now": 900_000, "more": true, "items": [
        { "id": "1", "changed": 500_000, "fields": { "name": "山田", "email": "" } },
        { "id": "2", "changed": 600_000, "deleted": true },
    ]});
    let request = page_request(Scan::Backfill, None);
    let (page, sent) = run(vec![ok(&answer)], |crm| crm.read_page(&request).unwrap());
    assert_eq!(sent, ["GET /contacts?since=0&after=&limit=2"]);
    let row = page.batch.iter().next().unwrap();
    assert_eq!(row.get("email"), Some(&Value::Null));
    assert_eq!(row.text("name"), Some("山田"));
    assert_eq!(row.get("phone"), None);
    let gone = Tombstone::new("2", Removal::Deleted).at(600_000);
    assert_eq!((page.removed, page.more), (vec![gone], true));

    let request = page_request(Scan::Backfill, Some(page.cursor));
    let last = json!({ "now": 900_000, "items": [{ "id": "3", "changed": 700_000 }] });
    let (page, sent) = run(vec![ok(&last)], |crm| crm.read_page(&request).unwrap());
    assert_eq!(sent, ["GET /contacts?since=600000&after=2&limit=2"]);

    // The next scan begins a little before the last change.
    let request = page_request(Scan::Changes, Some(page.cursor));
    let none = json!({ "now": 900_000, "items": [] });
    let (_, sent) = run(vec![ok(&none)], |crm| crm.read_page(&request).unwrap());
    assert_eq!(sent, ["GET /contacts?since=640000&after=&limit=2"]);
}

#[test]
fn cursor_of_another_kind_is_lost() {
    let request = page_request(Scan::Changes, Some(b"?".to_vec()));
    let (page, _) = run(vec![], |crm| crm.read_page(&request));
    assert!(matches!(page, Err(Error::CursorLost(_))), "{page:?}");
}

fn write_request(operations: Vec<Operation>) -> WriteRequest {
    WriteRequest::new("contacts", ["email", "name"], operations)
}

#[test]
fn each_operation_has_its_outcome_in_order() {
    let request = write_request(vec![
        Operation::new("a", Action::Create, None, vec![Some("a@example.jp".into()), None]),
        Operation::new("b", Action::Update, Some("2"), vec![None, Some(Value::Null)]),
        Operation::new("c", Action::Archive, Some("3"), vec![None, None]),
    ]);
    let answer = json!([
        { "status": "created", "id": "9" },
        { "status": "invalid", "code": "EMPTY", "message": "a name is needed", "field": "name" },
        { "status": "gone" },
    ]);
    let (outcomes, sent) = run(vec![ok(&answer)], |crm| crm.write(&request).unwrap());
    assert_eq!(
        sent,
        [concat!(
            r#"POST /contacts/write [{"key":"a","fields":{"email":"a@example.jp"}},"#,
            r#"{"key":"b","id":"2","fields":{"name":null}},"#,
            r#"{"key":"c","id":"3","delete":true,"fields":{}}]"#
        )]
    );
    let problem = Problem::new("EMPTY", "a name is needed", Remedy::SourceData).on("name");
    let applied = Outcome::from(Applied::created("9"));
    assert_eq!(outcomes, [applied, Outcome::rejected(problem), Outcome::Gone]);
}

#[test]
fn request_takes_fifty_and_lost_answer_is_uncertain() {
    let operations: Vec<_> = (0..60)
        .map(|n| Operation::new(format!("i{n}"), Action::Create, None, vec![None, None]))
        .collect();
    let created: Vec<_> =
        (0..50).map(|n| json!({ "status": "created", "id": n.to_string() })).collect();
    let answers = vec![ok(&json!(created)), Err(Failure::NoAnswer("reset".into()))];
    let request = write_request(operations);
    let (outcomes, sent) = run(answers, |crm| crm.write(&request).unwrap());
    assert_eq!((outcomes.len(), sent.len()), (60, 2));
    assert!(matches!(outcomes[49], Outcome::Applied(_)), "{:?}", outcomes[49]);
    assert!(matches!(outcomes[50], Outcome::Uncertain(_)), "{:?}", outcomes[50]);
}

#[test]
fn records_are_found_by_value_and_read_by_id() {
    let found =
        json!({ "now": 1, "items": [{ "id": "1", "changed": 1, "fields": { "email": "a" } }] });
    let request = FindRequest::new("contacts", ["email"], "email", ["a"]);
    let (answer, sent) = run(vec![ok(&found)], |crm| crm.find(&request).unwrap());
    assert_eq!(sent, [r#"POST /contacts/find {"field":"email","values":["a"]}"#]);
    assert_eq!((answer.batch.rows[0].id.as_str(), answer.cursor), ("1", None));
    let request = RecordsRequest::new("contacts", ["email"], ["1"]);
    let (page, sent) = run(vec![ok(&found)], |crm| crm.read_records(&request).unwrap());
    assert_eq!(sent, [r#"POST /contacts/read {"ids":["1"]}"#]);
    assert_eq!(page.batch, answer.batch);

    let request = FindRequest::by_keys("contacts", ["email", "name"], ["email", "name"], vec![]);
    let (refused, _) = run(vec![], |crm| crm.find(&request));
    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
}

#[test]
fn account_and_schema_are_asked_for() {
    let me = json!({ "id": "acct", "name": "Example" });
    let (account, _) = run(vec![ok(&me)], |crm| crm.check().unwrap());
    assert_eq!((account.id.as_str(), account.name.as_str()), ("acct", "Example"));
    let forbidden = Ok(respond(403, "{}"));
    let (account, _) = run(vec![forbidden], Connector::check);
    assert!(matches!(account, Err(Error::Forbidden(_))), "{account:?}");

    let fields = json!([{ "name": "email", "label": "E-mail", "unique": true }]);
    let (schemas, _) = run(vec![ok(&fields)], |crm| crm.discover(&texts(&["contacts"])).unwrap());
    assert_eq!(schemas[0].fields, [Field::new("email", Kind::Text).label("E-mail").unique()]);
    let (unknown, _) = run(vec![], |crm| crm.discover(&texts(&["deals"])));
    assert!(matches!(unknown, Err(Error::NotFound(_))), "{unknown:?}");
}
