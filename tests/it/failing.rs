//! A failure is shown and stops nothing else: a refused column, an object that the account lacks.

use serde_json::{Value, json};

use crate::mistakes::check;
use crate::site::{Simulators, Site, run, text};

/// Longer than Salesforce takes for a city.
const LONG: &str = "Taumatawhakatangihangakoauauotamateaturipukakapikimaungahoronukupokaiwhenua";

/// A contact and the Salesforce record of the same person, with the object's name.
fn person(simulators: &Simulators) -> (String, String, &'static str) {
    let contacts = simulators.hubspot.live("contacts");
    let mail =
        |record: &Value, field: &str| record["fields"][field].as_str().map(str::to_lowercase);
    for object in ["Lead", "Contact"] {
        for record in simulators.salesforce.live(object) {
            let Some(wanted) = mail(&record, "Email") else { continue };
            let mut same =
                contacts.iter().filter(|contact| mail(contact, "email").as_ref() == Some(&wanted));
            if let (Some(contact), None) = (same.next(), same.next()) {
                let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
                return (id(contact), id(&record), object);
            }
        }
    }
    panic!("nobody stands in both systems");
}

/// `host/sync/RULES.md` V5.
#[test]
fn refused_column_is_shown_by_every_command_and_the_rest_of_the_record_arrives() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.run_json("sync");
    let before = site.run_json("status")["failing"].as_u64().unwrap();
    let (contact, record, object) = person(&simulators);
    let fields = json!({ "city": LONG, "mobilephone": "090-1234-5678" });
    let edit = json!({ "object": "contacts", "id": contact, "fields": fields });
    simulators.hubspot.post("edit", edit);
    let synced = site.run_json("sync");
    let place = format!("salesforce.{object}/{record}");
    let news = synced["failed_records"].as_array().unwrap();
    let mine = news.iter().find(|one| one["record"] == json!(place)).unwrap();
    assert_eq!((&mine["field"], &mine["class"]), (&json!("city"), &json!("refused")));
    assert!(!synced.to_string().contains(LONG), "no value unless a person asks");

    let there = simulators.salesforce.live(object);
    let there = there.iter().find(|one| one["id"] == json!(record)).unwrap();
    assert_eq!(there["fields"]["MobilePhone"], "090-1234-5678");

    let status = site.run_json("status");
    assert_eq!(status["failing"], json!(before + 1));
    let failures = status["failures"].as_array().unwrap();
    let failure = failures.iter().find(|one| one["record"] == json!(place)).unwrap();
    assert_eq!((&failure["field"], &failure["class"]), (&json!("city"), &json!("refused")));
    assert!(!failure["message"].as_str().unwrap().is_empty(), "{failure}");
    assert!(failure["since"].as_str().unwrap().ends_with('Z'), "{failure}");

    let said = |arguments: &[&str]| {
        let output = run(arguments);
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    let listed = said(&["status", "--dir", site.path()]);
    assert!(listed.contains(&format!("{place} city: refused")), "{listed}");
    let explained = said(&["why", &place, "--dir", site.path()]);
    assert!(explained.contains("city: refused") && explained.contains("differs:"), "{explained}");
    let idle = site.attempt("sync").1;
    assert!(idle.contains("failure(s) of records"), "{idle}");
    let again = site.run_json("sync");
    assert_eq!((&again["writes"], &again["refused"]), (&json!(0), &json!(0)));
}

/// `host/sync/RULES.md` V20.
#[test]
fn duplicates_that_systems_report_become_reviews() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.run_json("sync");
    let (contact, record, object) = person(&simulators);
    let (mobile, phone) = ("+81 90-0000-7777", "+81 3-0000-7777");
    let fields = json!({ "mobilephone": mobile, "phone": phone });
    let edit = json!({ "object": "contacts", "id": contact, "fields": fields });
    simulators.hubspot.post("edit", edit);
    site.run_json("sync");
    let new = json!({ "object": "contacts", "fields": { "email": "h@new.example.jp",
        "full_name": "新 一", "mobilephone": mobile } });
    simulators.hubspot.post("create", new);
    let new = json!({ "object": "Lead", "fields": { "Email": "s@new.example.jp",
        "LastName": "新", "Company": "新", "Phone": phone } });
    simulators.salesforce.post("create", new);
    let rule = json!({ "object": "Lead", "against": object, "fields": ["MobilePhone"],
        "blocks": true });
    simulators.salesforce.post("faults", json!({ "duplicate_rules": [rule] }));
    let rule = json!({ "object": "contacts", "field": "phone", "rule": "unique" });
    simulators.hubspot.post("faults", json!({ "rules": [rule] }));
    site.run_json("sync");
    let status = site.run_json("status");
    let about: Vec<&str> = status["reviews"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["about"].as_str())
        .collect();
    for there in [format!("salesforce.{object}/{record}"), format!("hubspot.contacts/{contact}")] {
        let named =
            about.iter().filter(|about| about.contains(&format!("a duplicate of {there},")));
        assert_eq!(named.count(), 1, "{there}: {about:?}");
    }
}

/// `host/sync/RULES.md` V14.
#[test]
fn missing_object_is_named_and_the_others_go_on() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.write(
        "entities/butterfly.toml",
        "entity = \"butterfly\"\nfirst_link = \"review\"\non_delete = \"review\"\n\
         on_merge = \"review\"\n\
         [[member]]\nsystem = \"hubspot\"\nobject = \"butterflies\"\ncreate = true\n\
         [field.name]\nkind = \"text\"\nwinner = \"manual\"\n\
         columns = { \"hubspot.butterflies\" = \"name\" }\n",
    );
    check(&site, "check", 2, &["butterfly", "hubspot.butterflies", "has no such object"]);
    let (code, said) = site.attempt("sync");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("hubspot (butterflies)"), "{said}");
    let made = simulators.salesforce.live("Lead");
    let made = made.iter().filter(|record| record["created_by"] == json!("api")).count();
    let contacts = simulators.hubspot.live("contacts");
    let brought = contacts.iter().filter(|record| record["created_by"] == json!("api")).count();
    assert!(made > 0 && brought > 0, "{made} and {brought}: {said}");
}
