//! What the engine needs from outside. The runtime, the store and the tests implement these traits.

use async_trait::async_trait;

use crate::plugin::{Account, Generation, PluginError, Schema};
use crate::record::{Attributes, Batch, Outcome, Page, PageRequest, WriteRequest};
use crate::value::Value;

/// One job on one system: a connector instance under exactly one generation. Calls run one after
/// another.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The generation that serves this job.
    fn generation(&self) -> &Generation;
    /// Who am I, with which rights.
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
    /// One outcome per operation, in order.
    async fn write(&self, request: &WriteRequest) -> Result<Vec<Outcome>, PluginError>;
    /// Makes `winner` absorb `losers`.
    async fn merge(
        &self,
        object: &str,
        winner: &str,
        losers: &[String],
    ) -> Result<Outcome, PluginError>;
}

/// Opens jobs on the configured systems.
#[async_trait]
pub trait Systems: Send + Sync {
    /// Starts a job on `system` under the plugin's current generation.
    async fn open(&self, system: &str) -> Result<Box<dyn Connector>, PluginError>;
}

/// Pure functions of the loaded transforms, each call on a fresh instance of the plugin's current
/// generation.
#[async_trait]
pub trait Transforms: Send + Sync {
    /// Runs `function` of `plugin` forward; `old` has the output columns and the input's rows, or
    /// no rows.
    async fn forward(
        &self,
        plugin: &str,
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, PluginError>;
    /// Runs a two-way function backward; `input` has the output columns, `old` the input columns.
    async fn backward(
        &self,
        plugin: &str,
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, PluginError>;
}

/// Time, injected so that tests and the demo advance it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
    /// Returns after `ms` milliseconds of this clock.
    async fn sleep_ms(&self, ms: u64);
}
