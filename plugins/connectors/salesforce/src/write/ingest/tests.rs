//! A scripted org: how long to wait, what to give up, which row is which.

use std::cell::RefCell;
use std::rc::Rc;

use renkei_sdk::http::{Method, Response};
use renkei_sdk::testing::{respond, waited, with_http};
use renkei_sdk::{Action, Attributes, Operation, Outcome, Value, WriteRequest};

use super::*;

/// Contacts `1` to `rows`, whose only cell is the given one.
fn request(action: Action, rows: usize, cell: impl Fn(usize) -> Option<Value>) -> WriteRequest {
    let operation = |n: usize| {
        let id = (action != Action::Create).then(|| format!("003{n:012}AAA"));
        Operation::new(format!("i{n}"), action, id.as_deref(), vec![cell(n), None])
    };
    WriteRequest::new("Contact", ["LastName", "Phone"], (1..=rows).map(operation).collect())
}

/// Runs a job against a script of answers; what was sent, by method and path, and the uploads.
fn play(
    verb: &WriteVerb,
    request: &WriteRequest,
    script: impl Fn(&Request, usize) -> Response + 'static,
) -> (IngestEnd, Vec<String>, String) {
    let sent = Rc::<RefCell<(Vec<String>, String)>>::default();
    let log = Rc::clone(&sent);
    let handler = move |request: &Request| {
        let path = request.path.replace("/services/data/v60.0/jobs/ingest", "");
        let line = format!("{} {path}", request.method.as_str());
        let before = log.borrow().0.iter().filter(|seen| **seen == line).count();
        log.borrow_mut().0.push(line);
        if request.method == Method::Put {
            log.borrow_mut().1 = String::from_utf8(request.body.clone()).unwrap();
        }
        Ok(script(request, before))
    };
    let config = Config::read(&Attributes::new()).unwrap();
    let rows: Vec<usize> = (0..request.operations.len()).collect();
    let job = IngestJob { request, verb, rows: &rows };
    let ran = with_http(handler, || run_job(&config, &job));
    let (lines, upload) = sent.take();
    (ran, lines, upload)
}

