//! The control of a simulator, beside the vendor's own API: the records that it holds, its
//! switches.
//!
//! The simulators of `renkei sim` answer `GET /_sim/records?object=` and `POST /_sim/faults`
//! (host/simulators/README.md). A simulator of somebody else may offer the same or nothing; what it
//! does not offer, the checks do without.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

/// Reads a simulator's records and sets its switches.
#[async_trait]
pub trait SimulatorControl: Send + Sync {
    /// The ids of the live records of an object; none where the simulator does not tell.
    async fn live_records(&self, object: &str) -> Option<BTreeSet<String>>;
    /// Sets switches; false where the simulator lacks one of them.
    async fn set_faults(&self, patch: &Value) -> bool;
}

/// A simulator that offers nothing but its API.
#[derive(Debug, Clone, Copy)]
pub struct NoControl;

#[async_trait]
impl SimulatorControl for NoControl {
    async fn live_records(&self, _: &str) -> Option<BTreeSet<String>> {
        None
    }

    async fn set_faults(&self, _: &Value) -> bool {
        false
    }
}

/// The control API below `/_sim/` of a simulator on loopback.
#[derive(Debug, Clone)]
pub struct LoopbackControl {
    base_url: String,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct SimulatedRecord {
    id: String,
    archived: bool,
}

impl LoopbackControl {
    /// Of the simulator at `base_url`, without a trailing slash.
    ///
    /// # Errors
    /// The HTTP client cannot be set up on this machine.
    pub fn new(base_url: &str) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { base_url: base_url.to_owned(), http })
    }
}

#[async_trait]
impl SimulatorControl for LoopbackControl {
    async fn live_records(&self, object: &str) -> Option<BTreeSet<String>> {
        let url = format!("{}/_sim/records", self.base_url);
        let request = self.http.get(url).query(&[("object", object)]);
        let answer = request.send().await.ok()?.error_for_status().ok()?;
        let records: Vec<SimulatedRecord> = answer.json().await.ok()?;
        Some(records.into_iter().filter(|r| !r.archived).map(|record| record.id).collect())
    }

    async fn set_faults(&self, patch: &Value) -> bool {
        let url = format!("{}/_sim/faults", self.base_url);
        let answer = self.http.post(url).json(patch).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}
