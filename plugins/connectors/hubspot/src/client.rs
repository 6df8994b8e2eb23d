//! One request and what its answer means, before anybody looks at the body.
//!
//! The host adds credentials, waits for quotas and repeats what is safe to repeat; what arrives
//! here is the last answer. A write needs to know whether a failed request may have had an effect,
//! so [`CallFailure`] says it; a read turns the failure into an error with `?`.

pub(crate) mod account;
#[cfg(test)]
pub(crate) mod scripted;
pub(crate) mod search;
pub(crate) mod wire;

use renkei_sdk::http::{Failure, Request, Response};
use renkei_sdk::{Error, Outcome};
use serde::de::DeserializeOwned;

use crate::error::{ApiError, CallFailure};

/// A lock lasts for seconds (H-limit-5).
const LOCKED_MS: u64 = 2_000;
/// The ten-second window of the rate limit (H-limit-4).
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

/// Sends a request and reads its answer.
pub(crate) fn call<T: DeserializeOwned>(request: &Request) -> Result<Answer<T>, CallFailure> {
    let response = send(request)?;
    let server_time = response.server_time();
    let body = response.json().map_err(CallFailure::Unknown)?;
    Ok(Answer { body, server_time })
}

/// Sends a request whose answer has no body of interest.
pub(crate) fn send(request: &Request) -> Result<Response, CallFailure> {
    check_answer(request.send())
}

/// Turns an answer that is no success into a failure.
pub(crate) fn check_answer(sent: Result<Response, Failure>) -> Result<Response, CallFailure> {
    let response = sent.map_err(|failure| {
        let unknown = failure.may_have_arrived();
        let error = failure.into();
        if unknown { CallFailure::Unknown(error) } else { CallFailure::Stopped(error) }
    })?;
    if response.is_success() { Ok(response) } else { Err(read_failure(&response)) }
}

fn read_failure(response: &Response) -> CallFailure {
    let refusal: ApiError = serde_json::from_slice(&response.body).unwrap_or_default();
    match response.status {
        401 => CallFailure::Stopped(Error::unauthorized(refusal.category, refusal.message)),
        403 => CallFailure::Stopped(refusal.forbidden()),
        423 => CallFailure::Stopped(Error::RetryAfter(wait_ms(response).unwrap_or(LOCKED_MS))),
        429 => {
            CallFailure::Stopped(Error::RetryAfter(wait_ms(response).unwrap_or(quota_ms(&refusal))))
        }
        477 => CallFailure::Stopped(Error::RetryAfter(wait_ms(response).unwrap_or(HOUR_MS))),
        status @ 500.. => CallFailure::Unknown(Error::Host(format!("HTTP status {status}"))),
        status => CallFailure::Refused(status, Box::new(refusal)),
    }
}

fn quota_ms(refusal: &ApiError) -> u64 {
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
pub(crate) fn make_uncertain(error: &Error) -> Outcome {
    Outcome::Uncertain(match error {
        Error::Host(text) | Error::Bug(text) => text.clone(),
        other => format!("{other:?}"),
    })
}

#[cfg(test)]
mod tests {
    use renkei_sdk::testing::{respond, with_http};

    use super::*;

    fn answer(status: u16, json: &'static str) -> CallFailure {
        let request = Request::get("/crm/v3/objects/contacts");
        let sent = with_http(move |_| Ok(respond(status, json)), || send(&request));
        sent.unwrap_err()
    }

    #[test]
    fn status_says_whether_request_may_have_had_effect() {
        let check = |status, json, expected: &str| {
            let failed = format!("{:?}", answer(status, json));
            assert!(failed.starts_with(expected), "{failed}");
        };
        check(401, r#"{"category":"EXPIRED_AUTHENTICATION"}"#, "Stopped(Error::Unauthorized");
        check(403, "{}", "Stopped(Error::Forbidden");
        check(423, "", "Stopped(Error::RetryAfter(2000))");
        check(429, r#"{"policyName":"SECONDLY"}"#, "Stopped(Error::RetryAfter(1000))");
        check(429, r#"{"policyName":"TEN_SECONDLY_ROLLING"}"#, "Stopped(Error::RetryAfter(10000))");
        check(429, r#"{"policyName":"DAILY"}"#, "Stopped(Error::RetryAfter(3600000))");
        check(502, "<html>", "Unknown");
        check(400, r#"{"category":"VALIDATION_ERROR"}"#, "Refused(400");
    }

    #[test]
    fn lost_answer_is_unknown_and_a_denied_request_is_not() {
        let fails_with = |failure: Failure| {
            let request = Request::post("/crm/v3/objects/contacts/batch/create");
            with_http(move |_| Err(failure.clone()), || send(&request)).unwrap_err()
        };
        assert!(matches!(fails_with(Failure::Timeout), CallFailure::Unknown(_)));
        assert!(matches!(fails_with(Failure::TooLarge(1)), CallFailure::Unknown(_)));
        assert!(matches!(
            fails_with(Failure::Quota(7)),
            CallFailure::Stopped(Error::RetryAfter(7))
        ));
    }
}
