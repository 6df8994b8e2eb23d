//! Acceptance 1 in small: the demo's promises, as its own judge reads them from the simulators.

use serde_json::json;

use crate::site::run_json;

#[test]
fn the_demo_keeps_its_promises() {
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
