//! Checks of refusals: refused credentials, a used-up quota, small limits.

use renkei_model::effect::EffectCall;
use renkei_model::plugin::PluginError;
use renkei_model::ports::Systems;
use renkei_model::record::{Outcome as Written, PageRequest, Scan, WriteRequest};
use renkei_package::{ManifestObject, ObjectAction};
use serde_json::json;

use super::fields::choose_fields;
use super::requests::create_request;
use super::trial::{ConnectorTrial, ids, page_request};
use crate::limits;
use crate::report::{CheckResult, NotPassed};

impl ConnectorTrial<'_> {
    pub(super) async fn refused_credentials(&self) -> CheckResult {
        let Some(refused) = self.refused else {
            return Err(NotPassed::not_applicable("the simulator is used without credentials"));
        };
        let answer = match self.systems.open(refused).await {
            Ok(job) => job.check().await.map(drop),
            Err(error) => Err(error),
        };
        match answer {
            Err(PluginError::Unauthorized { code, .. }) => Ok(format!("unauthorized ({code})")),
            Err(error) => Err(NotPassed::failed(format!("reported as: {error}"))),
            Ok(()) => {
                Err(NotPassed::failed("accepted: the simulator or the connector checks nothing"))
            }
        }
    }

    pub(super) async fn small_limits(&self) -> CheckResult {
        let ordinary = self.some_ids(self.systems).await?;
        let small = match self.small {
            Ok(systems) => self.some_ids(systems).await.map_err(|error| error.to_string()),
            Err(reason) => Err(reason.to_owned()),
        };
        let after = self.some_ids(self.systems).await.map_err(|error| error.to_string());
        limits::judge(&ordinary, small, after)
    }

    async fn some_ids(&self, systems: &dyn Systems) -> Result<Vec<String>, PluginError> {
        let job = systems.open(self.system).await?;
        job.check().await?;
        Ok(ids(&[job.read_page(&self.first_page()).await?]))
    }

    fn first_page(&self) -> PageRequest {
        let object = self.manifest.objects.first().map(|object| object.name.clone());
        page_request(&object.unwrap_or_default(), Scan::Backfill, &[], 10)
    }

    /// With no call left, reads and writes say when to come again, and nothing is written.
    pub(super) async fn quota(&self) -> CheckResult {
        let create = self.a_create().await;
        let none_left = json!({ "rate_limits": true, "daily_limit": 1 });
        if !self.control.set_faults(&none_left).await {
            return Err(NotPassed::not_applicable("the simulator has no switch for its quota"));
        }
        let tried = self.without_quota(create).await;
        self.control
            .set_faults(&json!({ "rate_limits": false, "daily_limit": 1_000_000_000 }))
            .await;
        let wait_ms = tried?;
        if wait_ms > self.patience_ms {
            return Ok(format!("retry-after {wait_ms} ms"));
        }
        self.clock.sleep_ms(wait_ms).await;
        match self.open().await?.read_page(&self.first_page()).await {
            Ok(_) => Ok(format!("retry-after {wait_ms} ms, and then it answers")),
            Err(error) => Err(NotPassed::failed(format!("after the wait: {error}"))),
        }
    }

    /// The longest wait that a read or a write got, ms.
    async fn without_quota(&self, create: Option<WriteRequest>) -> Result<u64, NotPassed> {
        // The first call of the day may still be answered.
        let mut read_ms = None;
        for _ in 0..3 {
            match self.read_once().await {
                Ok(()) => {}
                Err(PluginError::RetryAfter { after_ms, .. }) => read_ms = Some(after_ms),
                Err(error) => {
                    return Err(NotPassed::failed(format!("a read is reported as: {error}")));
                }
            }
        }
        let read_ms = read_ms.ok_or_else(|| NotPassed::failed("reads go on without a quota"))?;
        if read_ms == 0 {
            return Err(NotPassed::failed("a read is to be tried again after 0 ms"));
        }
        let write_ms = match create {
            Some(create) => self.refused_create(&create).await?,
            None => 0,
        };
        Ok(read_ms.max(write_ms))
    }

    async fn read_once(&self) -> Result<(), PluginError> {
        self.open().await?.read_page(&self.first_page()).await.map(drop)
    }

    /// The wait that a create gets instead of being done, ms.
    async fn refused_create(&self, request: &WriteRequest) -> Result<u64, NotPassed> {
        let before = self.control.live_records(&request.object).await;
        let answer = match self.open().await {
            Ok(job) => job.perform(EffectCall::Write(request)).await,
            Err(error) => Err(error),
        };
        if self.control.live_records(&request.object).await != before {
            return Err(NotPassed::failed("a write was done although the quota was used up"));
        }
        match answer {
            Err(PluginError::RetryAfter { after_ms, .. }) => Ok(after_ms),
            Err(error) => Err(NotPassed::failed(format!("a write is reported as: {error}"))),
            Ok(outcomes) => match outcomes.as_slice() {
                [Written::RetryAfter(after_ms)] => Ok(*after_ms),
                other => Err(NotPassed::failed(format!("a write ends as {other:?}"))),
            },
        }
    }

    /// A create of the first object that can be made.
    async fn a_create(&self) -> Option<WriteRequest> {
        let can = |object: &&ManifestObject| object.actions.contains(&ObjectAction::Create);
        for object in self.manifest.objects.iter().filter(can) {
            let Ok(schema) = self.schema(&object.name).await else { continue };
            if let Ok(chosen) = choose_fields(&schema) {
                return Some(create_request(self, &object.name, &chosen, "quota"));
            }
        }
        None
    }
}
