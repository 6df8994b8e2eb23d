//! Data that is kept: a database that lost its content, is gone or was exchanged is never taken
//! for a new one, nor are states of plugins, and a data directory that cannot be used is one clear
//! mistake.

use serde_json::{Value, json};

use crate::mistakes::check;
use crate::site::{Simulators, Site, copy_files, run};

#[test]
fn empty_database_is_refused() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.run_json("sync");
    site.write("data/renkei.db", "");
    for command in ["plan", "sync", "status"] {
        check(&site, command, 4, &["renkei.db: empty", "backup", "move it away"]);
        assert_eq!(std::fs::metadata(site.file("data/renkei.db")).unwrap().len(), 0);
    }
}

/// The holds and grants in them would be lost.
#[test]
fn damaged_states_of_plugins_are_refused() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.run_json("sync");
    let states = site.file("data/plugins.db");
    std::fs::write(&states, "garbage").unwrap();
    for command in ["plan", "sync"] {
        check(&site, command, 4, &["plugins.db: damaged", "restore it, or remove it", "grants"]);
        assert_eq!(std::fs::read_to_string(&states).unwrap(), "garbage");
    }
    let output = run(&["plugin", "list", "--json", "--dir", site.path()]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["where"], json!(states));
    assert!(report["error"].as_str().unwrap().starts_with("damaged ("), "{report}");
    std::fs::remove_file(&states).unwrap();
    assert_eq!(site.run_json("sync")["writes"], json!(0));
}

#[test]
fn missing_or_exchanged_database_is_refused() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    assert_ne!(site.run_json("sync")["writes"], json!(0));
    std::fs::rename(site.file("data"), site.file("elsewhere")).unwrap();
    for command in ["plan", "sync", "status"] {
        check(&site, command, 4, &["gone", "store.id", "restore"]);
        assert!(!site.file("data").exists(), "{command} began a new database");
    }
    // On purpose: everything is linked anew by what the records say.
    let identity = std::fs::read(site.file("store.id")).unwrap();
    std::fs::remove_file(site.file("store.id")).unwrap();
    copy_files(&site.file("elsewhere/cache"), &site.file("data/cache"));
    assert_eq!(site.run_json("sync")["writes"], json!(0));
    assert_ne!(std::fs::read(site.file("store.id")).unwrap(), identity);

    std::fs::remove_dir_all(site.file("data")).unwrap();
    std::fs::rename(site.file("elsewhere"), site.file("data")).unwrap();
    check(&site, "sync", 4, &["not the database that this configuration used", "store.id"]);
    std::fs::write(site.file("store.id"), identity).unwrap();
    assert_eq!(site.run_json("sync")["writes"], json!(0));
}

#[test]
fn unreadable_identity_is_refused_with_a_next_step() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    site.run_json("sync");
    let identity = std::fs::read(site.file("store.id")).unwrap();
    std::fs::write(site.file("store.id"), b"\xff").unwrap();
    for command in ["plan", "sync", "status"] {
        check(&site, command, 4, &["store.id: cannot be read: ", "\nhint: let the user who runs"]);
    }
    std::fs::write(site.file("store.id"), identity).unwrap();
    assert_eq!(site.run_json("sync")["writes"], json!(0));
}

#[test]
fn unusable_data_directory_is_refused() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    std::fs::remove_dir_all(site.file("data")).unwrap();
    let mut typed = "[schedule]".to_owned();
    // Nobody can write in /proc, whoever runs this test.
    for (data, words) in [
        ("", ["`data` is empty", "name a directory"]),
        ("secrets.toml", ["secrets.toml is not a directory", "another `data`"]),
        ("secrets.toml/data", ["no files can be written", "another `data`"]),
        ("/proc/renkei", ["no files can be written", "another `data`"]),
    ] {
        let line = format!("plugins = \"plugins\"\ndata = \"{data}\"\n[schedule]");
        site.replace("renkei.toml", &typed, &line);
        typed = line;
        for command in ["check", "plan", "sync"] {
            check(&site, command, 2, &["renkei.toml:2: "]);
            check(&site, command, 2, &words);
        }
        assert!(!site.file("data").exists() && !site.file("store.id").exists());
    }
}

#[test]
fn error_does_not_repeat_a_word_of_five_megabytes() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let word = format!("plugin = \"hub\\u001b[2J{}\"", "x".repeat(5_000_000));
    site.replace("renkei.toml", "plugin = \"hubspot\"", &word);
    let (code, said) = site.attempt("sync");
    assert_eq!(code, 2);
    assert!(said.len() < 2_000, "{} bytes", said.len());
    assert!(!said.contains('\u{1b}') && said.contains("hint: copy its .wasm"), "{said}");
    assert!(said.contains("is loaded"), "{said}");
}
