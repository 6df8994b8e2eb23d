//! The only way out of a connector: a request names a slot and a path, and everything else is the
//! host's.
//!
//! [`Door::send`] reads top to bottom: check what the guest asks (`policy`), wait for the quotas
//! (`quota`), add the credentials (`credentials`, `token`), send (`client`), renew or repeat where
//! that is safe (`retry`), take secrets out of the answer (`redact`), count (`traffic`). Everything
//! it needs to know about the caller comes from the job, nothing from the guest's arguments
//! (TRUST.md 2.5.8).

pub(crate) mod client;
pub(crate) mod credentials;
pub(crate) mod policy;
pub(crate) mod quota;
pub(crate) mod redact;
pub(crate) mod retry;
pub(crate) mod token;
pub(crate) mod traffic;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use reqwest::header::{HeaderName, RETRY_AFTER, SET_COOKIE};
use url::Url;

use renkei_package::{Auth as AuthKind, Connection, ConnectorManifest};
use renkei_sync::ports::Clock;

use crate::system::{Auth, SystemConfig, TokenStore};
use client::{Answer, Client, NoAnswer, Outgoing, REQUEST_TIMEOUT};
use credentials::{Credentials, Grant};
use policy::Reach;
use quota::{Claim, Gate};
use retry::{Attempt, Decision};
use token::Endpoint;
use traffic::{Counters, Traffic, add};

/// The slot that the configuration's base URL and credentials belong to.
const PRIMARY: &str = "primary";

/// How long a request waits for a quota, ms; beyond that the guest is told.
const QUOTA_WAIT_MAX_MS: u64 = 60_000;

/// How often a guest may call its credentials refused, per call.
const REFUSALS_PER_CALL: u32 = 3;

/// A request as a guest states it; see `wit/v1/http.wit`.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) slot: String,
    pub(crate) method: reqwest::Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) repeatable: bool,
    pub(crate) quotas: Vec<String>,
    pub(crate) timeout_ms: Option<u32>,
}

/// An answer as a guest sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why a guest gets no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Quota(u64),
    NoAnswer(String),
    Denied(String),
    TooLarge(u64),
    Timeout,
    Unauthorized(String),
}

/// The way out of one system: its client, quotas and credentials, shared by all its jobs.
pub(crate) struct Exit {
    config: SystemConfig,
    client: Client,
    gate: Arc<Gate>,
    credentials: Arc<Credentials>,
    bare: Arc<Credentials>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    dice: Mutex<StdRng>,
}

impl Exit {
    /// `gate` keeps the quotas of the account behind `config`.
    pub(crate) fn new(
        config: SystemConfig,
        gate: Arc<Gate>,
        clock: Arc<dyn Clock>,
        store: Arc<dyn TokenStore>,
        seed: u64,
        connects: u32,
    ) -> Result<Self, reqwest::Error> {
        let credentials = |slot, auth| {
            Arc::new(Credentials::new(&config.name, slot, auth, store.clone(), clock.clone()))
        };
        Ok(Self {
            client: Client::new(connects)?,
            gate,
            credentials: credentials(PRIMARY, config.auth.clone()),
            bare: credentials("", Auth::None),
            counters: Arc::default(),
            dice: Mutex::new(StdRng::seed_from_u64(seed)),
            clock,
            config,
        })
    }

    pub(crate) fn config(&self) -> &SystemConfig {
        &self.config
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.counters.read()
    }

    /// Checks the configuration against a generation's manifest and makes the way out of one job.
    pub(crate) fn door(self: &Arc<Self>, manifest: &ConnectorManifest) -> Result<Door, String> {
        let slots = manifest.connections.iter().map(|connection| {
            let slot = Slot::new(self, connection)?;
            Ok((connection.slot.clone(), slot))
        });
        Ok(Door {
            exit: Arc::clone(self),
            manifest: manifest.clone(),
            slots: slots.collect::<Result<_, String>>()?,
            refusals_left: REFUSALS_PER_CALL,
        })
    }

