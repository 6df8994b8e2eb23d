//! Table tests of the org's quirks, in process with a manual clock; one file per family.

mod clients;
mod jobs;
mod login;
mod read;
mod unkind;
mod write;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

use super::org::Org;
use crate::clock::SimClock;
use crate::control::Vendor;
use crate::faults::Faults;
use crate::http::{SimAnswer, SimRequest};
use crate::salesforce::faults::SalesforceFaults;
use crate::simulator::SimOptions;

/// 2026-09-21T14:13:20Z.
const START_MS: i64 = 1_790_000_000_000;
const BASE: &str = "/services/data/v60.0";

/// An org with a client that is logged in.
struct Fixture {
    org: Org,
    clock: SimClock,
    token: String,
}

/// An answer: status, headers, JSON body.
struct Got {
    status: u16,
    body: Value,
    text: String,
    answer: SimAnswer,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// `errorCode` of the first top-level error.
    fn code(&self) -> &str {
        self.body[0]["errorCode"].as_str().unwrap_or_default()
    }

    fn id(&self) -> String {
        assert!(self.status < 300, "{}", self.text);
        self.body["id"].as_str().unwrap().to_owned()
    }
}

impl Fixture {
    fn new(people: u32, faults: Faults) -> Self {
        let clock = SimClock::manual(START_MS);
        let options = SimOptions { seed: 3, people, clock: clock.clone(), faults };
        let org = Org::new(&options, "http://127.0.0.1:1");
        let mut fixture = Self { org, clock, token: String::new() };
        fixture.log_in();
        fixture
    }

    /// An org without sample data.
    fn empty() -> Self {
        Self::new(0, Faults::default())
    }

    fn log_in(&mut self) {
        let credentials = self.org.credentials();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            credentials["client_id"].as_str().unwrap(),
            credentials["client_secret"].as_str().unwrap()
        );
        let got = self.send("POST", "/services/oauth2/token", &[], &form);
        self.token = got.body["access_token"].as_str().unwrap().to_owned();
    }

    fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let mut all = HeaderMap::new();
        let bearer = format!("Bearer {}", self.token);
        for (name, value) in [("authorization", bearer.as_str())].iter().chain(headers) {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            all.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = self.org.handle(&SimRequest::new(method, target, all, body.to_owned()));
        let text = String::from_utf8(answer.body.clone()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Got { status: answer.status.as_u16(), body, text, answer }
    }

    /// A call below the version, without a body.
    fn get(&mut self, path: &str) -> Got {
        self.send("GET", &format!("{BASE}{path}"), &[], "")
    }

    fn call(&mut self, method: &str, path: &str, body: &str) -> Got {
        self.send(method, &format!("{BASE}{path}"), &[], body)
    }

    fn query(&mut self, soql: &str) -> Got {
        let q: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        self.get(&format!("/query?q={q}"))
    }

    fn create(&mut self, object: &str, fields: Value) -> String {
        self.call("POST", &format!("/sobjects/{object}"), &fields.to_string()).id()
    }

    /// The value of one field of one record.
    fn value(&mut self, object: &str, id: &str, field: &str) -> Value {
        self.get(&format!("/sobjects/{object}/{id}?fields={field}")).body[field].clone()
    }

    fn contact(&mut self, last_name: &str) -> String {
        self.create("Contact", json!({"LastName": last_name}))
    }

    fn fault(&mut self, patch: Value) {
        let patched = self.org.faults().patched(&patch).unwrap();
        self.org.set_faults(patched);
    }
}
