//! `renkei serve` as a child, with its log and the events of `--json`.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::site::{Site, renkei, run_json};

/// Long enough for a loaded machine; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `renkei serve`; it ends with this value.
pub(crate) struct Serving {
    process: Child,
    log: Receiver<Value>,
    output: Receiver<Value>,
    /// Log lines that were taken so far.
    pub(crate) seen: Vec<Value>,
    /// Events that were taken so far.
    pub(crate) told: Vec<Value>,
}

/// The lines of a stream as JSON, from a thread of their own.
fn lines(stream: impl Read + Send + 'static) -> Receiver<Value> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let value = serde_json::from_str(&line).unwrap_or(json!({ "line": line }));
            if send.send(value).is_err() {
                return;
            }
        }
    });
    receive
}

/// Text of a log line, with its `target`.
fn fields(line: &Value) -> Value {
    let mut fields = line["fields"].clone();
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("target".to_owned(), line["target"].clone());
    }
    fields
}

impl Serving {
    pub(crate) fn start(site: &Site) -> Self {
        Self::with(site, &["--log", "info"])
    }

    /// Started on a new database, with its first sync approved beside it.
    pub(crate) fn begun(site: &Site) -> Self {
        let mut host = Self::start(site);
        let asks = |line: &Value| line["first_sync"]["question"].is_string();
        let line = host.event("cycle", asks);
        let question = line["first_sync"]["question"].as_str().unwrap();
        run_json(&["decide", question, "approve", "--dir", site.path()]);
        host.event("decided", |event| event["review"] == json!(question));
        host
    }

    /// As people start it: with what is logged when nobody says how much.
    pub(crate) fn untold(site: &Site) -> Self {
        Self::with(site, &[])
    }

    fn with(site: &Site, log: &[&str]) -> Self {
        let mut process = renkei()
            .args(["serve", "--dir", site.path(), "--json", "--log-json"])
            .args(log)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = lines(process.stdout.take().unwrap());
        let log = lines(process.stderr.take().unwrap());
        Self { process, log, output, seen: Vec::new(), told: Vec::new() }
    }

    /// The next log line with this message that fits.
    pub(crate) fn wait_for(&mut self, message: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!(
                    "no `{message}` in the log; the last lines: {:?}",
                    self.seen.iter().rev().take(5)
                )
            });
            let line = fields(&line);
            self.seen.push(line.clone());
            if line["message"] == json!(message) && fits(&line) {
                return line;
            }
        }
    }

    /// The next event of this name that fits.
    pub(crate) fn event(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.output.recv_timeout(PATIENCE).unwrap_or_else(|_| {
                panic!("no event `{name}`; the last: {:?}", self.told.iter().rev().take(5))
            });
            self.told.push(event.clone());
            if event["event"] == json!(name) && fits(&event) {
                return event;
            }
        }
    }

    /// All events of this name so far.
    pub(crate) fn events(&mut self, name: &str) -> Vec<Value> {
        self.told.extend(self.output.try_iter());
        self.told.iter().filter(|event| event["event"] == json!(name)).cloned().collect()
    }

    /// Its end after SIGTERM: the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal();
        self.end()
    }

    /// Sends SIGTERM.
    pub(crate) fn signal(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Its end after SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.end();
    }

    fn end(&mut self) -> Option<i32> {
        let code = self.process.wait().unwrap().code();
        // Until the threads have read all.
        self.seen.extend(self.log.iter().map(|line| fields(&line)));
        self.told.extend(self.output.iter());
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
