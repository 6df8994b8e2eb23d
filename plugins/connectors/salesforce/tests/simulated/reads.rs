//! Backfill, sweep, single records and the schema.

use std::collections::BTreeSet;

use renkei_sdk::Removal;

use super::*;

#[test]
fn check_has_account_and_calls_left() {
    with_org(10, Faults::default(), |session| {
        let account = session.connector.check().unwrap();
        assert!(account.id.starts_with("00D"), "{}", account.id);
        assert!(account.facts.integer("daily-calls-left").unwrap() > 0);
    });
}

#[test]
fn discover_has_fields_and_stamp() {
    with_org(10, Faults::default(), |session| {
        let objects = ["Account", "Lead"].map(str::to_owned);
        let schemas = session.connector.discover(&objects).unwrap();
        assert_eq!(schemas.iter().map(|s| s.object.as_str()).collect::<Vec<_>>(), objects);
        assert_eq!(schemas[1].facts.text("stamp"), Some("Renkei_Id__c"));
        let field = |name| schemas[1].fields.iter().find(|f| f.name == name).unwrap();
        assert!(field("LastName").required && field("Company").required);
        assert_eq!(field("OwnerId").kind, "reference");
        assert_eq!(field("Status").kind, "choice");
        let unknown = session.connector.discover(&["Nothing__c".to_owned()]);
        assert!(matches!(unknown, Err(renkei_sdk::Error::NotFound(_))), "{unknown:?}");
    });
}

#[test]
fn backfill_finds_every_record_once() {
    with_org(6000, Faults::default(), |session| {
        for object in ["Account", "Contact", "Lead", "Opportunity"] {
            calls();
            let scanned = session.backfill(object);
            let (made, _) = calls();
            let expected = ids_in_org(object);
            assert!(!expected.is_empty());
            assert_eq!(made, expected.len().div_ceil(2000) as u64, "{object}");
            assert!(scanned.ids() == expected, "{object}");
        }
    });
}

#[test]
fn short_pages_lose_nothing() {
    let faults = Faults { short_pages_every: 2, ..Faults::default() };
    with_org(5000, faults, |session| {
        assert!(session.backfill("Contact").ids() == ids_in_org("Contact"));
    });
}

#[test]
fn backfill_goes_on_from_every_cursor() {
    with_org(1500, Faults::default(), |session| {
        session.limit = 200;
        let whole = session.backfill("Contact");
        assert!(whole.pages.len() > 3);
        for (index, page) in whole.pages.iter().enumerate().filter(|(_, page)| page.more) {
            session.restart();
            // Longer than any query locator lives.
            session.clock.advance(7 * 86_400_000);
            let rest = session.scan("Contact", Scan::Backfill, Some(page.cursor.clone()));
            let mut ids = rest.ids();
            for before in whole.pages.iter().take(index + 1) {
                ids.extend(before.batch.rows.iter().map(|row| row.id.clone()));
            }
            ids.sort();
            assert!(ids == whole.ids(), "from page {index}");
        }
    });
}

#[test]
fn large_backfills_use_a_bulk_job_and_outlive_it() {
    with_org(25_000, Faults::default(), |session| {
        session.limit = 10_000;
        let expected = ids_in_org("Contact");
        calls();
        let scanned = session.backfill("Contact");
        let (made, minimum) = calls();
        assert!(scanned.ids() == expected);
        let by_query = expected.len().div_ceil(2000) as u64;
        assert!(made < by_query, "{made} calls, {minimum} needed, {by_query} by query");
        assert_eq!(session.changes("Contact", &scanned).removed(), []);

        // A cursor whose job nobody knows any more goes on by queries.
        let first = &scanned.pages[0];
        assert!(first.facts.integer("wait-ms").is_some());
        let cursor = String::from_utf8(first.cursor.clone()).unwrap();
        let lost = cursor.replacen("\"id\":\"750", "\"id\":\"75x", 1);
        assert_ne!(lost, cursor);
        session.restart();
        let rest = session.scan("Contact", Scan::Backfill, Some(lost.into_bytes()));
        let mut ids = rest.ids();
        ids.extend(first.batch.rows.iter().map(|row| row.id.clone()));
        ids.sort();
        assert!(ids == expected);
    });
}

#[test]
fn backfill_leaves_out_what_the_filter_leaves_out() {
    with_org(300, Faults::default(), |session| {
        let mut request = session.request("Lead", Scan::Backfill, None);
        request.filter = vec![("Email".into(), "=".into(), vec![Value::Null])];
        let page = session.connector.read_page(&request).unwrap();
        assert!(page.batch.rows.len() < ids_in_org("Lead").len());
        assert!(page.batch.values("Email").all(|email| email == Some(&Value::Null)));
    });
}

#[test]
fn sweep_has_ids_and_versions_only() {
    with_org(300, Faults::default(), |session| {
        let swept = session.scan("Lead", Scan::Sweep, None);
        assert_eq!(swept.ids(), ids_in_org("Lead"));
        let row = &swept.pages[0].batch.rows[0];
        assert!(row.cells.is_empty() && row.version.is_some());
    });
}

#[test]
fn column_that_is_not_there_reads_as_absent() {
    with_org(50, Faults::default(), |session| {
        let mut request = session.request("Lead", Scan::Backfill, None);
        request.columns.push("Hidden__c".into());
        let page = session.connector.read_page(&request).unwrap();
        assert!(page.batch.rows.iter().all(|row| row.cells.len() == 5));
        assert!(page.batch.values("Hidden__c").all(|cell| cell.is_none()));
    });
}

