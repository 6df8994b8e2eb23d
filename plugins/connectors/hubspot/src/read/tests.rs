//! Pages of each scan against scripted answers.
//!
//! They check what is asked (paths, filters, cursors); that nothing is missed is checked against
//! the simulator in `simulated/reads.rs`.

use renkei_sdk::http::Failure;
use renkei_sdk::testing::texts;
use renkei_sdk::{Connector, Extra, Removal, Value};

use super::*;
use crate::client::scripted::{NOW_MS, SentRequest, ok, scripted};

fn request(scan: Scan, cursor: Option<Cursor>, columns: &[&str]) -> PageRequest {
    PageRequest {
        cursor: cursor.map(|cursor| cursor.encode().unwrap()),
        limit: 500,
        ..PageRequest::new("contacts", columns.iter().copied(), scan)
    }
}

fn read(request: &PageRequest, answers: &[&str]) -> (Page, Cursor, Vec<SentRequest>) {
    let answers = answers.iter().map(|json| ok(json)).collect();
    let (page, sent) = scripted(answers, |hubspot| hubspot.read_page(request));
    let page = page.unwrap();
    let cursor = Cursor::decode(Some(&page.cursor)).unwrap().unwrap();
    (page, cursor, sent)
}

#[test]
fn backfill_lists_with_properties_and_associations() {
    let request = request(Scan::Backfill, None, &["email", "associations.companies", "nothing"]);
    let (page, cursor, sent) = read(
        &request,
        &[r#"{"results":[{"id":"1","properties":{"email":"a@example.jp"},
            "updatedAt":"2026-03-12T10:04:17.969Z","associations":{"companies":{"results":[
            {"id":"9","type":"contact_to_company"}]}}}],"paging":{"next":{"after":"2"}}}"#],
    );
    assert_eq!(
        sent[0].path,
        "/crm/v3/objects/contacts?limit=100&properties=email,hs_merged_object_ids,\
         hs_calculated_merged_vids&associations=companies"
    );
    let row = &page.batch.rows[0];
    assert_eq!(
        row.cells,
        [Some(Value::from("a@example.jp")), Some(Value::References(texts(&["9"]))), None]
    );
    assert_eq!(row.version.as_deref(), Some("2026-03-12T10:04:17.969Z"));
    assert_eq!((row.modified, page.server_time), (Some(1_773_309_857_969), Some(NOW_MS)));
    assert!(page.more);
    assert_eq!(cursor, Cursor::Backfill { since: NOW_MS, after: "2".into() });
}

