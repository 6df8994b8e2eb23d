//! Both systems without a socket, on one clock, with people who act while a client writes.

use axum::http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::SimulatedSystem;
use crate::clock::SimClock;
use crate::faults::Faults;
use crate::http::{SimAnswer, SimRequest};
use crate::simulator::SimOptions;

const START_MS: i64 = 1_790_000_000_000;

const NO_TOKEN: HeaderValue = HeaderValue::from_static("");

fn options(clock: &SimClock) -> SimOptions {
    SimOptions { seed: 1, people: 20, clock: clock.clone(), faults: Faults::none() }
}

fn hubspot(clock: &SimClock) -> SimulatedSystem {
    crate::hubspot::simulator(&options(clock), "http://hubspot.test")
}

fn send(system: &mut SimulatedSystem, method: &str, path: &str, body: Value) -> SimAnswer {
    let token = system.credentials()["private_app_token"].as_str().unwrap_or_default();
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap_or(NO_TOKEN);
    let headers = HeaderMap::from_iter([(axum::http::header::AUTHORIZATION, bearer)]);
    let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    system.handle(&SimRequest::new(method, path, headers, body.to_string()))
}

fn body(answer: &SimAnswer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

#[test]
fn both_systems_answer_without_a_socket_on_one_clock() {
    let clock = SimClock::manual(START_MS);
    let mut hubspot = hubspot(&clock);
    let mut salesforce = crate::salesforce::simulator(&options(&clock), "http://salesforce.test");
    let answer = send(&mut hubspot, "GET", "/crm/v3/objects/contacts", Value::Null);
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.headers["date"], "Mon, 21 Sep 2026 14:13:20 GMT");
    let versions = send(&mut salesforce, "GET", "/services/data", Value::Null);
    assert!(body(&versions).is_array());
    send(&mut hubspot, "POST", "/_sim/faults", json!({"date_offset_ms": 86_400_000}));
    let answer = send(&mut hubspot, "GET", "/crm/v3/objects/contacts", Value::Null);
    assert_eq!(answer.headers["date"], "Tue, 22 Sep 2026 14:13:20 GMT");
}

#[test]
fn a_person_edits_during_a_write_and_in_the_same_moment() {
    let clock = SimClock::manual(START_MS);
    let mut system = hubspot(&clock);
    let listed = send(&mut system, "GET", "/crm/v3/objects/contacts?limit=1", Value::Null);
    let id = body(&listed)["results"][0]["id"].clone();
    let edit = |fields: Value, when: &str| json!({"object": "contacts", "id": id, "fields": fields, "when": when});
    for (fields, when) in [
        (json!({"city": "before", "zip": "before"}), "before_write"),
        (json!({"state": "after"}), "after_write"),
    ] {
        let answer = send(&mut system, "POST", "/_sim/edit", edit(fields, when));
        assert_eq!(body(&answer)["waits"], true);
    }
    let path = format!("/crm/v3/objects/contacts/{}", id.as_str().unwrap());
    send(&mut system, "GET", &path, Value::Null);
    assert_eq!(system.diary().len(), 0, "a read sets nothing off");
    let write = json!({"properties": {"zip": "client", "state": "client"}});
    let answer = send(&mut system, "PATCH", &path, write);
    assert_eq!(body(&answer)["properties"]["state"], "client", "the answer is older already");
    let read = send(&mut system, "GET", &format!("{path}?properties=city,zip,state"), Value::Null);
    let values = &body(&read)["properties"];
    assert_eq!([&values["city"], &values["zip"], &values["state"]], ["before", "client", "after"]);
    let diary = body(&send(&mut system, "GET", "/_sim/diary", Value::Null));
    assert_eq!(diary.as_array().unwrap().len(), 2);
    assert_eq!((&diary[1]["act"], &diary[1]["at_ms"]), (&json!("edit"), &json!(START_MS)));
}

#[test]
fn a_request_can_die_before_it_does_anything() {
    let clock = SimClock::manual(START_MS);
    let mut system = hubspot(&clock);
    send(&mut system, "POST", "/_sim/faults", json!({"drop_request_every": 1}));
    let new = json!({"properties": {"city": "x"}});
    assert!(send(&mut system, "POST", "/crm/v3/objects/contacts", new).lost);
    let records = body(&send(&mut system, "GET", "/_sim/records?object=contacts", Value::Null));
    let made = records.as_array().unwrap().iter().filter(|one| one["created_by"] == "api").count();
    assert_eq!(made, 0);
}
