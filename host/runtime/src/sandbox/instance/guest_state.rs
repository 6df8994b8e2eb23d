//! The state of one guest: its meter, its log, its way out.

use std::sync::Arc;

use renkei_egress::{CallEvidence, JobEgress};

use super::call_timer::CallTimer;
use super::guest_log::GuestLog;
use super::signing::SigningSecrets;
use super::wasi_environment::WasiEnvironment;
use crate::sandbox::limits::ResourceMeter;

/// The state of one guest. A host call reads from here who calls, never from the guest's
/// arguments.
pub(crate) struct GuestState {
    pub(super) meter: ResourceMeter,
    pub(super) guest_log: GuestLog,
    pub(super) timer: CallTimer,
    /// The way out; a transform has none.
    pub(super) egress: Option<JobEgress>,
    pub(super) secrets: Arc<SigningSecrets>,
    /// Clock and random numbers of guests whose language's runtime asks for them.
    pub(super) environment: WasiEnvironment,
}

impl GuestState {
    /// The state of a guest that has no way out.
    pub(super) fn new(meter: ResourceMeter, guest_log: GuestLog, timer: CallTimer) -> Self {
        Self {
            meter,
            guest_log,
            timer,
            egress: None,
            secrets: Arc::default(),
            environment: WasiEnvironment::fixed(),
        }
    }

    /// The state of a connector's guest.
    pub(crate) fn with_egress(self, egress: JobEgress, secrets: Arc<SigningSecrets>) -> Self {
        let environment = WasiEnvironment::real(egress.clock());
        Self { egress: Some(egress), secrets, environment, ..self }
    }

    /// Begins a new call that carries `rows` rows.
    pub(crate) fn begin_call(&mut self, rows: usize) {
        self.meter.begin_call(rows);
        self.guest_log.begin_call();
        if let Some(egress) = &mut self.egress {
            egress.begin_call();
        }
    }

    /// The guest's own report of a panic in this call.
    pub(crate) fn panic(&self) -> Option<&str> {
        self.guest_log.panic()
    }

    /// The evidence about the guest's requests in this call; none without a way out.
    pub(crate) fn evidence(&self) -> Option<CallEvidence> {
        self.egress.as_ref().map(JobEgress::evidence)
    }

    /// True where the guest reports a pause that nobody knows of yet.
    pub(crate) fn is_new_pause(&self, wait_ms: u64) -> bool {
        self.egress.as_ref().is_some_and(|egress| egress.is_new_pause(wait_ms))
    }

    /// True where an attempt of this call may have had its effect without an answer.
    pub(crate) fn broke_off(&self) -> bool {
        self.egress.as_ref().is_some_and(JobEgress::broke_off)
    }
}
