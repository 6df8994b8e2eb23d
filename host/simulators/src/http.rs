//! One request and one answer as a state machine sees them, without a socket.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use futures::stream;
use percent_encoding::percent_decode_str;
use serde::Serialize;

/// One HTTP request, read whole.
#[derive(Clone, Debug)]
pub struct SimRequest {
    pub method: Method,
    /// The path as sent, percent signs included, without the query.
    pub path: String,
    /// Path segments, decoded, without empty ones.
    pub segments: Vec<String>,
    /// Query parameters, decoded, in order.
    pub parameters: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl SimRequest {
    /// Splits and decodes `target`, which is a path with an optional query.
    pub fn new(method: Method, target: &str, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
            .collect();
        let parameters = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { method, path: path.to_owned(), segments, parameters, headers, body: body.into() }
    }

    /// The first value of a query parameter.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One HTTP answer.
#[derive(Clone, Debug)]
pub struct SimAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Break the connection after the status line.
    pub lost: bool,
}

impl SimAnswer {
    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Vec::new(), lost: false }
    }

    /// An answer with a JSON body.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::typed(status, "application/json;charset=utf-8", body),
            Err(error) => Self::typed(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain",
                error.to_string().into_bytes(),
            ),
        }
    }

    /// An answer with a body of another type.
    pub fn typed(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        Self { status, headers, body, lost: false }
    }

    /// This answer with one more header; a value no header can hold is left out.
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub(crate) fn into_response(self) -> Response {
        let body = if self.lost {
            let broken = io::Error::from(io::ErrorKind::ConnectionReset);
            Body::from_stream(stream::iter([Err::<Bytes, _>(broken)]))
        } else {
            Body::from(self.body)
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_split_and_decoded() {
        let request =
            SimRequest::new(Method::GET, "/a%2Fb/c?x=1%2B1&y=a+b", HeaderMap::new(), Bytes::new());
        assert_eq!(request.segments, ["a/b", "c"]);
        assert_eq!(request.query("x"), Some("1+1"));
        assert_eq!(request.query("y"), Some("a b"));
        assert_eq!(request.query("z"), None);
    }
}
