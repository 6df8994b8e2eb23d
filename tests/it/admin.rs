//! What an admin does about plugins beside a running `renkei serve`, and what the log says of it.

use renkei_fixtures::{Fixture, plugin_version, plugin_with};
use serde_json::{Value, json};

use crate::contained::let_in;
use crate::mistakes::replace_once;
use crate::serving::Serving;
use crate::site::{Simulators, Site, path, plugins, run, run_json, text};

/// `renkei plugin ...` on the directory of a site.
fn admin(site: &Site, arguments: &[&str]) -> Value {
    run_json(&[&["plugin"], arguments, &["--dir", site.path()]].concat())
}

/// The entry of one plugin in the list.
fn listed(site: &Site, id: &str) -> Value {
    let list = admin(site, &["list"]);
    let mut plugins = list["plugins"].as_array().unwrap().iter();
    plugins.find(|plugin| plugin["id"] == id).unwrap_or_else(|| panic!("{list:#}")).clone()
}

/// The next line of the audit with this message about this plugin.
fn audited(host: &mut Serving, message: &str, plugin: &str) -> Value {
    let line = host.wait_for(message, |line| {
        line["plugin"].as_str().is_some_and(|of| of.split('@').next() == Some(plugin))
    });
    assert_eq!(line["target"], "renkei::audit", "{line}");
    line
}

/// Who asked for what.
fn asked(host: &mut Serving, what: &str, plugin: &str) {
    let line = host.wait_for("an admin asks", |line| line["asked"] == what);
    assert_eq!((&line["plugin"], &line["target"]), (&json!(plugin), &json!("renkei::audit")));
    assert!(line["actor"].as_str().unwrap().starts_with("uid "), "{line}");
}

#[test]
fn version_that_asks_for_more_waits_until_it_is_allowed() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let file = site.file("plugins/courier.wasm");
    std::fs::write(&file, plugin_version(Fixture::Courier, "1.0.0")).unwrap();
    let mut host = Serving::start(&site);
    host.event("cycle", |_| true);
    let before = listed(&site, "courier")["digest"].clone();

    let restores = |manifest: String| manifest.replace("\"archive\"]", "\"archive\", \"restore\"]");
    std::fs::write(&file, plugin_with(Fixture::Courier, "1.1.0", restores)).unwrap();
    let waits = host.event("plugin-waits", |event| event["plugin"]["id"] == "courier");
    assert_eq!(
        (&waits["why"], &waits["serving"]["version"]),
        (&json!("asks-more"), &json!("1.0.0"))
    );
    let line = audited(&mut host, "plugin waits", "courier");
    let after = waits["plugin"]["digest"].clone();
    assert_eq!((&line["digest"], &line["before"]), (&after, &before));
    let entry = listed(&site, "courier");
    assert_eq!((&entry["version"], &entry["state"]), (&json!("1.0.0"), &json!("waiting")));
    let word = "write:things:restore";
    let grants = admin(&site, &["grants", "courier"]);
    let waiting = &grants["grants"][0]["waiting"];
    assert_eq!(*waiting, json!({ "version": "1.1.0", "more": [word] }), "{grants:#}");

    admin(&site, &["grants", "courier", "--allow", word]);
    asked(&mut host, "grants", "courier");
    let line = audited(&mut host, "plugin grants", "courier");
    assert!(line.to_string().contains(word) && line["digest"] == before, "{line}");
    let line = audited(&mut host, "plugin loaded", "courier");
    assert_eq!((&line["digest"], &line["before"]), (&after, &before));
    let entry = listed(&site, "courier");
    assert_eq!((&entry["version"], &entry["digest"]), (&json!("1.1.0"), &after));
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn held_version_is_previewed_then_approved_then_rolled_back() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    // So that rows of it are kept.
    site.run_json("sync");
    let mut host = Serving::untold(&site);
    host.event("cycle", |_| true);
    let old = listed(&site, "names")["digest"].clone();
    let file = path(&plugins().join("names.wasm")).to_owned();
    let said = run(&["plugin", "preview", &file, "--dir", site.path()]);
    assert!(text(&said.stdout).starts_with("names 0.1.0 serves already"), "{said:?}");

    assert_eq!(admin(&site, &["hold", "names"])["plugins"][0]["hold"], json!(true));
    asked(&mut host, "hold", "names");
    assert_eq!(audited(&mut host, "plugin hold", "names")["digest"], old);
    let good = std::fs::read(&file).unwrap();
    let changed = replace_once(good, b"\"version\":\"0.1.0\"", b"\"version\":\"0.1.9\"");
    std::fs::write(site.file("plugins/names.wasm"), changed).unwrap();
    let waits = host.event("plugin-waits", |event| event["plugin"]["id"] == "names");
    let new = waits["plugin"]["digest"].clone();
    assert_eq!((&waits["why"], &waits["serving"]["digest"]), (&json!("held"), &old));

    let said = text(&run(&["status", "--dir", site.path()]).stdout);
    let line = "plugin names 0.1.0 serves on while 0.1.9 waits (held): renkei plugin list --dir ";
    assert!(said.contains(line), "{said}");

    let preview = admin(&site, &["preview", path(&site.file("plugins/names.wasm"))]);
    assert!(preview["rows"].as_u64() > Some(0), "{preview:#}");
    assert_eq!((&preview["changed_rows"], &preview["serves"]), (&json!(0), &json!(false)));
    assert_eq!((&preview["serving"]["digest"], &preview["candidate"]["digest"]), (&old, &new));
    let entry = listed(&site, "names");
    assert_eq!((&entry["digest"], &entry["state"]), (&old, &json!("waiting")), "{entry:#}");
    let said = text(&run(&["plugin", "list", "--dir", site.path()]).stdout);
    assert!(said.contains("serving; 0.1.9 waits, hold"), "{said}");

    let entry = admin(&site, &["reload", "names"])["plugins"][0].clone();
    assert_eq!((&entry["version"], &entry["digest"]), (&json!("0.1.9"), &new), "{entry:#}");
    asked(&mut host, "reload", "names");
    assert_eq!(audited(&mut host, "plugin approved", "names")["digest"], new);
    let line = audited(&mut host, "plugin loaded", "names");
    assert_eq!((&line["digest"], &line["before"]), (&new, &old));

    let entry = admin(&site, &["rollback", "names"])["plugins"][0].clone();
    assert_eq!((&entry["digest"], &entry["waiting"]["why"]), (&old, &json!("rolled-back")));
    asked(&mut host, "rollback", "names");
    let line = audited(&mut host, "plugin rolled back", "names");
    assert_eq!((&line["digest"], &line["before"]), (&old, &new));
    host.event("cycle", |_| true);
    assert_eq!(listed(&site, "names")["digest"], old, "the next look takes it again");
    assert_eq!(host.stop(), Some(0));
    let cycles = host.seen.iter().filter(|line| line["message"] == "cycle done");
    assert_eq!(cycles.count(), 0, "only the audit passes below a warning");
}

