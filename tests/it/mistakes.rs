//! Ordinary mistakes: each gives one clear error with the next step, and leaves nothing
//! half-written.

use serde_json::json;

use crate::site::{Simulators, Site, path, renkei, text};

/// The command fails with this exit code and says all of these words.
pub(crate) fn check(site: &Site, command: &str, code: i32, words: &[&str]) {
    let (found, said) = site.attempt(command);
    assert_eq!(found, code, "{command}: {said}");
    for word in words {
        assert!(said.contains(word), "{command} does not say `{word}`: {said}");
    }
}

fn nothing_was_written(simulators: &Simulators) {
    for (side, objects) in [
        (&simulators.hubspot, ["companies", "contacts", "deals"].as_slice()),
        (&simulators.salesforce, ["Account", "Contact", "Lead", "Opportunity"].as_slice()),
    ] {
        for object in objects {
            let by_host = side
                .live(object)
                .iter()
                .filter(|record| record["created_by"] == json!("api"))
                .count();
            assert_eq!(by_host, 0, "{object} was written");
        }
    }
}

#[test]
fn unknown_column_is_refused_before_a_write() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.replace("entities/person.toml", "\"jobtitle\"", "\"job_titel\"");
    check(&site, "check", 2, &["person", "no column `job_titel`", "hubspot.contacts"]);
    check(&site, "sync", 2, &["job_titel"]);
    nothing_was_written(&simulators);
}

#[test]
fn wrong_kind_is_refused_before_a_write() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.replace("entities/company.toml", "kind = \"integer\"", "kind = \"boolean\"");
    check(&site, "check", 2, &["employees", "boolean"]);
    check(&site, "sync", 2, &["employees"]);
    nothing_was_written(&simulators);
}

#[test]
fn unknown_key_is_refused_with_file_and_line() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.replace(
        "entities/deal.toml",
        "on_delete = \"review\"",
        "on_delete = \"review\"\non_dellete = 1",
    );
    check(&site, "plan", 2, &["deal.toml:", "on_dellete"]);
}

#[test]
fn reference_to_nothing_is_refused_with_file_and_line() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.replace("entities/deal.toml", "winner = \"newest\"", "winner = \"always:pipedrive\"");
    check(&site, "plan", 2, &["deal.toml:", "always:pipedrive", "expected"]);
}

#[test]
fn revoked_token_fails_the_sync_before_a_write() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    simulators.hubspot.post("revoke", json!({}));
    check(&site, "sync", 3, &["hubspot", "secret"]);
    nothing_was_written(&simulators);
}

#[test]
fn missing_secret_names_variable_and_file() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    std::fs::remove_file(site.file("secrets.toml")).unwrap();
    check(&site, "sync", 2, &["RENKEI_SECRET_HUBSPOT_TOKEN", "secrets.toml"]);
}

#[test]
fn port_in_use_is_named_with_the_flag() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let output = renkei().args(["sim", "--port-base", &port]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains(&port) && said.contains("--port-base"), "{said}");
}

#[test]
fn missing_file_is_named_with_a_next_step() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.run_json("sync");
    let missing = site.file("nowhere/missing.file");
    let missing = path(&missing);
    for (command, code) in [
        (["restore", missing].as_slice(), 2),
        (["backup", missing].as_slice(), 4),
        (["plugin", "preview", missing].as_slice(), 2),
    ] {
        let (found, said) = site.try_command(command);
        assert_eq!(found, code, "{command:?}: {said}");
        assert!(said.contains("missing.file"), "{command:?}: {said}");
        assert!(said.contains("\nhint: check the path"), "{command:?}: {said}");
    }
    assert_eq!(site.run_json("sync")["writes"], json!(0));
    let output = renkei().args(["plugin", "test", missing]).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("\nhint: check the path"), "{said}");
}

#[test]
fn empty_plugin_folder_is_refused_with_the_command() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    for entry in std::fs::read_dir(site.file("plugins")).unwrap().flatten() {
        std::fs::remove_file(entry.path()).unwrap();
    }
    check(&site, "sync", 2, &["plugins", "renkei plugin"]);
}

#[test]
fn plugin_of_another_contract_is_refused_with_both_versions() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let file = site.file("plugins/names.wasm");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, replace_once(bytes, b"\"contract\":\"0.2\"", b"\"contract\":\"9.9\""))
        .unwrap();
    check(&site, "sync", 5, &["is loaded\n", "hint: `names.wasm` was refused: ", "9.9", "0.2"]);
    nothing_was_written(&simulators);
}

#[test]
fn directory_of_an_ended_demo_is_explained() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    drop(simulators);
    let said = "simulators ended with it";
    assert!(!site.attempt("check").1.contains(said));
    let root = std::fs::read_to_string(site.file("renkei.toml")).unwrap();
    let demos = format!("# The demo's systems: simulators on loopback.\n{root}");
    site.write("renkei.toml", &demos);
    for command in ["check", "plan", "sync"] {
        check(&site, command, 3, &["its `base_url` is right", said, "renkei demo --dir"]);
    }
    check(&site, "check", 3, &["Nothing answered"]);
}

#[test]
fn full_disk_fails_the_sync_and_the_next_one_succeeds() {
    let simulators = Simulators::start(200);
    let site = Site::new(&simulators);
    // No file may grow beyond so many KiB: a write fails half-way, as on a disk that is full.
    let output = std::process::Command::new("bash")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 700; exec \"$0\" sync --dir \"$1\"",
            env!("CARGO_BIN_EXE_renkei"),
            site.path(),
        ])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("renkei.db") || said.contains("disk"), "{said}");
    // With room again it goes on as if nothing had happened.
    site.run_json("sync");
    assert_eq!(site.run_json("sync")["writes"], json!(0));
}

/// Replaces the first occurrence of `old` by `new` of the same length.
pub(crate) fn replace_once(mut bytes: Vec<u8>, old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}
