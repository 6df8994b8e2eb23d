//! The way between connectors and simulators: credentials, repeats, time, and everything that
//! happens at a request by number.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use anyhow::{Context as _, bail};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use renkei_blackbox::program::Meanwhile;
use renkei_blackbox::systems::{Door, Side, System, Systems};
use renkei_sdk::http::{Failure, Request, Response};
use renkei_simulators::clock::SimClock;
use renkei_simulators::faults::Faults;
use renkei_simulators::http::{SimAnswer, SimRequest};
use renkei_simulators::simulator::{SimOptions, SimulatedSystem};
use renkei_simulators::{hubspot, salesforce};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// 2026-09-21, a Monday.
const START_MS: i64 = 1_790_000_000_000;
/// Time that a person takes to save something, ms.
const HAND_MS: i64 = 7;
/// Most times that the host sends one request.
const ATTEMPTS_MAX: u32 = 5;

/// Both simulators and the way to them.
pub(crate) struct Wire {
    hubspot: Rc<RefCell<SimulatedSystem>>,
    salesforce: Rc<RefCell<SimulatedSystem>>,
    session: RefCell<Option<String>>,
    pub(crate) clock: SimClock,
    pub(crate) dice: RefCell<ChaCha8Rng>,
    calls: Cell<u64>,
    planned: RefCell<Vec<(u64, Event)>>,
    fate: Cell<Fate>,
    /// An attempt broke off before another was made, as the host notes it.
    broke_off: Cell<bool>,
    trace: RefCell<Sha256>,
    /// Lines about a run, where it is told in full.
    lines: RefCell<Option<Vec<String>>>,
}

/// Event at a request by number.
pub(crate) enum Event {
    /// A person acts just before it.
    Act(Meanwhile),
    /// The process dies, before it or after its effect.
    Die { after: bool },
    /// The plugin traps after its effect.
    Trap,
}

/// State of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fate {
    /// It runs.
    #[default]
    Alive,
    /// The process is dead: no request leaves it any more.
    Dead,
    /// The plugin that makes the present call has trapped.
    Trapped,
}

impl Wire {
    /// Empty simulators on a good day.
    pub(crate) fn new(seed: u64) -> Self {
        let clock = SimClock::manual(START_MS);
        let faults = Faults { token_lifetime_ms: 600_000, ..Faults::none() };
        let options = SimOptions { seed: 1, people: 0, clock: clock.clone(), faults };
        let salesforce = salesforce::simulator(&options, "https://acme.my.salesforce.com");
        let hubspot = hubspot::simulator(&options, "https://api.hubapi.com");
        Self {
            hubspot: Rc::new(RefCell::new(hubspot)),
            salesforce: Rc::new(RefCell::new(salesforce)),
            session: RefCell::default(),
            clock,
            dice: RefCell::new(ChaCha8Rng::seed_from_u64(seed)),
            calls: Cell::default(),
            planned: RefCell::default(),
            fate: Cell::default(),
            broke_off: Cell::default(),
            trace: RefCell::default(),
            lines: RefCell::default(),
        }
    }

    /// The simulators as their people reach them.
    pub(crate) fn systems(&self) -> Systems {
        let door = |simulator: &Rc<RefCell<SimulatedSystem>>| {
            let (simulator, clock) = (Rc::clone(simulator), self.clock.clone());
            System(Box::new(Inside { simulator, clock }))
        };
        Systems { hubspot: door(&self.hubspot), salesforce: door(&self.salesforce) }
    }

    fn simulator(&self, side: Side) -> &RefCell<SimulatedSystem> {
        match side {
            Side::HubSpot => &self.hubspot,
            Side::Salesforce => &self.salesforce,
        }
    }

    /// Lets something happen after so many more requests.
    pub(crate) fn plan(&self, calls: u64, event: Event) {
        self.planned.borrow_mut().push((self.calls.get() + calls, event));
    }

    /// Removes and returns the events that are still planned.
    pub(crate) fn forget_plans(&self) -> Vec<Event> {
        self.planned.take().into_iter().map(|(_, event)| event).collect()
    }

    pub(crate) fn fate(&self) -> Fate {
        self.fate.get()
    }

    /// True if an attempt broke off before another was made since this was asked last.
    pub(crate) fn take_broke_off(&self) -> bool {
        self.broke_off.take()
    }

    pub(crate) fn revive(&self) {
        self.fate.set(Fate::Alive);
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.clock.advance(i64::try_from(ms).unwrap_or(i64::MAX));
    }

    /// Every request and answer so far, as one hash.
    pub(crate) fn trace(&self) -> String {
        hex::encode(self.trace.borrow().clone().finalize())
    }

    /// From now on every request is kept as a line.
    pub(crate) fn keep_lines(&self) {
        self.lines.replace(Some(Vec::new()));
    }

