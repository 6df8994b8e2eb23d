//! The connectors in this process, each job an instance of its own, as ports of the engine.
//!
//! A connector's calls run to their end in one go. The engine's ports are `Send`, and a connector
//! is not, so the instances are kept by this thread and a port knows only the number of its job.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use futures::future;
use rand::Rng as _;
use renkei_blackbox::systems::Side;
use renkei_connector_hubspot::HubSpot;
use renkei_connector_salesforce::Salesforce;
use renkei_model::effect::EffectCall;
use renkei_model::plugin::{Account, Generation, PluginError, Schema, StopCause};
use renkei_model::ports::{Connector, Systems};
use renkei_model::record::{Batch, Outcome, Page, PageRequest, WriteRequest};
use renkei_model::value::Value;
use renkei_sdk::testing::{with_http, with_wait};
use renkei_sdk::{Connector as _, Error, FinishRequest, MergeRequest, RecordsRequest};

use super::wire::{Fate, Wire};

thread_local! {
    static DESK: RefCell<Option<Rc<Desk>>> = const { RefCell::new(None) };
}

/// The instances of this thread's history.
pub(crate) struct Desk {
    wire: Rc<Wire>,
    jobs: RefCell<BTreeMap<u64, Native>>,
    last: Cell<u64>,
    /// Counts the files that a vendor has shipped.
    files: Cell<u64>,
}

enum Native {
    HubSpot(HubSpot),
    Salesforce(Salesforce),
}

/// Calls a connector of either kind.
macro_rules! on {
    ($native:expr, $connector:ident => $call:expr) => {
        match $native {
            Native::HubSpot($connector) => $call,
            Native::Salesforce($connector) => $call,
        }
    };
}

impl Desk {
    /// The desk of this thread from now on.
    pub(crate) fn place(wire: Rc<Wire>) -> Rc<Self> {
        let (jobs, last, files) = (RefCell::default(), Cell::default(), Cell::default());
        let desk = Rc::new(Self { wire, jobs, last, files });
        DESK.set(Some(Rc::clone(&desk)));
        desk
    }

    /// Another file of the same plugins serves.
    pub(crate) fn swap(&self) {
        self.files.set(self.files.get() + 1);
    }
}

fn desk() -> Option<Rc<Desk>> {
    DESK.with_borrow(Clone::clone)
}

/// The systems of the configuration.
pub(crate) struct NativeSystems;

#[async_trait]
impl Systems for NativeSystems {
    async fn open(&self, system: &str) -> Result<Box<dyn Connector>, PluginError> {
        turn().await;
        let side = if system == Side::HubSpot.name() { Side::HubSpot } else { Side::Salesforce };
        let file = desk().map(|desk| desk.files.get()).unwrap_or_default();
        let generation = Generation {
            plugin: side.name().to_owned(),
            version: "1.0.0".to_owned(),
            digest: format!("{file}"),
        };
        let settings = Vec::new();
        let native = match side {
            Side::HubSpot => HubSpot::configure(&settings).map(Native::HubSpot),
            Side::Salesforce => Salesforce::configure(&settings).map(Native::Salesforce),
        };
        let native = native.map_err(|error| renkei_native::error_out(error, &generation))?;
        let Some(desk) = desk() else { return Err(nobody(&generation)) };
        let job = desk.last.get() + 1;
        desk.last.set(job);
        desk.jobs.borrow_mut().insert(job, native);
        Ok(Box::new(Job { job, side, generation }))
    }
}

fn nobody(plugin: &Generation) -> PluginError {
    let (plugin, reason) = (plugin.clone(), "stopped before in this job".to_owned());
    PluginError::Broken { plugin, cause: StopCause::Earlier, reason }
}

