//! Trouble: credentials that are refused, a quota that is used up, small limits.

use renkei_package::{Object, ObjectAction};
use renkei_sync::model::plugin::PluginError;
use renkei_sync::model::record::{Outcome as Written, PageRequest, Scan, WriteRequest};
use renkei_sync::ports::Systems;
use serde_json::json;

use super::writing::create_request;
use super::{Trial, choose, ids, page_request};
use crate::limits;
use crate::report::{Outcome, Stop};

impl Trial<'_> {
    pub(super) async fn refused_credentials(&self) -> Outcome {
        let Some(refused) = self.refused else {
            return Err(Stop::not_applicable("the simulator is used without credentials"));
        };
        let answer = match self.systems.open(refused).await {
            Ok(job) => job.check().await.map(drop),
            Err(error) => Err(error),
        };
        match answer {
            Err(PluginError::Unauthorized { code, .. }) => Ok(format!("unauthorized ({code})")),
            Err(error) => Err(Stop::failed(format!("told as: {error}"))),
            Ok(()) => Err(Stop::failed("accepted: the simulator or the connector checks nothing")),
        }
    }

    pub(super) async fn small_limits(&self) -> Outcome {
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
    pub(super) async fn quota(&self) -> Outcome {
        let create = self.a_create().await;
        let none_left = json!({ "rate_limits": true, "daily_limit": 1 });
        if !self.control.faults(&none_left).await {
            return Err(Stop::not_applicable("the simulator has no switch for its quota"));
        }
        let tried = self.without_quota(create).await;
        self.control.faults(&json!({ "rate_limits": false, "daily_limit": 1_000_000_000 })).await;
        let wait_ms = tried?;
        if wait_ms > self.patience_ms {
            return Ok(format!("retry-after {wait_ms} ms"));
        }
        self.clock.sleep_ms(wait_ms).await;
        match self.open().await?.read_page(&self.first_page()).await {
            Ok(_) => Ok(format!("retry-after {wait_ms} ms, and then it answers")),
            Err(error) => Err(Stop::failed(format!("after the wait: {error}"))),
        }
    }

    /// The longest wait that was told.
    async fn without_quota(&self, create: Option<WriteRequest>) -> Result<u64, Stop> {
        // The first call of the day may still be answered.
        let mut read_ms = None;
        for _ in 0..3 {
            match self.read_once().await {
                Ok(()) => {}
                Err(PluginError::RetryAfter { after_ms, .. }) => read_ms = Some(after_ms),
                Err(error) => return Err(Stop::failed(format!("a read is told as: {error}"))),
            }
        }
        let read_ms = read_ms.ok_or_else(|| Stop::failed("reads go on without a quota"))?;
        if read_ms == 0 {
            return Err(Stop::failed("a read is to be tried again after 0 ms"));
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

    /// How long a create is to wait; it must not be done.
    async fn refused_create(&self, request: &WriteRequest) -> Result<u64, Stop> {
        let before = self.control.live(&request.object).await;
        let answer = match self.open().await {
            Ok(job) => job.write(request).await,
            Err(error) => Err(error),
        };
        if self.control.live(&request.object).await != before {
            return Err(Stop::failed("a write was done although the quota was used up"));
        }
        match answer {
            Err(PluginError::RetryAfter { after_ms, .. }) => Ok(after_ms),
            Err(error) => Err(Stop::failed(format!("a write is told as: {error}"))),
            Ok(outcomes) => match outcomes.as_slice() {
                [Written::RetryAfter(after_ms)] => Ok(*after_ms),
                other => Err(Stop::failed(format!("a write ends as {other:?}"))),
            },
        }
    }

    /// A create of the first object that can be made.
    async fn a_create(&self) -> Option<WriteRequest> {
        let can = |object: &&Object| object.actions.contains(&ObjectAction::Create);
        for object in self.manifest.objects.iter().filter(can) {
            let Ok(schema) = self.schema(&object.name).await else { continue };
            if let Ok(chosen) = choose(&schema) {
                return Some(create_request(self, &object.name, &chosen, "quota"));
            }
        }
        None
    }
}
