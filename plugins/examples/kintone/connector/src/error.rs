//! kintone's refusals as the contract's errors and outcomes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::bindings::exports::renkei::plugin::connector::Outcome;
use crate::bindings::renkei::plugin::http::{Failure, Response};
use crate::bindings::renkei::plugin::types::{Error, Problem};

/// The wait after 429 that the host's own repeats did not outlast. It means too many at once, not
/// too many a day (K-quota-2), so it is short.
const BUSY_MS: u64 = 30_000;
/// The wait for a lock of the database (K-error-6).
const LOCKED_MS: u64 = 5_000;

/// An answer that is no success (K-error-1).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct ApiError {
    #[serde(skip)]
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
    /// Messages by the place in the request.
    #[serde(default)]
    pub(crate) errors: BTreeMap<String, Messages>,
}

/// The messages about one place.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Messages {
    #[serde(default)]
    pub(crate) messages: Vec<String>,
}

/// The reason why a call has no good answer.
#[derive(Debug, Clone)]
pub(crate) enum CallFailure {
    /// kintone refused the request; nothing was done.
    Refused(ApiError),
    /// The host has no answer: it sent nothing, or nobody knows what became of the request.
    Unanswered(Failure),
}

/// The place of a fault: one record of the request, and its field where the place names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) field: Option<String>,
}

impl Place {
    /// Reads `records[3].FIELD.value` and its kin (K-error-2).
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (index, rest) = text.strip_prefix("records[")?.split_once(']')?;
        let index = index.parse().ok()?;
        let field = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map(|(field, _)| field),
            None => rest.strip_prefix('.').map(|rest| {
                let named = rest.split_once('.');
                named.map_or(rest, |(field, _)| field)
            }),
        };
        let field = field.filter(|field| !["id", "updateKey", "revision", ""].contains(field));
        Some(Self { index, field: field.map(str::to_owned) })
    }
}

impl ApiError {
    /// The refusal in an answer, whose body may be anything (K-auth-3).
    pub(crate) fn read(answer: &Response) -> Self {
        let mut error: Self = serde_json::from_slice(&answer.body).unwrap_or_default();
        error.status = answer.status;
        if error.code.is_empty() {
            error.code = format!("HTTP_{}", answer.status);
            error.message = "an answer without kintone's error in it".to_owned();
        }
        error
    }

    /// The faults of single records, with their messages.
    pub(crate) fn places(&self) -> Vec<(Place, String)> {
        let read =
            |(at, all): (&String, &Messages)| Some((Place::read(at)?, all.messages.join(" ")));
        self.errors.iter().filter_map(read).collect()
    }

    /// True where the same request may be taken a little later.
    fn wait_ms(&self) -> Option<u64> {
        match (self.status, self.code.as_str()) {
            (429, _) => Some(BUSY_MS),
            (_, "GAIA_DA02" | "GAIA_RE18") => Some(LOCKED_MS),
            _ => None,
        }
    }

    /// The whole refusal in one text: message, and each place with its messages.
    fn text(&self) -> String {
        let mut text = self.message.clone();
        for (place, all) in &self.errors {
            text.push_str(&format!(" {place}: {}", all.messages.join(" ")));
        }
        text
    }

    fn problem(&self, remedy: &str) -> Problem {
        problem(&self.code, self.text(), remedy)
    }

    /// The refusal that concerns no record but the system: credentials, rights, the app itself.
    pub(crate) fn system_error(&self) -> Option<Error> {
        match (self.status, self.code.as_str()) {
            (401, _) | (_, "GAIA_IA02" | "CB_AU01" | "CB_WA01") => {
                Some(Error::Unauthorized(self.problem("admin")))
            }
            // K-auth-5
            (403, _) | (_, "CB_NO02" | "GAIA_NO01") => {
                Some(Error::Forbidden(self.problem("admin")))
            }
            (_, "GAIA_AP01") => Some(Error::NotFound(self.problem("admin"))),
            _ => None,
        }
    }

    /// The error of a call that cannot go on.
    pub(crate) fn error(&self) -> Error {
        if let Some(ms) = self.wait_ms() {
            return Error::RetryAfter(ms);
        }
        if let Some(error) = self.system_error() {
            return error;
        }
        match self.status {
            404 => Error::NotFound(self.problem("admin")),
            500.. if self.code.starts_with("HTTP_") => {
                Error::Host(format!("kintone answered {}", self.status))
            }
            _ => Error::Invalid(self.problem("plugin")),
        }
    }

