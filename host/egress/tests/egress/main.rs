//! The way out as its users have it: against servers on loopback, and quotas in a real database.
//!
//! In a program of its own, so that an edit of the crate need not link servers and a database
//! before the unit tests run.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy's own exception covers only the test functions"
)]

mod bounds;
mod credentials;
mod sending;
mod several;
mod shared_quota;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use renkei_model::plugin::Generation;
use renkei_package::{ConnectorManifest, Manifest};
use renkei_test_servers::{Server, reply, token};
use renkei_test_support::{HandClock, manifest};
use secrecy::{ExposeSecret as _, SecretString};

use renkei_egress::{
    AuthOptions, HttpRequest, JobEgress, NetworkOverrides, NoTokens, QuotaGate, SystemAuth,
    SystemConfig, SystemEgress, TokenStore, TokenStoreError,
};

/// Refresh tokens by system and slot.
#[derive(Debug, Default)]
struct TokensInMemory(Mutex<BTreeMap<String, String>>);

impl TokensInMemory {
    fn with(token: &str) -> Self {
        Self(Mutex::new([("acme/primary".to_owned(), token.to_owned())].into()))
    }

    fn saved(&self) -> Option<String> {
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

/// The manifest of a connector.
fn connector_manifest() -> ConnectorManifest {
    let manifest = Manifest::from_toml(&manifest::connector("courier"), None).unwrap();
    manifest.connector().unwrap().clone()
}

/// The caller, where a test does not care.
fn generation() -> Generation {
    let (plugin, version) = ("courier".to_owned(), "1.0.0".to_owned());
    Generation { plugin, version, digest: "d1".to_owned() }
}

/// The system `acme`.
fn system_config(base_url: Option<&str>, auth: SystemAuth) -> SystemConfig {
    SystemConfig {
        name: "acme".to_owned(),
        plugin: "courier".to_owned(),
        base_url: base_url.map(str::to_owned),
        auth,
        settings: vec![],
        auth_options: Default::default(),
        secrets: BTreeMap::new(),
    }
}

fn client_credentials() -> SystemAuth {
    SystemAuth::ClientCredentials {
        client_id: "client".to_owned(),
        client_secret: "client-secret-1".into(),
        scope: None,
    }
}

fn refresh_token(token: &str) -> SystemAuth {
    SystemAuth::RefreshToken {
        client_id: "client".to_owned(),
        client_secret: Some("client-secret-1".into()),
        refresh_token: Some(token.into()),
    }
}

fn open_system(
    base: &str,
    auth: SystemAuth,
    clock: &Arc<HandClock>,
    tokens: Arc<dyn TokenStore>,
) -> Arc<SystemEgress> {
    let (config, gate) = (system_config(Some(base), auth), QuotaGate::alone(clock.clone()));
    let network = (2, &NetworkOverrides::default());
    Arc::new(SystemEgress::new(config, gate, clock.clone(), tokens, 1, network).unwrap())
}

fn open_bearer(base: &str, clock: &Arc<HandClock>) -> Arc<SystemEgress> {
    open_system(base, SystemAuth::Bearer("fixed-token-1".into()), clock, Arc::new(NoTokens))
}

fn open_job(system: &Arc<SystemEgress>) -> JobEgress {
    JobEgress::open(system, &connector_manifest(), &generation()).unwrap()
}

fn get(path: &str) -> HttpRequest {
    HttpRequest {
        slot: "primary".to_owned(),
        method: reqwest::Method::GET,
        path: path.to_owned(),
        headers: vec![],
        body: vec![],
        repeatable: false,
        quotas: vec![],
        timeout_ms: None,
    }
}

fn post(path: &str) -> HttpRequest {
    HttpRequest { method: reqwest::Method::POST, body: b"x".to_vec(), ..get(path) }
}

/// Gives the tokens `access-token-1`, `access-token-2`, ... and lets in the one with `good`.
async fn server_of(good: &'static str, more: &'static str) -> Server {
    Server::start(move |base, seen, before| match seen.path.as_str() {
        "/token" => token(base, &format!("access-token-{}", before + 1), more),
        _ if seen.authorization == format!("Bearer {good}") => reply(200, "in"),
        _ => reply(401, "out"),
    })
    .await
}
