//! Acceptance 4: while `renkei serve` works, a changed plugin takes effect without a failed record,
//! and garbage changes nothing.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::mistakes::replace_once;
use crate::site::{Simulators, Site, plugins, renkei};

/// Long enough for a loaded machine; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn plugins_change_under_load_without_a_failed_record() {
    let simulators = Simulators::start(40);
    let site = Site::new(&simulators);
    let mut host = Serving::start(&site);
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
    let failed: u64 = host.seen.iter().filter_map(|line| line["failed"].as_u64()).sum();
    assert_eq!(failed, 0, "records failed while plugins were replaced");
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

/// `renkei serve` with its log.
struct Serving {
    process: Child,
    log: Receiver<Value>,
    seen: Vec<Value>,
}

impl Serving {
    fn start(site: &Site) -> Self {
        let mut process = renkei()
            .args(["serve", "--dir", site.path(), "--log", "info", "--log-json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let (send, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).unwrap_or(json!({ "line": line }));
                if send.send(event["fields"].clone()).is_err() {
                    return;
                }
            }
        });
        Self { process, log, seen: Vec::new() }
    }

    /// The next log line with this message that fits.
    fn wait_for(&mut self, message: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!(
                    "no `{message}` in the log; the last lines: {:?}",
                    self.seen.iter().rev().take(5)
                )
            });
            self.seen.push(line.clone());
            if line["message"] == json!(message) && fits(&line) {
                return line;
            }
        }
    }

    fn stop(&mut self) -> Option<i32> {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let code = self.process.wait().unwrap().code();
        self.seen.extend(self.log.try_iter());
        code
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Already over unless the test failed half-way.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
