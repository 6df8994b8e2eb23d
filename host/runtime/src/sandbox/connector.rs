//! One job on one system: an instance of a connector that lives as long as the job.
//!
//! Calls run one after another. The instance is taken out for a call and put back when it ended
//! well: after a trap, a limit, or a call that was cancelled half-way, the job is over and says
//! why.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use wasmtime::Store;

use renkei_model::effect::EffectCall;
use renkei_model::plugin::{Account, Generation, ObjectInfo, PluginError, Schema};
use renkei_model::record::{Batch, Outcome, Page, PageRequest, WriteRequest};
use renkei_model::value::Value;

use crate::sandbox::bindings::v0_2::{ConnectorPlugin, calls, types};
use crate::sandbox::call_failure::CallFailure;
use crate::sandbox::convert::connector::{
    account_from_guest, memos_from_guest, objects_from_guest, outcome_from_guest,
    outcomes_from_guest, page_from_guest, page_request_to_guest, scanned_from_guest,
    schemas_from_guest, write_request_to_guest,
};
use crate::sandbox::convert::scans::ScanProgress;
use crate::sandbox::convert::{
    ContractBreach, attributes_to_guest, error_from_guest, records_from_guest, value_to_guest,
};
use crate::sandbox::engine::SharedEngine;
use crate::sandbox::generation::PluginGeneration;
use crate::sandbox::instance::{GuestRunner, GuestState};
use crate::sandbox::instance_permits::InstancePermit;
use crate::sandbox::limits::{GuestLimits, StopCause};
use crate::sandbox::settings;
use renkei_egress::{JobEgress, SystemEgress};

/// The most rows that one answer to a search should have.
const FIND_ROWS: u32 = 1_000;
/// The most pages of one search.
const FIND_PAGES_MAX: usize = 1_000;

/// A guest that is ready for a call.
struct ConnectorGuest {
    store: Store<GuestState>,
    exports: ConnectorPlugin,
    /// Given back after the store is gone: fields are dropped in order.
    _place: InstancePermit,
}

impl ConnectorGuest {
    /// A wait that it reports, where that is a pause of the account which nobody knows of.
    fn news(&self, wait_ms: Option<u64>) -> Option<u64> {
        wait_ms.filter(|ms| self.store.data().is_new_pause(*ms))
    }
}

/// The guest of a job: at hand, in a call, or gone with the reason.
enum JobState {
    Ready(Box<ConnectorGuest>),
    InCall,
    Stopped(String),
}

/// One job on one system. It holds its generation, so that a reload in between does not change it.
pub(crate) struct ConnectorJob {
    plugin: Arc<PluginGeneration>,
    system: Arc<SystemEgress>,
    runner: GuestRunner,
    scans: Mutex<ScanProgress>,
    life: Mutex<JobState>,
}

type GuestAnswer<T> = wasmtime::Result<Result<T, types::Error>>;

impl ConnectorJob {
    /// Instantiates the connector for the system behind `system` and configures it.
    pub(crate) async fn open(
        shared: &Arc<SharedEngine>,
        limits: &GuestLimits,
        plugin: Arc<PluginGeneration>,
        system: &Arc<SystemEgress>,
    ) -> Result<Self, CallFailure> {
        let (manifest, code) = plugin.connector()?;
        let generation = &plugin.generation;
        let misconfigured = |reason: String| PluginError::Host {
            plugin: generation.clone(),
            reason: format!("the configuration of system `{}`: {reason}", system.config().name),
        };
        let given = &system.config().settings;
        let settings = settings::complete(&manifest.settings, given).map_err(misconfigured)?;
        let egress = JobEgress::open(system, manifest, generation).map_err(misconfigured)?;
        let settings = settings.into_iter().chain(settings::of_host(&egress)).collect();
        let settings = attributes_to_guest(&settings);
        let egress = egress.without(&plugin.denied);
        let runner = GuestRunner::new(shared, limits, generation, &system.config().name);
        let place = shared.permits.jobs.acquire(plugin.needs).await;
        let _place = place.map_err(|reached| runner.limit(reached))?;
        let secrets = Arc::new(system.config().secrets.clone());
        let mut store = runner.store(runner.new_state().with_egress(egress, secrets));
        let exports = runner.run(code.instantiate_async(&mut store)).await;
        let exports = exports
            .map_err(|stopped| stopped.with_panic(store.data().panic()).to_error(generation))?;
        let life = Mutex::new(JobState::Ready(Box::new(ConnectorGuest { store, exports, _place })));
        let system = Arc::clone(system);
        let job = Self { plugin, system, runner, scans: Mutex::default(), life };
        job.call(0, move |guest| {
            async move {
                let ConnectorGuest { store, exports, .. } = guest;
                exports.renkei_plugin_connector().call_configure(store, &settings).await
            }
            .boxed()
        })
        .await?;
        Ok(job)
    }

