//! `renkei plugin test` on real files: the plugins of this repository pass, and fixtures that
//! misbehave are told by the check of the rule that they break.

use std::path::Path;

use renkei_fixtures::{Fixture, plugin};
use serde_json::Value;

use crate::site::{Simulators, path, plugins, renkei, run, text};

/// Runs the kit; gives whether it passed, and the report.
fn tried(file: &Path, arguments: &[&str]) -> (bool, Value) {
    let mut command = renkei();
    let output = command.args(["plugin", "test", path(file), "--json"]).args(arguments);
    let output = output.output().unwrap();
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    (output.status.success(), report)
}

/// The names of the checks with this verdict.
fn checks(report: &Value, verdict: &str) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap().iter();
    let named = checks.filter(|check| check["verdict"] == verdict);
    named.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn passes(name: &str, least: usize) -> Value {
    let (passed, report) = tried(&plugins().join(format!("{name}.wasm")), &[]);
    assert!(passed, "{report:#}");
    let count = checks(&report, "passed").len();
    assert!(count >= least, "only {count} checks: {report:#}");
    assert_eq!(report["passed"], count);
    report
}

#[test]
fn our_transforms_pass_the_kit() {
    passes("matchkeys", 40);
    let report = passes("names", 13);
    for law in ["lens-get-put", "lens-put-get", "lens-stable"] {
        assert!(checks(&report, "passed").iter().any(|check| check == law), "{law}: {report:#}");
    }
    assert_eq!(report["not_applicable"], 0);
}

#[test]
fn our_connectors_pass_the_kit_on_the_simulators_that_they_name() {
    for name in ["hubspot", "salesforce"] {
        let report = passes(name, 60);
        assert_eq!(report["simulator"], name);
        let passed = checks(&report, "passed");
        for check in ["resume", "create-once", "upsert", "partial-failure", "archive", "quota"] {
            assert!(passed.iter().any(|passed| passed == check), "{check}: {report:#}");
        }
    }
}

#[test]
fn kit_uses_a_simulator_at_a_url() {
    let simulators = Simulators::start(60);
    let salesforce = &simulators.salesforce;
    let auth = format!("client-credentials:{}", salesforce.credential("client_id"));
    let file = plugins().join("salesforce.wasm");
    let mut command = renkei();
    let command = command.args(["plugin", "test", path(&file), "--json", "--auth", &auth]);
    let command = command.args(["--simulator", &salesforce.base_url]);
    let secret = salesforce.credential("client_secret");
    let output = command.env("RENKEI_SECRET_SIMULATOR", secret).output().unwrap();
    let said = text(&output.stdout);
    assert!(output.status.success() && !said.contains(secret), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    assert!(checks(&report, "passed").len() > 60, "{report:#}");
    // One that does not run is said to be so, before a check blames credentials.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (command, auth) =
        (["plugin", "test", path(&file), "--simulator", &dead], ["--auth", "none"]);
    let output = run(&[command.as_slice(), &auth].concat());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains(&format!("nothing answers at {dead} (")), "{said}");
    assert!(said.contains("hint: start your simulator there"), "{said}");
    // A system that might be a real one is not touched.
    let output = run(&["plugin", "test", path(&file), "--simulator", "https://api.example.com"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("not on loopback"), "{output:?}");
}

/// The fixture fails this check, and the report says what was seen and what to do.
#[track_caller]
fn fails(fixture: Fixture, check: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugin.wasm");
    std::fs::write(&file, plugin(fixture)).unwrap();
    let arguments: &[&str] = match fixture {
        Fixture::Loses | Fixture::Forgetful | Fixture::Spins | Fixture::Echo => &[],
        _ => &["--simulator", "hubspot"],
    };
    let (passed, report) = tried(&file, arguments);
    assert!(!passed, "{report:#}");
    let failed = report["checks"].as_array().unwrap().iter();
    let failed: Vec<&Value> = failed.filter(|check| check["verdict"] == "failed").collect();
    let told = failed.iter().find(|failed| failed["check"] == check);
    let told = told.unwrap_or_else(|| panic!("{check} did not fail: {report:#}"));
    assert!(!told["found"][0].as_str().unwrap().is_empty(), "{told}");
    assert!(!told["advice"].as_str().unwrap().is_empty(), "{told}");
}

#[test]
fn misbehaving_fixtures_fail_the_kit() {
    fails(Fixture::Loses, "columns");
    fails(Fixture::Forgetful, "lens-put-get");
    fails(Fixture::Spins, "total");
    fails(Fixture::Traps, "account");
    fails(Fixture::Hog, "account");
}

/// The runtime's tests hold the limits of compiling.
#[cfg(target_os = "linux")]
#[test]
fn kit_compiles_a_file_in_a_process_of_its_own() {
    let file = plugins().join("hubspot.wasm");
    let mut command = renkei();
    let command = command.args(["plugin", "test", path(&file)]).stdout(std::process::Stdio::null());
    let mut kit = command.spawn().unwrap();
    let parent = format!("PPid:\t{}\n", kit.id());
    let compiles = |process: std::fs::DirEntry| {
        let read = |name| std::fs::read_to_string(process.path().join(name)).unwrap_or_default();
        read("cmdline").contains("\0compile-plugin\0") && read("status").contains(&parent)
    };
    let begun = loop {
        if std::fs::read_dir("/proc").unwrap().flatten().any(compiles) {
            break true;
        }
        if kit.try_wait().unwrap().is_some() {
            break false;
        }
    };
    kit.kill().unwrap();
    kit.wait().unwrap();
    assert!(begun, "nobody was asked to compile it");
}

#[test]
fn lawful_transform_passes_in_text_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("echo.wasm");
    std::fs::write(&file, plugin(Fixture::Echo)).unwrap();
    let report = folder.path().join("report.json");
    let output = run(&["plugin", "test", path(&file), "--report", path(&report)]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("passed          lens-put-get same"), "{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["failed"], 0);
    std::fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let output = run(&["plugin", "test", path(&file)]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.contains("FAILED          file") && said.contains("a core module"), "{said}");
}
