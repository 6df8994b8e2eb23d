//! A request as the routes see it and the answer they give, before they become HTTP.
//!
//! Composite resources (S-collection-6) run the same routes for each part and put the
//! answers into one body, hence a body that is still JSON.

use axum::http::StatusCode;
use axum::http::header::{HeaderName, HeaderValue};

use super::error::ApiFault;
use super::json::Json;
use crate::http::{SimAnswer, SimRequest};

/// One call of the data API: the request with its path after the version.
pub(crate) struct OrgCall<'a> {
    pub(crate) request: &'a SimRequest,
    /// The request's method, or what `_HttpMethod` replaces it by.
    pub(crate) method: &'a str,
    pub(crate) path: &'a [&'a str],
    /// Such as `/services/data/v60.0`.
    pub(crate) base: &'a str,
    pub(crate) now_ms: i64,
}

impl OrgCall<'_> {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Result<Json, ApiFault> {
        Json::parse(&self.request.body)
            .map_err(|error| ApiFault::parser(format!("{error} at [line:1, column:1]")))
    }

    /// API version of the path, such as `60.0`.
    pub(crate) fn version(&self) -> f64 {
        let version = self.base.rsplit_once("/v").map(|(_, version)| version);
        version.and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// A 405 that names the methods of this resource.
    pub(crate) fn refuse(&self, allowed: &str) -> ApiFault {
        ApiFault::method_not_allowed(self.method, allowed)
    }
}

/// Answer of a route.
#[derive(Debug, Clone)]
pub(crate) struct OrgReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: ReplyBody,
}

#[derive(Debug, Clone)]
pub(crate) enum ReplyBody {
    Empty,
    Json(Json),
    /// A content type with the text.
    Text(&'static str, String),
}

impl OrgReply {
    pub(crate) fn json(status: u16, body: Json) -> Self {
        Self { status, headers: Vec::new(), body: ReplyBody::Json(body) }
    }

    pub(crate) fn ok(body: Json) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: ReplyBody::Empty }
    }

    pub(crate) fn text(content_type: &'static str, text: String) -> Self {
        Self { status: 200, headers: Vec::new(), body: ReplyBody::Text(content_type, text) }
    }

    pub(crate) fn fault(fault: &ApiFault) -> Self {
        Self::json(fault.status, Json::List(vec![fault.top_level()]))
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn into_answer(self) -> SimAnswer {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut answer = match self.body {
            ReplyBody::Empty => SimAnswer::empty(status),
            ReplyBody::Json(body) => SimAnswer::json(status, &body),
            ReplyBody::Text(content_type, text) => {
                SimAnswer::typed(status, content_type, text.into_bytes())
            }
        };
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers.insert(HeaderName::from_static(name), value);
            }
        }
        answer
    }
}
