//! A job whose calls are counted: for probation, quarantine and the deadline of a replaced
//! generation (WASM.md 5.1 items 8 and 9), and held to what an admin allows.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use renkei_package::{ObjectAction, Permission};
use renkei_sync::model::plugin::{Account, Generation, NOT_GRANTED, PluginError, Schema};
use renkei_sync::model::record::{
    Action, Batch, Outcome, Page, PageRequest, Problem, Remedy, WriteRequest,
};
use renkei_sync::model::value::Value;
use renkei_sync::ports::Connector;

use crate::lifecycle::blame::{self, Blame, Failed};

use crate::lifecycle::registry::Unit;
use crate::sandbox::connector::Job;
use crate::sandbox::engine::Machine;
use crate::sandbox::generation::Plugin;
use crate::sandbox::loader::KindLimits;
use renkei_egress::SystemEgress;

/// Opens jobs on one system.
pub(crate) struct Opener {
    pub(crate) machine: Arc<Machine>,
    pub(crate) limits: KindLimits,
    pub(crate) system: Arc<SystemEgress>,
}

impl Opener {
    async fn open(&self, plugin: Arc<Plugin>) -> Result<Job, Failed> {
        let limits = self.limits.of(&plugin);
        Job::open(&self.machine, &limits, plugin, &self.system).await
    }
}

/// See the module's text.
pub(crate) struct Watched {
    job: Arc<Job>,
    unit: Unit,
    opener: Opener,
}

impl Watched {
    /// A job of the unit's generation. That it opens says nothing good of the plugin, because each
    /// job does; that it does not open counts.
    pub(crate) async fn open(unit: Unit, opener: Opener) -> Result<Self, PluginError> {
        let opened = opener.open(Arc::clone(unit.plugin())).await;
        if opened.is_err() {
            let blame = blame::judge(&opened);
            let before = match in_doubt(&unit, blame) {
                Some(fallback) => Some(blame::judge(&opener.open(fallback).await)),
                None => None,
            };
            unit.tell(blame::weigh(blame, before));
        }
        Ok(Self { job: Arc::new(opened?), unit, opener })
    }

    /// A call that changes nothing. Where the guest says of itself that the input is wrong, the
    /// version before is asked the same.
    async fn count<T, Called>(
        &self,
        call: impl Fn(Arc<Job>) -> Called + Send + Sync,
    ) -> Result<T, PluginError>
    where
        T: Send,
        Called: Future<Output = Result<T, Failed>> + Send,
    {
        self.unit.may_go_on()?;
        let answer = call(Arc::clone(&self.job)).await;
        let blame = blame::judge(&answer);
        let before = match in_doubt(&self.unit, blame) {
            Some(fallback) => Some(match self.opener.open(fallback).await {
                Ok(job) => blame::judge(&call(Arc::new(job)).await),
                Err(failed) => blame::judge::<T>(&Err(failed)),
            }),
            None => None,
        };
        self.unit.tell(blame::weigh(blame, before));
        Ok(answer?)
    }

    /// A call that changes something, and so is not made twice. What is wrong with single records
    /// is an outcome: the version before would not refuse the whole call.
    async fn count_change<T>(
        &self,
        call: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, PluginError> {
        self.unit.may_go_on()?;
        let answer = call.await;
        let blame = blame::judge(&answer);
        let before = in_doubt(&self.unit, blame).map(|_| Blame::Good);
        self.unit.tell(blame::weigh(blame, before));
        Ok(answer?)
    }

    /// Refuses a permission that an admin denied.
    fn may(&self, permission: &Permission) -> Result<(), PluginError> {
        let plugin = self.unit.plugin();
        if !plugin.denied.contains(permission) {
            return Ok(());
        }
        let problem = Problem {
            code: NOT_GRANTED.to_owned(),
            message: format!("an admin took `{permission}` away; see `renkei plugin grants`"),
            field: None,
            remedy: Remedy::Admin,
        };
        Err(PluginError::Forbidden { plugin: plugin.generation.clone(), problem })
    }

    fn may_read(&self, object: &str) -> Result<(), PluginError> {
        let needed = self.unit.plugin().whole.permissions_to_read(object);
        needed.iter().try_for_each(|permission| self.may(permission))
    }

    fn may_write(&self, object: &str, action: ObjectAction) -> Result<(), PluginError> {
        self.may_read(object)?;
        let needed = self.unit.plugin().whole.permissions_to_write(object, action);
        needed.iter().try_for_each(|permission| self.may(permission))
    }
}

/// The version before, where its word is needed.
fn in_doubt(unit: &Unit, blame: Blame) -> Option<Arc<Plugin>> {
    unit.fallback().filter(|_| blame == Blame::Doubt)
}

fn as_asked(action: Action) -> ObjectAction {
    match action {
        Action::Create => ObjectAction::Create,
        Action::Update => ObjectAction::Update,
        Action::Upsert => ObjectAction::Upsert,
        Action::Archive => ObjectAction::Archive,
        Action::Restore => ObjectAction::Restore,
        Action::Merge => ObjectAction::Merge,
    }
}

#[async_trait]
impl Connector for Watched {
    fn generation(&self) -> &Generation {
        self.job.generation()
    }

    async fn check(&self) -> Result<Account, PluginError> {
        self.count(move |job| async move { job.check().await }).await
    }

    async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError> {
        objects.iter().try_for_each(|object| self.may_read(object))?;
        self.count(move |job| async move { job.discover(objects).await }).await
    }

    async fn read_page(&self, request: &PageRequest) -> Result<Page, PluginError> {
        self.may_read(&request.object)?;
        self.count(move |job| async move { job.read_page(request).await }).await
    }

    async fn read_records(
        &self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, PluginError> {
        self.may_read(object)?;
        self.count(move |job| async move { job.read_records(object, columns, ids).await }).await
    }

    async fn find(
        &self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, PluginError> {
        self.may_read(object)?;
        self.count(move |job| async move { job.find(object, columns, key, values).await }).await
    }

    fn refuses(&self, object: &str, action: Action) -> Option<PluginError> {
        self.may_write(object, as_asked(action)).err()
    }

    async fn write(&self, request: &WriteRequest) -> Result<Vec<Outcome>, PluginError> {
        let actions = request.operations.iter().map(|operation| as_asked(operation.action));
        let actions: HashSet<ObjectAction> = actions.collect();
        actions.into_iter().try_for_each(|action| self.may_write(&request.object, action))?;
        self.count_change(self.job.write(request)).await
    }

    async fn merge(
        &self,
        object: &str,
        winner: &str,
        losers: &[String],
    ) -> Result<Outcome, PluginError> {
        self.may_write(object, ObjectAction::Merge)?;
        self.count_change(self.job.merge(object, winner, losers)).await
    }
}
