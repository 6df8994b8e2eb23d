//! Decisions beside a running `renkei serve`, and its own reports.

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::site::{Simulators, Site, run, run_json, text};

#[test]
fn next_cycle_of_serve_obeys_a_decision() {
    let simulators = Simulators::start(40);
    let site = Site::new(&simulators);
    // Whatever differs at the first link is a question.
    let person = std::fs::read_to_string(site.file("entities/person.toml")).unwrap();
    let line = person.lines().find(|line| line.starts_with("first_link")).unwrap().to_owned();
    site.replace("entities/person.toml", &line, "first_link = \"review\"");
    let mut host = Serving::begun(&site);
    let serving = host.told.iter().find(|event| event["event"] == json!("serving")).unwrap();
    assert_eq!(serving["interval_ms"], json!(1000));
    host.event("cycle", |line| line["writes"] == json!(0));

    let status = site.run_json("status");
    let reviews = status["reviews"].as_array().unwrap();
    let about_phone = |review: &&Value| review["about"].as_str().unwrap().starts_with("phone ");
    let review = reviews.iter().find(about_phone).unwrap_or_else(|| panic!("{reviews:?}"));
    let link = format!("person/{}", review["link"]);
    let review = review["id"].as_str().unwrap();
    let why = run_json(&["why", &link, "--field", "phone", "--dir", site.path()]);
    assert_eq!(why["entity"], json!("person"), "{why}");
    let decide = |review: &str, answer: &[&str]| {
        run(&[&["decide", "--dir", site.path(), "--json", review], answer].concat())
    };
    let wrong = decide("no-such-review", &["leave"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(text(&wrong.stdout).contains("there is no review no-such-review"), "{wrong:?}");
    let unfit = decide(review, &["separate"]);
    assert_eq!(unfit.status.code(), Some(2), "{unfit:?}");

    let decided = decide(review, &["value", "+81 3-9999-0000"]);
    assert!(decided.status.success(), "{decided:?}");
    let decided: Value = serde_json::from_slice(&decided.stdout).unwrap();
    assert_eq!(decided["review"], json!(review));
    host.event("decided", |event| event["review"] == json!(review));
    host.event("cycle", |line| line["writes"].as_u64() > Some(0));
    let has = |records: Vec<Value>, field: &str| {
        let mut values = records.iter().filter_map(|record| record["fields"][field].as_str());
        values.any(|phone| phone.replace('-', "").ends_with("399990000"))
    };
    let salesforce =
        ["Contact", "Lead"].into_iter().flat_map(|object| simulators.salesforce.live(object));
    assert!(has(salesforce.collect(), "Phone"), "Salesforce does not have the decision");
    assert!(has(simulators.hubspot.live("contacts"), "phone"), "HubSpot does not have it");

    assert!(site.file("data/control").exists());
    assert_eq!(host.stop(), Some(0));
    assert!(!site.file("data/control").exists(), "the socket is left behind");
}

#[test]
fn files_of_a_killed_serve_block_no_other_command() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let mut host = Serving::start(&site);
    host.event("cycle", |_| true);
    host.kill();
    assert!(site.file("data/control").exists());
    let output = run(&["decide", "--dir", site.path(), "none", "leave"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("there is no review none"), "{output:?}");
    let mut host = Serving::start(&site);
    host.event("cycle", |line| line["writes"] == json!(0));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn dead_system_is_one_line_per_cycle_and_the_other_goes_on() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    run_json(&["sync", "--yes", "--dir", site.path()]);
    // A port on which nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    site.replace("renkei.toml", &simulators.salesforce.base_url, &dead);
    for command in ["check", "plan", "sync"] {
        let (code, said) = site.attempt(command);
        assert_eq!(code, 3, "{said}");
        assert!(said.contains("salesforce") && said.contains("nothing answers at http"), "{said}");
        let lines = said.lines().filter(|line| line.contains("ERROR")).count();
        assert_eq!(lines, usize::from(command != "check"), "{said}");
    }
    let mut host = Serving::start(&site);
    let line = host.wait_for("system failed", |_| true);
    assert_eq!((&line["system"], &line["waiting"]), (&json!("salesforce"), &json!(1)), "{line}");
    host.wait_for("cycle done", |_| true);
    host.wait_for("cycle done", |_| true);
    host.stop();
    let count = |message: &str| host.seen.iter().filter(|l| l["message"] == json!(message)).count();
    let (failed, cycles) = (count("system failed"), count("cycle done"));
    assert_eq!(failed, cycles, "{:?}", host.seen);
}