fn state(state: &str, more: &str) -> Response {
    respond(200, &format!(r#"{{"id":"750A","state":"{state}"{more}}}"#))
}

fn refusal(status: u16, code: &str) -> Response {
    respond(status, &format!(r#"[{{"errorCode":"{code}","message":"no"}}]"#))
}

fn csv(text: &str) -> Response {
    Response::new(200, text)
}

#[test]
fn job_must_save_calls() {
    let check = |rows, bulk_rows, expected| {
        assert_eq!(saves_calls(rows, bulk_rows), expected, "{rows} {bulk_rows}");
    };
    check(2_000, 2_000, false);
    check(2_001, 2_000, true);
    check(1_600, 0, false);
    check(1_601, 0, true);
    check(usize::MAX, u64::MAX, false);
}

#[test]
fn rows_are_known_by_their_ids_in_either_form_and_any_order() {
    let request = request(Action::Update, 3, |_| Some("山田".into()));
    let (ran, lines, upload) =
        play(&WriteVerb::Update, &request, |request, before| {
            match request.path.rsplit('/').next().unwrap() {
                "ingest" => state("Open", ""),
                "batches" => csv(""),
                "successfulResults" => csv("\"sf__Id\",\"sf__Created\",\"Id\",\"LastName\"\n\
                 \"003000000000003AAA\",\"false\",\"003000000000003\",\"山田\"\n\
                 \"003000000000099AAA\",\"false\",\"003000000000099AAA\",\"山田\"\n"),
                "failedResults" => csv("\"sf__Id\",\"sf__Error\"\n\
                 \"003000000000001AAA\",\"ENTITY_IS_DELETED:entity is deleted:--\"\n"),
                _ if request.method == Method::Patch => state("UploadComplete", ""),
                _ if before < 2 => state("InProgress", ""),
                _ => state("JobComplete", r#","numberRecordsProcessed":2,"numberRecordsFailed":1"#),
            }
        });
    assert_eq!(upload.lines().next(), Some("Id,LastName"));
    assert_eq!(upload.lines().nth(1), Some("003000000000001AAA,山田"));
    // The job says that it did two of three rows, so the third is looked for.
    assert_eq!(lines.last().unwrap(), "GET /750A/unprocessedrecords");
    assert_eq!(waited(), [1_003, 1_504, 2_256]);
    let IngestEnd::Known(results, _) = ran else { panic!("{ran:?}") };
    assert_eq!(results.outcomes.len(), 2);
    assert_eq!(results.outcomes[&0], Outcome::Gone);
    assert!(matches!(&results.outcomes[&2], Outcome::Applied(row) if row.id.ends_with("3AAA")));
}

#[test]
fn org_without_jobs_gets_collections() {
    let request = request(Action::Update, 1, |_| None);
    for code in ["API_DISABLED_FOR_ORG", "FUNCTIONALITY_NOT_ENABLED"] {
        let script = move |_: &Request, _| refusal(403, code);
        let (ran, lines, _) = play(&WriteVerb::Update, &request, script);
        assert!(matches!(ran, IngestEnd::Declined), "{ran:?}");
        assert_eq!(lines, ["POST "]);
    }
}

#[test]
fn job_that_cannot_be_closed_is_given_up() {
    let request = request(Action::Update, 1, |_| None);
    let (ran, lines, _) =
        play(&WriteVerb::Update, &request, |request, before| match (request.method, before) {
            (Method::Post, _) => state("Open", ""),
            (Method::Put, _) => csv(""),
            (_, 0) => refusal(403, "REQUEST_LIMIT_EXCEEDED"),
            _ => state("Aborted", ""),
        });
    assert!(matches!(ran, IngestEnd::Refused(Error::RetryAfter(_))), "{ran:?}");
    assert_eq!(lines, ["POST ", "PUT /750A/batches", "PATCH /750A", "PATCH /750A"]);
}

#[test]
fn lost_close_is_aborted_so_that_it_cannot_arrive_later() {
    let request = request(Action::Update, 2, |_| None);
    let (ran, _, _) = play(&WriteVerb::Update, &request, |request, before| {
        match (request.method, before, request.path.ends_with("unprocessedrecords")) {
            (Method::Put, ..) => csv(""),
            (Method::Patch, 0, _) => respond(502, ""),
            (Method::Patch, ..) => state("Aborted", ""),
            (Method::Get, _, true) => csv("Id\n003000000000001AAA\n003000000000002AAA\n"),
            (Method::Get, 1, _) => {
                state("Aborted", r#","numberRecordsProcessed":0,"numberRecordsFailed":0"#)
            }
            _ => state("Open", ""),
        }
    });
    let IngestEnd::Known(results, _) = ran else { panic!("{ran:?}") };
    let later = Outcome::RetryAfter(results::AGAIN_MS);
    assert_eq!(results.outcomes.into_values().collect::<Vec<_>>(), [later.clone(), later]);
}

#[test]
fn upload_has_null_and_nothing() {
    let cells = |n| match n {
        1 => Some("a\"b,c\nd".into()),
        2 => Some(Value::Null),
        3 => Some("".into()),
        4 => Some(Value::Choices(vec!["x".into(), "y".into()])),
        _ => None,
    };
    let request = request(Action::Create, 5, cells);
    let verb = WriteVerb::Upsert("Renkei_Id__c".into());
    let rows = [0, 1, 2, 3, 4];
    let upload =
        sheet::write_sheet(&IngestJob { request: &request, verb: &verb, rows: &rows }).unwrap();
    assert_eq!(
        String::from_utf8(upload).unwrap(),
        "Renkei_Id__c,LastName\ni1,\"a\"\"b,c\nd\"\ni2,#N/A\ni3,#N/A\ni4,x;y\ni5,\n"
    );
    let deletes = IngestJob {
        verb: &WriteVerb::Delete,
        request: &self::request(Action::Archive, 1, |_| None),
        rows: &[0],
    };
    assert_eq!(sheet::write_sheet(&deletes).unwrap(), b"Id\n003000000000001AAA\n");
}

#[test]
fn cell_that_csv_cannot_say_does_not_fit() {
    let check = |cell: Value, expected: bool| {
        let request = request(Action::Update, 1, |_| Some(cell.clone()));
        let job = IngestJob { request: &request, verb: &WriteVerb::Update, rows: &[0] };
        assert_eq!(fits_csv(&job, &request.operations[0]), expected, "{cell:?}");
    };
    check("#N/A".into(), false);
    check("x".repeat(32_001).as_str().into(), false);
    check("字".repeat(32_000).as_str().into(), true);
    check(Value::Null, true);
    check("".into(), true);
    let create = request(Action::Create, 1, |_| None);
    let job = IngestJob { request: &create, verb: &WriteVerb::Insert, rows: &[0] };
    assert!(!fits_csv(&job, &create.operations[0]), "nothing tells its row from others");
}
