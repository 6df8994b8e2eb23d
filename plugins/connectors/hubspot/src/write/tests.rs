//! Outcomes of batches against scripted answers.
//!
//! The answers are recorded ones, shortened. Outcomes are compared in a short form, so that a test
//! reads as a list.

use renkei_sdk::http::Failure;
use renkei_sdk::testing::texts;
use renkei_sdk::{Connector, Operation, Value};

use super::*;
use crate::client::scripted::{SentRequest, ok, scripted, status};

fn operation(intent: &str, action: Action, id: Option<&str>, email: &str) -> Operation {
    Operation::new(intent, action, id, vec![Some(email.into())])
}

fn update(id: &str) -> Operation {
    operation("u", Action::Update, Some(id), "x@example.jp")
}

fn create(intent: &str) -> Operation {
    operation(intent, Action::Create, None, "x@example.jp")
}

fn request(columns: &[&str], operations: Vec<Operation>) -> WriteRequest {
    let columns = texts(columns);
    WriteRequest { object: "contacts".into(), columns, operations, options: Vec::new() }
}

fn write(
    operations: Vec<Operation>,
    answers: Vec<Result<renkei_sdk::http::Response, Failure>>,
) -> (Vec<Outcome>, Vec<SentRequest>) {
    let request = request(&["email"], operations);
    let (outcomes, sent) = scripted(answers, |hubspot| hubspot.write(&request));
    (outcomes.unwrap(), sent)
}

/// Outcomes in short: what a test compares.
fn short(outcomes: &[Outcome]) -> Vec<String> {
    let short = |outcome: &Outcome| match outcome {
        Outcome::Applied(applied) if applied.created => format!("created {}", applied.id),
        Outcome::Applied(applied) => format!("updated {}", applied.id),
        Outcome::Exists(id) => format!("exists {id}"),
        Outcome::Rejected(problems) => {
            let field = problems[0].field.as_deref().unwrap_or("-");
            format!("rejected {} {field}", problems[0].code)
        }
        Outcome::RetryAfter(ms) => format!("retry {ms}"),
        Outcome::Uncertain(_) => "uncertain".to_owned(),
        Outcome::Gone => "gone".to_owned(),
        Outcome::Conflict => "conflict".to_owned(),
    };
    outcomes.iter().map(short).collect()
}

#[test]
fn partial_answer_gives_each_row_its_outcome() {
    let (outcomes, sent) = write(
        vec![create("a"), create("b"), create("c")],
        vec![status(
            207,
            r#"{"status":"COMPLETE","results":[
                {"id":"12","new":false,"properties":{"renkei_id":"c","email":"x@example.jp"}},
                {"id":"11","new":true,"properties":{"renkei_id":"a","email":"x@example.jp"},
                 "updatedAt":"2026-03-12T10:04:17.969Z"}],"numErrors":1,"errors":[
                {"category":"CONFLICT","message":"Contact already exists. Existing ID: 171",
                 "context":{"objectWriteTraceId":["1"],"existingId":["171"]}}]}"#,
        )],
    );
    assert_eq!(short(&outcomes), ["created 11", "exists 171", "updated 12"]);
    let Outcome::Applied(first) = &outcomes[0] else { panic!() };
    assert_eq!(first.after, [Some(Value::from("x@example.jp"))]);
    assert_eq!(first.version.as_deref(), Some("2026-03-12T10:04:17.969Z"));
    assert_eq!(sent[0].path, "/crm/v3/objects/contacts/batch/upsert");
    assert!(sent[0].repeatable);
}

#[test]
fn missing_record_is_gone_and_others_are_written() {
    let (outcomes, _) = write(
        vec![update("1"), update("2")],
        vec![status(
            207,
            r#"{"results":[{"id":"2","properties":{}}],"errors":[{"category":"OBJECT_NOT_FOUND",
                "message":"Could not get some CONTACT objects","context":{"ids":["1"]}}]}"#,
        )],
    );
    assert_eq!(short(&outcomes), ["gone", "updated 2"]);
}