#[test]
fn stale_shape_is_described_again() {
    with_org(50, Faults::default(), |session| {
        let scanned = session.backfill("Lead");
        let cursor = String::from_utf8(scanned.cursor()).unwrap();
        // As if the column had been there when the cursor was made.
        let stale = cursor.replace("\"Email\":\"t\"", "\"Email\":\"t\",\"Gone__c\":\"t\"");
        let mut request = session.request("Lead", Scan::Changes, Some(stale.into_bytes()));
        request.columns.push("Gone__c".into());
        session.restart();
        let page = session.connector.read_page(&request).unwrap();
        assert!(page.batch.values("Gone__c").all(|cell| cell.is_none()));
    });
}

#[test]
fn column_that_is_there_again_is_read() {
    with_org(50, Faults::default(), |session| {
        let scanned = session.backfill("Lead");
        let cursor = String::from_utf8(scanned.cursor()).unwrap();
        // As if nobody had been allowed to read the column when the cursor was made.
        let stale = cursor.replace("\"Email\":\"t\"", "\"Email\":null");
        assert_ne!(stale, cursor);
        let request = session.request("Lead", Scan::Changes, Some(stale.into_bytes()));
        session.restart();
        let page = session.connector.read_page(&request).unwrap();
        assert!(page.batch.values("Email").all(|cell| cell.is_some()));
        let cursor = String::from_utf8(page.cursor).unwrap();
        assert!(cursor.contains("\"Email\":\"t\""), "{cursor}");
    });
}

#[test]
fn records_are_read_by_id_with_what_became_of_them() {
    with_org(300, Faults::default(), |session| {
        let ids = ids_in_org("Contact");
        control("delete", &json!({"object": "Contact", "id": ids[0]}));
        control("merge", &json!({"object": "Contact", "winner": ids[1], "loser": ids[2]}));
        calls();
        let mut asked = ids[..5].to_vec();
        asked.push("003000000000000AAA".into());
        let page = session.read_records("Contact", &asked);
        assert_eq!(calls().0, 2);
        let mut found: Vec<&str> = page.batch.rows.iter().map(|row| row.id.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, [&ids[1], &ids[3], &ids[4]]);
        let removal = |id: &str| page.removed.iter().find(|gone| gone.id == id).unwrap();
        assert_eq!(removal(&ids[0]).removal, Removal::Deleted);
        assert_eq!(removal(&ids[2]).removal, Removal::MergedInto(ids[1].clone()));
        assert_eq!(page.removed.len(), 2);
    });
}

#[test]
fn all_records_with_a_value_are_found() {
    with_org(3000, Faults::default(), |session| {
        let all = session.backfill("Contact");
        let emails: Vec<Value> = all.texts("Email").into_iter().map(Value::from).collect();
        assert!(emails.len() > 1000);
        calls();
        let find =
            |values: Vec<Value>| FindRequest::new("Contact", columns("Contact"), "Email", values);
        let count = emails.len();
        let found = session.find(&find(emails));
        let (made, _) = calls();
        // Each query carries some 300 addresses, each composite call five queries.
        assert!(made <= 3, "{made} calls for {count} addresses");
        assert_eq!(found.rows.len(), all.texts("Email").len());

        let odd = vec![Value::from("O'Brien \\ \"山田\"@example.jp"), Value::Null];
        assert!(session.find(&find(odd)).rows.is_empty());
    });
}

#[test]
fn records_are_found_by_columns_together() {
    with_org(3000, Faults::default(), |session| {
        let all = session.backfill("Contact");
        let keys = ["Email", "LastName"];
        let pairs: Vec<Vec<Value>> = all
            .pages
            .iter()
            .flat_map(|page| page.batch.iter())
            .filter_map(|row| keys.iter().map(|key| row.text(key).map(Value::from)).collect())
            .collect();
        assert!(pairs.len() > 1000);
        let find = |values| FindRequest::by_keys("Contact", columns("Contact"), keys, values);
        let of_pairs = |batch: &Batch| batch.rows.iter().map(|row| row.id.clone()).collect();
        calls();
        let found: BTreeSet<String> = of_pairs(&session.find(&find(pairs.clone())));
        let (made, _) = calls();
        assert!(made <= 5, "{made} calls for {} pairs", pairs.len());
        assert!(found.len() >= all.texts("Email").len());
        let [one, other] = [&pairs[0], &pairs[1]];
        let crossed =
            vec![vec![one[0].clone(), other[1].clone()], vec![one[0].clone(), Value::Null]];
        assert!(session.find(&find(crossed)).rows.is_empty() || one[1] == other[1]);
    });
}

#[test]
fn amounts_and_days_have_their_types() {
    with_org(300, Faults::default(), |session| {
        let scanned = session.backfill("Opportunity");
        let batch = &scanned.pages[0].batch;
        let is = |column, fits: fn(&Value) -> bool| {
            let given = batch.values(column).flatten().filter(|value| !value.is_null());
            let given: Vec<&Value> = given.collect();
            !given.is_empty() && given.into_iter().all(fits)
        };
        assert!(is("Amount", |value| matches!(value, Value::Decimal(_))));
        assert!(is("CloseDate", |value| matches!(value, Value::Date(_))));
        assert!(is("AccountId", |value| matches!(value, Value::References(_))));
    });
}

#[test]
fn objects_are_all_that_the_user_can_query() {
    with_org(10, Faults { custom_objects: true, ..Faults::default() }, |session| {
        let objects = session.connector.objects().unwrap();
        let named = |name| objects.iter().find(|object| object.name == name).unwrap();
        assert!(named("Project__c").custom && !named("Account").custom);
        assert_eq!(named("Account").actions, ["create", "update", "upsert", "archive"]);
        let name = named("Project__c").name.clone();
        assert_eq!(session.connector.discover(&[name]).unwrap().len(), 1);
    });
}
