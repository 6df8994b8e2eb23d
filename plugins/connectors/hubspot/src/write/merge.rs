//! Merges of two or more records (`API.md`, H-merge-1, H-merge-2).
//!
//! Each merge takes one loser and may leave the survivor under a new id, with which the next merge
//! goes on. A merge cannot be undone or repeated.

use renkei_sdk::http::Request;
use renkei_sdk::{Action, Applied, Error, Outcome};
use serde_json::json;

use crate::client::wire::Record;
use crate::client::{call, make_uncertain};
use crate::error::CallFailure;

/// Merges the losers into the winner, one after another.
///
/// # Errors
/// Only where nothing was merged yet.
pub(crate) fn merge_records(
    object: &str,
    winner: &str,
    losers: &[String],
) -> Result<Outcome, Error> {
    let mut survivor = Applied::updated(winner);
    for (done, loser) in losers.iter().enumerate() {
        let body = json!({ "primaryObjectId": survivor.id, "objectIdToMerge": loser });
        let request = Request::post(format!("/crm/v3/objects/{object}/merge")).json(&body);
        match call::<Record>(&request) {
            Ok(answer) => {
                survivor.modified = answer.body.modified_ms();
                survivor.id = answer.body.id;
                survivor.version = answer.body.updated_at;
            }
            // The host reads the records again to see how far it went.
            Err(CallFailure::Unknown(error)) => return Ok(make_uncertain(&error)),
            Err(failure) if done > 0 => {
                let why = format!("merged {done} of {}: {failure:?}", losers.len());
                return Ok(Outcome::Uncertain(why));
            }
            Err(CallFailure::Refused(_, refusal)) if !refusal.is_unknown_object() => {
                return Ok(refusal.outcome(Action::Update));
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(survivor.into())
}
