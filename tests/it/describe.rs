//! `renkei describe`: the objects and columns of live systems, before anything is mapped.

use serde_json::{Value, json};

use crate::mistakes::check;
use crate::site::{Simulators, Site, run, run_json, text};

/// A small world in which both accounts have an object of their own.
fn start() -> (Simulators, Site) {
    let simulators = Simulators::start(20);
    for side in [&simulators.hubspot, &simulators.salesforce] {
        side.post("faults", json!({"custom_objects": true}));
    }
    let site = Site::new(&simulators);
    (simulators, site)
}

fn describe(site: &Site, subject: &str) -> Value {
    run_json(&["describe", subject, "--dir", site.path()])
}

/// The one of this name.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

#[test]
fn describe_lists_standard_and_custom_objects_with_what_may_be_done() {
    let (simulators, site) = start();
    let salesforce = describe(&site, "salesforce");
    assert_eq!(salesforce["complete"], true);
    let account = named(&salesforce["objects"], "Account");
    let all = json!(["create", "update", "upsert", "archive"]);
    let granted = json!(["read", "create", "update", "upsert", "archive"]);
    assert_eq!((&account["custom"], &account["listed"]), (&json!(false), &json!(true)));
    assert_eq!((&account["actions"], &account["granted"]), (&all, &granted), "{account}");
    let project = named(&salesforce["objects"], "Project__c");
    assert_eq!((&project["custom"], &project["listed"]), (&json!(true), &json!(false)));
    assert_eq!(project["granted"], granted, "{project}");

    let hubspot = describe(&site, "hubspot");
    let contacts = named(&hubspot["objects"], "contacts");
    assert_eq!(contacts["actions"], json!(["create", "update", "upsert", "archive", "merge"]));
    let lines = named(&hubspot["objects"], "line_items");
    assert_eq!(lines["facts"]["parent"], "deals");
    let project = named(&hubspot["objects"], "p62515_project");
    assert_eq!((&project["custom"], &project["label"]), (&json!(true), &json!("Projects")));

    let shown = text(&run(&["describe", "hubspot", "--dir", site.path()]).stdout);
    let row = shown.lines().find(|line| line.contains("p62515_project")).unwrap();
    assert!(row.contains("account") && !row.contains("listed"), "{shown}");
    for side in [&simulators.hubspot, &simulators.salesforce] {
        let calls = side.get("ledger").to_string();
        assert!(!calls.contains("PATCH"), "nothing is written: {calls}");
    }
}

#[test]
fn object_that_the_account_may_not_read_is_left_out() {
    let (simulators, site) = start();
    let faults = json!({"custom_objects": false, "forbidden_objects": ["tickets"]});
    simulators.hubspot.post("faults", faults);
    let hubspot = describe(&site, "hubspot");
    let objects = hubspot["objects"].as_array().unwrap();
    let names: Vec<&str> = objects.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"contacts") && !names.contains(&"tickets"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("project")), "{names:?}");
}

#[test]
fn describe_shows_kinds_choices_limits_and_targets_of_columns() {
    let (_simulators, site) = start();
    let lead = describe(&site, "salesforce.Lead");
    let columns = &lead["columns"];
    let name = named(columns, "LastName");
    assert_eq!((&name["kind"], &name["required"]), (&json!("text"), &json!(true)), "{name}");
    assert_eq!(name["max_length"], 80);
    let status = named(columns, "Status");
    let choices = status["choices"].as_array().unwrap();
    assert!(!choices.is_empty() && choices[0]["value"].is_string(), "{status}");
    let created = named(columns, "CreatedDate");
    assert_eq!(created["facts"]["resolution"], "s");
    assert_eq!(created["creatable"], false);
    let owner = named(columns, "OwnerId");
    assert_eq!(owner["kind"], "reference");
    assert!(owner["targets"].as_array().unwrap().contains(&json!("User")), "{owner}");
    let stamp = lead["facts"]["stamp"].as_str().unwrap();
    assert_eq!(named(columns, stamp)["unique"], true);

    let shown = text(&run(&["describe", "salesforce.Lead", "--dir", site.path()]).stdout);
    let row = |column: &str| {
        let found = shown.lines().find(|line| line.trim_start().starts_with(column));
        found.unwrap_or_else(|| panic!("no {column}: {shown}"))
    };
    assert!(row("LastName").contains("required"), "{shown}");
    assert!(row("CreatedDate").contains("read-only"), "{shown}");
    assert!(shown.contains("-> ") && shown.contains("at most 80"), "{shown}");

    for own in ["salesforce.Project__c", "hubspot.p62515_project"] {
        let project = describe(&site, own);
        assert_eq!(project["listed"], false, "{own}");
        assert!(!project["columns"].as_array().unwrap().is_empty(), "{own}");
    }
}

#[test]
fn describe_shows_what_an_admin_denied() {
    let (_simulators, site) = start();
    let grants = |denied: &str| {
        run_json(&["plugin", "grants", "salesforce", "--deny", denied, "--dir", site.path()]);
    };
    grants("write:*");
    grants("write:Lead:archive");
    let listed = describe(&site, "salesforce");
    assert_eq!(named(&listed["objects"], "Project__c")["granted"], json!(["read"]));
    let lead = named(&listed["objects"], "Lead");
    assert_eq!(lead["granted"], json!(["read", "create", "update", "upsert"]));
    assert_eq!(describe(&site, "salesforce.Project__c")["granted"], json!(["read"]));
    grants("read:*");
    let listed = describe(&site, "salesforce");
    assert_eq!(named(&listed["objects"], "Project__c")["granted"], json!([]));
    let refused = ["describe", "salesforce.Project__c"];
    let (code, said) = site.try_command(&refused);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("read:*"), "{said}");
}

#[test]
fn describe_needs_no_mapping_and_names_what_is_unknown() {
    let (_simulators, site) = start();
    site.write("entities/person.toml", "this is no mapping");
    assert_eq!(describe(&site, "hubspot.contacts")["object"], "contacts");
    let nowhere = site.try_command(&["describe", "pipedrive"]);
    assert_eq!(nowhere.0, 2, "{}", nowhere.1);
    assert!(nowhere.1.contains("hint: its systems are hubspot, salesforce"), "{}", nowhere.1);
    for unknown in ["hubspot.butterflies", "salesforce.Butterfly__c"] {
        let (code, said) = site.try_command(&["describe", unknown]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("hint: `renkei describe "), "{said}");
    }
    check(&site, "check", 2, &["person.toml"]);
}
