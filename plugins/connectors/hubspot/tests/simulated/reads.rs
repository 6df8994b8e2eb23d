//! Scans and lookups over loopback.
//!
//! The expected rows are the simulator's own list of records, read behind the API's back.

use renkei_sdk::{Facts, Removal, Tombstone};
use renkei_simulators::hubspot::faults::HubSpotFaults;

use super::*;

fn removed(pages: &[Page]) -> Vec<&Tombstone> {
    pages.iter().flat_map(|page| &page.removed).collect()
}

#[test]
fn backfill_reads_every_record_once_and_its_cursor_misses_nothing() {
    let sim = Sim::start(300, Faults { short_pages_every: 3, ..calm() });
    let columns = ["email", "lastname", "associations.companies"];
    let (pages, cursor) = sim.scan(Scan::Backfill, None, &columns, 100);
    assert!(pages.len() >= 3);
    assert_eq!(ids(&pages), sim.live("contacts"));
    let rows: Vec<_> = pages.iter().flat_map(|page| &page.batch.rows).collect();
    assert!(rows.iter().all(|row| row.cells.len() == 3 && row.version.is_some()));
    let related = |row: &&&renkei_sdk::Row| matches!(&row.cells[2], Some(Value::References(_)));
    assert!(rows.iter().filter(related).count() > 100);

    let edited = rows[5].id.clone();
    sim.edit(&edited, &json!({ "lastname": "Yamada" }));
    sim.advance(LAG_MS);
    let (pages, _) = sim.scan(Scan::Changes, Some(cursor), &columns, 1000);
    let found = pages.iter().flat_map(|page| &page.batch.rows).find(|row| row.id == edited);
    let found = found.expect("the edited record");
    assert_eq!(found.cells[1], Some(Value::from("Yamada")));
    let before = rows.iter().find(|row| row.id == edited).unwrap();
    assert_eq!(found.cells[2], before.cells[2]);
    assert_ne!(found.version, before.version);
}

#[test]
fn changes_hidden_by_the_lag_are_seen_by_a_later_scan() {
    let sim = Sim::start(50, calm());
    let (pages, cursor) = sim.scan(Scan::Backfill, None, &["lastname"], 100);
    let id = ids(&pages)[0].clone();
    sim.advance(600_000);
    let (_, cursor) = sim.scan(Scan::Changes, Some(cursor), &["lastname"], 1000);
    sim.edit(&id, &json!({ "lastname": "Sato" }));
    sim.advance(10_000);
    let (pages, cursor) = sim.scan(Scan::Changes, Some(cursor), &["lastname"], 1000);
    assert!(!ids(&pages).contains(&id), "the index should lag");
    sim.advance(LAG_MS);
    let (pages, cursor) = sim.scan(Scan::Changes, Some(cursor), &["lastname"], 1000);
    assert_eq!(ids(&pages), [id]);

    sim.advance(600_000);
    let (_, cursor) = sim.scan(Scan::Changes, Some(cursor), &["lastname"], 1000);
    sim.reset();
    let (pages, _) = sim.scan(Scan::Changes, Some(cursor), &["lastname"], 1000);
    assert!(ids(&pages).is_empty());
    assert_eq!(sim.calls(), 2, "an idle scan is one search and one list");
}

#[test]
fn changes_are_complete_when_more_records_share_a_stamp_than_a_search_pages_to() {
    let sim = Sim::start(14_000, Faults { seed_with_one_stamp: true, ..calm() });
    sim.advance(LAG_MS);
    let (pages, _) = sim.scan(Scan::Changes, None, &["email"], 1000);
    let expected = sim.live("contacts");
    assert!(expected.len() > 10_000, "{} contacts", expected.len());
    assert_eq!(ids(&pages), expected);
}

#[test]
fn merged_record_leads_to_its_survivor() {
    let check = |merge_makes_new_id: bool| {
        let hubspot = HubSpotFaults { merge_makes_new_id, ..HubSpotFaults::default() };
        let sim = Sim::start(20, Faults { hubspot, ..calm() });
        let (pages, cursor) = sim.scan(Scan::Backfill, None, &["email"], 100);
        let all = ids(&pages);
        let (winner, loser) = (all[0].as_str(), all[1].as_str());
        let merged = sim.post(
            "/_sim/merge",
            &json!({ "object": "contacts", "winner": winner, "loser": loser }),
        );
        let survivor = merged["id"].as_str().unwrap();
        assert_eq!(survivor == winner, !merge_makes_new_id);
        sim.advance(LAG_MS);
        let (pages, _) = sim.scan(Scan::Changes, Some(cursor), &["email"], 1000);
        let into = Removal::MergedInto(survivor.to_owned());
        let gone = removed(&pages);
        assert!(gone.iter().any(|one| one.id == loser && one.removal == into), "{gone:?}");
        assert!(ids(&pages).contains(&survivor.to_owned()));
        assert!(gone.iter().all(|one| one.id != survivor));

        let page = sim.read_records(&["email"], &texts(&[loser, survivor, "999999999"]));
        assert_eq!(ids(std::slice::from_ref(&page)), [survivor]);
        assert_eq!(page.removed, [Tombstone::new(loser, into)]);
    };
    check(true);
    check(false);
}

