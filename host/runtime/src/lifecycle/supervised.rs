//! A connector job under supervision: its calls count for probation and quarantine, end when its
//! generation was replaced too long ago, and do only what an admin permits.

use std::sync::Arc;

use async_trait::async_trait;

use renkei_model::effect::{EffectCall, EffectKind};
use renkei_model::plugin::{Account, Generation, NOT_GRANTED, ObjectInfo, PluginError, Schema};
use renkei_model::ports::Connector;
use renkei_model::record::{Batch, Outcome, Page, PageRequest, Problem, Remedy};
use renkei_model::value::Value;
use renkei_package::{ObjectAction, Permission};

use crate::lifecycle::blame::{self, Blame};
use crate::lifecycle::registry::GenerationLease;
use crate::sandbox::call_failure::CallFailure;
use crate::sandbox::connector::ConnectorJob;
use crate::sandbox::engine::SharedEngine;
use crate::sandbox::generation::PluginGeneration;
use crate::sandbox::loader::KindLimits;
use renkei_egress::SystemEgress;

/// Opens jobs on one system.
pub(crate) struct JobOpener {
    pub(crate) shared: Arc<SharedEngine>,
    pub(crate) limits: KindLimits,
    pub(crate) system: Arc<SystemEgress>,
}

impl JobOpener {
    async fn open(&self, plugin: Arc<PluginGeneration>) -> Result<ConnectorJob, CallFailure> {
        let limits = self.limits.limits_of(&plugin);
        ConnectorJob::open(&self.shared, &limits, plugin, &self.system).await
    }
}

/// A connector job whose calls are counted and checked against the admin's permissions.
pub(crate) struct SupervisedConnector {
    job: Arc<ConnectorJob>,
    lease: GenerationLease,
    opener: JobOpener,
}

impl SupervisedConnector {
    /// Opens a job of the leased generation. Only a failure counts for the plugin's health: a job
    /// that opens has done no work yet.
    pub(crate) async fn open(
        lease: GenerationLease,
        opener: JobOpener,
    ) -> Result<Self, PluginError> {
        let opened = opener.open(Arc::clone(lease.plugin())).await;
        if opened.is_err() {
            let blame = blame::judge(&opened);
            let before = match earlier_in_doubt(&lease, blame) {
                Some(fallback) => Some(blame::judge(&opener.open(fallback).await)),
                None => None,
            };
            lease.record_result(blame::weigh(blame, before));
        }
        Ok(Self { job: Arc::new(opened?), lease, opener })
    }

    /// Makes a call that changes nothing, and counts its result. Where the guest says of itself
    /// that the input is wrong, the version before is asked the same.
    async fn call<T, Called>(
        &self,
        call: impl Fn(Arc<ConnectorJob>) -> Called + Send + Sync,
    ) -> Result<T, PluginError>
    where
        T: Send,
        Called: Future<Output = Result<T, CallFailure>> + Send,
    {
        self.lease.may_go_on()?;
        let answer = call(Arc::clone(&self.job)).await;
        let blame = blame::judge(&answer);
        let before = match earlier_in_doubt(&self.lease, blame) {
            Some(fallback) => Some(match self.opener.open(fallback).await {
                Ok(job) => blame::judge(&call(Arc::new(job)).await),
                Err(failed) => blame::judge::<T>(&Err(failed)),
            }),
            None => None,
        };
        self.lease.record_result(blame::weigh(blame, before));
        Ok(answer?)
    }

    /// Makes a call that changes something, and so only once, and counts its result. What is wrong
    /// with single records is an outcome: the version before would not refuse the whole call.
    async fn call_once<T>(
        &self,
        call: impl Future<Output = Result<T, CallFailure>>,
    ) -> Result<T, PluginError> {
        self.lease.may_go_on()?;
        let answer = call.await;
        let blame = blame::judge(&answer);
        let before = earlier_in_doubt(&self.lease, blame).map(|_| Blame::Good);
        self.lease.record_result(blame::weigh(blame, before));
        Ok(answer?)
    }

    /// An error where an admin denied the permission.
    fn check_permission(&self, permission: &Permission) -> Result<(), PluginError> {
        if !self.lease.plugin().denied.contains(permission) {
            return Ok(());
        }
        let message = format!("an admin took `{permission}` away with `renkei plugin grants`");
        Err(self.not_granted(message))
    }

