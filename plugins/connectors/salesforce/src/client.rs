//! One request and what its answer means; bodies whose parts are borrowed.
//!
//! The host adds credentials, waits for quotas and repeats what is safe to repeat; what arrives
//! here is the last answer. A write needs to know whether a failed request may have had an effect,
//! so [`send_write`] says it; a read turns a failure into an error at once.

pub(crate) mod account;
pub(crate) mod soql;

use renkei_sdk::Error;
use renkei_sdk::http::{Request, Response};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::Config;
use crate::error::{ApiError, CallFailure, read_error};

/// Subrequests of one `/composite/batch` (S-collection-6).
pub(crate) const BATCH_MAX: usize = 25;

/// Sends, and turns an answer that is no success into an error.
pub(crate) fn send(request: &Request) -> Result<Response, Error> {
    let answer = request.send()?;
    if answer.is_success() { Ok(answer) } else { Err(read_error(&answer)) }
}

/// Sends a request that writes; the failure says whether it may have had an effect.
pub(crate) fn send_write(request: &Request) -> Result<Response, CallFailure> {
    let answer = request.send()?;
    if answer.is_success() { Ok(answer) } else { Err(CallFailure::read(&answer)) }
}

/// A body of this shape, which may borrow from it.
///
/// # Errors
/// `invalid` where a proxy or a login page answered, `bug` for JSON of another shape.
pub(crate) fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|fault| {
        let place = format!("line {} column {}", fault.line(), fault.column());
        if fault.is_data() {
            let shape = std::any::type_name::<T>();
            Error::bug(format!("an answer does not fit {shape} at {place}"))
        } else {
            Error::invalid("not-json", format!("an answer is not JSON at {place}"))
        }
    })
}

/// The answers to the subrequests of a `/composite/batch`, in their order.
#[derive(Deserialize)]
pub(crate) struct BatchAnswer<'a> {
    #[serde(borrow)]
    pub(crate) results: Vec<BatchResult<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchResult<'a> {
    pub(crate) status_code: u16,
    #[serde(borrow)]
    pub(crate) result: &'a RawValue,
}

/// GETs resources below the root and hands the body of each to `read`, in order: one by itself,
/// more of them in calls of 25.
pub(crate) fn get_all(
    config: &Config,
    paths: &[String],
    mut read: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    if let [path] = paths {
        return read(&send(&Request::get(format!("{}{path}", config.root)))?.body);
    }
    let version = config.version();
    for part in paths.chunks(BATCH_MAX) {
        let get = |path| serde_json::json!({"method": "GET", "url": format!("{version}{path}")});
        let requests: Vec<_> = part.iter().map(get).collect();
        let request = Request::post(format!("{}/composite/batch", config.root))
            .json(&serde_json::json!({"batchRequests": requests}))
            .repeatable();
        let answer = send(&request)?;
        for part in parse::<BatchAnswer<'_>>(&answer.body)?.results {
            check_part(part.status_code, part.result)?;
            read(part.result.get().as_bytes())?;
        }
    }
    Ok(())
}

/// Turns a subrequest's refusal into an error.
pub(crate) fn check_part(status: u16, body: &RawValue) -> Result<(), Error> {
    if (200..300).contains(&status) {
        return Ok(());
    }
    let errors: Vec<ApiError> = serde_json::from_str(body.get()).unwrap_or_default();
    Err(errors.into_iter().next().unwrap_or_default().error(status))
}