    /// The lines kept so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone().unwrap_or_default()
    }

    pub(crate) fn keep_line(&self, line: impl FnOnce() -> String) {
        if let Some(lines) = self.lines.borrow_mut().as_mut() {
            let number = self.calls.get();
            lines.push(format!("{number:4} {} {}", self.clock.now_ms() - START_MS, line()));
        }
    }

    /// Sends a plugin's request as the host does: with credentials, and again where that is safe.
    pub(crate) fn send(&self, side: Side, request: &Request) -> Result<Response, Failure> {
        let method = request.method.as_str();
        let is_safe = request.repeatable || !matches!(method, "POST" | "PATCH");
        for attempt in 1..=ATTEMPTS_MAX {
            let is_last = attempt == ATTEMPTS_MAX;
            match self.send_once(side, request) {
                Ok(answer) if is_quota(side, answer.status) && !is_last => {
                    self.advance(500 << attempt);
                    continue;
                }
                Ok(answer) if answer.status >= 500 && is_safe && !is_last => {}
                Err(Failure::NoAnswer(_)) if is_safe && !is_last && self.is_alive() => {}
                end => return end,
            }
            self.advance(500 << attempt);
            self.broke_off.set(true);
        }
        Err(Failure::Timeout)
    }

    fn is_alive(&self) -> bool {
        self.fate.get() == Fate::Alive
    }

    fn send_once(&self, side: Side, request: &Request) -> Result<Response, Failure> {
        let answer = self.exchange(side, request)?;
        if answer.status == 401 && side == Side::Salesforce {
            self.session.take();
            return self.exchange(side, request);
        }
        Ok(answer)
    }

    fn exchange(&self, side: Side, request: &Request) -> Result<Response, Failure> {
        let ms = self.dice.borrow_mut().random_range(20..400);
        self.advance(ms);
        let dies_after = self.happen();
        if !self.is_alive() {
            return Err(Failure::NoAnswer("the process is gone".to_owned()));
        }
        let token = self.token(side)?;
        let headers =
            headers(request, &token).map_err(|fault| Failure::Denied(fault.to_string()))?;
        let method = Method::from_bytes(request.method.as_str().as_bytes());
        let method = method.map_err(|fault| Failure::Denied(fault.to_string()))?;
        let sent = SimRequest::new(method, &request.path, headers, request.body.clone());
        let answer = self.simulator(side).borrow_mut().handle(&sent);
        self.note(&sent, &answer);
        if let Some(fate) = dies_after {
            self.fate.set(fate);
            return Err(Failure::NoAnswer("the process is gone".to_owned()));
        }
        if answer.lost {
            return Err(Failure::NoAnswer("the connection broke".to_owned()));
        }
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
        let (status, headers) = (answer.status.as_u16(), headers.collect());
        Ok(Response { headers, ..Response::new(status, answer.body) })
    }

    /// Runs the events planned for this request; returns the fate of the process after it.
    fn happen(&self) -> Option<Fate> {
        let number = self.calls.get();
        self.calls.set(number + 1);
        let (due, rest): (Vec<_>, Vec<_>) =
            self.planned.take().into_iter().partition(|(at, _)| *at <= number);
        self.planned.replace(rest);
        let mut after = None;
        for (_, event) in due {
            match event {
                // A person who cannot do it does nothing.
                Event::Act(act) => drop(act()),
                Event::Die { after: false } => {
                    self.keep_line(|| "the process dies".to_owned());
                    self.fate.set(Fate::Dead);
                }
                Event::Die { after: true } => after = Some(Fate::Dead),
                Event::Trap => after = Some(Fate::Trapped),
            }
        }
        after
    }

    fn note(&self, sent: &SimRequest, answer: &SimAnswer) {
        self.keep_line(|| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let (method, path, status) = (&sent.method, &sent.path, answer.status.as_u16());
            let lost = if answer.lost { " (lost)" } else { "" };
            let (asked, answered) = (text(&sent.body), text(&answer.body));
            format!(
                "{method} {path} {:?} {asked}\n     -> {status}{lost} {answered}",
                sent.parameters
            )
        });
        let mut trace = self.trace.borrow_mut();
        trace.update(sent.method.as_str());
        trace.update(&sent.path);
        trace.update(format!("{:?}", sent.parameters));
        trace.update(&sent.body);
        trace.update(answer.status.as_u16().to_be_bytes());
        trace.update(&answer.body);
    }

    fn token(&self, side: Side) -> Result<String, Failure> {
        let text = |simulator: &SimulatedSystem, name: &str| {
            let credential = simulator.credentials().get(name).and_then(Value::as_str);
            credential.unwrap_or_default().to_owned()
        };
        if side == Side::HubSpot {
            return Ok(text(&self.hubspot.borrow(), "private_app_token"));
        }
        if let Some(session) = self.session.borrow().as_ref() {
            return Ok(session.clone());
        }
        let mut org = self.salesforce.borrow_mut();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            text(&org, "client_id"),
            text(&org, "client_secret")
        );
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(HeaderName::from_static("content-type"), kind)]);
        let path = "/services/oauth2/token";
        let answer = org.handle(&SimRequest::new(Method::POST, path, headers, form));
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(session) = answer.get("access_token").and_then(Value::as_str) else {
            return Err(Failure::NoAnswer("no session".to_owned()));
        };
        self.session.replace(Some(session.to_owned()));
        Ok(session.to_owned())
    }
}

fn is_quota(side: Side, status: u16) -> bool {
    side == Side::HubSpot && matches!(status, 429 | 423 | 477)
}

fn headers(request: &Request, token: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}"))?);
    Ok(headers)
}

/// A simulator in this process.
struct Inside {
    simulator: Rc<RefCell<SimulatedSystem>>,
    clock: SimClock,
}

impl Inside {
    fn send_json(&self, method: Method, path: &str, body: String) -> anyhow::Result<Value> {
        let target = format!("/_sim/{path}");
        let request = SimRequest::new(method, &target, HeaderMap::new(), body);
        let answer = self.simulator.borrow_mut().handle(&request);
        let value: Value = serde_json::from_slice(&answer.body).context(target)?;
        if !answer.status.is_success() {
            bail!("{path}: {value}");
        }
        Ok(value)
    }
}

impl Door for Inside {
    fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send_json(Method::GET, path, String::new())
    }

    fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        // Nobody acts in the very millisecond in which a system answered somebody else.
        self.clock.advance(HAND_MS);
        self.send_json(Method::POST, path, body.to_string())
    }
}