    /// One call that carries `rows` rows.
    async fn call<T>(
        &self,
        rows: usize,
        call: impl for<'a> FnOnce(&'a mut ConnectorGuest) -> BoxFuture<'a, GuestAnswer<T>> + Send,
    ) -> Result<T, CallFailure> {
        let generation = &self.plugin.generation;
        let mut life = self.life.lock().await;
        let mut guest = match std::mem::replace(&mut *life, JobState::InCall) {
            JobState::Ready(guest) => guest,
            JobState::InCall => {
                let reason = "an earlier call was cancelled".to_owned();
                *life = JobState::Stopped(reason.clone());
                return Err(broken(generation, StopCause::Cancelled, reason).into());
            }
            JobState::Stopped(reason) => {
                let told = format!("earlier in this job: {reason}");
                let error = broken(generation, StopCause::Earlier, told);
                *life = JobState::Stopped(reason);
                return Err(error.into());
            }
        };
        guest.store.data_mut().begin_call(rows);
        match self.runner.run(call(&mut guest)).await {
            Ok(answer) => {
                let evidence = guest.store.data().evidence();
                let pause_ms = match &answer {
                    Err(types::Error::RetryAfter(ms)) => guest.news(Some(*ms)),
                    _ => None,
                };
                *life = JobState::Ready(guest);
                drop(life);
                self.heed(pause_ms).await;
                answer.map_err(|error| {
                    CallFailure::Guest(error_from_guest(error, generation), evidence)
                })
            }
            Err(stopped) => {
                let stopped = stopped.with_panic(guest.store.data().panic());
                *life = JobState::Stopped(stopped.to_string());
                Err(stopped.to_error(generation).into())
            }
        }
    }
}

/// The longest wait among outcomes, ms.
fn longest_wait(outcomes: &[Outcome]) -> Option<u64> {
    let wait = |outcome: &Outcome| match outcome {
        Outcome::RetryAfter(ms) => Some(*ms),
        _ => None,
    };
    outcomes.iter().filter_map(wait).max()
}

fn broken(plugin: &Generation, cause: StopCause, reason: String) -> PluginError {
    PluginError::Broken { plugin: plugin.clone(), cause, reason }
}

/// Calls one export: its arguments are moved in, because the guest's future outlives the borrow of
/// the caller.
macro_rules! call {
    ($job:expr, $rows:expr, $export:ident $(, $argument:expr)*) => {
        $job.call($rows, move |guest| {
            async move {
                let ConnectorGuest { store, exports, .. } = guest;
                exports.renkei_plugin_connector().$export(store $(, $argument)*).await
            }
            .boxed()
        })
        .await
    };
}

/// The calls of [`renkei_model::ports::Connector`].
impl ConnectorJob {
    pub(crate) fn generation(&self) -> &Generation {
        &self.plugin.generation
    }

    pub(crate) async fn check(&self) -> Result<Account, CallFailure> {
        let account = call!(self, 0, call_check)?;
        account_from_guest(account).map_err(|breach| self.runner.breach(breach).into())
    }

