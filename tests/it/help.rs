//! Every command explains itself: help with examples, the exit codes, and JSON also when it fails.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::site::{path, plugins, renkei, run, run_json, text};

/// The commands below one, as its help lists them.
fn listed(command: &[&str]) -> Vec<String> {
    let help = help(command);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

fn help(command: &[&str]) -> String {
    let output = run(&[&["help"], command].concat());
    assert_eq!(output.status.code(), Some(0), "{command:?}: {output:?}");
    text(&output.stdout)
}

/// All commands without commands below them, as typed.
fn leaves(command: &[&str], found: &mut BTreeSet<String>) {
    let below = listed(command);
    for name in &below {
        leaves(&[command, &[name.as_str()]].concat(), found);
    }
    if below.is_empty() {
        found.insert(command.join(" "));
    }
    let help = help(command);
    assert!(help.contains("Examples:\n  renkei "), "{command:?} has no example");
    assert!(help.contains("--json"), "{command:?} does not know --json");
}

/// A way in which each command fails at once, in a directory without a configuration.
const FAILURES: [(&str, &[&str], i32); 35] = [
    ("demo", &["demo", "--people", "1"], 2),
    ("sim", &["sim", "--systems", "nobody"], 2),
    ("check", &["check"], 2),
    ("describe", &["describe", "hubspot"], 2),
    ("plan", &["plan"], 2),
    ("sync", &["sync"], 2),
    ("serve", &["serve"], 2),
    ("status", &["status"], 2),
    ("why", &["why", "person/1"], 2),
    ("decide take", &["decide", "ab", "take", "salesforce"], 2),
    ("decide value", &["decide", "ab", "value"], 2),
    ("decide clear", &["decide", "ab", "clear", "all"], 2),
    ("decide with", &["decide", "ab", "with", "x"], 2),
    ("decide separate", &["decide", "ab", "separate"], 2),
    ("decide approve", &["decide", "ab", "approve"], 2),
    ("decide leave", &["decide", "ab", "leave"], 2),
    ("backup", &["backup", "copy.db"], 2),
    ("restore", &["restore", "copy.db"], 2),
    ("account list", &["account", "list"], 2),
    ("account move", &["account", "move", "hubspot", "--to", "1"], 2),
    ("auth login", &["auth", "login", "hubspot"], 2),
    ("auth status", &["auth", "status"], 2),
    ("auth logout", &["auth", "logout", "hubspot"], 2),
    ("plugin build", &["plugin", "build", "nowhere"], 5),
    ("plugin pack", &["plugin", "pack", "nofile.wasm"], 2),
    ("plugin new", &["plugin", "new", "No Name"], 2),
    ("plugin inspect", &["plugin", "inspect", "nofile.wasm"], 2),
    ("plugin list", &["plugin", "list"], 2),
    ("plugin test", &["plugin", "test", "nofile.wasm"], 2),
    ("plugin preview", &["plugin", "preview", "nofile.wasm"], 2),
    ("plugin reload", &["plugin", "reload"], 2),
    ("plugin rollback", &["plugin", "rollback", "names"], 2),
    ("plugin hold", &["plugin", "hold", "names"], 2),
    ("plugin grants", &["plugin", "grants"], 2),
    // Where a configuration is, another is not begun.
    ("init", &["init", "--dir", "configured"], 2),
];

#[test]
fn every_command_has_examples_and_fails_in_json() {
    let mut found = BTreeSet::new();
    leaves(&[], &mut found);
    let known = FAILURES.iter().map(|(name, ..)| (*name).to_owned());
    assert_eq!(found, known.collect(), "each command needs a line in FAILURES");
    let codes = help(&[]);
    for code in ["0  done", "1  ", "2  wrong usage", "3  a system", "4  the database", "5  a plug"]
    {
        assert!(codes.contains(&format!("  {code}")), "{codes}");
    }
    let empty = tempfile::tempdir().unwrap();
    run_json(&["init", "--dir", path(&empty.path().join("configured"))]);
    for (name, arguments, code) in FAILURES.into_iter().chain([("", ["nonsense"].as_slice(), 2)]) {
        let mut command = renkei();
        command.current_dir(empty.path()).args(arguments).arg("--json");
        check_failure(name, &command.output().unwrap(), code);
    }
}

fn check_failure(name: &str, output: &std::process::Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
    let said = text(&output.stdout);
    assert_eq!(said.lines().count(), 1, "{name}: {said}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let error = said["error"].as_str().unwrap();
    assert!(!error.is_empty() && !error.starts_with("error"), "{name}: {error}");
    assert!(!error.starts_with("it "), "{name}: {error}");
    assert!(!error.contains("; "), "{name}: a hint is a part of its own: {error}");
    let hint = said["hint"].as_str().unwrap_or_default();
    assert!(!hint.is_empty(), "{name} has no next step: {error}");
    assert_eq!(text(&output.stderr), "", "{name}");
}

#[test]
fn error_and_hint_are_two_lines_and_two_keys() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["status", "--dir", path(dir.path())]);
    let said = text(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("error: ") && lines[0].contains("renkei.toml: "), "{said}");
    assert_eq!(lines[1], "hint: `renkei init` writes an example");
    let output = run(&["status", "--json", "--dir", path(dir.path())]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["where"].as_str().unwrap().ends_with("renkei.toml"), "{said}");
    assert!(said["error"].as_str().unwrap().starts_with("the file cannot be read"), "{said}");
    assert_eq!(said["hint"], "`renkei init` writes an example");
}

#[test]
fn missing_file_is_named_once() {
    let output = run(&["plugin", "inspect", "nofile.wasm"]);
    let said = text(&output.stderr);
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
    assert!(said.contains("\nhint: check the path"), "{said}");
}

#[test]
fn inspect_and_new_print_json() {
    let inspected = run_json(&["plugin", "inspect", path(&plugins().join("names.wasm"))]);
    assert_eq!(inspected["id"], "names");
    let into = tempfile::tempdir().unwrap();
    let made = run_json(&["plugin", "new", "my-crm", "--into", path(into.path())]);
    let files = made["files"].as_array().unwrap();
    assert!(!files.is_empty() && into.path().join("my-crm/Cargo.toml").exists(), "{made}");
}
