//! One guest: a store with its limits, and calls into it that always come back.
//!
//! Deadlines and limits are set before anything of the guest runs, its start functions included.
//! Every call is bounded in guest time (epoch), in whole time (`patience`, because epochs do not
//! cover host calls) and in memory; a panic underneath costs the call and not the program. A guest
//! that was stopped is never entered again, and each stop is counted and written down
//! ([`Watch::run`]).

mod guest_log;
mod imports;
mod lines;
mod patience;
mod signing;
mod stopped;
mod wasi;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use wasmtime::{Engine, Store};

use renkei_sync::model::plugin::{Generation, PluginError};

use crate::sandbox::convert::Breach;
use crate::sandbox::engine::Machine;
use crate::sandbox::limits::{Cap, LimitReached, Limits, Meter, StopCause};
use renkei_egress::{CallEvidence, JobEgress};

use guest_log::GuestLog;
use patience::Patience;
pub(crate) use signing::Secrets;
pub(crate) use stopped::Stopped;
pub(crate) use wasi::link as link_wasi;

/// What a store knows of its guest. Host calls read who calls from here, never from the guest's
/// arguments.
pub(crate) struct State {
    meter: Meter,
    guest_log: GuestLog,
    patience: Patience,
    /// The way out; a transform has none.
    egress: Option<JobEgress>,
    secrets: Arc<Secrets>,
    /// Clock and random numbers of guests whose language's runtime asks for them.
    surroundings: wasi::Surroundings,
}

impl State {
    pub(crate) fn new(watch: &Watch) -> Self {
        let stops = Arc::clone(&watch.machine.stops);
        Self {
            meter: Meter::new(watch.limits.clone()),
            guest_log: GuestLog::new(watch.plugin.clone(), &watch.system, stops),
            patience: watch.patience.clone(),
            egress: None,
            secrets: Arc::default(),
            surroundings: wasi::Surroundings::fixed(),
        }
    }

    /// The state of a connector's guest.
    pub(crate) fn with_egress(self, egress: JobEgress, secrets: Arc<Secrets>) -> Self {
        let surroundings = wasi::Surroundings::real(egress.clock());
        Self { egress: Some(egress), secrets, surroundings, ..self }
    }

    /// A new call that carries `rows` rows begins.
    pub(crate) fn begin_call(&mut self, rows: usize) {
        self.meter.begin_call(rows);
        self.guest_log.begin_call();
        if let Some(egress) = &mut self.egress {
            egress.begin_call();
        }
    }

    /// What the guest said of a panic in this call.
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

/// Who runs, under which limits, and what becomes of it: everything about a guest that lives
/// outside of its store.
pub(crate) struct Watch {
    machine: Arc<Machine>,
    limits: Limits,
    plugin: Generation,
    /// Empty for a transform and while a file is loaded.
    system: String,
    patience: Patience,
}

impl Watch {
    pub(crate) fn new(
        machine: &Arc<Machine>,
        limits: &Limits,
        plugin: &Generation,
        system: &str,
    ) -> Self {
        Self {
            machine: Arc::clone(machine),
            limits: limits.clone(),
            plugin: plugin.clone(),
            system: system.to_owned(),
            patience: Patience::default(),
        }
    }

    /// A store whose guest cannot run before its limits hold.
    pub(crate) fn store(&self, state: State) -> Store<State> {
        let engine: &Engine = &self.machine.engine;
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.meter);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| Ok(context.data_mut().meter.tick()?));
        store.set_hostcall_fuel(self.limits.crossing_bytes);
        store.set_max_component_handles(self.limits.handles);
        store
    }

    /// Runs one call to its end or to a limit.
    pub(crate) async fn run<T>(
        &self,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> Result<T, Stopped> {
        let given_up = GivenUp(Some(self));
        let call = AssertUnwindSafe(call).catch_unwind();
        let call_ms = self.limits.call_ms;
        let ended = self.patience.bound(call_ms, call).await;
        given_up.no_more();
        let stopped = match ended {
            Some(Ok(Ok(answer))) => return Ok(answer),
            Some(Ok(Err(error))) => Stopped::of(&error, &self.limits),
            Some(Err(_)) => Stopped::HostPanic,
            None => Stopped::Limit(LimitReached::new(Cap::CallTime, call_ms)),
        };
        self.stopped(stopped.cause());
        Err(stopped)
    }

    /// The error of an answer that breaks the contract.
    pub(crate) fn breach(&self, breach: Breach) -> PluginError {
        self.stopped(breach.cause());
        breach.of(&self.plugin)
    }

    /// The error of a limit that was reached before the guest ran.
    pub(crate) fn limit(&self, reached: LimitReached) -> PluginError {
        self.stopped(StopCause::Limit(reached.cap));
        PluginError::Host { plugin: self.plugin.clone(), reason: reached.to_string() }
    }

    fn stopped(&self, cause: StopCause) {
        self.machine.stops.record(&self.plugin, &self.system, cause);
    }
}

/// Records a call that is dropped before it ended.
struct GivenUp<'a>(Option<&'a Watch>);

impl GivenUp<'_> {
    fn no_more(mut self) {
        self.0 = None;
    }
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some(watch) = self.0 {
            watch.stopped(StopCause::Cancelled);
        }
    }
}