#[test]
fn stops_are_counted_by_cause() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let_in(&site, &simulators, Fixture::Hog);
    assert_eq!(admin(&site, &["list"])["stops"], json!(null), "nothing runs that could count");
    let mut host = Serving::start(&site);
    let line = audited(&mut host, "a plugin was stopped", "hog");
    assert_eq!((&line["cause"], &line["system"]), (&json!("memory"), &json!("rogue")));
    host.event("cycle", |_| true);
    let stops = admin(&site, &["list"])["stops"].clone();
    let memory = stops.as_array().unwrap().iter().find(|stop| stop["cause"] == "memory").unwrap();
    assert_eq!((&memory["plugin"], &memory["system"]), (&json!("hog"), &json!("rogue")));
    assert!(memory["times"].as_u64() > Some(0), "{stops}");
    let said = text(&run(&["plugin", "list", "--dir", site.path()]).stdout);
    let (_, below) = said.split_once("since `renkei serve` began:").unwrap();
    assert!(
        below
            .lines()
            .any(|line| line.split_whitespace().take(4).eq(["hog", "rogue", "-", "memory"]))
    );

    std::fs::write(site.file("plugins/bad.wasm"), b"not a plugin").unwrap();
    let mut refused = |file: &str, id: &str| {
        let line = host.wait_for("plugin refused", |line| line["file"] == file);
        assert_eq!((&line["cause"], &line["plugin"]), (&json!("refused"), &json!(id)), "{line}");
        let stops = admin(&site, &["list"])["stops"].clone();
        let mut counted = stops.as_array().unwrap().iter().filter(|stop| stop["file"] == file);
        let stop = counted.next().unwrap_or_else(|| panic!("{file}: {stops}"));
        assert_eq!((&stop["times"], &stop["plugin"]), (&json!(1), &json!(id)), "{stop}");
    };
    refused("bad.wasm", "");
    std::fs::copy(site.file("plugins/names.wasm"), site.file("plugins/names2.wasm")).unwrap();
    refused("names2.wasm", "names");
    let said = text(&run(&["status", "--dir", site.path()]).stdout);
    assert!(said.contains("plugin file bad.wasm is refused: renkei plugin list"), "{said}");
    host.stop();
    let lines = host.seen.iter().filter(|line| line["target"] == "renkei::audit");
    let of_bad = lines.filter(|line| line["file"] == "bad.wasm");
    assert_eq!(of_bad.count(), 1, "one line says it");
}