    fn roll(&self) -> f64 {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

/// One connection of a manifest as configured.
struct Slot {
    connection: Connection,
    base: Url,
    loopback: bool,
    credentials: Arc<Credentials>,
    endpoint: Option<Endpoint>,
    /// The serial of the token last used by this job.
    serial: u64,
}

impl Slot {
    fn new(exit: &Exit, connection: &Connection) -> Result<Self, String> {
        let primary = connection.slot == PRIMARY;
        let configured = exit.config.base_url.as_deref().filter(|_| primary);
        let base = configured.or(connection.base_url.as_deref()).ok_or_else(|| {
            format!("the slot `{}` has no base URL; give `base_url`", connection.slot)
        })?;
        let base: Url = base.parse().map_err(|_| format!("`{base}` is not a URL"))?;
        let loopback = configured.is_some() && policy::is_loopback(&base);
        Reach { allow: &connection.allow, loopback }.check(&base).map_err(|_| {
            let allow = connection.allow.iter().map(ToString::to_string).collect::<Vec<_>>();
            format!("the base URL `{base}` is not among {}", allow.join(", "))
        })?;
        if primary {
            check_auth(&exit.config.auth, connection)?;
        }
        let endpoint = match &connection.token_path {
            Some(path) => Some(Endpoint {
                client: exit.client.clone(),
                counters: Arc::clone(&exit.counters),
                url: policy::join(&base, path).map_err(|_| format!("`{path}` is no path"))?,
                style: connection.token_style,
                base_url_field: connection.base_url_field.clone(),
                allow: connection.allow.clone(),
                loopback,
            }),
            None => None,
        };
        let credentials = if primary { &exit.credentials } else { &exit.bare };
        Ok(Self {
            connection: connection.clone(),
            base,
            loopback,
            credentials: Arc::clone(credentials),
            endpoint,
            serial: 0,
        })
    }
}

fn check_auth(auth: &Auth, connection: &Connection) -> Result<(), String> {
    let (kind, name) = match auth {
        Auth::None => return Ok(()),
        Auth::Bearer(_) => (AuthKind::Bearer, "bearer"),
        Auth::Header { .. } => (AuthKind::Header, "header"),
        Auth::ClientCredentials { .. } => {
            (AuthKind::Oauth2ClientCredentials, "oauth2-client-credentials")
        }
        Auth::RefreshToken { .. } => (AuthKind::Oauth2RefreshToken, "oauth2-refresh-token"),
    };
    if connection.auth.contains(&kind) {
        return Ok(());
    }
    Err(format!("the plugin does not authenticate by `{name}` on slot `{}`", connection.slot))
}

/// The way out of one job: an [`Exit`] under the manifest of the job's generation.
pub(crate) struct Door {
    exit: Arc<Exit>,
    manifest: ConnectorManifest,
    slots: BTreeMap<String, Slot>,
    refusals_left: u32,
}

impl Door {
    /// A new call of the guest begins.
    pub(crate) fn begin_call(&mut self) {
        self.refusals_left = REFUSALS_PER_CALL;
    }

    /// Returns after so many ms of the host's clock.
    pub(crate) async fn wait(&self, ms: u64) {
        self.exit.clock.sleep_ms(ms).await;
    }

    /// Sends one request; see the module's text.
    pub(crate) async fn send(&mut self, request: Request) -> Result<Response, Failure> {
        let slot = slot(&mut self.slots, &request.slot)?;
        let unknown = request
            .quotas
            .iter()
            .find(|name| !self.manifest.quotas.iter().any(|quota| quota.name == **name));
        if let Some(name) = unknown {
            return Err(Failure::Denied(format!("the manifest declares no quota `{name}`")));
        }
        let own = slot.credentials.header_name();
        let headers = policy::headers(&request.headers, own)?;
        policy::join(&slot.base, &request.path)?;
        let manifest = &self.manifest;
        let concurrent = manifest.concurrent_requests;
        let claim = Arc::new(Claim::new(&request.quotas, &manifest.quotas, concurrent));
        let send = Send { exit: &self.exit, manifest, slot, request, claim, headers };
        send.run().await
    }

    /// The guest says that the slot's credentials were refused.
    pub(crate) async fn refused(&mut self, name: &str) -> Result<(), Failure> {
        let slot = slot(&mut self.slots, name)?;
        self.refusals_left = self.refusals_left.checked_sub(1).ok_or_else(|| {
            Failure::Unauthorized("the credentials are refused again and again".to_owned())
        })?;
        slot.credentials.renew(slot.serial, slot.endpoint.as_ref()).await.map(drop)
    }
}

fn slot<'a>(slots: &'a mut BTreeMap<String, Slot>, name: &str) -> Result<&'a mut Slot, Failure> {
    slots
        .get_mut(name)
        .ok_or_else(|| Failure::Denied(format!("the manifest declares no slot `{name}`")))
}

/// One checked request on its way.
struct Send<'a> {
    exit: &'a Exit,
    manifest: &'a ConnectorManifest,
    slot: &'a mut Slot,
    request: Request,
    claim: Arc<Claim>,
    headers: reqwest::header::HeaderMap,
}

