//! The only way out of a connector: a request names a slot and a path, and everything else is the
//! host's.
//!
//! [`Door::send`] checks what the guest asks (`policy`) and where it may go (`reach`); the rest of
//! the way is `send`: wait for the quotas (`quota`), add the credentials (`credentials`, `token`),
//! send (`client`, which asks `lookup` for addresses and has `decode` undo encodings), follow
//! redirects (`redirect`), renew or repeat where that is safe (`retry`), take secrets out of the
//! answer (`redact`), count (`traffic`), notice what is unusual (`alarm`). What is refused on the
//! way is a `refusal`, and `witness` tells of it. Everything it needs to know about the caller
//! comes from the job, nothing from the guest's arguments (TRUST.md 2.5.8).

mod addresses;
pub(crate) mod alarm;
mod breaker;
mod client;
mod credentials;
mod decode;
mod errand;
pub(crate) mod lookup;
mod pause;
mod policy;
pub(crate) mod quota;
pub(crate) mod reach;
mod redact;
mod redirect;
pub(crate) mod refusal;
mod retry;
mod send;
mod token;
pub(crate) mod traffic;
mod witness;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use url::Url;

use renkei_package::{AuthMethod, Connection, ConnectorManifest};
use renkei_sync::model::plugin::Generation;
use renkei_sync::ports::Clock;

use crate::system::{Auth, SystemConfig, TokenStore};
use alarm::{Alarm, Unusual};
use client::Client;
use credentials::Credentials;
pub(crate) use decode::{DECODED_BYTES_MAX, WIRE_BYTES_MAX};
pub(crate) use errand::Errand;
use lookup::Ways;
use quota::{Claim, Gate};
use reach::Reach;
pub(crate) use refusal::Refusal;
use send::Send;
use token::Endpoint;
use traffic::{Counters, Traffic};
use witness::Witness;

/// The slot that the configuration's base URL and credentials belong to.
pub(crate) const PRIMARY: &str = "primary";

