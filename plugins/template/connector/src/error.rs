//! The API's refusals as the contract's errors and outcomes (`API.md`, statuses).

use renkei_sdk::http::{Failure, Response};
use renkei_sdk::{Error, Outcome, Problem, Remedy};

/// The wait where the API says that it wants no more calls, and not until when. The host
/// leaves the whole system alone for a wait of more than a minute.
const BUSY_MS: u64 = 300_000;

/// An answer that is no success. This API says nothing but a status.
pub(crate) struct ApiError {
    status: u16,
}

/// The reason why a call has no good answer.
pub(crate) enum CallFailure {
    /// The API refused the request; nothing was done.
    Refused(ApiError),
    /// The host has no answer: it sent nothing, or nobody knows what became of the request.
    Unanswered(Failure),
}

impl ApiError {
    /// The refusal in an answer.
    pub(crate) fn read(answer: &Response) -> Self {
        Self { status: answer.status }
    }

    /// The error of a call that cannot go on. The host has dealt with 401 and 5xx before, and has
    /// waited out a 429 that does not last.
    fn error(&self) -> Error {
        let code = self.status.to_string();
        match self.status {
            401 => Error::unauthorized(code, "the token was refused"),
            403 => Error::forbidden(code, "the token lacks a permission"),
            404 => Error::not_found(code, "there is no such thing"),
            429 => Error::RetryAfter(BUSY_MS),
            _ => Error::invalid(code, "the API refused"),
        }
    }

    /// The outcome of each record of a refused write.
    fn outcome(&self) -> Outcome {
        if self.status == 429 {
            return Outcome::RetryAfter(BUSY_MS);
        }
        let code = self.status.to_string();
        Outcome::rejected(Problem::new(code, "the API refused", Remedy::Plugin))
    }
}

impl From<CallFailure> for Error {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Refused(refusal) => refusal.error(),
            CallFailure::Unanswered(failure) => failure.into(),
        }
    }
}

impl From<CallFailure> for Outcome {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Refused(refusal) => refusal.outcome(),
            CallFailure::Unanswered(failure) => failure.into(),
        }
    }
}
