//! The traits through which the engine reaches systems, transforms and the time. The runtime and
//! the tests implement them.

use async_trait::async_trait;

use crate::model::effect::{EffectCall, EffectKind};
use crate::model::plugin::{Account, Generation, PluginError, Schema};
use crate::model::record::{Attributes, Batch, Outcome, Page, PageRequest};
use crate::model::value::Value;

/// One job on one system: a connector instance under exactly one generation. Calls run one after
/// another.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The generation that serves this job.
    fn generation(&self) -> &Generation;
    /// The account that the credentials belong to, and the permissions that they have there.
    async fn check(&self) -> Result<Account, PluginError>;
    /// The live schema of these objects.
    async fn discover(&self, objects: &[String]) -> Result<Vec<Schema>, PluginError>;
    /// One page of a scan.
    async fn read_page(&self, request: &PageRequest) -> Result<Page, PluginError>;
    /// These records as they are now.
    async fn read_records(
        &self,
        object: &str,
        columns: &[String],
        ids: &[String],
    ) -> Result<Page, PluginError>;
    /// All records whose `key` equals one of `values`.
    async fn find(
        &self,
        object: &str,
        columns: &[String],
        key: &str,
        values: &[Value],
    ) -> Result<Batch, PluginError>;
    /// The host's refusal of such an effect, where an admin denied its permission
    /// ([`PluginError::not_granted`]). Asks no system.
    fn refuses(&self, _object: &str, _kind: EffectKind) -> Option<PluginError> {
        None
    }
    /// Has the system carry effects out: one outcome per operation, in order.
    async fn perform(&self, call: EffectCall<'_>) -> Result<Vec<Outcome>, PluginError>;
}

/// Opens jobs on the configured systems.
#[async_trait]
pub trait Systems: Send + Sync {
    /// Starts a job on `system` under the plugin's current generation.
    async fn open(&self, system: &str) -> Result<Box<dyn Connector>, PluginError>;
}

/// The direction in which a transform's function runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the input columns to the output columns.
    Forward,
    /// Back, in a two-way function.
    Backward,
}

/// One call of a transform's function.
#[derive(Debug, Clone, Copy)]
pub struct TransformCall<'a> {
    /// The plugin's id.
    pub plugin: &'a str,
    /// The function's name.
    pub function: &'a str,
    /// The direction in which it runs.
    pub way: Way,
    /// Values of the parameters that its manifest lists.
    pub parameters: &'a Attributes,
    /// The columns that it starts from.
    pub input: &'a Batch,
    /// The present values of the output columns, one row per row of input, or no rows.
    pub old: &'a Batch,
}

/// Pure functions of the loaded transforms, each call on a fresh instance of the plugin's current
/// generation.
#[async_trait]
pub trait Transforms: Send + Sync {
    /// Runs a function: the other side's columns, one row per row of input.
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError>;
}

/// Time, injected so that tests and the demo advance it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
    /// Returns after `ms` milliseconds of this clock.
    async fn sleep_ms(&self, ms: u64);
}
