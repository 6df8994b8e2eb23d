//! The way out of one system, which all its jobs share: the HTTP client, quotas, credentials,
//! counters, and the pause that the system asked for.
//!
//! A system asks for a pause in two ways. Where the manifest's quota statuses carry `Retry-After`,
//! the host reads it from the answer. Where it stands in the body, only the guest can read it and
//! reports it by `retry-after`. Both are kept in the record of calls, for every process; nobody
//! sends anything for the account until the pause is over (`host/sync/RULES.md` R25). A guest is
//! believed where it asked the system in that call; a wrong report slows its own account for an
//! hour at most.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use renkei_model::ports::Clock;
use renkei_package::PRIMARY_SLOT;
use url::Url;

use crate::anomaly::{Anomaly, AnomalyDetector};
use crate::client::HttpClient;
use crate::credentials::SlotCredentials;
use crate::http::SendError;
use crate::limits::QUOTA_WAIT_MAX_MS;
use crate::quota::{QuotaClaim, QuotaGate};
use crate::resolver::NetworkOverrides;
use crate::system::{SystemAuth, SystemConfig, TokenStore};
use crate::traffic::{Traffic, TrafficCounters};

/// The way out of one system, shared by all its jobs.
pub struct SystemEgress {
    config: SystemConfig,
    pub(crate) client: HttpClient,
    pub(crate) gate: Arc<QuotaGate>,
    pub(crate) credentials: Arc<SlotCredentials>,
    /// The credentials of every slot but `primary`: none.
    pub(crate) no_credentials: Arc<SlotCredentials>,
    pub(crate) counters: Arc<TrafficCounters>,
    anomalies: Mutex<AnomalyDetector>,
    pub(crate) clock: Arc<dyn Clock>,
    rng: Mutex<StdRng>,
}

impl SystemEgress {
    /// The way out of the system in `config`. `gate` keeps the quotas of its account; `connects` is
    /// how often a connection is tried before the system counts as unreachable; `seed` is that of
    /// the jitter in back-offs.
    pub fn new(
        config: SystemConfig,
        gate: Arc<QuotaGate>,
        clock: Arc<dyn Clock>,
        store: Arc<dyn TokenStore>,
        seed: u64,
        (connects, network): (u32, &NetworkOverrides),
    ) -> Result<Self, reqwest::Error> {
        let base: Option<Url> = config.base_url.as_ref().and_then(|base| base.parse().ok());
        let credentials = |slot, auth| {
            let others = config.secrets.values().chain(config.auth_options.credentials.values());
            let others = others.cloned().collect();
            let (store, clock) = (store.clone(), clock.clone());
            Arc::new(SlotCredentials::new((&config.name, slot), auth, others, store, clock))
        };
        Ok(Self {
            client: HttpClient::new(connects, base.as_ref(), network)?,
            gate,
            credentials: credentials(PRIMARY_SLOT, config.auth.clone()),
            no_credentials: credentials("", SystemAuth::None),
            counters: Arc::default(),
            anomalies: Mutex::default(),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            clock,
            config,
        })
    }

    /// The system's configuration.
    pub fn config(&self) -> &SystemConfig {
        &self.config
    }

    /// The counters since the start.
    pub fn traffic(&self) -> Traffic {
        self.counters.read()
    }

    /// True while no connection to the system could be made, as often as it was tried.
    pub fn is_unreachable(&self) -> bool {
        self.client.is_unreachable()
    }

    /// Lifts every pause that the system asked for: an admin wants it asked again.
    pub async fn lift_pauses(&self) {
        // Why it fails is in the log, and the next call meets it too.
        self.gate.lift_pauses().await.ok();
        self.client.close_breakers();
    }

    /// The end of the pause that the system asked for, ms since 1970.
    pub async fn paused_until_ms(&self) -> Option<i64> {
        // Why it fails is in the log.
        self.gate.paused_until_ms().await.ok().flatten()
    }

    /// Keeps a pause of all calls for `ms`, which the guest read in an answer.
    pub async fn pause_all(&self, ms: u64) {
        // Why it fails is in the log, and the next call meets it too.
        self.pause(&Arc::new(QuotaClaim::new(&[], &[], 1)), ms).await.ok();
    }

    /// Keeps a pause of calls like this one for `ms`.
    pub(crate) async fn pause(&self, claim: &Arc<QuotaClaim>, ms: u64) -> Result<(), SendError> {
        let is_new = self.gate.pause(claim, ms).await?;
        if is_new && ms > QUOTA_WAIT_MAX_MS {
            let SystemConfig { name: system, plugin, .. } = self.config();
            let wait_s = ms / 1_000;
            tracing::warn!(
                system,
                wait_s,
                "the system asks for a pause; `renkei plugin reload {plugin}` lifts it"
            );
        }
        Ok(())
    }

    /// Notes that a request with so many chosen bytes goes to `url`; returns what it makes unusual.
    pub(crate) fn note_request(&self, url: &Url, bytes: usize) -> Option<Anomaly> {
        let host = url.host_str().unwrap_or_default();
        let mut anomalies = self.anomalies.lock().unwrap_or_else(PoisonError::into_inner);
        anomalies.note_request(self.clock.now_ms(), host, bytes)
    }

    /// A random number in `[0, 1)`.
    pub(crate) fn draw(&self) -> f64 {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).random()
    }
}
