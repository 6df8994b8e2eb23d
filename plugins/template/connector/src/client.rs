//! One request and what its answer means, before anybody looks at the body.
//!
//! The host adds credentials, waits for quotas and repeats what is safe to repeat.

pub(crate) mod wire;

use renkei_sdk::http::{Request, Response};
use renkei_sdk::{Account, Error};

use crate::error::{ApiError, CallFailure};

use self::wire::Me;

/// Sends a request; gives back an answer whose status is 2xx.
pub(crate) fn send(request: &Request) -> Result<Response, CallFailure> {
    let answer = request.send().map_err(CallFailure::Unanswered)?;
    if answer.is_success() {
        Ok(answer)
    } else {
        Err(CallFailure::Refused(ApiError::read(&answer)))
    }
}

/// Asks who the account is.
///
/// # Errors
/// `unauthorized`, `forbidden`.
pub(crate) fn check_account() -> Result<Account, Error> {
    let me: Me = send(&Request::get("/me"))?.json()?;
    Ok(Account::new(me.id, me.name))
}
