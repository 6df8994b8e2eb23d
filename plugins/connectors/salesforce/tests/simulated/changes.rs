//! Changes: look-back, equal stamps, tombstones, stale cursors.

use renkei_sdk::{Error, Extra, Removal};
use renkei_simulators::salesforce::faults::SalesforceFaults;

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn edit(object: &str, id: &str, last_name: &str) {
    control("edit", &json!({"object": object, "id": id, "fields": {"LastName": last_name}}));
}

#[test]
fn idle_cycle_is_one_call() {
    with_org(300, Faults::default(), |session| {
        let mut since = session.backfill("Contact");
        for _ in 0..3 {
            session.clock.advance(HOUR_MS);
            session.restart();
            calls();
            since = session.changes("Contact", &since);
            let report: Json = Request::get("/_sim/ledger").send().unwrap().json().unwrap();
            assert_eq!((report["made"].as_u64(), report["metadata"].as_u64()), (Some(1), Some(0)));
            assert!(since.ids().is_empty());
        }
    });
}

#[test]
fn edit_is_seen_and_seen_no_more_after_the_look_back() {
    with_org(50, Faults::default(), |session| {
        let since = session.backfill("Contact");
        let id = &ids_in_org("Contact")[0];
        session.clock.advance(HOUR_MS);
        edit("Contact", id, "改姓");
        session.clock.advance(1000);
        let first = session.changes("Contact", &since);
        assert_eq!(first.texts("LastName"), ["改姓"]);
        session.clock.advance(60_000);
        let second = session.changes("Contact", &first);
        assert_eq!(second.texts("LastName"), ["改姓"]);
        session.clock.advance(HOUR_MS);
        assert_eq!(session.changes("Contact", &second).texts("LastName"), ["改姓"]);
        session.clock.advance(HOUR_MS);
        let third = session.changes("Contact", &second);
        session.clock.advance(HOUR_MS);
        assert!(session.changes("Contact", &third).ids().is_empty());
    });
}

/// RULES.md R19: one answer whose `Date` lies 70 years ahead.
#[test]
fn edit_is_seen_when_the_orgs_clock_was_wrong_for_one_answer() {
    const WRONG_MS: i64 = 70 * 365 * 24 * HOUR_MS;
    with_org(50, Faults::default(), |session| {
        session.now_ms = Some(1_790_000_000_000);
        let since = session.backfill("Contact");
        session.clock.advance(WRONG_MS);
        let wrong = session.changes("Contact", &since);
        session.clock.advance(HOUR_MS - WRONG_MS);
        edit("Contact", &ids_in_org("Contact")[0], "改姓");
        session.now_ms = session.now_ms.map(|now| now + HOUR_MS);
        assert_eq!(session.changes("Contact", &wrong).texts("LastName"), ["改姓"]);
        // What an earlier version made of such an answer.
        let cursor = String::from_utf8(wrong.cursor()).unwrap();
        let at = cursor.split("\"at_ms\":").nth(1).unwrap().split('}').next().unwrap();
        let future = at.parse::<i64>().unwrap() + WRONG_MS;
        let cursor = cursor.replace(at, &future.to_string()).into_bytes();
        let request = session.request("Contact", Scan::Changes, Some(cursor));
        let error = session.connector.read_page(&request).unwrap_err();
        assert!(matches!(error, Error::CursorLost(_)), "{error:?}");
    });
}

#[test]
fn late_commit_is_inside_the_look_back() {
    let salesforce = SalesforceFaults { late_commit_ms: 60_000, ..SalesforceFaults::default() };
    with_org(50, Faults { salesforce, ..Faults::default() }, |session| {
        let mut since = session.backfill("Contact");
        let ids = ids_in_org("Contact");
        session.clock.advance(HOUR_MS);
        edit("Contact", &ids[0], "遅い");
        // Later stamps are read while the first edit waits for its commit.
        session.clock.advance(30_000);
        control("faults", &json!({"late_commit_ms": 0}));
        edit("Contact", &ids[1], "早い");
        session.clock.advance(1000);
        since = session.changes("Contact", &since);
        assert_eq!(since.texts("LastName"), ["早い"]);
        session.clock.advance(60_000);
        let late = session.changes("Contact", &since);
        assert_eq!(late.texts("LastName"), ["早い", "遅い"]);
    });
}

#[test]
fn equal_stamps_beyond_a_page_do_not_stall() {
    let faults = Faults { seed_with_one_stamp: true, ..Faults::default() };
    with_org(3000, faults, |session| {
        let start = session.backfill("Contact");
        let cursor = String::from_utf8(start.cursor()).unwrap();
        let at = cursor.split("\"at_ms\":").nth(1).unwrap().split('}').next().unwrap();
        // From before the import, whose records all have one stamp.
        let earlier = at.parse::<i64>().unwrap() - 25 * HOUR_MS;
        let cursor = cursor.replace(at, &earlier.to_string());
        session.limit = 200;
        let scanned = session.scan("Contact", Scan::Changes, Some(cursor.into_bytes()));
        assert!(scanned.pages.len() > 5);
        assert!(scanned.ids() == ids_in_org("Contact"));
    });
}

