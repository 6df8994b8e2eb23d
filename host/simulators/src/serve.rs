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

use axum::body::{Body, to_bytes};
use axum::extract::Request as HttpRequest;
use axum::http::StatusCode;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::http::{SimAnswer, SimRequest};
use crate::simulator::SimulatedSystem;

/// A bulk upload is at most 150 MB.
const BODY_LEN_MAX: usize = 150 * 1024 * 1024;

/// A simulator that serves until it is stopped.
#[derive(Debug)]
pub struct RunningSimulator {
    /// Such as `http://127.0.0.1:40123`, without a trailing slash.
    pub base_url: String,
    /// Credentials of a client; the keys are the vendor's.
    pub credentials: Value,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RunningSimulator {
    /// Closes the port and idle connections, and waits for requests under way.
    pub async fn stop(self) {
        if self.stop.send(()).is_ok() {
            // A task that panicked has stopped as well.
            drop(self.task.await);
        }
    }
}

/// Serves the system that `build` makes for the base URL.
///
/// # Errors
/// The listener has no local address.
pub fn start(
    listener: TcpListener,
    build: impl FnOnce(&str) -> SimulatedSystem,
) -> io::Result<RunningSimulator> {
    let base_url = format!("http://{}", listener.local_addr()?);
    let system = build(&base_url);
    let credentials = system.credentials().clone();
    let shared: SharedSystem = Arc::new(Mutex::new(system));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(accept(listener, shared, stopped));
    Ok(RunningSimulator { base_url, credentials, stop, task })
}

/// Serves connections until it is stopped, and then those that are under way to their end.
async fn accept(listener: TcpListener, shared: SharedSystem, mut stopped: oneshot::Receiver<()>) {
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
async fn connection(stream: TcpStream, shared: SharedSystem, mut stopping: watch::Receiver<bool>) {
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

type SharedSystem = Arc<Mutex<SimulatedSystem>>;

async fn answer(system: SharedSystem, request: HttpRequest<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LEN_MAX).await else {
        return SimAnswer::empty(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    };
    let request = SimRequest::new(parts.method, &parts.uri.to_string(), parts.headers, body);
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