#[test]
fn archived_record_is_a_tombstone_in_each_way_of_reading() {
    let sim = Sim::start(20, calm());
    let (pages, cursor) = sim.scan(Scan::Backfill, None, &["email"], 100);
    let id = ids(&pages)[0].clone();
    sim.post("/_sim/delete", &json!({ "object": "contacts", "id": id }));
    let tombstone = |pages: &[Page]| {
        let found = removed(pages).into_iter().find(|one| one.id == id).cloned();
        let found = found.expect("a tombstone");
        assert_eq!(found.removal, Removal::Archived);
        assert_eq!(found.at, Some(START_MS));
        assert!(!ids(pages).contains(&id));
    };
    tombstone(&sim.scan(Scan::Changes, Some(cursor), &["email"], 1000).0);
    let (pages, _) = sim.scan(Scan::Sweep, None, &[], 100);
    tombstone(&pages);
    assert_eq!(ids(&pages), sim.live("contacts"));
    let page = sim.read_records(&["email"], std::slice::from_ref(&id));
    tombstone(std::slice::from_ref(&page));
}

#[test]
fn all_ways_of_reading_agree_on_a_record() {
    let sim = Sim::start(120, calm());
    let rows = |pages: Vec<Page>| {
        let mut rows: Vec<_> = pages.into_iter().flat_map(|page| page.batch.rows).collect();
        rows.sort_by_key(|row| row.id.clone());
        rows
    };
    let columns = ["email", "createdate", "associations.companies", "associations.deals"];
    let backfill = rows(sim.scan(Scan::Backfill, None, &columns, 100).0);
    sim.advance(LAG_MS);
    assert_eq!(rows(sim.scan(Scan::Changes, None, &columns, 1000).0), backfill);
    let page = sim.read_records(&columns, &sim.live("contacts"));
    assert_eq!(rows(vec![page]), backfill);
    let version = |row: &renkei_sdk::Row| (row.id.clone(), row.version.clone(), row.modified);
    let sweep = rows(sim.scan(Scan::Sweep, None, &[], 100).0);
    let versions = |rows: &[renkei_sdk::Row]| rows.iter().map(version).collect::<Vec<_>>();
    assert_eq!(versions(&sweep), versions(&backfill));
}

#[test]
fn deals_have_amounts_stages_and_companies() {
    let sim = Sim::start(200, calm());
    let columns = ["amount", "dealstage", "closedate", "associations.companies"];
    let (pages, cursor) = sim.scan_of("deals", Scan::Backfill, None, &columns, 100);
    assert_eq!(ids(&pages), sim.live("deals"));
    let row = pages[0]
        .batch
        .rows
        .iter()
        .find(|row| row.cells.iter().all(|cell| !matches!(cell, None | Some(Value::Null))));
    let cells = &row.expect("a deal with everything").cells;
    assert!(matches!(
        (&cells[0], &cells[1], &cells[2], &cells[3]),
        (
            Some(Value::Decimal(_)),
            Some(Value::Text(_)),
            Some(Value::Timestamp(_)),
            Some(Value::References(_))
        )
    ));
    sim.advance(LAG_MS);
    let (pages, _) = sim.scan_of("deals", Scan::Changes, Some(cursor), &columns, 1000);
    assert!(pages.iter().all(|page| page.removed.is_empty()));
}

