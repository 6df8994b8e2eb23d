//! A scripted HubSpot for tests: answers in order, requests kept.
//!
//! For what the simulator cannot be made to say, and for what a request must look like. Properties
//! are answered apart, because every call but the first finds them in memory.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use renkei_sdk::http::{Failure, Request, Response};
use renkei_sdk::testing::{respond, with_http};
use renkei_sdk::{Connector, Value};
use serde_json::Value as Json;

use crate::HubSpot;

/// The scripted server's clock: `Thu, 12 Mar 2026 10:04:17 GMT`.
pub(crate) const NOW_MS: i64 = 1_773_309_857_000;

const PROPERTIES: &str = r#"{"results":[
    {"name":"email","type":"string","fieldType":"text"},
    {"name":"phone","type":"phone_number","fieldType":"phonenumber"},
    {"name":"domain","type":"string","fieldType":"text"},
    {"name":"score","type":"number","fieldType":"number"},
    {"name":"renkei_id","type":"string","fieldType":"text","hasUniqueValue":true}]}"#;

/// One sent request.
#[derive(Debug, Clone)]
pub(crate) struct SentRequest {
    pub(crate) path: String,
    pub(crate) body: Json,
    pub(crate) repeatable: bool,
}

/// Runs a call against these answers, one per request but those for properties; gives its result
/// and what was sent. The test fails if answers are left over or missing.
pub(crate) fn scripted<T>(
    answers: Vec<Result<Response, Failure>>,
    call: impl FnOnce(&mut HubSpot) -> T,
) -> (T, Vec<SentRequest>) {
    let sent = Rc::new(RefCell::new(Vec::new()));
    let left = Rc::new(RefCell::new(VecDeque::from(answers)));
    let (log, queue) = (Rc::clone(&sent), Rc::clone(&left));
    let handler = move |request: &Request| {
        if request.path.starts_with("/crm/v3/properties/") {
            return Ok(respond(200, PROPERTIES));
        }
        log.borrow_mut().push(SentRequest {
            path: request.path.clone(),
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
            repeatable: request.repeatable,
        });
        let answer = queue.borrow_mut().pop_front();
        answer.unwrap_or_else(|| panic!("no answer left for {}", request.path))
    };
    let settings = vec![("lookback_ms".to_owned(), Value::Integer(90_000))];
    let mut hubspot = HubSpot::configure(&settings).unwrap();
    let result = with_http(handler, || call(&mut hubspot));
    assert!(left.borrow().is_empty(), "answers left over");
    let sent = sent.borrow().clone();
    (result, sent)
}

/// A good answer, given at [`NOW_MS`].
pub(crate) fn ok(json: &str) -> Result<Response, Failure> {
    status(200, json)
}

/// An answer with a status, given at [`NOW_MS`].
pub(crate) fn status(status: u16, json: &str) -> Result<Response, Failure> {
    let mut response = respond(status, json);
    response.headers.push(("date".to_owned(), "Thu, 12 Mar 2026 10:04:17 GMT".to_owned()));
    Ok(response)
}
