//! The quirks of HubSpot, in process on a manual clock.
//!
//! Each test names the fact it holds; the facts are those of the connector's `API.md`, and where
//! one is unverified both positions of its switch are tried.

mod auth;
mod batches;
mod clients;
mod control;
mod http;
mod links;
mod merges;
mod objects;
mod searches;
mod unkind;

use axum::http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::account::HubSpot;
use crate::clock::SimClock;
use crate::control::{Vendor, answer};
use crate::faults::Faults;
use crate::http::SimRequest;
use crate::hubspot::faults::HubSpotFaults;
use crate::world::SampleWorld;

const START_MS: i64 = 1_773_309_857_969;
const CONTACTS: &str = "/crm/v3/objects/contacts";

/// An account with the means to ask it.
struct Account {
    hubspot: HubSpot,
    clock: SimClock,
    token: String,
}

impl Account {
    /// Without seeded records, lag and limits.
    fn empty() -> Self {
        Self::with(0, Faults::none())
    }

    fn with(people: u32, faults: Faults) -> Self {
        let clock = SimClock::manual(START_MS);
        let world = SampleWorld::generate(1, people);
        let hubspot = HubSpot::new(&world, 1, clock.clone(), faults, "http://hubspot.test");
        let token = hubspot.auth.credentials()["private_app_token"].as_str().unwrap().to_owned();
        Self { hubspot, clock, token }
    }

    /// Sends a request; returns status, headers and body, null for an empty one.
    fn send(&mut self, method: &str, path: &str, body: Value) -> (u16, HeaderMap, Value) {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", self.token)).unwrap();
        let headers = HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, bearer)]);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = SimRequest::new(method, path, headers, body);
        let answer = self.hubspot.handle(&request);
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        (answer.status.as_u16(), answer.headers, body)
    }

    fn get(&mut self, path: &str) -> (u16, Value) {
        let (status, _, body) = self.send("GET", path, Value::Null);
        (status, body)
    }

    fn post(&mut self, path: &str, body: Value) -> (u16, Value) {
        let (status, _, body) = self.send("POST", path, body);
        (status, body)
    }

    fn patch(&mut self, path: &str, body: Value) -> (u16, Value) {
        let (status, _, body) = self.send("PATCH", path, body);
        (status, body)
    }

    fn delete(&mut self, path: &str) -> u16 {
        self.send("DELETE", path, Value::Null).0
    }

    /// Creates a record and returns its id.
    fn create(&mut self, object: &str, properties: Value) -> String {
        let path = format!("/crm/v3/objects/{object}");
        let (status, body) = self.post(&path, json!({"properties": properties}));
        assert_eq!(status, 201, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// Calls the control API.
    fn sim(&mut self, method: &str, path: &str, body: Value) -> Value {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = format!("/_sim/{path}");
        let request = SimRequest::new(method, &path, HeaderMap::new(), body.to_string());
        serde_json::from_slice(&answer(&mut self.hubspot, &request).body).unwrap()
    }
}