impl Send<'_> {
    async fn run(mut self) -> Result<Response, Failure> {
        let mut renewed = false;
        let mut sent = 0;
        loop {
            let grant = self.slot.credentials.grant(self.slot.endpoint.as_ref()).await?;
            self.slot.serial = grant.serial;
            sent += 1;
            if sent > 1 {
                add(&self.exit.counters.repeats, 1);
            }
            let outcome = self.once(&grant).await?;
            self.heed(&outcome).await?;
            if let Ok(answer) = &outcome
                && self.slot.connection.refused_status.contains(&answer.status)
                && self.slot.credentials.can_renew()
                && !std::mem::replace(&mut renewed, true)
            {
                self.slot.credentials.renew(grant.serial, self.slot.endpoint.as_ref()).await?;
                continue;
            }
            match self.decide(&outcome, sent) {
                Decision::Settle => return self.settle(outcome),
                Decision::QuotaFor(ms) => return Err(Failure::Quota(ms)),
                Decision::Again(ms) => self.exit.clock.sleep_ms(ms).await,
            }
        }
    }

    async fn once(&mut self, grant: &Grant) -> Result<Result<Answer, NoAnswer>, Failure> {
        let url = policy::join(grant.base.as_ref().unwrap_or(&self.slot.base), &self.request.path)?;
        let reach = Reach { allow: &self.slot.connection.allow, loopback: self.slot.loopback };
        reach.check(&url)?;
        let mut headers = self.headers.clone();
        if let Some((name, value)) = &grant.header {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Failure::Unauthorized("the configured header is no name".into()))?;
            headers.insert(name, value.clone());
        }
        let asked = self.request.timeout_ms.map(|ms| Duration::from_millis(u64::from(ms.max(1))));
        let pass = self.exit.gate.pass(&self.claim, QUOTA_WAIT_MAX_MS).await?;
        let counters = &self.exit.counters;
        add(&counters.requests, 1);
        add(&counters.bytes_out, self.request.body.len());
        let outgoing = Outgoing {
            method: self.request.method.clone(),
            url,
            headers,
            body: self.request.body.clone(),
            timeout: asked.unwrap_or(REQUEST_TIMEOUT).min(REQUEST_TIMEOUT),
        };
        let outcome = self.exit.client.exchange(outgoing).await;
        drop(pass);
        match &outcome {
            Ok(answer) => counters.answered(answer.status, answer.body.len()),
            Err(_) => add(&counters.unanswered, 1),
        }
        Ok(outcome)
    }

    /// A quota status with a time is the server's word to everybody who sends for this account.
    async fn heed(&self, outcome: &Result<Answer, NoAnswer>) -> Result<(), Failure> {
        let Ok(answer) = outcome else { return Ok(()) };
        let told = self.retry_after_ms(answer);
        match told.filter(|_| self.manifest.retry.quota_status.contains(&answer.status)) {
            Some(ms) => self.exit.gate.hold(&self.claim, ms).await,
            None => Ok(()),
        }
    }

    fn retry_after_ms(&self, answer: &Answer) -> Option<u64> {
        let told = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
        retry::retry_after_ms(told, self.exit.clock.now_ms())
    }

    fn decide(&self, outcome: &Result<Answer, NoAnswer>, sent: u32) -> Decision {
        let attempt = match outcome {
            Ok(answer) => Attempt::Answer {
                status: answer.status,
                retry_after_ms: self.retry_after_ms(answer),
            },
            Err(NoAnswer::NotSent(_)) => Attempt::NotSent,
            Err(NoAnswer::Broken(_) | NoAnswer::Timeout) => Attempt::Broken,
            Err(NoAnswer::TooLarge) => return Decision::Settle,
        };
        let repeatable = self.request.repeatable || self.request.method.is_idempotent();
        let dice = self.exit.roll();
        let connects = self.exit.client.connects();
        retry::decide(
            attempt,
            sent,
            connects,
            repeatable,
            &self.manifest.retry,
            dice,
            QUOTA_WAIT_MAX_MS,
        )
    }

    fn settle(&self, outcome: Result<Answer, NoAnswer>) -> Result<Response, Failure> {
        let redactor = self.slot.credentials.redactor();
        match outcome {
            Ok(answer) => {
                let own = self.slot.credentials.header_name();
                let hidden = |name: &str| name == SET_COOKIE.as_str() || Some(name) == own;
                let headers = answer.headers.iter().filter(|(name, _)| !hidden(name.as_str()));
                Ok(Response {
                    status: answer.status,
                    headers: headers
                        .map(|(name, value)| {
                            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                            (name.as_str().to_owned(), redactor.text(value))
                        })
                        .collect(),
                    body: redactor.bytes(answer.body),
                })
            }
            Err(NoAnswer::NotSent(reason)) => {
                self.exit.client.give_up();
                Err(Failure::NoAnswer(redactor.text(reason)))
            }
            Err(NoAnswer::Broken(reason)) => Err(Failure::NoAnswer(redactor.text(reason))),
            Err(NoAnswer::Timeout) => Err(Failure::Timeout),
            Err(NoAnswer::TooLarge) => {
                Err(Failure::TooLarge(u64::try_from(client::ANSWER_BYTES_MAX).unwrap_or(u64::MAX)))
            }
        }
    }
}
