//! One guest: a store with its limits, and calls into it that always come back.
//!
//! Deadlines and limits are set before anything of the guest runs, its start functions included.
//! Every call is bounded in guest time (epoch), in whole time (`patience`, because epochs do not
//! cover host calls) and in memory; a panic underneath costs the call and not the program. A guest
//! that was stopped is never entered again.

mod guest_log;
mod imports;
mod lines;
mod patience;
mod signing;
mod wasi;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use wasmtime::{Engine, Store, Trap};

use crate::egress::Door;
use crate::limits::{LimitReached, Limits, Meter};

pub(crate) use guest_log::GuestLog;
pub(crate) use patience::Patience;
pub(crate) use signing::Secrets;
pub(crate) use wasi::link as link_wasi;

/// What a store knows of its guest. Host calls read who calls from here, never from the guest's
/// arguments.
pub(crate) struct State {
    meter: Meter,
    guest_log: GuestLog,
    patience: Patience,
    /// The way out; a transform has none.
    door: Option<Door>,
    secrets: Arc<Secrets>,
    /// Clock and random numbers of guests whose language's runtime asks for them.
    surroundings: wasi::Surroundings,
}

impl State {
    pub(crate) fn new(limits: &Limits, guest_log: GuestLog) -> Self {
        let (meter, patience) = (Meter::new(limits.clone()), Patience::default());
        let surroundings = wasi::Surroundings::fixed();
        Self { meter, guest_log, patience, door: None, secrets: Arc::default(), surroundings }
    }

    /// What times this guest's calls; see [`run`].
    pub(crate) fn patience(&self) -> Patience {
        self.patience.clone()
    }

    /// The state of a connector's guest.
    pub(crate) fn with_door(self, door: Door, secrets: Arc<Secrets>) -> Self {
        let surroundings = wasi::Surroundings::real(door.clock());
        Self { door: Some(door), secrets, surroundings, ..self }
    }

    /// A new call that carries `rows` rows begins.
    pub(crate) fn begin_call(&mut self, rows: usize) {
        self.meter.begin_call(rows);
        self.guest_log.begin_call();
        if let Some(door) = &mut self.door {
            door.begin_call();
        }
    }
}

/// A store whose guest cannot run before its limits hold.
pub(crate) fn store(engine: &Engine, limits: &Limits, state: State) -> Store<State> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.meter);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context| Ok(context.data_mut().meter.tick()?));
    store.set_hostcall_fuel(limits.crossing_bytes);
    store.set_max_component_handles(limits.handles);
    store
}

/// Runs one call to its end or to a limit; the error says in plain words what stopped it.
/// `patience` is that of the guest's state.
pub(crate) async fn run<T>(
    limits: &Limits,
    patience: &Patience,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, String> {
    let call = AssertUnwindSafe(call).catch_unwind();
    match patience.bound(limits.call_ms, call).await {
        Some(Ok(Ok(answer))) => Ok(answer),
        Some(Ok(Err(error))) => Err(explain(&error)),
        Some(Err(_)) => {
            Err("the host panicked underneath it; this is a fault of Renkei".to_owned())
        }
        None => Err(format!("its call took longer than {} ms", limits.call_ms)),
    }
}

/// What stopped a guest. Traps name no values; other errors are wasmtime's own words on malformed
/// answers.
pub(crate) fn explain(error: &wasmtime::Error) -> String {
    if let Some(limit) = error.downcast_ref::<LimitReached>() {
        return limit.to_string();
    }
    if let Some(ended) = error.downcast_ref::<wasi::Ended>() {
        return ended.to_string();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => "it ran out of stack (endless recursion?)".to_owned(),
        Some(Trap::UnreachableCodeReached) => "it trapped (a panic in the plugin)".to_owned(),
        Some(trap) => format!("it trapped: {trap}"),
        None => {
            let reason = error.root_cause().to_string();
            if reason.contains("hostcall fuel") || reason.contains("too much data") {
                return "it moved more data in one call than its limit".to_owned();
            }
            format!("it trapped: {reason}")
        }
    }
}
