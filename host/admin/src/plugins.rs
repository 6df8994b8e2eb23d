//! Plugins and their permissions: what an admin asks, and what the process that has them answers.

use async_trait::async_trait;
use renkei_runtime::{AdminError, Runtime, StopCount};
use serde::{Deserialize, Serialize};

pub use renkei_runtime::{GrantsReport, PausedSystem, PluginAnswer, PluginReport, PluginRequest};

/// Returns whether a request changes anything.
pub fn is_change(request: &PluginRequest) -> bool {
    match request {
        PluginRequest::List => false,
        PluginRequest::Grants { allow, deny, .. } => !allow.is_empty() || !deny.is_empty(),
        _ => true,
    }
}

/// The answer of the process that has the plugins.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginStatus {
    /// The outcome of the request.
    #[serde(flatten)]
    pub answer: PluginAnswer,
    /// The counts of what was stopped or refused since that process began.
    #[serde(default)]
    pub stops: Vec<StopReport>,
}

/// The count of stops of a plugin, or of refusals, for one cause.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopReport {
    /// The plugin's id; empty for a file that does not say which plugin it is.
    pub plugin: String,
    /// The system that it worked on; empty for a transform and while a file is loaded.
    pub system: String,
    /// The file of the plugin folder that was refused; empty for what a plugin did.
    #[serde(default)]
    pub file: String,
    /// The cap's name, or another of [`renkei_runtime::CountedCause`].
    pub cause: String,
    /// The number of times, at least 1.
    pub times: u64,
}

impl From<StopCount> for StopReport {
    fn from(count: StopCount) -> Self {
        let StopCount { plugin, system, file, cause, times } = count;
        Self { plugin, system, file, cause: cause.name().to_owned(), times }
    }
}

/// The owner of the plugins, which carries out requests about them.
#[async_trait]
pub trait PluginControl: Send + Sync + 'static {
    /// Carries out a request.
    async fn admin(&self, request: PluginRequest) -> Result<PluginAnswer, AdminError>;

    /// Counts what was stopped or refused so far.
    fn stops(&self) -> Vec<StopCount>;
}

#[async_trait]
impl PluginControl for Runtime {
    async fn admin(&self, request: PluginRequest) -> Result<PluginAnswer, AdminError> {
        self.admin(request).await
    }

    fn stops(&self) -> Vec<StopCount> {
        self.stops()
    }
}