#[test]
fn merged_away_record_answers_as_its_survivor() {
    let answer = ok(r#"{"results":[{"id":"9","properties":{}},{"id":"2","properties":{}}]}"#);
    let (outcomes, _) = write(vec![update("1"), update("2")], vec![answer]);
    assert_eq!(short(&outcomes), ["updated 9", "updated 2"]);
}

#[test]
fn refused_batch_is_halved_until_the_culprit_is_alone() {
    let refused = || {
        status(
            400,
            concat!(
                r#"{"category":"VALIDATION_ERROR","message":"Property values were not valid: "#,
                r#"[{\"error\":\"INVALID_EMAIL\",\"name\":\"email\",\"message\":\"no\"}]"}"#,
            ),
        )
    };
    let (outcomes, sent) = write(
        ["1", "2", "3", "4"].map(update).to_vec(),
        vec![
            refused(),
            ok(r#"{"results":[{"id":"1"},{"id":"2"}]}"#),
            refused(),
            refused(),
            ok(r#"{"results":[{"id":"4"}]}"#),
        ],
    );
    assert_eq!(
        short(&outcomes),
        ["updated 1", "updated 2", "rejected INVALID_EMAIL email", "updated 4"]
    );
    assert_eq!(sent.len(), 5);
}

#[test]
fn rows_that_write_an_unknown_property_are_taken_out_at_once() {
    let request = request(
        &["email", "x"],
        vec![
            Operation { cells: vec![Some("a@example.jp".into()), None], ..update("1") },
            Operation { cells: vec![None, Some("y".into())], ..update("2") },
            Operation { cells: vec![Some("b@example.jp".into()), None], ..update("3") },
        ],
    );
    let answers = vec![
        status(
            400,
            r#"{"category":"VALIDATION_ERROR","message":"Property values were not valid","errors":[
                {"code":"PROPERTY_DOESNT_EXIST","message":"no",
                 "context":{"propertyName":["x"]}}]}"#,
        ),
        ok(r#"{"results":[{"id":"1"},{"id":"3"}]}"#),
    ];
    let (outcomes, _) = scripted(answers, |hubspot| hubspot.write(&request));
    assert_eq!(
        short(&outcomes.unwrap()),
        ["updated 1", "rejected PROPERTY_DOESNT_EXIST x", "updated 3"]
    );
}

#[test]
fn lost_answer_is_uncertain_and_what_was_not_sent_waits() {
    let operations: Vec<Operation> = (0..150).map(|id| update(&id.to_string())).collect();
    let (outcomes, sent) = write(operations, vec![Err(Failure::Timeout)]);
    let outcomes = short(&outcomes);
    assert_eq!((outcomes[0].as_str(), outcomes[149].as_str()), ("uncertain", "retry 1000"));
    assert_eq!(sent.len(), 1);
}

#[test]
fn quota_after_the_first_batch_makes_the_rest_wait() {
    let operations: Vec<Operation> = (0..150).map(|id| update(&id.to_string())).collect();
    let results: Vec<Json> = (0..100).map(|id| json!({ "id": id.to_string() })).collect();
    let (outcomes, _) = write(
        operations,
        vec![ok(&json!({ "results": results }).to_string()), Err(Failure::Quota(77))],
    );
    let outcomes = short(&outcomes);
    assert_eq!((outcomes[99].as_str(), outcomes[100].as_str()), ("updated 99", "retry 77"));
}

#[test]
fn call_that_wrote_nothing_fails_as_a_whole() {
    let request = request(&["email"], vec![update("1")]);
    let fails = |answer| {
        let (outcomes, _) = scripted(vec![answer], |hubspot| hubspot.write(&request));
        outcomes.unwrap_err()
    };
    assert!(matches!(fails(status(401, "{}")), Error::Unauthorized(_)));
    assert!(matches!(fails(Err(Failure::Quota(5))), Error::RetryAfter(5)));
    let unknown = r#"{"message":"Unable to infer object type from: butterflies"}"#;
    assert!(matches!(fails(status(400, unknown)), Error::NotFound(_)));
}

#[test]
fn archived_records_answer_nothing() {
    let archive = operation("a", Action::Archive, Some("5"), "");
    let (outcomes, sent) = write(vec![archive], vec![status(204, "")]);
    assert_eq!(short(&outcomes), ["updated 5"]);
    assert_eq!(sent[0].body, json!({ "inputs": [{ "id": "5" }] }));
}

#[test]
fn new_record_gets_its_associations_in_one_more_call() {
    let cells = vec![Some("x@example.jp".into()), Some(Value::References(texts(&["7", "8"])))];
    let request =
        request(&["email", "associations.companies"], vec![Operation { cells, ..create("a") }]);
    let answers = vec![
        ok(r#"{"results":[{"id":"11","new":true,"properties":{"renkei_id":"a"}}]}"#),
        status(
            201,
            r#"{"results":[{"fromObjectId":11,"toObjectId":7},
                {"fromObjectId":11,"toObjectId":8}]}"#,
        ),
    ];
    let (outcomes, sent) = scripted(answers, |hubspot| hubspot.write(&request));
    let outcomes = outcomes.unwrap();
    let Outcome::Applied(applied) = &outcomes[0] else { panic!() };
    assert_eq!(applied.after, [None, Some(Value::References(texts(&["7", "8"])))]);
    let types: Vec<i64> = (0..2)
        .map(|n| sent[1].body["inputs"][n]["types"][0]["associationTypeId"].as_i64().unwrap())
        .collect();
    assert_eq!(types, [1, 279]);
}

#[test]
fn changed_company_is_read_added_and_removed_beside_another() {
    let cells = vec![None, Some(Value::References(texts(&["8"])))];
    let operation = Operation { cells, ..update("1") };
    let goes = format!("{} associations.companies 7", operation.intent);
    let mut request = request(&["email", "associations.companies"], vec![operation]);
    request.options.push(("removes".to_owned(), Value::Choices(vec![goes])));
    let answers = vec![
        ok(r#"{"results":[{"from":{"id":"1"},"to":[{"toObjectId":7,"associationTypes":[
            {"typeId":1},{"typeId":279}]},{"toObjectId":9,"associationTypes":[
            {"typeId":279}]}]}]}"#),
        status(201, r#"{"results":[{"fromObjectId":1,"toObjectId":8}]}"#),
        status(204, ""),
    ];
    let (outcomes, sent) = scripted(answers, |hubspot| hubspot.write(&request));
    let outcomes = outcomes.unwrap();
    let Outcome::Applied(applied) = &outcomes[0] else { panic!() };
    assert_eq!(applied.after, [None, Some(Value::References(texts(&["8", "9"])))]);
    assert_eq!(
        sent[2].body,
        json!({ "inputs": [{ "from": { "id": "1" }, "to": [{ "id": "7" }] }] })
    );
}

