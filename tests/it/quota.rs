//! No quota is exceeded, however many commands run one after another or at once.
//!
//! The simulators keep the vendors' limits and count every request beyond them.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::site::{Simulators, Site, renkei, text};

const PEOPLE: u32 = 60;

#[test]
fn commands_share_the_quotas() {
    let simulators = Simulators::start(PEOPLE);
    let site = Site::new(&simulators);
    let normal = json!({ "rate_limits": true, "rolling_limit": 190, "search_limit": 5 });
    // A first sync reads whole lists; what changed since is searched for, as fast as a person
    // types.
    site.run_json("sync");
    simulators.hubspot.post("faults", normal);
    simulators.hubspot.post("ledger/reset", json!({}));
    for _ in 0..3 {
        site.run_json("plan");
    }
    kept(&simulators, "three plans in a row");
    let beside = ["plan", "check", "sync", "plan", "check"];
    let running: Vec<_> = beside.iter().map(|command| (command, start(&site, command))).collect();
    for (command, process) in running {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    }
    site.run_json("plan");
    kept(&simulators, "five commands at once");
    assert!(searches(&simulators) > 10, "too few searches to exceed anything");
}

#[test]
fn killed_command_blocks_no_other() {
    let simulators = Simulators::start(PEOPLE);
    let site = Site::new(&simulators);
    let slow = json!({ "rate_limits": true, "search_limit": 5, "response_delay_ms": 300_000 });
    simulators.hubspot.post("faults", slow);
    // Killed while all that it has in flight waits for an answer.
    let mut stuck = start(&site, "plan");
    while simulators.hubspot.get("ledger")["metadata"].as_u64().unwrap() == 0 {}
    stuck.kill().unwrap();
    stuck.wait().unwrap();
    simulators.hubspot.post("faults", json!({ "response_delay_ms": 0 }));
    site.run_json("plan");
    kept(&simulators, "after a kill");
    // Only the marks of commands that run are there; they have ended.
    let marks: Vec<_> = site.everything().into_iter().map(|(path, _)| path).collect();
    let marks = marks.iter().filter(|path| path.extension().is_some_and(|end| end == "mark"));
    assert_eq!(marks.count(), 0);
}

/// `host/sync/RULES.md` R25: Salesforce says it in a body, without `Retry-After`.
#[test]
fn every_command_keeps_a_pause_that_salesforce_asks_for() {
    let limit = json!({ "rate_limits": true, "daily_limit": 1 });
    pause_is_kept("salesforce", limit, "15 min");
}

/// `host/sync/RULES.md` R25: HubSpot's daily limit ends at a midnight that no answer tells.
#[test]
fn every_command_keeps_a_pause_that_hubspot_asks_for() {
    let limit = json!({ "rate_limits": true, "daily_limit": 1, "rolling_limit": 1_000 });
    pause_is_kept("hubspot", limit, "1 h");
}

fn pause_is_kept(system: &str, limit: Value, length: &str) {
    let simulators = Simulators::start(PEOPLE);
    let side = if system == "hubspot" { &simulators.hubspot } else { &simulators.salesforce };
    let site = Site::new(&simulators);
    site.run_json("sync");
    side.post("faults", limit);
    let (_, said) = site.attempt("sync");
    assert!(said.contains(&format!("busy, again in {length}")), "{said}");
    side.post("ledger/reset", json!({}));
    for command in ["sync", "plan", "check", "sync"] {
        let (_, said) = site.attempt(command);
        assert!(said.contains("busy, again in"), "{command}: {said}");
    }
    let mut serving = Serving::start(&site);
    serving.event("cycle", |_| true);
    for serves in [true, false] {
        let status = site.run_json("status");
        let paused = status["paused_systems"].as_array().unwrap();
        assert_eq!(paused.len(), 1, "served: {serves}: {status}");
        assert_eq!(paused[0]["system"], json!(system));
        assert!(paused[0]["until_ms"].is_i64(), "{status}");
        for command in ["status", "plugin list"] {
            let said = site.try_command(&command.split(' ').collect::<Vec<_>>()).1;
            assert!(said.contains(&format!("system {system} ")), "{command}: {said}");
        }
        if serves {
            assert_eq!(serving.stop(), Some(0));
        }
    }
    let ledger = side.get("ledger");
    assert_eq!((&ledger["made"], &ledger["refused"]), (&json!(0), &json!(0)), "{ledger}");
    // An admin who knows better.
    side.post("faults", json!({ "rate_limits": false, "daily_limit": 1_000_000 }));
    let (code, said) = site.try_command(&["plugin", "reload", system]);
    assert_eq!(code, 0, "{said}");
    site.run_json("sync");
    assert!(side.calls() > 0);
}

fn start(site: &Site, command: &str) -> std::process::Child {
    renkei()
        .args([command, "--dir", site.path()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn kept(simulators: &Simulators, when: &str) {
    for side in [&simulators.hubspot, &simulators.salesforce] {
        let ledger = side.get("ledger");
        assert_eq!(ledger["breaches"], json!([]), "{when}");
        assert_eq!(ledger["refused"], json!(0), "{when}");
    }
}

fn searches(simulators: &Simulators) -> u64 {
    let ledger = simulators.hubspot.get("ledger");
    let kinds = ledger["by_kind"].as_array().unwrap().iter();
    let searches = kinds.filter(|kind| kind["kind"] == "search");
    searches.map(|kind| kind["calls"].as_u64().unwrap()).sum()
}