    /// The outcome that every record of a refused request has for the same reason; none where the
    /// reason lies in some of the records.
    pub(crate) fn common_outcome(&self) -> Option<Outcome> {
        if let Some(ms) = self.wait_ms() {
            return Some(Outcome::RetryAfter(ms));
        }
        let lost = self.status >= 500 && self.code.starts_with("HTTP_");
        lost.then(|| Outcome::Uncertain(format!("kintone answered {}", self.status)))
    }

    /// The outcome of a record that was refused alone.
    pub(crate) fn rejected(&self) -> Outcome {
        let mut problems: Vec<Problem> = self
            .places()
            .into_iter()
            .map(|(place, message)| Problem {
                field: place.field,
                ..problem(&self.code, message, "source-data")
            })
            .collect();
        if problems.is_empty() {
            problems.push(self.problem("source-data"));
        }
        Outcome::Rejected(problems)
    }
}

/// A problem that blames no column.
pub(crate) fn problem(code: &str, message: impl Into<String>, remedy: &str) -> Problem {
    let (code, remedy) = (code.to_owned(), remedy.to_owned());
    Problem { code, message: message.into(), field: None, remedy }
}

impl From<CallFailure> for Error {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Refused(refusal) => refusal.error(),
            CallFailure::Unanswered(failure) => match failure {
                Failure::Quota(ms) => Self::RetryAfter(ms),
                Failure::Unauthorized(message) => {
                    Self::Unauthorized(problem("credentials", message, "admin"))
                }
                other => Self::Host(describe(&other)),
            },
        }
    }
}

/// The outcome of each record of a write that has no answer.
pub(crate) fn unanswered_outcome(failure: &Failure) -> Outcome {
    match failure {
        Failure::Quota(ms) => Outcome::RetryAfter(*ms),
        Failure::Denied(_) | Failure::Unauthorized(_) => {
            Outcome::Rejected(vec![problem("denied", describe(failure), "admin")])
        }
        other => Outcome::Uncertain(describe(other)),
    }
}

fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Quota(ms) => format!("the quota is used up for {ms} ms"),
        Failure::NoAnswer(reason) => format!("no answer: {reason}"),
        Failure::Denied(reason) => format!("denied: {reason}"),
        Failure::TooLarge(bytes) => format!("the answer was larger than {bytes} bytes"),
        Failure::Timeout => "no answer in time".to_owned(),
        Failure::Cancelled => "cancelled".to_owned(),
        Failure::Unauthorized(reason) => format!("no credentials: {reason}"),
        Failure::Other(other) => format!("{}: {}", other.code, other.text),
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiError, Error, Outcome, Place, Response};

    fn refusal(status: u16, body: &str) -> ApiError {
        ApiError::read(&Response {
            status,
            headers: vec![],
            body: body.as_bytes().to_vec(),
            facts: vec![],
        })
    }

    #[test]
    fn place_is_read_in_all_its_forms() {
        let field = |text| Place::read(text).map(|place| (place.index, place.field));
        for text in [
            "records[3].code.value",
            "records[3].code.values",
            "records[3].code.values[0].value",
            "records[3][code].value",
        ] {
            assert_eq!(field(text), Some((3, Some("code".to_owned()))), "{text}");
        }
        assert_eq!(field("records[0].updateKey"), Some((0, None)));
        assert_eq!(field("records[12]"), Some((12, None)));
        assert_eq!(field("records"), None);
        assert_eq!(field("query"), None);
    }

    #[test]
    fn wrong_token_is_unauthorized_whatever_the_status() {
        for status in [400, 401, 520] {
            let error = refusal(status, r#"{"code":"GAIA_IA02","message":"no"}"#).error();
            assert!(matches!(error, Error::Unauthorized(_)), "{status}: {error:?}");
        }
        let basic = refusal(401, "<html>").error();
        assert!(matches!(basic, Error::Unauthorized(_)), "{basic:?}");
    }

    #[test]
    fn lock_and_lost_answer_are_common_to_all_records() {
        let locked = refusal(400, r#"{"code":"GAIA_DA02"}"#).common_outcome();
        assert_eq!(locked, Some(Outcome::RetryAfter(5_000)));
        let lost = refusal(503, "Service Unavailable").common_outcome();
        assert!(matches!(lost, Some(Outcome::Uncertain(_))), "{lost:?}");
        assert_eq!(refusal(409, r#"{"code":"GAIA_CO02"}"#).common_outcome(), None);
    }
}