/// The most requests in flight for one system, whatever its manifest says (TRUST.md 2.4).
const IN_FLIGHT_MAX: u32 = 8;

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
    Refused(Refusal),
    Timeout,
    Unauthorized(String),
    /// The token endpoint is none, or gives what is not allowed: no fault of the credentials.
    Unfit(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The way out of one system: its client, quotas and credentials, shared by all its jobs.
pub(crate) struct Exit {
    config: SystemConfig,
    client: Client,
    gate: Arc<Gate>,
    credentials: Arc<Credentials>,
    bare: Arc<Credentials>,
    counters: Arc<Counters>,
    alarm: Mutex<Alarm>,
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
        (connects, ways): (u32, &Ways),
    ) -> Result<Self, reqwest::Error> {
        let base: Option<Url> = config.base_url.as_ref().and_then(|base| base.parse().ok());
        let credentials = |slot, auth| {
            let others = config.secrets.values().cloned().collect();
            let (store, clock) = (store.clone(), clock.clone());
            Arc::new(Credentials::new((&config.name, slot), auth, others, store, clock))
        };
        Ok(Self {
            client: Client::new(connects, base.as_ref(), ways)?,
            gate,
            credentials: credentials(PRIMARY, config.auth.clone()),
            bare: credentials("", Auth::None),
            counters: Arc::default(),
            alarm: Mutex::default(),
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

    /// An admin wants the system asked again, whatever it said about time.
    pub(crate) async fn lift_holds(&self) {
        // Why it fails is in the log, and the next call meets it too.
        self.gate.lift().await.ok();
        self.client.close_breakers();
    }

    /// Until when the system wants no calls, ms since 1970.
    pub(crate) async fn held_until_ms(&self) -> Option<i64> {
        // Why it fails is in the log.
        self.gate.held_until_ms().await.ok().flatten()
    }

    /// Checks the configuration against a generation's manifest, as the admin left it, and makes
    /// the way out of one job.
    pub(crate) fn door(
        self: &Arc<Self>,
        manifest: &ConnectorManifest,
        plugin: &Generation,
    ) -> Result<Door, String> {
        let (counters, system) = (Arc::clone(&self.counters), self.config.name.clone());
        let witness = Witness { counters, plugin: plugin.clone(), system };
        let slots = manifest.connections.iter().map(|connection| {
            let slot = Slot::new(self, connection, &witness)?;
            Ok((connection.slot.clone(), slot))
        });
        Ok(Door {
            exit: Arc::clone(self),
            manifest: manifest.clone(),
            slots: slots.collect::<Result<_, String>>()?,
            refusals_left: REFUSALS_PER_CALL,
            witness,
            denied: BTreeSet::new(),
            errand: Errand::Idle,
            broke_off: false,
            told_ms: 0,
        })
    }

    /// What a request makes unusual.
    fn notice(&self, url: &Url, bytes: usize) -> Option<Unusual> {
        let host = url.host_str().unwrap_or_default();
        let mut alarm = self.alarm.lock().unwrap_or_else(PoisonError::into_inner);
        alarm.note(self.clock.now_ms(), host, bytes)
    }

    fn roll(&self) -> f64 {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}

/// One connection of a manifest as configured.
struct Slot {
    connection: Connection,
    base: Url,
    reach: Arc<Reach>,
    credentials: Arc<Credentials>,
    endpoint: Option<Endpoint>,
    /// The serial of the token last used by this job.
    serial: u64,
}

impl Slot {
    fn new(exit: &Exit, connection: &Connection, witness: &Witness) -> Result<Self, String> {
        let primary = connection.slot == PRIMARY;
        let configured = exit.config.base_url.as_deref().filter(|_| primary);
        let base = configured.or(connection.base_url.as_deref()).ok_or_else(|| {
            format!("the slot `{}` has no base URL; give `base_url`", connection.slot)
        })?;
        let base: Url = base.parse().map_err(|_| format!("`{base}` is not a URL"))?;
        let reach = Arc::new(Reach::new(connection, configured.map(|_| &base)));
        reach.check_origin(&base).map_err(|refusal| {
            witness.saw(&refusal);
            let allow = connection.allow.iter().map(ToString::to_string).collect::<Vec<_>>();
            match refusal {
                Refusal::Origin(_) => {
                    format!("the base URL `{base}` is not among {}", allow.join(", "))
                }
                refusal => format!("the base URL `{base}`: {refusal}"),
            }
        })?;
        if primary {
            check_auth(&exit.config.auth, connection)?;
        }
        let endpoint = match &connection.token_path {
            Some(path) => Some(Endpoint {
                client: exit.client.clone(),
                witness: witness.clone(),
                url: policy::join(&base, path).map_err(|_| format!("`{path}` is no path"))?,
                style: connection.token_style,
                base_url_field: connection.base_url_field.clone(),
                reach: Arc::clone(&reach),
            }),
            None => None,
        };
        let credentials = if primary { &exit.credentials } else { &exit.bare };
        Ok(Self {
            connection: connection.clone(),
            base,
            reach,
            credentials: Arc::clone(credentials),
            endpoint,
            serial: 0,
        })
    }
}

fn check_auth(auth: &Auth, connection: &Connection) -> Result<(), String> {
    let kind = match auth {
        Auth::None => return Ok(()),
        Auth::Bearer(_) => AuthMethod::Bearer,
        Auth::Header { .. } => AuthMethod::Header,
        Auth::ClientCredentials { .. } => AuthMethod::Oauth2ClientCredentials,
        Auth::RefreshToken { .. } => AuthMethod::Oauth2RefreshToken,
    };
    if connection.auth.contains(&kind) {
        return Ok(());
    }
    let (kind, slot) = (kind.as_str(), &connection.slot);
    Err(format!("the plugin does not authenticate by `{kind}` on slot `{slot}`"))
}

/// The way out of one job: an [`Exit`] under the manifest of the job's generation.
pub(crate) struct Door {
    exit: Arc<Exit>,
    manifest: ConnectorManifest,
    slots: BTreeMap<String, Slot>,
    refusals_left: u32,
    witness: Witness,
    /// What the admin took away, in the words of `reload/grants.rs`.
    denied: BTreeSet<String>,
    /// What the requests of this call came to.
    errand: Errand,
    /// An attempt of a request of this call broke off before another was made.
    broke_off: bool,
    /// The longest wait for a quota that the host told the guest in this call, ms.
    told_ms: u64,
}

impl Door {
    /// A new call of the guest begins.
    pub(crate) fn begin_call(&mut self) {
        self.refusals_left = REFUSALS_PER_CALL;
        self.errand = Errand::Idle;
        self.broke_off = false;
        self.told_ms = 0;
    }

    /// The same door; that these were taken away is not the guest's doing.
    pub(crate) fn without(self, denied: &BTreeSet<String>) -> Self {
        Self { denied: denied.clone(), ..self }
    }

    /// What the requests of this call came to.
    pub(crate) fn errand(&self) -> Errand {
        self.errand
    }

    /// Whether an attempt of this call's requests may have had its effect without an answer, before
    /// another was made.
    pub(crate) fn broke_off(&self) -> bool {
        self.broke_off
    }

    /// The guest has waited for as long as it may, and what it waits for is still not there.
    pub(crate) fn waited_in_vain(&mut self) {
        self.errand = self.errand.and_failed();
    }

    /// The host's clock.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.exit.clock)
    }

    /// Returns after so many ms of the host's clock.
    pub(crate) async fn wait(&self, ms: u64) {
        self.exit.clock.sleep_ms(ms).await;
    }

    /// Sends one request; see the module's text.
    pub(crate) async fn send(&mut self, request: Request) -> Result<Response, Failure> {
        let (slot, timeout_ms) = (request.slot.clone(), request.timeout_ms);
        let outcome = self.try_send(request).await;
        self.tell(&outcome);
        if let Err(Failure::Quota(ms)) = &outcome {
            self.told_ms = self.told_ms.max(*ms);
        }
        self.errand = self.errand.max(match &outcome {
            Ok(answer) => Errand::answered(answer.status),
            Err(failure) => Errand::failed(failure, (&slot, timeout_ms), &self.denied),
        });
        outcome
    }

    async fn try_send(&mut self, request: Request) -> Result<Response, Failure> {
        let slot = slot(&mut self.slots, &request.slot)?;
        let unknown = request
            .quotas
            .iter()
            .find(|name| !self.manifest.quotas.iter().any(|quota| quota.name == **name));
        if let Some(name) = unknown {
            return Err(Refusal::Quota(name.clone()).into());
        }
        let own = slot.credentials.header_name();
        let headers = policy::headers(&request.headers, own)?;
        slot.reach.check(&request.method, &policy::join(&slot.base, &request.path)?)?;
        let manifest = &self.manifest;
        let concurrent = manifest.concurrent_requests.min(IN_FLIGHT_MAX);
        let claim = Arc::new(Claim::new(&request.quotas, &manifest.quotas, concurrent));
        let witness = &self.witness;
        let left = send::deadline(request.timeout_ms);
        let exit = &self.exit;
        let broke_off = &mut self.broke_off;
        let send = Send { exit, manifest, witness, slot, request, claim, headers, left, broke_off };
        send.run().await
    }

    /// The guest says that the slot's credentials were refused.
    pub(crate) async fn refused(&mut self, name: &str) -> Result<(), Failure> {
        let outcome = self.try_refused(name).await;
        self.tell(&outcome);
        if outcome.is_err() {
            self.errand = self.errand.and_failed();
        }
        outcome
    }

    async fn try_refused(&mut self, name: &str) -> Result<(), Failure> {
        let slot = slot(&mut self.slots, name)?;
        self.refusals_left = self.refusals_left.checked_sub(1).ok_or_else(|| {
            Failure::Unauthorized("the credentials are refused again and again".to_owned())
        })?;
        slot.credentials.renew(slot.serial, slot.endpoint.as_ref()).await.map(drop)
    }

    fn tell<T>(&self, outcome: &Result<T, Failure>) {
        if let Err(Failure::Refused(refusal)) = outcome {
            self.witness.saw(refusal);
        }
    }
}

fn slot<'a>(slots: &'a mut BTreeMap<String, Slot>, name: &str) -> Result<&'a mut Slot, Refusal> {
    slots.get_mut(name).ok_or_else(|| Refusal::Slot(name.to_owned()))
}
