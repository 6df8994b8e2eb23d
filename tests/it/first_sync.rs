//! A first sync asks: `sync` stops at its plan, and `serve` waits, until a person answers.

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::site::{Simulators, Site, run, run_json, text};

/// Number of records in the simulators that were made over their APIs.
fn made(simulators: &Simulators) -> usize {
    let systems = [
        (&simulators.hubspot, ["companies", "contacts", "deals"].as_slice()),
        (&simulators.salesforce, ["Account", "Contact", "Lead", "Opportunity"].as_slice()),
    ];
    let records = systems.into_iter().flat_map(|(system, objects)| {
        objects.iter().flat_map(move |object| system.live(object)).collect::<Vec<_>>()
    });
    records.filter(|record| record["created_by"] == json!("api")).count()
}

/// `renkei sync --json` as a person types it first: it must wait.
fn waits(site: &Site) -> Value {
    let output = run(&["sync", "--json", "--dir", site.path()]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["writes"], &report["planned"]), (&json!(0), &json!(0)), "{report}");
    report["first_sync"].clone()
}

fn decide(site: &Site, question: &Value, answer: &str) {
    let question = question.as_str().unwrap();
    run_json(&["decide", question, answer, "--dir", site.path()]);
}

#[test]
fn first_sync_stops_at_its_plan_until_somebody_says_yes() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let (code, said) = site.try_command(&["sync"]);
    assert_eq!(code, 6, "{said}");
    for words in ["salesforce.Lead create", "matched", "held back", "renkei plan --dir"] {
        assert!(said.contains(words), "no `{words}`: {said}");
    }
    assert!(said.contains(&format!("renkei sync --yes --dir {}", site.path())), "{said}");
    assert_eq!(made(&simulators), 0, "{said}");

    let asked = waits(&site);
    let mut entities = asked["entities"].as_array().unwrap().iter();
    let person = entities.find(|plan| plan["entity"] == "person").unwrap();
    let writes = person["writes"].as_array().unwrap().iter();
    let planned: u64 = writes.map(|counts| counts["create"].as_u64().unwrap()).sum();
    assert!(planned > 0, "{asked}");
    let status = site.run_json("status");
    let reviews = status["reviews"].as_array().unwrap();
    let review = reviews.iter().find(|review| review["id"] == asked["question"]).unwrap();
    assert_eq!(review["entities"], asked["entities"]);
    assert_eq!(review["answers"], json!(["approve", "leave"]));
    let (code, plan) = site.try_command(&["plan", "--json"]);
    assert_eq!(code, 0, "{plan}");
    assert_eq!(made(&simulators), 0);

    // It asks the same again until it is answered, and never afterwards.
    assert_eq!(waits(&site)["question"], asked["question"]);
    let report = site.run_json("sync");
    assert!(report["created"].as_u64().unwrap() >= planned, "{report} for {asked}");
    assert_eq!(report["first_sync"], Value::Null);
    let (code, said) = site.try_command(&["sync"]);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn first_sync_is_decided_and_explained_by_other_commands() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let question = waits(&site)["question"].clone();
    let contact = simulators.hubspot.live("contacts")[0]["id"].as_str().unwrap().to_owned();
    let record = format!("hubspot.contacts/{contact}");
    let told = text(&run(&["why", &record, "--dir", site.path()]).stdout);
    assert!(told.contains("about the first sync: open"), "{told}");

    decide(&site, &question, "leave");
    let left = waits(&site);
    assert_eq!((&left["left"], &left["question"]), (&json!(true), &question));
    let (_, said) = site.try_command(&["status"]);
    assert!(said.contains("left; it waits until it is approved"), "{said}");
    assert_eq!(made(&simulators), 0);

    decide(&site, &question, "approve");
    let (code, said) = site.try_command(&["sync"]);
    assert_eq!(code, 0, "{said}");
    assert!(made(&simulators) > 0, "{said}");
}

#[test]
fn serve_waits_for_the_first_sync_decision_and_goes_on() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let mut host = Serving::start(&site);
    let line = host.event("cycle", |_| true);
    let question = line["first_sync"]["question"].clone();
    assert_eq!(line["writes"], json!(0), "{line}");
    host.event("cycle", |line| line["first_sync"]["question"] == question);
    assert_eq!(made(&simulators), 0);
    decide(&site, &question, "approve");
    host.event("cycle", |line| line["writes"].as_u64() > Some(0));
    assert_eq!(host.stop(), Some(0));
    let about = |line: &&Value| {
        let said = line["message"].as_str().unwrap_or_default();
        said.starts_with("the first sync waits for an answer")
    };
    let lines: Vec<&Value> = host.seen.iter().filter(about).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
}
