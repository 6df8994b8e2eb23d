//! Databases that are put back, and accounts that are others, with the real program on files.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::mistakes::check;
use crate::serving::Serving;
use crate::site::{Simulators, Site, path, run, run_json, text};

/// Way in which a backup comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `renkei restore`.
    Command,
    /// The file over the database.
    Copy,
}

fn back_up(site: &Site, name: &str) -> PathBuf {
    let file = site.file(name);
    let made = run_json(&["backup", path(&file), "--dir", site.path()]);
    assert!(made["records"].as_u64() > Some(0), "{made}");
    file
}

fn put_back(site: &Site, file: &std::path::Path, way: Way) {
    if way == Way::Command {
        let restored = run_json(&["restore", path(file), "--dir", site.path()]);
        let replaced = PathBuf::from(restored["replaced"].as_str().unwrap());
        assert!(replaced.join("renkei.db").exists(), "{restored}");
        return;
    }
    for beside in ["data/renkei.db-wal", "data/renkei.db-shm"] {
        drop(std::fs::remove_file(site.file(beside)));
    }
    std::fs::copy(file, site.file("data/renkei.db")).unwrap();
}

fn new_person(simulators: &Simulators, name: &str) -> Value {
    let fields =
        json!({ "email": format!("{name}@new.example"), "full_name": format!("山田 {name}") });
    simulators.hubspot.post("create", json!({ "object": "contacts", "fields": fields }))
}

/// Name and mail of the new people in Salesforce.
fn new_leads(simulators: &Simulators) -> Vec<String> {
    let leads = simulators.salesforce.live("Lead");
    let texts = leads.iter().filter_map(|lead| {
        let mail = lead["fields"]["Email"].as_str()?.strip_suffix("@new.example")?;
        Some(format!("{mail} {}", lead["fields"]["FirstName"].as_str().unwrap_or_default()))
    });
    let mut texts: Vec<String> = texts.collect();
    texts.sort();
    texts
}

fn named(records: &[Value], field: &str, name: &str) -> usize {
    records.iter().filter(|record| record["fields"][field] == json!(name)).count()
}

fn restored_database_is_right(way: Way) {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    new_person(&simulators, "one");
    site.run_json("sync");
    let file = back_up(&site, "monday.db");

    let two = new_person(&simulators, "two");
    new_person(&simulators, "three");
    new_person(&simulators, "four");
    let firm = json!({ "object": "companies", "fields": { "name": "鍵なし商店" } });
    simulators.hubspot.post("create", firm);
    site.run_json("sync");
    let two = json!({ "object": "contacts", "id": two["id"] });
    simulators.hubspot.post("delete", two);
    site.run_json("sync");
    assert_eq!(new_leads(&simulators), ["four four", "one one", "three three"]);

    put_back(&site, &file, way);
    let report = site.run_json("sync");
    assert_eq!(report["restored"]["read_again"], json!(true), "{report}");
    assert_eq!(report["created"], json!(0), "{report}");
    new_person(&simulators, "five");
    site.run_json("sync");
    assert_eq!(new_leads(&simulators), ["five five", "four four", "one one", "three three"]);
    let firms = simulators.salesforce.live("Account");
    assert_eq!(named(&firms, "Name", "鍵なし商店"), 1, "a twin in Salesforce");
    let firms = simulators.hubspot.live("companies");
    assert_eq!(named(&firms, "name", "鍵なし商店"), 1, "a twin in HubSpot");
    assert_eq!(site.run_json("sync")["writes"], json!(0));
}

/// RULES.md P1, P2.
#[test]
fn restored_backup_overwrites_nobody_and_makes_no_twins() {
    restored_database_is_right(Way::Command);
}

/// RULES.md P1, P2, P14: noticed by the stamps that it meets.
#[test]
fn raw_copy_of_the_database_overwrites_nobody_and_makes_no_twins() {
    restored_database_is_right(Way::Copy);
}

/// RULES.md P14.
#[test]
fn backup_made_beside_serve_is_restored_after_serve_ends() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let mut host = Serving::begun(&site);
    host.event("cycle", |line| line["writes"] == json!(0));
    let file = back_up(&site, "beside.db");
    let restore = |file: &std::path::Path| run(&["restore", path(file), "--dir", site.path()]);
    let refused = restore(&file);
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert!(text(&refused.stderr).contains("in use"), "{refused:?}");
    assert_eq!(host.stop(), Some(0));

    let foreign = restore(&site.file("renkei.toml"));
    assert_eq!(foreign.status.code(), Some(4), "{foreign:?}");
    put_back(&site, &file, Way::Command);
    let report = site.run_json("sync");
    assert_eq!(report["restored"]["read_again"], json!(true), "{report}");
    assert_eq!(report["writes"], json!(0), "{report}");
    assert_eq!(site.run_json("sync")["restored"], Value::Null);
}

/// RULES.md V4.
#[test]
fn other_account_is_refused_until_the_move_is_declared() {
    let (simulators, others) = (Simulators::start(20), Simulators::with_seed(20, 12));
    let site = Site::new(&simulators);
    site.run_json("sync");
    let known = run_json(&["account", "list", "--dir", site.path()]);
    let known = known["accounts"][1]["account"].as_str().unwrap().to_owned();

    let (ours, theirs) = (&simulators.salesforce, &others.salesforce);
    site.replace("renkei.toml", &ours.base_url, &theirs.base_url);
    let ids = (ours.credential("client_id"), theirs.credential("client_id"));
    site.replace("renkei.toml", ids.0, ids.1);
    site.secrets(
        simulators.hubspot.credential("private_app_token"),
        theirs.credential("client_secret"),
    );
    let contacts = theirs.live("Contact");
    for command in ["check", "plan", "sync"] {
        check(&site, command, 2, &[&known, "renkei account move salesforce --to "]);
    }
    assert_eq!(theirs.live("Contact"), contacts);

    let checked = run(&["check", "--json", "--dir", site.path()]);
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let said = checked["findings"][0]["hint"].as_str().unwrap();
    let id = said.split("--to ").nth(1).unwrap().trim_end_matches('`').to_owned();
    let moved = run_json(&["account", "move", "salesforce", "--to", &id, "--dir", site.path()]);
    assert_eq!(moved["before"], json!(known));
    let plan = site.run_json("plan");
    assert_ne!(plan["operations"], json!([]), "{plan}");
    site.run_json("sync");
    assert_eq!(site.run_json("sync")["writes"], json!(0));
}
