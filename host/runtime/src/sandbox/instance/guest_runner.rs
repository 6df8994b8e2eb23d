//! Calls into one guest, which always come back.
//!
//! Deadlines and limits are set before anything of the guest runs, its start functions included.
//! Every call is bounded in guest time (epoch), in whole time (`call_timer`, because epochs do not
//! cover host calls) and in memory; a panic underneath costs the call and not the program. A guest
//! that was stopped is never entered again, and each stop is counted and written down
//! ([`GuestRunner::run`]).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use renkei_model::plugin::{Generation, PluginError};
use wasmtime::Store;

use super::call_timer::CallTimer;
use super::guest_log::GuestLog;
use super::guest_state::GuestState;
use super::stopped::GuestStop;
use crate::sandbox::convert::ContractBreach;
use crate::sandbox::engine::SharedEngine;
use crate::sandbox::limits::{Cap, GuestLimits, LimitReached, ResourceMeter, StopCause};

/// Runs the calls of one guest: everything about it that lives outside of its store.
pub(crate) struct GuestRunner {
    shared: Arc<SharedEngine>,
    limits: GuestLimits,
    plugin: Generation,
    /// Empty for a transform and while a file is loaded.
    system: String,
    timer: CallTimer,
}

impl GuestRunner {
    pub(crate) fn new(
        shared: &Arc<SharedEngine>,
        limits: &GuestLimits,
        plugin: &Generation,
        system: &str,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            limits: limits.clone(),
            plugin: plugin.clone(),
            system: system.to_owned(),
            timer: CallTimer::default(),
        }
    }

    /// The system that it serves; empty for a transform.
    pub(crate) fn system(&self) -> &str {
        &self.system
    }

    /// The state of this guest, without a way out.
    pub(crate) fn new_state(&self) -> GuestState {
        let stops = Arc::clone(&self.shared.stops);
        let guest_log = GuestLog::new(self.plugin.clone(), &self.system, stops);
        GuestState::new(ResourceMeter::new(self.limits.clone()), guest_log, self.timer.clone())
    }

    /// A store whose guest cannot run before its limits hold.
    pub(crate) fn store(&self, state: GuestState) -> Store<GuestState> {
        let mut store = Store::new(&self.shared.engine, state);
        store.limiter(|state| &mut state.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().meter.tick()?));
        store.set_hostcall_fuel(self.limits.call_payload_bytes);
        store.set_max_component_handles(self.limits.handles);
        store
    }

    /// Runs one call to its end or to a limit.
    pub(crate) async fn run<T>(
        &self,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> Result<T, GuestStop> {
        let given_up = CancelRecorder(Some(self));
        let call = AssertUnwindSafe(call).catch_unwind();
        let call_ms = self.limits.call_ms;
        let ended = self.timer.bound(call_ms, call).await;
        given_up.no_more();
        let stopped = match ended {
            Some(Ok(Ok(answer))) => return Ok(answer),
            Some(Ok(Err(error))) => GuestStop::from_error(&error, &self.limits),
            Some(Err(_)) => GuestStop::HostPanic,
            None => GuestStop::Limit(LimitReached::new(Cap::CallTime, call_ms)),
        };
        self.stopped(stopped.cause());
        Err(stopped)
    }

    /// The error of an answer that breaks the contract.
    pub(crate) fn breach(&self, breach: ContractBreach) -> PluginError {
        self.stopped(breach.cause());
        breach.into_error(&self.plugin)
    }

    /// The error of a limit that was reached before the guest ran.
    pub(crate) fn limit(&self, reached: LimitReached) -> PluginError {
        self.stopped(StopCause::Limit(reached.cap));
        PluginError::Host { plugin: self.plugin.clone(), reason: reached.to_string() }
    }

    fn stopped(&self, cause: StopCause) {
        self.shared.stops.record(&self.plugin, &self.system, cause);
    }
}

/// Records a call that is dropped before it ended.
struct CancelRecorder<'a>(Option<&'a GuestRunner>);

impl CancelRecorder<'_> {
    fn no_more(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelRecorder<'_> {
    fn drop(&mut self) {
        if let Some(watch) = self.0 {
            watch.stopped(StopCause::Cancelled);
        }
    }
}
