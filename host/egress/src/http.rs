//! A request as a guest states it, the answer as a guest sees it, and why there is none.

use crate::refusal::EgressRefusal;

/// A request as a guest states it; see `wit/v0.2/http.wit`.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The connection of the manifest.
    pub slot: String,
    /// The method.
    pub method: reqwest::Method,
    /// The path and query below the slot's base URL.
    pub path: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The request changes nothing, or does the same when it is sent twice.
    pub repeatable: bool,
    /// The quotas of the manifest that the request uses, besides `all`.
    pub quotas: Vec<String>,
    /// The time that the guest gives it, ms.
    pub timeout_ms: Option<u32>,
}

/// An answer as a guest sees it: decoded, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The reason why a guest gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The quota is used up for so many ms.
    Quota(u64),
    /// The connection or the server failed.
    NoAnswer(String),
    /// The host does not send the request or does not take the answer.
    Refused(EgressRefusal),
    /// No answer came in time.
    Timeout,
    /// The system refuses the credentials.
    Unauthorized(String),
    /// The token endpoint is none, or gives what is not allowed: no fault of the credentials.
    Unfit(String),
}

impl From<EgressRefusal> for SendError {
    fn from(refusal: EgressRefusal) -> Self {
        Self::Refused(refusal)
    }
}
