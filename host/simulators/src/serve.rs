//! Loopback HTTP for a state machine: parse, one call under a mutex, answer.
//!
//! Owns every socket, the spawned server task and the only sleep of this crate. A request is read
//! whole before the state machine sees it, and a lost answer is a connection that dies after the
//! status line, so a client cannot tell whether its write was done.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request as HttpRequest;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use futures::stream;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::Clock;
use crate::control::System;
use crate::faults::Faults;
use crate::simulator::Simulator;

/// A bulk upload is at most 150 MB.
const BODY_LEN_MAX: usize = 150 * 1024 * 1024;

/// How to start a simulator.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seed of the sample data; both systems need the same one.
    pub seed: u64,
    /// How many people the sample data holds.
    pub people: u32,
    pub clock: Clock,
    pub faults: Faults,
}

/// A simulator that serves until it is stopped.
#[derive(Debug)]
pub struct Running {
    /// Such as `http://127.0.0.1:40123`, without a trailing slash.
    pub base_url: String,
    /// What a client needs to log in; the keys are the vendor's.
    pub credentials: Value,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Closes the port and idle connections, and waits for requests under way.
    pub async fn stop(self) {
        if self.stop.send(()).is_ok() {
            // A task that panicked has stopped as well.
            drop(self.task.await);
        }
    }
}

/// Serves what `build` makes of the base URL: the state machine and its credentials.
///
/// # Errors
/// The listener has no local address.
pub fn start<S: System>(
    listener: TcpListener,
    build: impl FnOnce(&str) -> (S, Value),
) -> io::Result<Running> {
    let base_url = format!("http://{}", listener.local_addr()?);
    let (system, credentials) = build(&base_url);
    let shared: Shared = Arc::new(Mutex::new(Simulator::new(system, credentials.clone())));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(accept(listener, shared, stopped));
    Ok(Running { base_url, credentials, stop, task })
}

/// Serves connections until it is stopped, and then those that are under way to their end.
async fn accept(listener: TcpListener, shared: Shared, mut stopped: oneshot::Receiver<()>) {
    let (stopping, watched) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // A dropped sender stops the server as well.
            _ = &mut stopped => break,
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                // Without it each small answer may wait for a delayed acknowledgement; not fatal.
                drop(stream.set_nodelay(true));
                connections.spawn(connection(stream, Arc::clone(&shared), watched.clone()));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    // Every connection notices that the other end of its channel has gone.
    drop(stopping);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection over HTTP/1.1, with header names in title case as the vendors send them.
async fn connection(stream: TcpStream, shared: Shared, mut stopping: watch::Receiver<bool>) {
    let service = service_fn(move |request: HttpRequest<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(shared, request.map(Body::new)).await) }
    });
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // A client that breaks off is its own affair.
        done = served.as_mut() => drop(done),
        _ = stopping.changed() => {
            served.as_mut().graceful_shutdown();
            drop(served.await);
        }
    }
}

type Shared = Arc<Mutex<Simulator>>;

async fn answer(system: Shared, request: HttpRequest<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LEN_MAX).await else {
        return Answer::empty(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    };
    let request = Request::new(parts.method, &parts.uri.to_string(), parts.headers, body);
    let (answer, delay_ms) = {
        let mut system = system.lock().unwrap_or_else(PoisonError::into_inner);
        let held = !request.path.starts_with("/_sim/");
        let answer = system.handle(&request);
        (answer, if held { system.system().faults().response_delay_ms } else { 0 })
    };
    if delay_ms > 0 {
        delay(delay_ms).await;
    }
    answer.into_response()
}

#[expect(clippy::disallowed_methods, reason = "the delay of an answer is real time by definition")]
async fn delay(real_ms: u64) {
    tokio::time::sleep(Duration::from_millis(real_ms)).await;
}

/// One HTTP request, read whole.
#[derive(Clone, Debug)]
pub struct Request {
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

impl Request {
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
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Break the connection after the status line.
    pub lost: bool,
}

impl Answer {
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

    fn into_response(self) -> Response {
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
            Request::new(Method::GET, "/a%2Fb/c?x=1%2B1&y=a+b", HeaderMap::new(), Bytes::new());
        assert_eq!(request.segments, ["a/b", "c"]);
        assert_eq!(request.query("x"), Some("1+1"));
        assert_eq!(request.query("y"), Some("a b"));
        assert_eq!(request.query("z"), None);
    }
}