#[test]
fn backfill_ends_where_changes_began() {
    let cursor = Cursor::Backfill { since: 5, after: "2 /".into() };
    let (page, cursor, sent) =
        read(&request(Scan::Backfill, Some(cursor), &["email"]), &[r#"{"results":[]}"#]);
    assert!(sent[0].path.contains("&after=2%20%2F&"), "{}", sent[0].path);
    assert!(!page.more);
    assert_eq!(cursor, Cursor::changes(5, None));
}

#[test]
fn properties_are_read_by_batch_when_address_is_too_long() {
    let many: Vec<String> = (0..900).map(|n| format!("a_long_property_name_{n}")).collect();
    let columns: Vec<&str> = many.iter().map(String::as_str).chain(["email"]).collect();
    // Unknown columns are not asked for, so only known ones can make an address too long.
    let view_request = request(Scan::Backfill, None, &columns);
    let (_, _, sent) = read(&view_request, &[r#"{"results":[]}"#]);
    assert!(sent[0].path.len() < 200);

    let known: Vec<String> = many.iter().map(|name| format!("{{\"name\":\"{name}\"}}")).collect();
    let properties = format!("{{\"results\":[{}]}}", known.join(","));
    let properties: Results<serde_json::Value> = serde_json::from_str(&properties).unwrap();
    assert_eq!(properties.results.len(), 900);
    let fetched = renkei_sdk::testing::with_http(
        move |_| {
            let json = format!("{{\"results\":[{}]}}", known.join(","));
            Ok(renkei_sdk::testing::respond(200, &json))
        },
        || crate::schema::Properties::fetch("contacts"),
    );
    let selection = Selection::new("contacts", &many, fetched.as_ref().unwrap());
    let (page, sent) = scripted(
        vec![
            ok(r#"{"results":[{"id":"1"},{"id":"2"}]}"#),
            ok(r#"{"results":[{"id":"2","properties":{"a_long_property_name_0":"x"}}]}"#),
        ],
        |_| read_backfill(&selection, &Vec::new(), 100, None, None),
    );
    assert_eq!(sent[0].path, "/crm/v3/objects/contacts?limit=100");
    assert_eq!(sent[1].path, "/crm/v3/objects/contacts/batch/read");
    let batch = page.unwrap().batch;
    assert_eq!(batch.rows.len(), 1);
    assert_eq!(batch.rows[0].cells[0], Some(Value::from("x")));
}

const ONE_OF_MANY: &str = r#"{"total":3,"results":[{"id":"4","properties":{"email":null,
    "hs_merged_object_ids":"2"}}],"paging":{"next":{"after":"1"}}}"#;

#[test]
fn changes_are_searched_by_time_and_paged_by_id() {
    let start = Cursor::changes(1_000_000, None);
    let (page, cursor, sent) = read(
        &request(Scan::Changes, Some(start), &["email"]),
        &[ONE_OF_MANY, r#"{"total":1,"results":[{"id":"5","properties":{}}]}"#],
    );
    let filters = |n: usize| &sent[n].body["filterGroups"][0]["filters"];
    assert_eq!(filters(0)[0]["value"], "910000");
    assert_eq!((&filters(1)[0]["value"], &filters(1)[1]["value"]), (&"910000".into(), &"4".into()));
    let cells: Vec<_> = page.batch.rows.iter().map(|row| row.cells[0].clone()).collect();
    assert_eq!(cells, [Some(Value::Null), None]);
    let merged = &page.removed[0];
    assert_eq!((merged.id.as_str(), &merged.removal), ("2", &Removal::MergedInto("4".into())));
    assert!(page.more);
    assert_eq!(cursor, Cursor::Archived { since: NOW_MS, after: None, pages: 0 });

    let (page, cursor, sent) = read(
        &request(Scan::Changes, Some(cursor), &["email"]),
        &[r#"{"results":[{"id":"3","archived":true,"archivedAt":"1970-01-01T00:00:01Z"}]}"#],
    );
    assert!(sent[0].path.starts_with("/crm/v3/objects/contacts?limit=100&archived=true"));
    assert_eq!((page.removed[0].at, page.more), (Some(1_000), false));
    assert_eq!(cursor, Cursor::changes(NOW_MS, None));
}

#[test]
fn page_of_changes_ends_at_the_limit_or_at_a_failure() {
    let here =
        Cursor::Search { since: 5, begun: Some(NOW_MS), last_id: Some("4".into()), archived: None };
    let at_5 =
        PageRequest { limit: 1, ..request(Scan::Changes, Some(Cursor::changes(5, None)), &[]) };
    let (page, cursor, sent) = read(&at_5, &[ONE_OF_MANY]);
    assert_eq!((page.batch.rows.len(), &sent[0].body["limit"]), (1, &1.into()));
    assert_eq!(cursor, here);

    let at_5 = request(Scan::Changes, Some(Cursor::changes(5, None)), &[]);
    let answers = vec![ok(ONE_OF_MANY), Err(Failure::Quota(9))];
    let (page, _) = scripted(answers, |hubspot| hubspot.read_page(&at_5));
    let page = page.unwrap();
    assert_eq!((page.batch.rows.len(), page.more), (1, true));
    assert_eq!(Cursor::decode(Some(&page.cursor)).unwrap(), Some(here));
    let (failed, _) = scripted(vec![Err(Failure::Quota(9))], |hubspot| hubspot.read_page(&at_5));
    assert!(matches!(failed, Err(Error::RetryAfter(9))));
}

/// RULES.md R19: an answer with a `Date` a day or more ahead of the host.
#[test]
fn cursor_stays_in_the_hosts_past_when_the_servers_clock_is_wrong() {
    let clock = |now_ms: i64| vec![("now-ms".to_owned(), Value::Integer(now_ms))];
    let began = |now_ms: i64, since: i64| {
        let start = request(Scan::Changes, Some(Cursor::changes(since, None)), &["email"]);
        let start = PageRequest { options: clock(now_ms), ..start };
        let answer = r#"{"results":[{"id":"4","updatedAt":"1970-01-01T00:00:08Z"}]}"#;
        // A cursor that is lost asks for nothing.
        let answers = if since < now_ms { vec![ok(answer)] } else { Vec::new() };
        let (page, _) = scripted(answers, |hubspot| hubspot.read_page(&start));
        match page.map(|page| Cursor::decode(Some(&page.cursor)).unwrap()) {
            Ok(Some(Cursor::Archived { since, .. })) => Some(since),
            Err(Error::CursorLost(_)) => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(began(NOW_MS + 1, 5), Some(NOW_MS), "the server's clock is a little behind");
    assert_eq!(began(NOW_MS - 1, 5), Some(NOW_MS - 1), "the server's clock is a little ahead");
    assert_eq!(began(9_000, 5), Some(8_000), "the rows say when it is");
    assert_eq!(began(9_000, NOW_MS), None, "an earlier version has taken over a wrong clock");
}

#[test]
fn archived_records_are_read_over_several_scans_when_many() {
    let last =
        Cursor::Archived { since: 7, after: Some("5".into()), pages: ARCHIVED_PAGES_MAX - 1 };
    let more_follow = r#"{"results":[{"id":"6"}],"paging":{"next":{"after":"6"}}}"#;
    let (page, cursor, _) = read(&request(Scan::Changes, Some(last), &[]), &[more_follow]);
    assert!(!page.more);
    assert_eq!(cursor, Cursor::changes(7, Some("6".into())));
    let (_, cursor, _) = read(&request(Scan::Changes, Some(cursor), &[]), &[r#"{"results":[]}"#]);
    assert_eq!(cursor, Cursor::Archived { since: NOW_MS, after: Some("6".into()), pages: 0 });
}

#[test]
fn sweep_lists_live_records_then_archived_ones() {
    let (page, cursor, sent) = read(
        &request(Scan::Sweep, None, &[]),
        &[r#"{"results":[{"id":"1","updatedAt":"1970-01-01T00:00:01Z"}]}"#],
    );
    assert!(!sent[0].path.contains("associations"));
    assert!(page.more && page.batch.rows[0].cells.is_empty());
    assert_eq!(cursor, Cursor::Sweep { since: NOW_MS, archived: true, after: None });
    let (page, cursor, _) =
        read(&request(Scan::Sweep, Some(cursor), &[]), &[r#"{"results":[{"id":"2"}]}"#]);
    assert_eq!((page.batch.rows.len(), page.removed.len(), page.more), (0, 1, false));
    assert_eq!(cursor, Cursor::changes(NOW_MS, None));
}

#[test]
fn cursor_of_another_scan_is_lost() {
    let check = |scan, cursor| {
        let request = request(scan, Some(cursor), &[]);
        let (page, _) = scripted(Vec::new(), |hubspot| hubspot.read_page(&request));
        assert!(matches!(page, Err(Error::CursorLost(_))));
    };
    check(Scan::Changes, Cursor::Backfill { since: 5, after: "2".into() });
    check(Scan::Backfill, Cursor::changes(5, None));
    check(Scan::Sweep, Cursor::Archived { since: 5, after: None, pages: 0 });
}

#[test]
fn scan_of_an_unknown_code_is_unsupported() {
    let other = Scan::Other(Extra { code: "mirror".into(), text: String::new() });
    let (page, _) = scripted(vec![], |hubspot| hubspot.read_page(&request(other, None, &[])));
    assert_eq!(page, Err(Error::unsupported("scan mirror")));
}