    /// Every object of the account; none where the connector does not know them, which is no
    /// failure.
    pub(crate) async fn objects(&self) -> Result<Option<Vec<ObjectInfo>>, CallFailure> {
        match call!(self, 0, call_objects) {
            Ok(objects) => {
                let objects = objects_from_guest(objects);
                objects.map(Some).map_err(|breach| self.runner.breach(breach).into())
            }
            Err(CallFailure::Guest(PluginError::Unsupported { .. }, _)) => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    pub(crate) async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, CallFailure> {
        let wanted = objects.to_vec();
        let mut schemas = call!(self, 0, call_discover, &wanted)?;
        let breach = |breach| CallFailure::from(self.runner.breach(breach));
        let memos = memos_from_guest(&mut schemas).map_err(breach)?;
        let schemas = schemas_from_guest(schemas, objects).map_err(breach)?;
        for (object, memo) in memos {
            self.plugin.memos.keep(self.runner.system(), &object, memo);
        }
        Ok(schemas)
    }

    /// The memo that the connector left with the schema of an object.
    fn memo(&self, object: &str) -> Option<Vec<u8>> {
        self.plugin.memos.memo(self.runner.system(), object)
    }

    pub(crate) async fn read_page(&self, request: &PageRequest) -> Result<Page, CallFailure> {
        let wanted = page_request_to_guest(request, self.memo(&request.object));
        let page = call!(self, 0, call_read_page, &wanted);
        let mut scans = self.scans.lock().await;
        let page = page.map_err(|failed| match failed {
            // A cursor from before this job may be in the form of another version.
            CallFailure::Guest(lost @ PluginError::CursorLost { .. }, _)
                if request.cursor.is_some() && !scans.goes_on(request) =>
            {
                CallFailure::Host(lost)
            }
            failed => failed,
        })?;
        scanned_from_guest(page, request, &mut scans)
            .map_err(|breach| self.runner.breach(breach).into())
    }

    pub(crate) async fn read_records(
        &self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, CallFailure> {
        let wanted = calls::RecordsRequest {
            object: object.to_owned(),
            columns: columns.to_vec(),
            ids: ids.to_vec(),
            memo: self.memo(object),
            options: Vec::new(),
        };
        let page = call!(self, ids.len(), call_read_records, &wanted)?;
        page_from_guest(page, columns).map_err(|breach| self.runner.breach(breach).into())
    }

    /// All records whose key equals one of the values, however many pages they take.
    pub(crate) async fn find(
        &self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, CallFailure> {
        let mut wanted = calls::FindRequest {
            object: object.to_owned(),
            columns: columns.to_vec(),
            keys: vec![key.to_owned()],
            values: values.iter().map(|value| vec![value_to_guest(value)]).collect(),
            limit: FIND_ROWS,
            cursor: None,
            memo: self.memo(object),
            options: Vec::new(),
        };
        let mut all = Batch { columns: columns.to_vec(), rows: Vec::new() };
        let breach = |breach| CallFailure::from(self.runner.breach(breach));
        for _ in 0..FIND_PAGES_MAX {
            let request = wanted.clone();
            let found = call!(self, values.len(), call_find, &request)?;
            let (batch, _) = records_from_guest(found.batch, columns).map_err(breach)?;
            all.rows.extend(batch.rows);
            if found.cursor.is_none() {
                return Ok(all);
            }
            if found.cursor == wanted.cursor {
                let rule = "it promises more but its cursor does not move";
                return Err(breach(ContractBreach::new(rule)));
            }
            wanted.cursor = found.cursor;
        }
        let rule = format!("it found more than {FIND_PAGES_MAX} pages of records for one question");
        Err(breach(ContractBreach::new(rule)))
    }

    /// Has the guest carry effects out. A wait that one of the outcomes asks for holds for the
    /// account.
    pub(crate) async fn perform(&self, call: EffectCall<'_>) -> Result<Vec<Outcome>, CallFailure> {
        let outcomes = match call {
            EffectCall::Write(request) => self.write(request).await?,
            EffectCall::Merge { object, winner, losers, intent } => {
                let (winner, intent) = (winner.to_owned(), intent.to_owned());
                let object = object.to_owned();
                let losers = losers.to_vec();
                let (memo, options) = (self.memo(&object), Vec::new());
                let merge = calls::MergeRequest { intent, object, winner, losers, memo, options };
                vec![self.merge(merge).await?]
            }
        };
        self.heed_outcomes(&outcomes).await;
        Ok(outcomes)
    }

    /// Asks about jobs at the vendor.
    pub(crate) async fn finish(
        &self,
        object: &str,
        columns: &[String],
        tokens: &[String],
    ) -> Result<Vec<Outcome>, CallFailure> {
        let count = tokens.len();
        let wanted = calls::FinishRequest {
            object: object.to_owned(),
            columns: columns.to_vec(),
            tokens: tokens.to_vec(),
            memo: self.memo(object),
            options: Vec::new(),
        };
        let outcomes = call!(self, count, call_finish, &wanted)?;
        let outcomes = outcomes_from_guest(outcomes, count, columns.len())
            .map_err(|breach| self.runner.breach(breach))?;
        self.heed_outcomes(&outcomes).await;
        Ok(outcomes)
    }

    /// A wait that one of the outcomes asks for holds for the account.
    async fn heed_outcomes(&self, outcomes: &[Outcome]) {
        let pause_ms = match &*self.life.lock().await {
            JobState::Ready(guest) => guest.news(longest_wait(outcomes)),
            JobState::InCall | JobState::Stopped(_) => None,
        };
        self.heed(pause_ms).await;
    }

    async fn write(&self, request: &WriteRequest) -> Result<Vec<Outcome>, CallFailure> {
        let (operations, columns) = (request.operations.len(), request.columns.len());
        let wanted = write_request_to_guest(request, self.memo(&request.object));
        let outcomes = call!(self, operations, call_write, &wanted)?;
        let outcomes = outcomes_from_guest(outcomes, operations, columns)
            .map_err(|breach| self.runner.breach(breach))?;
        let broke_off = match &*self.life.lock().await {
            JobState::Ready(guest) => guest.store.data().broke_off(),
            JobState::InCall | JobState::Stopped(_) => false,
        };
        if !broke_off {
            return Ok(outcomes);
        }
        let told = request.operations.iter().zip(outcomes);
        Ok(told.map(|(one, outcome)| outcome.after_broken_attempt(one.action)).collect())
    }

    /// The guest has read that the system wants no calls for so long (`RULES.md R25`).
    async fn heed(&self, pause_ms: Option<u64>) {
        if let Some(ms) = pause_ms {
            self.system.pause_all(ms).await;
        }
    }

    async fn merge(&self, merge: calls::MergeRequest) -> Result<Outcome, CallFailure> {
        let outcome = call!(self, merge.losers.len(), call_merge, &merge)?;
        outcome_from_guest(outcome, 0).map_err(|breach| self.runner.breach(breach).into())
    }
}
