//! Reload: while `renkei serve` works, a changed plugin takes effect without a failed record,
//! and garbage changes nothing.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::mistakes::replace_once;
use crate::serving::Serving;
use crate::site::{Simulators, Site, plugins};

#[test]
fn plugins_change_under_load_without_a_failed_record() {
    let simulators = Simulators::start(40);
    let site = Site::new(&simulators);
    let mut host = Serving::begun(&site);
    host.wait_for("cycle done", |line| line["writes"].as_u64() > Some(0));

    let busy = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| edit_while(&simulators, &busy));

        let good = std::fs::read(plugins().join("names.wasm")).unwrap();
        let changed = replace_once(good, b"\"version\":\"0.1.0\"", b"\"version\":\"0.1.9\"");
        std::fs::write(site.file("plugins/names.wasm"), changed).unwrap();
        let line = host.wait_for("plugin loaded", |line| line["plugin"] == json!("names@0.1.9"));
        assert_eq!(line["digest"].as_str().map(str::len), Some(64), "{line}");
        host.wait_for("cycle done", |_| true);

        std::fs::write(site.file("plugins/names.wasm"), b"not a plugin at all").unwrap();
        let line = host.wait_for("plugin refused", |_| true);
        assert!(line["file"].as_str().unwrap().contains("names.wasm"), "{line}");
        assert!(!line["reason"].as_str().unwrap().is_empty(), "{line}");
        host.wait_for("cycle done", |_| true);
        host.wait_for("cycle done", |_| true);
        busy.store(false, Ordering::SeqCst);
    });
    host.wait_for("cycle done", |_| true);
    host.wait_for("cycle done", |line| line["writes"] == json!(0));
    assert_eq!(host.stop(), Some(0), "SIGTERM must drain and exit 0");
    for message in ["plugin loaded", "plugin refused"] {
        let said = host.seen.iter().filter(|line| line["message"] == json!(message));
        let said: Vec<_> = said.filter(|line| line["file"] == json!("names.wasm")).collect();
        let loaded = if message == "plugin loaded" { 2 } else { 1 };
        assert_eq!(said.len(), loaded, "once at the start, once per change: {said:?}");
        assert_eq!(host.events(&message.replace(' ', "-")).len(), 1, "{:?}", host.told);
    }
    for count in ["failed", "refused"] {
        let bad: u64 = host.seen.iter().filter_map(|line| line[count].as_u64()).sum();
        assert_eq!(bad, 0, "{count} while plugins were replaced");
    }
}

/// A person edits one contact's title again and again.
fn edit_while(simulators: &Simulators, busy: &AtomicBool) {
    let contact = simulators.hubspot.live("contacts").first().unwrap()["id"].clone();
    let mut round = 0;
    while busy.load(Ordering::SeqCst) {
        round += 1;
        let fields = json!({ "jobtitle": format!("title {round}") });
        let edit = json!({ "object": "contacts", "id": contact, "fields": fields });
        simulators.hubspot.post("edit", edit);
    }
}
