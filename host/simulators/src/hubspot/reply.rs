//! Bodies, parameters and replies, for all handlers.

use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::errors::ApiError;
use super::view::BatchAnswer;
use crate::http::{SimAnswer, SimRequest};

/// Answer of a handler, and the number of rows for the ledger.
pub(super) struct HubSpotReply {
    pub answer: SimAnswer,
    pub rows: usize,
}

pub(super) type HandlerResult = Result<HubSpotReply, ApiError>;

/// Reads a JSON body.
pub(super) fn body<T: DeserializeOwned>(request: &SimRequest) -> Result<T, ApiError> {
    serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::invalid(format!("Invalid input JSON: {error}")))
}

/// A batch answer: 207 when it has errors.
pub(super) fn reply<R: serde::Serialize>(
    status: StatusCode,
    batch: &BatchAnswer<R>,
    rows: usize,
) -> HubSpotReply {
    let status = if batch.has_errors() { StatusCode::MULTI_STATUS } else { status };
    HubSpotReply { answer: SimAnswer::json(status, batch), rows }
}

/// Refuses an empty batch and one beyond the cap.
pub(super) fn check_size(count: usize, cap: usize) -> Result<(), ApiError> {
    if count == 0 {
        return Err(ApiError::invalid("The batch has no inputs"));
    }
    if count > cap {
        let message = format!("The maximum number of inputs supported in a batch request is {cap}");
        return Err(ApiError::invalid(message));
    }
    Ok(())
}

/// The truth of a query parameter: `true` in any case, as HubSpot's Python client sends `True`.
pub(super) fn is_true(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// A number of rows; beyond the cap it is an error, not cut.
pub(super) fn limit(text: Option<&str>, default: usize, cap: usize) -> Result<usize, ApiError> {
    let Some(text) = text else { return Ok(default) };
    match text.parse() {
        Ok(limit) if (1..=cap).contains(&limit) => Ok(limit),
        _ => Err(ApiError::invalid(format!("limit must be between 1 and {cap}"))),
    }
}