#[test]
fn scan_of_changes_goes_on_from_every_cursor() {
    let faults = Faults { seed_with_one_stamp: true, ..Faults::default() };
    with_org(800, faults, |session| {
        let since = session.backfill("Contact");
        session.clock.advance(HOUR_MS);
        for id in ids_in_org("Contact").iter().take(30) {
            edit("Contact", id, "一斉");
        }
        session.limit = 10;
        let whole = session.changes("Contact", &since);
        assert_eq!(whole.ids().len(), 30);
        for (index, page) in whole.pages.iter().enumerate().filter(|(_, page)| page.more) {
            session.restart();
            let rest = session.scan("Contact", Scan::Changes, Some(page.cursor.clone()));
            assert_eq!(rest.ids().len(), 30 - 10 * (index + 1));
        }
    });
}

#[test]
fn removed_record_says_why() {
    with_org(300, Faults::default(), |session| {
        let contacts = session.backfill("Contact");
        let leads = session.backfill("Lead");
        let (people, lead) = (ids_in_org("Contact"), ids_in_org("Lead")[0].clone());
        session.clock.advance(HOUR_MS);
        control("delete", &json!({"object": "Contact", "id": people[0]}));
        control("merge", &json!({"object": "Contact", "winner": people[1], "loser": people[2]}));
        let became = control("convert", &json!({"id": lead}));
        session.clock.advance(1000);

        let found = session.changes("Contact", &contacts);
        let removed = found.removed();
        let removal = |id: &str| &removed.iter().find(|gone| gone.id == id).unwrap().removal;
        assert_eq!(removal(&people[0]), &Removal::Deleted);
        assert_eq!(removal(&people[2]), &Removal::MergedInto(people[1].clone()));
        assert!(found.ids().contains(&people[1]));
        assert!(found.ids().contains(&became["contact"].as_str().unwrap().to_owned()));

        let removed = session.changes("Lead", &leads).removed();
        let text = |name: &str| became[name].as_str().unwrap().to_owned();
        let pairs =
            [("Contact".to_owned(), text("contact")), ("Account".to_owned(), text("account"))];
        assert_eq!(removed.len(), 1);
        assert_eq!(removed[0].id, lead);
        assert_eq!(removed[0].removal, Removal::ConvertedTo(pairs.to_vec()));
        assert!(!session.backfill("Lead").ids().contains(&lead));
        let page = session.read_records("Lead", std::slice::from_ref(&lead));
        assert_eq!(page.removed[0].id, lead);
    });
}

#[test]
fn old_cursor_asks_the_delete_log() {
    with_org(100, Faults::default(), |session| {
        let since = session.backfill("Contact");
        session.clock.advance(HOUR_MS);
        let id = ids_in_org("Contact")[0].clone();
        control("delete", &json!({"object": "Contact", "id": id}));
        session.clock.advance(14 * 24 * HOUR_MS);
        calls();
        let removed = session.changes("Contact", &since).removed();
        assert_eq!(removed.iter().filter(|gone| gone.id == id).count(), 1);
        assert!(calls().0 <= 3);
    });
}

#[test]
fn cursor_older_than_the_delete_log_is_lost() {
    with_org(100, Faults::default(), |session| {
        let since = session.backfill("Contact");
        session.clock.advance(20 * 24 * HOUR_MS);
        let request = session.request("Contact", Scan::Changes, Some(since.cursor()));
        let error = session.connector.read_page(&request).unwrap_err();
        assert!(matches!(error, Error::CursorLost(_)), "{error:?}");
    });
}

#[test]
fn cursor_of_another_scan_or_plugin_is_lost() {
    with_org(10, Faults::default(), |session| {
        let since = session.backfill("Contact");
        for (scan, cursor) in [
            (Scan::Backfill, Some(since.cursor())),
            (Scan::Changes, None),
            (Scan::Changes, Some(b"nonsense".to_vec())),
        ] {
            let request = session.request("Contact", scan, cursor);
            let error = session.connector.read_page(&request).unwrap_err();
            assert!(matches!(error, Error::CursorLost(_)), "{error:?}");
        }
    });
}

#[test]
fn scan_of_an_unknown_code_is_unsupported() {
    with_org(10, Faults::default(), |session| {
        let other = Scan::Other(Extra { code: "mirror".into(), text: String::new() });
        let request = session.request("Contact", other, None);
        let page = session.connector.read_page(&request);
        assert_eq!(page, Err(Error::unsupported("scan mirror")));
    });
}
