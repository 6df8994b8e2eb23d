//! The way out of one job: a request names a slot and a path, and the host does everything else.
//!
//! The host learns from the job who calls, never from the guest's arguments (`SECURITY.md` E3).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::stream::{self, StreamExt as _};
use renkei_model::plugin::Generation;
use renkei_model::ports::Clock;
use renkei_package::{ConnectorManifest, Permission};
use reqwest::header::CONTENT_TYPE;

use crate::audit::EgressAudit;
use crate::call_evidence::CallEvidence;
use crate::fixed_credentials;
use crate::http::{HttpRequest, HttpResponse, SendError};
use crate::limits::{DECODED_BYTES_MAX, IN_FLIGHT_MAX, QUOTA_WAIT_MAX_MS};
use crate::policy;
use crate::quota::{EVERY, QuotaClaim};
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
    broke_off: AtomicBool,
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
            broke_off: AtomicBool::new(false),
            quota_wait_ms: 0,
        })
    }

    /// The base URL of each slot, as configured.
    pub fn base_urls(&self) -> impl Iterator<Item = (&str, &str)> {
        self.slots.iter().map(|(name, slot)| (name.as_str(), slot.base.as_str()))
    }

    /// Begins a new call of the guest.
    pub fn begin_call(&mut self) {
        self.refusals_left = REFUSALS_PER_CALL;
        self.evidence = CallEvidence::NoRequest;
        self.broke_off = AtomicBool::new(false);
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
        self.broke_off.load(Ordering::Relaxed)
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
        self.note_outcome((&slot, timeout_ms), &outcome);
        outcome
    }

    /// Sends several requests, as many at a time as the manifest and the host allow; one answer
    /// each, in their order. Once the answers are larger together than one may be, the requests
    /// that are left are not sent.
    pub async fn send_all(
        &mut self,
        requests: Vec<HttpRequest>,
    ) -> Vec<Result<HttpResponse, SendError>> {
        let stated: Vec<(String, Option<u32>)> =
            requests.iter().map(|request| (request.slot.clone(), request.timeout_ms)).collect();
        let (egress, answered) = (&*self, &AtomicUsize::new(0));
        let send = |request| async move {
            if answered.load(Ordering::Relaxed) > DECODED_BYTES_MAX {
                return Err(SendError::Refused(EgressRefusal::AnswersTogether));
            }
            let outcome = egress.try_send(request).await;
            let bytes = outcome.as_ref().map_or(0, |answer| answer.body.len());
            answered.fetch_add(bytes, Ordering::Relaxed);
            outcome
        };
        let at_once = self.manifest.concurrent_requests.min(IN_FLIGHT_MAX);
        let at_once = usize::try_from(at_once).unwrap_or(1).max(1);
        let outcomes: Vec<_> = stream::iter(requests).map(send).buffered(at_once).collect().await;
        for ((slot, timeout_ms), outcome) in stated.iter().zip(&outcomes) {
            self.note_outcome((slot, *timeout_ms), outcome);
        }
        outcomes
    }

    /// Takes note of what the guest has read in an answer: a quota of the manifest is used up for
    /// so many ms.
    pub async fn report_throttled(
        &mut self,
        slot: &str,
        quota: &str,
        ms: u64,
    ) -> Result<(), SendError> {
        let outcome = self.try_throttle(slot, quota, ms).await;
        self.record_outcome(&outcome);
        self.evidence = self.evidence.with_external_failure();
        outcome
    }

    async fn try_throttle(&self, slot: &str, quota: &str, ms: u64) -> Result<(), SendError> {
        find_slot(&self.slots, slot)?;
        let quotas = [quota.to_owned()];
        self.require_quotas(&quotas)?;
        let concurrent = self.manifest.concurrent_requests.min(IN_FLIGHT_MAX);
        if self.evidence == CallEvidence::NoRequest {
            return Err(EgressRefusal::NothingRead.into());
        }
        let claim = QuotaClaim::new(&quotas, &self.manifest.quotas, concurrent);
        self.system.pause(&Arc::new(claim), ms).await
    }

    fn require_quotas(&self, names: &[String]) -> Result<(), SendError> {
        let declared = |name: &&String| {
            *name == EVERY || self.manifest.quotas.iter().any(|quota| quota.name == **name)
        };
        match names.iter().find(|name| !declared(name)) {
            Some(name) => Err(EgressRefusal::Quota(name.clone()).into()),
            None => Ok(()),
        }
    }

    fn note_outcome(
        &mut self,
        (slot, timeout_ms): (&str, Option<u32>),
        outcome: &Result<HttpResponse, SendError>,
    ) {
        self.record_outcome(outcome);
        if let Err(SendError::Quota(ms)) = outcome {
            self.quota_wait_ms = self.quota_wait_ms.max(*ms);
        }
        self.evidence = self.evidence.max(match outcome {
            Ok(answer) => CallEvidence::from_status(answer.status),
            Err(failure) => CallEvidence::from_error(failure, (slot, timeout_ms), &self.denied),
        });
    }

    async fn try_send(&self, request: HttpRequest) -> Result<HttpResponse, SendError> {
        let slot = find_slot(&self.slots, &request.slot)?;
        self.require_quotas(&request.quotas)?;
        let headers = policy::headers(&request.headers, &slot.own_headers())?;
        let url = policy::join(&slot.base, &request.path)?;
        slot.allowlist.check(&request.method, &url)?;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        slot.allowlist.check_body(content_type, &request.body)?;
        fixed_credentials::check(&slot.fixed, &url, &request, content_type)?;
        let manifest = &self.manifest;
        let concurrent = manifest.concurrent_requests.min(IN_FLIGHT_MAX);
        let claim = Arc::new(QuotaClaim::new(&request.quotas, &manifest.quotas, concurrent));
        let audit = &self.audit;
        let left = send::deadline(request.timeout_ms);
        let system = &self.system;
        let broke_off = &self.broke_off;
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
        let slot = find_slot(&self.slots, name)?;
        self.refusals_left = self.refusals_left.checked_sub(1).ok_or_else(|| {
            SendError::Unauthorized("the credentials are refused again and again".to_owned())
        })?;
        let serial = slot.serial.load(Ordering::Relaxed);
        slot.credentials.renew(serial, slot.endpoint.as_ref(), &slot.prefix).await.map(drop)
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
