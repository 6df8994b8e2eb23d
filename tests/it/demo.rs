//! The demo's promises in small, as its own judge reads them from the simulators.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::site::{renkei, run_json};

#[test]
fn demo_keeps_its_promises() {
    let report = run_json(&["demo", "--once", "--people", "100"]);
    assert_eq!(report["converged"], json!(true), "{report}");
    for promise in ["idle_writes", "lost_edits", "duplicates"] {
        assert_eq!(report[promise], json!(0), "{promise}: {report}");
    }
    for system in ["hubspot", "salesforce"] {
        let calls = &report["calls"][system];
        assert!(calls["made"].as_u64() >= calls["minimum"].as_u64(), "{calls}");
        assert_eq!(calls["breaches"], json!(0), "{system} was asked more than it allows");
    }
    assert_eq!(report["plugins"].as_array().map(Vec::len), Some(4), "{report}");
}

/// `RULES.md Q7`: the demo holds the other end of the simulators' input, and a killed process
/// holds nothing.
#[test]
fn simulators_end_with_the_process_that_holds_their_input() {
    let mut simulators = renkei()
        .args(["sim", "--until-input-ends", "--people", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(simulators.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    assert!(ready.contains("base_url"), "{ready}");
    assert!(simulators.try_wait().unwrap().is_none(), "they serve while their input is open");
    drop(simulators.stdin.take());
    assert!(simulators.wait().unwrap().success());
}