#[test]
fn records_are_found_by_unique_and_by_other_values() {
    let sim = Sim::start(60, calm());
    sim.advance(LAG_MS);
    let columns = ["email", "lastname", "associations.companies"];
    let (pages, _) = sim.scan(Scan::Backfill, None, &columns, 100);
    let row = pages[0].batch.rows.iter().find(|row| {
        matches!((&row.cells[0], &row.cells[1]), (Some(Value::Text(_)), Some(Value::Text(_))))
    });
    let row = row.expect("a contact with an address and a name");
    let find = |key: &str, value: Value| {
        sim.find(&columns, key, &[value, Value::from("nobody@example.invalid")])
    };
    let mail = row.cells[0].clone().unwrap();
    let loud = Value::from(mail.as_text().unwrap().to_uppercase());
    assert_eq!(find("email", loud), std::slice::from_ref(row));
    let name = row.cells[1].clone().unwrap();
    let found = find("lastname", name.clone());
    assert!(found.contains(row));
    assert!(found.iter().all(|row| row.cells[1] == Some(name.clone())));

    // Both must hold: with the name of nobody, or the address of nobody, there is none.
    let both = |values: Vec<Vec<Value>>| {
        let keys = ["email", "lastname"];
        sim.find_by(&FindRequest::by_keys("contacts", columns, keys, values))
    };
    let nobody = || Value::from("nobody@example.invalid");
    let others = vec![vec![mail.clone(), nobody()], vec![nobody(), name.clone()]];
    assert_eq!(both(others.clone()), []);
    let wanted = vec![mail.clone(), name];
    let found = both([others, vec![wanted, vec![mail, Value::Null]]].concat());
    assert_eq!(found, std::slice::from_ref(row));
    let keys = ["email", "lastname", "firstname", "phone", "city", "zip"];
    let request = FindRequest::by_keys("contacts", keys, keys, vec![vec![nobody(); 6]]);
    let refused = sim.with(|hubspot| hubspot.find(&request));
    assert!(matches!(refused, Err(renkei_sdk::Error::Unsupported(_))), "{refused:?}");
}

#[test]
fn schema_has_stamp_stages_and_rights() {
    let sim = Sim::start(10, calm());
    let objects = texts(&["contacts", "companies", "deals"]);
    let schemas = sim.with(|hubspot| hubspot.discover(&objects)).unwrap();
    assert!(schemas.iter().all(|schema| schema.facts.text("stamp") == Some("renkei_id")));
    let field = |object: usize, name: &str| {
        schemas[object].fields.iter().find(|field| field.name == name).unwrap()
    };
    assert!(field(0, "email").unique);
    assert!(!field(0, "lastmodifieddate").updatable);
    assert!(field(2, "dealstage").choices.iter().any(|(value, _)| value == "closedwon"));
    assert_eq!(field(2, "associations.companies").targets, ["companies"]);
    let unknown = sim.with(|hubspot| hubspot.discover(&texts(&["butterflies"])));
    assert!(matches!(unknown, Err(renkei_sdk::Error::NotFound(_))), "{unknown:?}");
}

#[test]
fn account_has_its_quota() {
    let sim = Sim::start(10, Faults::default());
    let account = sim.with(|hubspot| hubspot.check()).unwrap();
    assert_eq!(account.id, "62515");
    assert!(account.facts.integer("daily-calls-left").is_some_and(|left| left > 600_000));
    sim.post("/_sim/revoke", &json!({}));
    let refused = sim.with(|hubspot| hubspot.check());
    assert!(matches!(refused, Err(renkei_sdk::Error::Unauthorized(_))), "{refused:?}");
}

#[test]
fn objects_are_those_that_the_token_may_read_and_the_accounts_own() {
    let forbidden_objects = ["tickets".to_owned()].into();
    let sim = Sim::start(10, Faults { custom_objects: true, forbidden_objects, ..calm() });
    let objects = sim.with(|hubspot| hubspot.objects()).unwrap();
    let names: Vec<&str> = objects.iter().map(|object| object.name.as_str()).collect();
    assert!(names.contains(&"contacts") && !names.contains(&"tickets"), "{names:?}");
    let own: Vec<&renkei_sdk::ObjectInfo> = objects.iter().filter(|one| one.custom).collect();
    assert_eq!(own[0].label, "Projects");
    let schemas = sim.with(|hubspot| hubspot.discover(&[own[0].name.clone()])).unwrap();
    assert!(schemas[0].fields.iter().any(|field| field.name == "project_name"));

    let sim = Sim::start(10, calm());
    let objects = sim.with(|hubspot| hubspot.objects()).unwrap();
    assert!(objects.iter().all(|object| !object.custom), "no scope, no list");
    sim.post("/_sim/revoke", &json!({}));
    let refused = sim.with(|hubspot| hubspot.objects());
    assert!(matches!(refused, Err(renkei_sdk::Error::Unauthorized(_))), "{refused:?}");
}
