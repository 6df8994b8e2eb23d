//! Queries, pages, metadata, replication (S-describe-2, S-query-1 to S-query-7).

use super::*;
use crate::salesforce::ids;

/// Creates so many contacts through collections, without needing their ids.
pub(super) fn crowd(org: &mut Fixture, count: usize) {
    for start in (0..count).step_by(200) {
        let records: Vec<String> = (start..count.min(start + 200))
            .map(|n| format!(r#"{{"attributes":{{"type":"Contact"}},"LastName":"p{n:05}"}}"#))
            .collect();
        let body = format!(r#"{{"records":[{}]}}"#, records.join(","));
        assert_eq!(org.call("POST", "/composite/sobjects", &body).status, 200);
    }
}

const ALL: &str = "/query?q=SELECT+LastName+FROM+Contact+ORDER+BY+Id";

/// Reads a scan to its end: pages and rows.
fn scan(org: &mut Fixture, first: &str, headers: &[(&str, &str)]) -> (usize, usize) {
    let mut got = org.send("GET", &format!("{BASE}{first}"), headers, "");
    let (mut pages, mut rows) = (1, got.body["records"].as_array().unwrap().len());
    while let Some(next) = got.body["nextRecordsUrl"].as_str().map(str::to_owned) {
        got = org.send("GET", &next, &[], "");
        assert_eq!(got.status, 200, "{}", got.text);
        pages += 1;
        rows += got.body["records"].as_array().unwrap().len();
    }
    assert_eq!(got.body["done"], true);
    (pages, rows)
}

#[test]
fn pages_hold_2000_rows_or_what_was_asked_for() {
    let mut org = Fixture::empty();
    crowd(&mut org, 4_500);
    assert_eq!(scan(&mut org, ALL, &[]), (3, 4_500));
    assert_eq!(scan(&mut org, ALL, &[("sforce-query-options", "batchSize=900")]), (5, 4_500));
    assert_eq!(scan(&mut org, ALL, &[("sforce-query-options", "batchSize=10")]), (23, 4_500));
    org.fault(json!({"short_pages_every": 1}));
    assert_eq!(scan(&mut org, ALL, &[]), (5, 4_500));
    let report = org.org.ledger().report();
    let query = report.by_kind.iter().find(|kind| kind.kind == "query").unwrap();
    assert_eq!((query.calls, query.minimum), (36, 12));
}

#[test]
fn an_eleventh_cursor_closes_the_first() {
    let mut org = Fixture::empty();
    crowd(&mut org, 2_001);
    let mut next = || org.get(ALL).body["nextRecordsUrl"].as_str().unwrap().to_owned();
    let locators: Vec<String> = (0..11).map(|_| next()).collect();
    let got = org.send("GET", &locators[0], &[], "");
    assert_eq!((got.status, got.code()), (400, "INVALID_QUERY_LOCATOR"));
    for _ in 0..2 {
        let got = org.send("GET", &locators[10], &[], "");
        assert_eq!(got.body["records"].as_array().unwrap().len(), 1);
    }
    org.clock.advance(900_000);
    assert_eq!(org.send("GET", &locators[10], &[], "").code(), "INVALID_QUERY_LOCATOR");
}

#[test]
fn a_page_lacks_rows_that_went_meanwhile() {
    let mut org = Fixture::empty();
    crowd(&mut org, 2_002);
    let next = org.get(ALL).body["nextRecordsUrl"].as_str().unwrap().to_owned();
    let last = org.query("SELECT Id FROM Contact WHERE LastName = 'p02001'").body;
    org.org.delete("Contact", last["records"][0]["Id"].as_str().unwrap()).unwrap();
    let got = org.send("GET", &next, &[], "");
    assert_eq!(got.body["totalSize"], 2_002);
    assert_eq!(got.body["records"].as_array().unwrap().len(), 1);
}

#[test]
fn a_late_commit_appears_below_the_cursor() {
    let mut org = Fixture::empty();
    org.fault(json!({"late_commit_ms": 30_000}));
    let fields = json!({"LastName": "late"}).as_object().unwrap().clone();
    let new = crate::control::NewRecord { fields, ..Default::default() };
    let id = org.org.create("Contact", &new).unwrap();
    org.clock.advance(20_000);
    org.contact("prompt");
    let stamps = "SELECT Id, SystemModstamp FROM Contact ORDER BY SystemModstamp";
    let seen = org.query(stamps).body["records"].clone();
    assert_eq!(seen.as_array().unwrap().len(), 1);
    org.clock.advance(10_000);
    let now = org.query(stamps).body["records"].clone();
    assert_eq!(now[0]["Id"], id.as_str());
    assert_eq!(now[0]["SystemModstamp"], "2026-09-21T14:13:20.000+0000");
    assert!(now[0]["SystemModstamp"].as_str() < seen[0]["SystemModstamp"].as_str());
}

#[test]
fn a_query_must_fit_into_the_uri() {
    let mut org = Fixture::empty();
    let list = |count: usize| vec![format!("'{}'", ids::render("003", 1)); count].join(",");
    let soql = |count| format!("SELECT Id FROM Contact WHERE Id IN ({})", list(count));
    assert_eq!(org.query(&soql(500)).status, 200);
    assert_eq!(org.query(&soql(700)).status, 414);
}

#[test]
fn stamps_are_whole_seconds() {
    let mut org = Fixture::empty();
    org.clock.advance(999);
    let id = org.contact("a");
    assert_eq!(org.value("Contact", &id, "SystemModstamp"), "2026-09-21T14:13:20.000+0000");
}

#[test]
fn the_bin_is_emptied_after_fifteen_days() {
    let mut org = Fixture::empty();
    org.fault(json!({"token_lifetime_ms": 10_000_000_000_i64}));
    let id = org.contact("a");
    org.call("DELETE", &format!("/sobjects/Contact/{id}"), "");
    let all = "/queryAll?q=SELECT+COUNT()+FROM+Contact+WHERE+IsDeleted=true";
    assert_eq!(org.get(all).body["totalSize"], 1);
    assert_eq!(org.query("SELECT COUNT() FROM Contact").body["totalSize"], 0);
    org.clock.advance(15 * 86_400_000 + 1_000);
    assert_eq!(org.get(all).body["totalSize"], 0);
    assert_eq!(org.get(&format!("/sobjects/Contact/{id}")).code(), "NOT_FOUND");
}

#[test]
fn replication_lists_ids_in_its_window() {
    let mut org = Fixture::empty();
    let kept = org.contact("a");
    let gone = org.contact("b");
    org.call("DELETE", &format!("/sobjects/Contact/{gone}"), "");
    org.clock.advance(120_000);
    let window = "start=2026-09-21T14:13:00Z&end=2026-09-21T14:15:00%2B00:00";
    let updated = org.get(&format!("/sobjects/Contact/updated/?{window}"));
    assert_eq!(updated.body["ids"], json!([kept]));
    assert_eq!(updated.body["latestDateCovered"], "2026-09-21T14:15:00.000+0000");
    let deleted = org.get(&format!("/sobjects/Contact/deleted/?{window}"));
    assert_eq!(deleted.body["deletedRecords"][0]["id"], gone.as_str());
    let cases = [
        ("start=2026-09-21T14:13:00Z&end=2026-09-21T14:13:30Z", "INVALID_REPLICATION_DATE"),
        ("start=2026-09-01T00:00:00Z&end=2026-09-21T14:13:30Z", "INVALID_REPLICATION_DATE"),
        ("start=x&end=2026-09-21T14:13:30Z", "MALFORMED_QUERY"),
    ];
    for (window, code) in cases {
        assert_eq!(
            org.get(&format!("/sobjects/Contact/deleted?{window}")).code(),
            code,
            "{window}"
        );
    }
    let wide = "start=2026-09-01T00:00:00Z&end=2026-09-21T14:13:30Z";
    assert_eq!(org.get(&format!("/sobjects/Contact/updated?{wide}")).status, 200);
    org.fault(json!({"deleted_log_ms": 60_000}));
    let purged = org.get(&format!("/sobjects/Contact/deleted?{window}"));
    assert_eq!(purged.code(), "INVALID_REPLICATION_DATE");
    let stages = org.get(&format!("/sobjects/OpportunityStage/deleted?{window}"));
    assert_eq!(stages.code(), "INVALID_TYPE_FOR_OPERATION");
}

#[test]
fn describe_is_not_sent_twice() {
    let mut org = Fixture::empty();
    let path = format!("{BASE}/sobjects/Contact/describe");
    let first = org.send("GET", &path, &[], "");
    let (etag, since) = (first.header("etag").to_owned(), first.header("last-modified").to_owned());
    for header in [("if-none-match", etag.as_str()), ("if-modified-since", since.as_str())] {
        let again = org.send("GET", &path, &[header], "");
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{header:?}");
    }
    assert_eq!(org.send("GET", &path, &[("if-none-match", "\"x\"")], "").status, 200);
    let field = |name: &str| {
        let fields = first.body["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap().clone()
    };
    let key = field("Renkei_Id__c");
    assert_eq!(
        [&key["externalId"], &key["unique"], &key["custom"], &key["length"]],
        [&json!(true), &json!(true), &json!(true), &json!(80)]
    );
    assert_eq!(field("LastName")["nillable"], false);
    assert_eq!(field("AccountId")["referenceTo"], json!(["Account"]));
    assert_eq!(field("Name")["createable"], false);
    let global = org.get("/sobjects");
    assert_eq!(global.body["sobjects"].as_array().unwrap().len(), 10);
    assert_eq!(org.get("/sobjects/Nope/describe").status, 404);
}

#[test]
fn one_record_is_read_whole_or_in_part() {
    let mut org = Fixture::empty();
    let lead = json!({"LastName": "a", "Company": "c", "Street": "s", "City": "t"});
    let id = org.create("Lead", lead);
    let whole = org.get(&format!("/sobjects/Lead/{id}"));
    assert!(whole.text.starts_with(r#"{"attributes":{"type":"Lead","url":"/services/data/v60.0/"#));
    assert_eq!(whole.body["Address"]["city"], "t");
    assert_eq!(whole.body["Status"], "Open - Not Contacted");
    let got = org.get(&format!("/sobjects/Lead/{id}?fields=Id,Nope"));
    assert_eq!((got.status, got.code()), (400, "INVALID_FIELD"));
    assert_eq!(org.get("/sobjects/Lead/00Q5g00000zzzzzAAA").status, 400);
    let many = json!({"ids": [id, "00Q5g0000000zzzAAA"], "fields": ["Id"]}).to_string();
    let got = org.call("POST", "/composite/sobjects/Lead", &many);
    assert_eq!((&got.body[0]["Id"], &got.body[1]), (&json!(id), &Value::Null));
}
