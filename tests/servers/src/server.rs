//! A server on loopback that answers by a script and remembers what it saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// Path and query.
    pub path: String,
    /// The header of that name; empty where there is none.
    pub authorization: String,
    /// All headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// Status, headers, body.
pub type Reply = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// An answer without headers of its own.
pub fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    (status, vec![], body.into())
}

/// A server on loopback that answers by a script and remembers what it saw.
pub struct Server {
    /// Its URL.
    pub base: String,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl Server {
    /// Starts a server. `script` gets the base URL, the request, and how many with this path came
    /// before.
    pub async fn start(
        script: impl Fn(&str, &SeenRequest, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<SeenRequest>>>::default();
        let (script, log, origin) = (Arc::new(script), Arc::clone(&seen), base.clone());
        let handler = move |request: Request<Body>| {
            let (script, log, origin) = (Arc::clone(&script), Arc::clone(&log), origin.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let header =
                    |name: &str| parts.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
                let seen = SeenRequest {
                    path: parts.uri.to_string(),
                    authorization: header("authorization").unwrap_or_default(),
                    headers: parts
                        .headers
                        .keys()
                        .filter_map(|name| Some((name.to_string(), header(name.as_str())?)))
                        .collect(),
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                let before = {
                    let mut log = log.lock().unwrap();
                    log.push(seen.clone());
                    log.iter().filter(|other| other.path == seen.path).count() - 1
                };
                let (status, headers, body) = script(&origin, &seen, before);
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(body)).unwrap()
            }
        };
        let router = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, seen }
    }

    /// The paths of all requests, in order of arrival.
    pub fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.path.clone()).collect()
    }

    /// The requests to one path, in order of arrival.
    pub fn seen(&self, path: &str) -> Vec<SeenRequest> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }
}

/// A token answer; the base URL stays where it is.
pub fn token(base: &str, access: &str, more: &str) -> Reply {
    let instance = format!(r#""instance_url":"{base}""#);
    reply(200, format!(r#"{{"access_token":"{access}",{instance}{more}}}"#))
}
