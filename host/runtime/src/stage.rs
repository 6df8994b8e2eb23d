//! What the tests of this crate stand on: a clock that moves by hand, a token store in memory, a
//! scripted server, a hostile one (`rogue`) with names of its own, and ears for the audit.

pub(crate) mod audit;
pub(crate) mod rogue;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};

use renkei_fixtures::{Fixture, plugin};
use renkei_package::{ConnectorManifest, ManifestKind, Package};
use renkei_sync::model::plugin::Generation;
use renkei_sync::ports::Clock;

use crate::system::{Auth, SystemConfig, TokenStore, TokenStoreError};

/// Stands still but for those who sleep: their sleep moves it and ends at once.
#[derive(Debug, Default)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep_ms(&self, ms: u64) {
        self.advance(i64::try_from(ms).unwrap());
        tokio::task::yield_now().await;
    }
}

/// Refresh tokens by system and slot.
#[derive(Debug, Default)]
pub(crate) struct TokensInMemory(Mutex<BTreeMap<String, String>>);

impl TokensInMemory {
    pub(crate) fn with(token: &str) -> Self {
        Self(Mutex::new([("acme/primary".to_owned(), token.to_owned())].into()))
    }

    pub(crate) fn saved(&self) -> Option<String> {
        self.0.lock().unwrap().get("acme/primary").cloned()
    }
}

#[async_trait]
impl TokenStore for TokensInMemory {
    async fn load(
        &self,
        system: &str,
        slot: &str,
    ) -> Result<Option<SecretString>, TokenStoreError> {
        let saved = self.0.lock().unwrap().get(&format!("{system}/{slot}")).cloned();
        Ok(saved.map(SecretString::from))
    }

    async fn save(
        &self,
        system: &str,
        slot: &str,
        refresh_token: &SecretString,
    ) -> Result<(), TokenStoreError> {
        let token = refresh_token.expose_secret().to_owned();
        self.0.lock().unwrap().insert(format!("{system}/{slot}"), token);
        Ok(())
    }
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

/// Status, headers, body.
pub(crate) type Reply = (u16, Vec<(&'static str, String)>, Vec<u8>);

pub(crate) fn reply(status: u16, body: impl Into<Vec<u8>>) -> Reply {
    (status, vec![], body.into())
}

/// A server on loopback that answers by a script and remembers what it saw.
pub(crate) struct Server {
    pub(crate) base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// `script` gets the base URL, the request, and how many with this path came before.
    pub(crate) async fn start(
        script: impl Fn(&str, &Seen, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (script, log, origin) = (Arc::new(script), Arc::clone(&seen), base.clone());
        let handler = move |request: Request<Body>| {
            let (script, log, origin) = (Arc::clone(&script), Arc::clone(&log), origin.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let header = |name| parts.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
                let seen = Seen {
                    path: parts.uri.to_string(),
                    authorization: header("authorization").unwrap_or_default(),
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
    pub(crate) fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.path.clone()).collect()
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }
}

/// The manifest that all connector fixtures share.
pub(crate) fn connector_manifest() -> ConnectorManifest {
    let package = Package::read("courier.wasm", plugin(Fixture::Courier)).unwrap();
    match package.manifest.kind {
        ManifestKind::Connector(manifest) => manifest,
        ManifestKind::Transform(_) => panic!("the courier is a connector"),
    }
}

/// Who asks, where a test does not care.
pub(crate) fn generation() -> Generation {
    let (plugin, version) = ("courier".to_owned(), "1.0.0".to_owned());
    Generation { plugin, version, digest: "d1".to_owned() }
}

/// The system `acme`, served by a fixture.
pub(crate) fn system(fixture: Fixture, base_url: &str, auth: Auth) -> SystemConfig {
    SystemConfig {
        name: "acme".to_owned(),
        plugin: fixture.id().to_owned(),
        base_url: Some(base_url.to_owned()),
        auth,
        settings: vec![],
        secrets: BTreeMap::new(),
    }
}

pub(crate) fn client_credentials() -> Auth {
    Auth::ClientCredentials {
        client_id: "client".to_owned(),
        client_secret: "client-secret-1".into(),
        scope: None,
    }
}

pub(crate) fn refresh_token(token: &str) -> Auth {
    Auth::RefreshToken {
        client_id: "client".to_owned(),
        client_secret: Some("client-secret-1".into()),
        refresh_token: token.into(),
    }
}

/// A token answer; the base URL stays where it is.
pub(crate) fn token(base: &str, access: &str, more: &str) -> Reply {
    let instance = format!(r#""instance_url":"{base}""#);
    reply(200, format!(r#"{{"access_token":"{access}",{instance}{more}}}"#))
}