/// Lets other work of the cycle go first, as often as the dice say.
async fn turn() {
    let times = desk().map_or(0, |desk| desk.wire.dice.borrow_mut().random_range(0..3));
    for _ in 0..times {
        let mut is_polled = false;
        future::poll_fn(|context| {
            if std::mem::replace(&mut is_polled, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
    }
}

struct Job {
    job: u64,
    side: Side,
    generation: Generation,
}

impl Drop for Job {
    fn drop(&mut self) {
        if let Some(desk) = desk() {
            desk.jobs.borrow_mut().remove(&self.job);
        }
    }
}

impl Job {
    async fn call<T>(
        &self,
        call: impl FnOnce(&mut Native) -> Result<T, Error> + Send,
    ) -> Result<T, PluginError> {
        turn().await;
        let (result, fate) = self.run(call);
        if fate == Fate::Dead {
            // Nothing comes back to a process that is gone.
            future::pending::<()>().await;
        }
        result
    }

    fn run<T>(
        &self,
        call: impl FnOnce(&mut Native) -> Result<T, Error>,
    ) -> (Result<T, PluginError>, Fate) {
        let Some(desk) = desk() else { return (Err(nobody(&self.generation)), Fate::Alive) };
        let Some(mut native) = desk.jobs.borrow_mut().remove(&self.job) else {
            return (Err(nobody(&self.generation)), desk.wire.fate());
        };
        let (wire, sleeper, side) = (Rc::clone(&desk.wire), Rc::clone(&desk.wire), self.side);
        let wait = move |ms| {
            sleeper.advance(ms);
            Ok(())
        };
        let answered = with_http(
            move |request| wire.send(side, request),
            || with_wait(wait, || call(&mut native)),
        );
        let fate = desk.wire.fate();
        if fate == Fate::Trapped {
            desk.wire.revive();
            let (plugin, reason) = (self.generation.clone(), "it trapped".to_owned());
            let broken = PluginError::Broken { plugin, cause: StopCause::Trap, reason };
            return (Err(broken), fate);
        }
        desk.jobs.borrow_mut().insert(self.job, native);
        (answered.map_err(|error| renkei_native::error_out(error, &self.generation)), fate)
    }
}

#[async_trait]
impl Connector for Job {
    fn generation(&self) -> &Generation {
        &self.generation
    }

    async fn check(&self) -> Result<Account, PluginError> {
        let account = self.call(|native| on!(native, one => one.check())).await?;
        Ok(renkei_native::account_out(account))
    }

    async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError> {
        let schemas = self.call(|native| on!(native, one => one.discover(objects))).await?;
        Ok(schemas.into_iter().map(renkei_native::schema_out).collect())
    }

    async fn read_page(&self, request: &PageRequest) -> Result<Page, PluginError> {
        let request = renkei_native::page_request_in(request);
        let page = self.call(|native| on!(native, one => one.read_page(&request))).await?;
        Ok(renkei_native::page_out(page))
    }

    async fn read_records(
        &self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, PluginError> {
        let request = RecordsRequest::new(object, columns, ids);
        let read = |native: &mut Native| on!(native, one => one.read_records(&request));
        Ok(renkei_native::page_out(self.call(read).await?))
    }

    async fn find(
        &self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, PluginError> {
        let request = renkei_native::find_request_in(object, columns, key, values);
        let find = |native: &mut Native| on!(native, one => renkei_native::find_all(one, request));
        Ok(renkei_native::batch_out(self.call(find).await?))
    }

    async fn perform(&self, call: EffectCall<'_>) -> Result<Vec<Outcome>, PluginError> {
        match call {
            EffectCall::Write(request) => self.write(request).await,
            EffectCall::Merge { object, winner, losers, intent } => {
                let request = MergeRequest::new(object, winner, losers);
                let request = MergeRequest { intent: intent.to_owned(), ..request };
                let merge = |native: &mut Native| on!(native, one => one.merge(&request));
                Ok(vec![renkei_native::outcome_out(self.call(merge).await?)])
            }
        }
    }

    async fn finish(
        &self,
        object: &str,
        columns: &[String],
        tokens: &[String],
    ) -> Result<Vec<Outcome>, PluginError> {
        let request = FinishRequest::new(object, columns, tokens);
        let outcomes = self.call(|native| on!(native, one => one.finish(&request))).await?;
        Ok(outcomes.into_iter().map(renkei_native::outcome_out).collect())
    }
}

impl Job {
    async fn write(&self, request: &WriteRequest) -> Result<Vec<Outcome>, PluginError> {
        let wanted = renkei_native::write_request_in(request);
        let write = |native: &mut Native| {
            if let Some(desk) = desk() {
                desk.wire.take_broke_off();
            }
            let outcomes = on!(native, one => one.write(&wanted))?;
            Ok((outcomes, desk().is_some_and(|desk| desk.wire.take_broke_off())))
        };
        let (outcomes, broke_off) = self.call(write).await?;
        let outcomes = outcomes.into_iter().map(renkei_native::outcome_out);
        let told = request.operations.iter().zip(outcomes);
        Ok(told
            .map(|(one, outcome)| match broke_off {
                true => outcome.after_broken_attempt(one.action),
                false => outcome,
            })
            .collect())
    }
}
