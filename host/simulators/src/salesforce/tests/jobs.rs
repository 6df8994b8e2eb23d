//! Bulk 2.0 jobs: their states over virtual time, and what ingest leaves behind.

use super::read::crowd;
use super::*;

/// Sends a job's steps up to its close and returns its id.
fn ingest(org: &mut Fixture, job: Value, csv: &str) -> String {
    let id = org.call("POST", "/jobs/ingest", &job.to_string()).id();
    assert_eq!(org.call("PUT", &format!("/jobs/ingest/{id}/batches"), csv).status, 201);
    let got = org.call("PATCH", &format!("/jobs/ingest/{id}"), r#"{"state":"UploadComplete"}"#);
    assert_eq!(got.body["state"], "UploadComplete");
    id
}

#[test]
fn an_ingest_job_runs_in_virtual_time() {
    let mut org = Fixture::empty();
    org.create("Account", json!({"Name": "a", "Renkei_Id__c": "co"}));
    let job = json!({"object": "Contact", "operation": "upsert", "contentType": "CSV",
        "externalIdFieldName": "Renkei_Id__c", "lineEnding": "LF"});
    let csv = "Renkei_Id__c,LastName,Title,Account.Renkei_Id__c\np1,\"山,田\",#N/A,co\np2,,t,\n";
    let id = ingest(&mut org, job, csv);
    let state = |org: &mut Fixture| org.get(&format!("/jobs/ingest/{id}")).body["state"].clone();
    assert_eq!(state(&mut org), "UploadComplete");
    org.clock.advance(1_000);
    assert_eq!(state(&mut org), "InProgress");
    org.clock.advance(10);
    let done = org.get(&format!("/jobs/ingest/{id}"));
    assert_eq!(done.body["state"], "JobComplete");
    assert_eq!([&done.body["numberRecordsProcessed"], &done.body["numberRecordsFailed"]], [2, 1]);
    let good = org.get(&format!("/jobs/ingest/{id}/successfulResults")).text;
    assert!(good.contains("\"true\",\"p1\",\"山,田\""), "{good}");
    let bad = org.get(&format!("/jobs/ingest/{id}/failedResults")).text;
    assert!(
        bad.contains("REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName--")
    );
    let rest = org.get(&format!("/jobs/ingest/{id}/unprocessedrecords")).text;
    assert_eq!(rest.lines().count(), 1);
    let found = org.query("SELECT Account.Name FROM Contact").body;
    assert_eq!(found["records"][0]["Account"]["Name"], "a");
}

#[test]
fn an_unknown_column_fails_the_whole_job() {
    let mut org = Fixture::empty();
    let job = json!({"object": "Contact", "operation": "insert"});
    let id = ingest(&mut org, job, "LastName,Nope\na,b\n");
    org.clock.advance(10_000);
    let got = org.get(&format!("/jobs/ingest/{id}"));
    assert_eq!(got.body["state"], "Failed");
    assert_eq!(got.body["errorMessage"], "InvalidBatch : Field name not found : Nope");
    let rest = org.get(&format!("/jobs/ingest/{id}/unprocessedrecords")).text;
    assert_eq!(rest, "\"LastName\",\"Nope\"\n\"a\",\"b\"\n");
}

/// Contacts `1` to `rows` for an upsert.
fn many(rows: usize) -> (Value, String) {
    let job = json!({"object": "Contact", "operation": "upsert", "externalIdFieldName":
        "Renkei_Id__c"});
    let lines = (0..rows).map(|n| format!("p{n},name {n}\n"));
    (job, format!("Renkei_Id__c,LastName\n{}", lines.collect::<String>()))
}

/// The stamps in a list of results, in its order.
fn stamps(org: &mut Fixture, id: &str, list: &str) -> Vec<usize> {
    let text = org.get(&format!("/jobs/ingest/{id}/{list}")).text;
    let place = if list == "unprocessedrecords" { 0 } else { 2 };
    let stamp = |line: &str| line.split(',').nth(place).unwrap().replace(['"', 'p'], "");
    text.lines().skip(1).map(|line| stamp(line).parse().unwrap()).collect()
}

#[test]
fn results_come_in_any_order() {
    let mut org = Fixture::empty();
    let (job, csv) = many(300);
    let id = ingest(&mut org, job, &csv);
    org.clock.advance(10_000);
    let mut found = stamps(&mut org, &id, "successfulResults");
    assert!(!found.is_sorted());
    found.sort_unstable();
    assert_eq!(found, (0..300).collect::<Vec<_>>());
}

#[test]
fn a_job_that_is_aborted_in_progress_has_done_a_part() {
    let mut org = Fixture::empty();
    let (job, csv) = many(1_000);
    let id = ingest(&mut org, job, &csv);
    org.clock.advance(1_100);
    let got = org.call("PATCH", &format!("/jobs/ingest/{id}"), r#"{"state":"Aborted"}"#);
    assert_eq!(
        (&got.body["state"], &got.body["numberRecordsProcessed"]),
        (&json!("Aborted"), &json!(200))
    );
    let mut rows = stamps(&mut org, &id, "successfulResults");
    assert_eq!(rows.len(), 200);
    rows.extend(stamps(&mut org, &id, "unprocessedrecords"));
    rows.sort_unstable();
    assert_eq!(rows, (0..1_000).collect::<Vec<_>>());
    org.clock.advance(60_000);
    assert_eq!(org.query("SELECT Id FROM Contact").body["totalSize"], 200);
}

#[test]
fn a_job_that_somebody_stops_keeps_the_rest() {
    let mut org = Fixture::new(
        0,
        Faults {
            salesforce: SalesforceFaults { ingest_stops_after: 3, ..Faults::default().salesforce },
            ..Faults::default()
        },
    );
    let (job, csv) = many(5);
    let id = ingest(&mut org, job, &csv);
    org.clock.advance(60_000);
    assert_eq!(org.get(&format!("/jobs/ingest/{id}")).body["state"], "Aborted");
    assert_eq!(stamps(&mut org, &id, "unprocessedrecords"), [3, 4]);
}

#[test]
fn a_query_job_gives_pages_of_csv() {
    let mut org = Fixture::empty();
    crowd(&mut org, 5);
    let soql = "SELECT LastName, Account.Name FROM Contact ORDER BY LastName";
    let job = json!({"operation": "query", "query": soql});
    let id = org.call("POST", "/jobs/query", &job.to_string()).id();
    let path = format!("/jobs/query/{id}/results?maxRecords=3");
    assert_eq!(org.get(&path).code(), "INVALIDJOBSTATE");
    org.clock.advance(1_000);
    let first = org.get(&path);
    assert_eq!(first.header("sforce-numberofrecords"), "3");
    assert_eq!(first.text.lines().next(), Some("\"LastName\",\"Account.Name\""));
    let second = org.get(&format!("{path}&locator={}", first.header("sforce-locator")));
    assert_eq!(second.header("sforce-locator"), "null");
    assert_eq!(second.text.lines().count(), 3);
    let bad = json!({"operation": "query", "query": "SELECT COUNT() FROM Contact"});
    assert_eq!(org.call("POST", "/jobs/query", &bad.to_string()).status, 400);
}
