//! One request and what its answer means, before anybody looks at the body.
//!
//! The host adds credentials, waits for quotas and repeats what is safe to repeat; what arrives
//! here is the last answer. Writes need to know whether a failed request may have had an effect,
//! so [`Failed`] keeps that apart; reads turn it into an error with `?`.

pub(crate) mod account;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod search;
pub(crate) mod wire;

use renkei_sdk::http::{Failure, Request, Response};
use renkei_sdk::{Error, Outcome, time};
use serde::de::DeserializeOwned;

use crate::client::wire::Refusal;

/// A lock is held for seconds (`apis/hubspot.md` 8).
const LOCKED_MS: u64 = 2_000;
/// The ten-second window of the rate limit.
const WINDOW_MS: u64 = 10_000;
/// The daily limit ends at midnight in a time zone that the answer does not tell; a migration
/// says when, or not.
const HOUR_MS: u64 = 3_600_000;

/// A good answer.
pub(crate) struct Answer<T> {
    pub(crate) body: T,
    /// The server's clock when it answered, ms.
    pub(crate) server_time: Option<i64>,
}

/// Why a request has no good answer.
#[derive(Debug)]
pub(crate) enum Failed {
    /// HubSpot refused the request itself; nothing was done.
    Refused(u16, Box<Refusal>),
    /// It was sent, and nobody knows what became of it: no answer, or none that can be read.
    Unknown(Error),
    /// Nothing was done, and other requests would fare no better.
    Stop(Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(status, refusal) => refusal.error(status),
            Failed::Unknown(error) | Failed::Stop(error) => error,
        }
    }
}

/// Sends a request and reads its answer.
pub(crate) fn call<T: DeserializeOwned>(request: &Request) -> Result<Answer<T>, Failed> {
    let response = send(request)?;
    let server_time = response.header("date").and_then(time::parse_http_date);
    let body = response.json().map_err(Failed::Unknown)?;
    Ok(Answer { body, server_time })
}

/// Sends a request whose answer has no body of interest.
pub(crate) fn send(request: &Request) -> Result<Response, Failed> {
    let response = request.send().map_err(|failure| match failure {
        Failure::NoAnswer(_) | Failure::Timeout | Failure::Cancelled | Failure::TooLarge(_) => {
            Failed::Unknown(failure.into())
        }
        _ => Failed::Stop(failure.into()),
    })?;
    if response.is_success() { Ok(response) } else { Err(failed(&response)) }
}

fn failed(response: &Response) -> Failed {
    let refusal: Refusal = serde_json::from_slice(&response.body).unwrap_or_default();
    match response.status {
        401 => Failed::Stop(Error::unauthorized(refusal.category, refusal.message)),
        403 => Failed::Stop(refusal.forbidden()),
        423 => Failed::Stop(Error::RetryAfter(wait_ms(response).unwrap_or(LOCKED_MS))),
        429 => Failed::Stop(Error::RetryAfter(wait_ms(response).unwrap_or(quota_ms(&refusal)))),
        477 => Failed::Stop(Error::RetryAfter(wait_ms(response).unwrap_or(HOUR_MS))),
        status @ 500.. => Failed::Unknown(Error::Host(format!("HTTP status {status}"))),
        status => Failed::Refused(status, Box::new(refusal)),
    }
}

fn quota_ms(refusal: &Refusal) -> u64 {
    match refusal.policy_name.as_deref() {
        Some("DAILY") => HOUR_MS,
        Some("SECONDLY") => 1_000,
        _ => WINDOW_MS,
    }
}

/// `Retry-After` in ms; HubSpot gives seconds.
fn wait_ms(response: &Response) -> Option<u64> {
    let seconds: u64 = response.header("retry-after")?.parse().ok()?;
    Some(seconds.saturating_mul(1_000))
}

/// The outcome of a write whose request ended like this.
pub(crate) fn uncertain(error: &Error) -> Outcome {
    Outcome::Uncertain(match error {
        Error::Host(text) | Error::Bug(text) => text.clone(),
        other => format!("{other:?}"),
    })
}

#[cfg(test)]
mod tests {
    use renkei_sdk::testing::{respond, with_http};

    use super::*;

    fn answer(status: u16, json: &'static str) -> Failed {
        let request = Request::get("/crm/v3/objects/contacts");
        let sent = with_http(move |_| Ok(respond(status, json)), || send(&request));
        sent.unwrap_err()
    }

    #[test]
    fn a_status_says_whether_anything_may_have_happened() {
        let check = |status, json, expected: &str| {
            let failed = format!("{:?}", answer(status, json));
            assert!(failed.starts_with(expected), "{failed}");
        };
        check(401, r#"{"category":"EXPIRED_AUTHENTICATION"}"#, "Stop(Error::Unauthorized");
        check(403, "{}", "Stop(Error::Forbidden");
        check(423, "", "Stop(Error::RetryAfter(2000))");
        check(429, r#"{"policyName":"SECONDLY"}"#, "Stop(Error::RetryAfter(1000))");
        check(429, r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#, "Stop(Error::RetryAfter(10000))");
        check(429, r#"{"policyName":"DAILY"}"#, "Stop(Error::RetryAfter(3600000))");
        check(502, "<html>", "Unknown");
        check(400, r#"{"category":"VALIDATION_ERROR"}"#, "Refused(400");
    }

    #[test]
    fn a_lost_answer_is_unknown_and_a_denied_request_is_not() {
        let fails_with = |failure: Failure| {
            let request = Request::post("/crm/v3/objects/contacts/batch/create");
            with_http(move |_| Err(failure.clone()), || send(&request)).unwrap_err()
        };
        assert!(matches!(fails_with(Failure::Timeout), Failed::Unknown(_)));
        assert!(matches!(fails_with(Failure::TooLarge(1)), Failed::Unknown(_)));
        assert!(matches!(fails_with(Failure::Quota(7)), Failed::Stop(Error::RetryAfter(7))));
    }
}
