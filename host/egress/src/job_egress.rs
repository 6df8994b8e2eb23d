//! The way out of one job: a request names a slot and a path, and the host does everything else.
//!
//! The host learns from the job who calls, never from the guest's arguments (`SECURITY.md` E3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use renkei_model::plugin::Generation;
use renkei_model::ports::Clock;
use renkei_package::{ConnectorManifest, Permission};

use crate::audit::EgressAudit;
use crate::call_evidence::CallEvidence;
use crate::http::{HttpRequest, HttpResponse, SendError};
use crate::limits::{IN_FLIGHT_MAX, QUOTA_WAIT_MAX_MS};
use crate::policy;
use crate::quota::QuotaClaim;
use crate::refusal::EgressRefusal;
use crate::send::{self, RequestRun};
use crate::slot::{ConfiguredSlot, find_slot};
use crate::system_egress::SystemEgress;

/// The most times that a guest may report its credentials as refused, per call.
pub(crate) const REFUSALS_PER_CALL: u32 = 3;

/// The way out of one job: an [`SystemEgress`] under the manifest of the job's generation.
pub struct JobEgress {
    system: Arc<SystemEgress>,
    manifest: ConnectorManifest,
    slots: BTreeMap<String, ConfiguredSlot>,
    refusals_left: u32,
    audit: EgressAudit,
    /// The permissions that the admin denied.
    denied: BTreeSet<Permission>,
    /// The evidence about the requests of this call.
    evidence: CallEvidence,
    /// An attempt of a request of this call broke off before another was made.
    broke_off: bool,
    /// The longest wait for a quota that the host told the guest in this call, ms.
    quota_wait_ms: u64,
}

impl JobEgress {
    /// Checks the configuration of `system` against a generation's manifest, as the admin left it,
    /// and opens the way out of one job.
    pub fn open(
        system: &Arc<SystemEgress>,
        manifest: &ConnectorManifest,
        plugin: &Generation,
    ) -> Result<Self, String> {
        let counters = Arc::clone(&system.counters);
        let name = system.config().name.clone();
        let audit = EgressAudit { counters, plugin: plugin.clone(), system: name };
        let slots = manifest.connections.iter().map(|connection| {
            let slot = ConfiguredSlot::new(system, connection, &audit)?;
            Ok((connection.slot.clone(), slot))
        });
        Ok(Self {
            slots: slots.collect::<Result<_, String>>()?,
            system: Arc::clone(system),
            manifest: manifest.clone(),
            refusals_left: REFUSALS_PER_CALL,
            audit,
            denied: BTreeSet::new(),
            evidence: CallEvidence::NoRequest,
            broke_off: false,
            quota_wait_ms: 0,
        })
    }

    /// Begins a new call of the guest.
    pub fn begin_call(&mut self) {
        self.refusals_left = REFUSALS_PER_CALL;
        self.evidence = CallEvidence::NoRequest;
        self.broke_off = false;
        self.quota_wait_ms = 0;
    }

    /// The same way out for a job that lacks the permissions in `denied`: a request that fails for
    /// want of one is not the guest's fault.
    pub fn without(self, denied: &BTreeSet<Permission>) -> Self {
        Self { denied: denied.clone(), ..self }
    }

    /// The evidence about the requests of this call.
    pub fn evidence(&self) -> CallEvidence {
        self.evidence
    }

    /// True where an attempt of this call may have had its effect without an answer, and another
    /// was made.
    pub fn broke_off(&self) -> bool {
        self.broke_off
    }

    /// Records that the guest has waited for as long as it may, in vain.
    pub fn record_wait_in_vain(&mut self) {
        self.evidence = self.evidence.with_external_failure();
    }

    /// The host's clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.system.clock)
    }

    /// Returns after so many ms of the host's clock.
    pub async fn wait(&self, ms: u64) {
        self.system.clock.sleep_ms(ms).await;
    }

    /// Sends one request: checks it, and runs it through quotas, credentials and repeats.
    pub async fn send(&mut self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let (slot, timeout_ms) = (request.slot.clone(), request.timeout_ms);
        let outcome = self.try_send(request).await;
        self.record_outcome(&outcome);
        if let Err(SendError::Quota(ms)) = &outcome {
            self.quota_wait_ms = self.quota_wait_ms.max(*ms);
        }
        self.evidence = self.evidence.max(match &outcome {
            Ok(answer) => CallEvidence::from_status(answer.status),
            Err(failure) => CallEvidence::from_error(failure, (&slot, timeout_ms), &self.denied),
        });
        outcome
    }

    async fn try_send(&mut self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let slot = find_slot(&mut self.slots, &request.slot)?;
        let unknown = request
            .quotas
            .iter()
            .find(|name| !self.manifest.quotas.iter().any(|quota| quota.name == **name));
        if let Some(name) = unknown {
            return Err(EgressRefusal::Quota(name.clone()).into());
        }
        let own = slot.credentials.header_name();
        let headers = policy::headers(&request.headers, own)?;
        slot.allowlist.check(&request.method, &policy::join(&slot.base, &request.path)?)?;
        let manifest = &self.manifest;
        let concurrent = manifest.concurrent_requests.min(IN_FLIGHT_MAX);
        let claim = Arc::new(QuotaClaim::new(&request.quotas, &manifest.quotas, concurrent));
        let audit = &self.audit;
        let left = send::deadline(request.timeout_ms);
        let system = &self.system;
        let broke_off = &mut self.broke_off;
        let run =
            RequestRun { system, manifest, audit, slot, request, claim, headers, left, broke_off };
        run.run().await
    }

    /// Renews the credentials of a slot: the guest reports that they were refused.
    pub async fn report_refused(&mut self, name: &str) -> Result<(), SendError> {
        let outcome = self.try_renew(name).await;
        self.record_outcome(&outcome);
        if outcome.is_err() {
            self.evidence = self.evidence.with_external_failure();
        }
        outcome
    }

    async fn try_renew(&mut self, name: &str) -> Result<(), SendError> {
        let slot = find_slot(&mut self.slots, name)?;
        self.refusals_left = self.refusals_left.checked_sub(1).ok_or_else(|| {
            SendError::Unauthorized("the credentials are refused again and again".to_owned())
        })?;
        slot.credentials.renew(slot.serial, slot.endpoint.as_ref()).await.map(drop)
    }

    /// True where the guest reports a pause of the account that nobody knows of yet: it asked the
    /// system, and does not repeat what the host told it.
    pub fn is_new_pause(&self, wait_ms: u64) -> bool {
        self.evidence != CallEvidence::NoRequest
            && wait_ms > self.quota_wait_ms.max(QUOTA_WAIT_MAX_MS)
    }

    fn record_outcome<T>(&self, outcome: &Result<T, SendError>) {
        if let Err(SendError::Refused(refusal)) = outcome {
            self.audit.record_refusal(refusal);
        }
    }
}
