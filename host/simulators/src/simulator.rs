//! A simulated system with the people who use it: one request in, one answer out, no socket.
//!
//! [`crate::serve`] puts it behind loopback HTTP; tests call [`SimulatedSystem::handle`] on a clock
//! that they advance. What people do through `/_sim/` is kept in a diary with its time. An
//! act can wait for the next write of its record, so that a person edits while a client writes.

use axum::http::{Method, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde::Serialize;
use serde_json::{Value, json};

use crate::clock::SimClock;
use crate::control::{self, Vendor};
use crate::faults::{EveryNth, Faults};
use crate::http::{SimAnswer, SimRequest};

/// Acts of people; each is a route of the control API.
const ACTS: [&str; 8] =
    ["edit", "create", "delete", "merge", "convert", "restore", "link", "unlink"];

/// Options of a simulated system.
#[derive(Clone, Debug)]
pub struct SimOptions {
    /// Seed of the sample data; both systems need the same one.
    pub seed: u64,
    /// Number of people in the sample data.
    pub people: u32,
    pub clock: SimClock,
    pub faults: Faults,
}

/// A vendor's state machine and its people.
pub struct SimulatedSystem {
    system: Box<dyn Vendor>,
    credentials: Value,
    waiting: Vec<WaitingAct>,
    diary: Vec<PersonAct>,
    dropped: EveryNth,
}

impl std::fmt::Debug for SimulatedSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").field("acts", &self.diary.len()).finish_non_exhaustive()
    }
}

/// Something that a person did or tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PersonAct {
    pub at_ms: i64,
    /// The route, such as `edit`.
    pub act: String,
    /// Body that the person sent.
    pub wanted: Value,
    /// Answer of the vendor, with `error` where it refused.
    pub answer: Value,
}

/// An act that happens together with a client's next write of a record.
#[derive(Debug)]
struct WaitingAct {
    act: String,
    wanted: Value,
    id: String,
    before: bool,
}

impl SimulatedSystem {
    /// A system with the credentials that open it.
    pub fn new(system: impl Vendor, credentials: Value) -> Self {
        Self {
            system: Box::new(system),
            credentials,
            waiting: Vec::new(),
            diary: Vec::new(),
            dropped: EveryNth::default(),
        }
    }

    /// Credentials of a client; the keys are the vendor's.
    pub fn credentials(&self) -> &Value {
        &self.credentials
    }

    /// The state machine, for tests that look at it without a request.
    pub fn system(&mut self) -> &mut dyn Vendor {
        &mut *self.system
    }

    /// Acts of people so far, oldest first.
    pub fn diary(&self) -> &[PersonAct] {
        &self.diary
    }

    /// Answers a request of the vendor's API or of `/_sim/`.
    pub fn handle(&mut self, request: &SimRequest) -> SimAnswer {
        if let Some(route) = request.path.strip_prefix("/_sim/") {
            return self.control(route, request);
        }
        let every = self.system.faults().drop_request_every;
        if self.dropped.hits(every) {
            return SimAnswer { lost: true, ..SimAnswer::empty(StatusCode::BAD_GATEWAY) };
        }
        self.run_waiting(request, true);
        let answer = self.system.handle(request);
        self.run_waiting(request, false);
        let now_ms = self.system.clock().now_ms() + self.system.faults().date_offset_ms;
        answer.with_header("date", &http_date(now_ms))
    }

    fn control(&mut self, route: &str, request: &SimRequest) -> SimAnswer {
        if (request.method.as_str(), route) == ("GET", "diary") {
            return SimAnswer::json(StatusCode::OK, &self.diary);
        }
        let act = ACTS.contains(&route) && request.method == Method::POST;
        let wanted: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if !act {
            return control::answer(&mut *self.system, request);
        }
        match wanted.get("when").and_then(Value::as_str) {
            None => self.perform(route, wanted),
            Some(when @ ("before_write" | "after_write")) => self.wait(route, &wanted, when),
            Some(when) => {
                let error = format!("`when` is before_write or after_write, not {when}");
                SimAnswer::json(StatusCode::BAD_REQUEST, &json!({"error": error}))
            }
        }
    }

    fn wait(&mut self, act: &str, wanted: &Value, when: &str) -> SimAnswer {
        let mut wanted = wanted.clone();
        if let Some(fields) = wanted.as_object_mut() {
            fields.remove("when");
        }
        let Some(id) = wanted.get("id").and_then(Value::as_str).map(str::to_owned) else {
            let error = json!({"error": "an act that waits names its record by `id`"});
            return SimAnswer::json(StatusCode::BAD_REQUEST, &error);
        };
        let before = when == "before_write";
        self.waiting.push(WaitingAct { act: act.to_owned(), wanted, id, before });
        SimAnswer::json(StatusCode::OK, &json!({"ok": true, "waits": true}))
    }

    fn perform(&mut self, act: &str, wanted: Value) -> SimAnswer {
        let path = format!("/_sim/{act}");
        let headers = axum::http::HeaderMap::new();
        let request = SimRequest::new(Method::POST, &path, headers, wanted.to_string());
        let answer = control::answer(&mut *self.system, &request);
        let at_ms = self.system.clock().now_ms();
        let shown = serde_json::from_slice(&answer.body).unwrap_or_default();
        self.diary.push(PersonAct { at_ms, act: act.to_owned(), wanted, answer: shown });
        answer
    }

    /// Does what waits for this request, on one side of it.
    fn run_waiting(&mut self, request: &SimRequest, before: bool) {
        if self.waiting.is_empty() || !writes(request) {
            return;
        }
        let body = String::from_utf8_lossy(&request.body);
        let due = |one: &WaitingAct| {
            one.before == before && (request.path.contains(&one.id) || body.contains(&one.id))
        };
        let (due, rest) = std::mem::take(&mut self.waiting).into_iter().partition(due);
        self.waiting = rest;
        let due: Vec<WaitingAct> = due;
        for WaitingAct { act, wanted, .. } in due {
            self.perform(&act, wanted);
        }
    }
}

/// True if a request of either vendor can change a record.
fn writes(request: &SimRequest) -> bool {
    let reads = ["/search", "/batch/read", "/token", "/introspect"];
    request.method != Method::GET && !reads.iter().any(|end| request.path.ends_with(end))
}

/// The `Date` header of an answer: the vendor's clock, not this machine's.
fn http_date(now_ms: i64) -> String {
    let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap_or_default()
}

#[cfg(all(test, feature = "hubspot", feature = "salesforce"))]
mod tests;