    fn not_granted(&self, message: String) -> PluginError {
        let plugin = self.lease.plugin().generation.clone();
        let (code, remedy) = (NOT_GRANTED.to_owned(), Remedy::Admin);
        PluginError::Forbidden { plugin, problem: Problem { code, message, field: None, remedy } }
    }

    fn check_read(&self, object: &str) -> Result<(), PluginError> {
        let needed = self.lease.plugin().whole.permissions_to_read(object);
        needed.iter().try_for_each(|permission| self.check_permission(permission))
    }

    /// An error where the manifest does not list for `object` what `word` says, or an admin denied
    /// the permission.
    fn check_effect(&self, object: &str, word: &str) -> Result<(), PluginError> {
        self.check_read(object)?;
        let plugin = self.lease.plugin();
        let Some(action) = ObjectAction::parse(word) else {
            let (plugin, what) = (plugin.generation.clone(), format!("`{word}` of {object}"));
            return Err(PluginError::Unsupported { plugin, what });
        };
        if plugin.whole.leaves_out(object, action) {
            let message = format!("the plugin's manifest lists no `{word}` of {object}");
            return Err(self.not_granted(message));
        }
        let needed = plugin.whole.permissions_to_write(object, action);
        needed.iter().try_for_each(|permission| self.check_permission(permission))
    }
}

/// The version before, where its word is needed.
fn earlier_in_doubt(lease: &GenerationLease, blame: Blame) -> Option<Arc<PluginGeneration>> {
    lease.fallback().filter(|_| blame == Blame::Doubt)
}

#[async_trait]
impl Connector for SupervisedConnector {
    fn generation(&self) -> &Generation {
        self.job.generation()
    }

    async fn check(&self) -> Result<Account, PluginError> {
        self.call(move |job| async move { job.check().await }).await
    }

    async fn objects(&self) -> Result<Vec<ObjectInfo>, PluginError> {
        let listed = self.call(move |job| async move { job.objects().await }).await?;
        let (plugin, what) = (self.generation().clone(), "objects".to_owned());
        listed.ok_or(PluginError::Unsupported { plugin, what })
    }

    async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError> {
        objects.iter().try_for_each(|object| self.check_read(object))?;
        self.call(move |job| async move { job.discover(objects).await }).await
    }

    async fn read_page(&self, request: &PageRequest) -> Result<Page, PluginError> {
        self.check_read(&request.object)?;
        self.call(move |job| async move { job.read_page(request).await }).await
    }

    async fn read_records(
        &self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, PluginError> {
        self.check_read(object)?;
        self.call(move |job| async move { job.read_records(object, columns, ids).await }).await
    }

    async fn find(
        &self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, PluginError> {
        self.check_read(object)?;
        self.call(move |job| async move { job.find(object, columns, key, values).await }).await
    }

    fn refuses(&self, object: &str, kind: EffectKind) -> Option<PluginError> {
        self.check_effect(object, kind.word()).err()
    }

    async fn perform(&self, call: EffectCall<'_>) -> Result<Vec<Outcome>, PluginError> {
        call.words().into_iter().try_for_each(|word| self.check_effect(call.object(), word))?;
        self.call_once(self.job.perform(call)).await
    }

    async fn finish(
        &self,
        object: &str,
        columns: &[String],
        tokens: &[String],
    ) -> Result<Vec<Outcome>, PluginError> {
        self.check_read(object)?;
        self.call(move |job| async move { job.finish(object, columns, tokens).await }).await
    }
}

#[cfg(test)]
mod tests {
    use renkei_model::record::Action;

    use super::*;

    #[test]
    fn every_effect_and_every_write_has_a_permission() {
        let actions =
            [Action::Create, Action::Update, Action::Upsert, Action::Archive, Action::Restore];
        let words = EffectKind::ALL.into_iter().map(EffectKind::word);
        for word in words.chain(actions.into_iter().map(Action::word)) {
            assert_eq!(ObjectAction::parse(word).map(ObjectAction::as_str), Some(word));
        }
    }
}