#[test]
fn refused_association_of_an_old_record_is_a_rejection() {
    let cells = vec![None, Some(Value::References(texts(&["8"])))];
    let request =
        request(&["email", "associations.companies"], vec![Operation { cells, ..update("1") }]);
    let answers = vec![
        status(
            207,
            r#"{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND","message":"none"}]}"#,
        ),
        status(400, r#"{"category":"VALIDATION_ERROR","message":"no such company"}"#),
    ];
    let (outcomes, _) = scripted(answers, |hubspot| hubspot.write(&request));
    assert_eq!(short(&outcomes.unwrap()), ["rejected association-refused associations.companies"]);
}

#[test]
fn refused_association_of_a_record_that_an_earlier_attempt_made_is_no_rejection() {
    let cells = vec![Some("x@example.jp".into()), Some(Value::References(texts(&["8"])))];
    let request =
        request(&["email", "associations.companies"], vec![Operation { cells, ..create("a") }]);
    let answers = vec![
        ok(r#"{"results":[{"id":"11","new":false,"properties":{"renkei_id":"a"}}]}"#),
        status(
            207,
            r#"{"results":[],"errors":[{"category":"OBJECT_NOT_FOUND","message":"none"}]}"#,
        ),
        status(400, r#"{"category":"VALIDATION_ERROR","message":"no such company"}"#),
    ];
    let (outcomes, _) = scripted(answers, |hubspot| hubspot.write(&request));
    assert_eq!(short(&outcomes.unwrap()), ["updated 11"]);
}

#[test]
fn row_in_conflict_with_its_batch_is_sent_again_alone() {
    let conflict = |row: &str, existing: &str| {
        format!(
            r#"{{"category":"CONFLICT","message":"Contact already exists.",
                "context":{{"objectWriteTraceId":["{row}"],"existingId":[{existing}]}}}}"#
        )
    };
    let made = r#"{"id":"11","new":true,"properties":{"renkei_id":"a"}}"#;
    let first = format!(r#"{{"results":[{made}],"errors":[{}]}}"#, conflict("1", r#""0""#));
    let second = format!(r#"{{"results":[],"errors":[{}]}}"#, conflict("1", r#""11""#));
    let answers = vec![status(207, &first), status(207, &second)];
    let (outcomes, sent) = write(vec![create("a"), create("b")], answers);
    assert_eq!(short(&outcomes), ["created 11", "exists 11"]);
    assert_eq!(sent[1].body["inputs"].as_array().unwrap().len(), 1);
}

#[test]
fn answer_that_cannot_be_read_is_uncertain() {
    let (outcomes, _) = write(vec![update("1")], vec![ok("<html>")]);
    assert_eq!(short(&outcomes), ["uncertain"]);
}

#[test]
fn associations_alone_do_not_hide_that_nothing_was_written() {
    let relate = Operation { cells: vec![None, Some(Value::Null)], ..update("1") };
    let mut change = update("2");
    change.cells.push(None);
    let request = request(&["email", "associations.companies"], vec![relate, change]);
    let (outcomes, _) = scripted(vec![status(401, "{}")], |hubspot| hubspot.write(&request));
    assert!(matches!(outcomes, Err(Error::Unauthorized(_))));
}
