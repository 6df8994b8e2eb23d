//! The traits through which the engine reaches systems, transforms and the time, the way out its
//! record of calls, and the runtime the states of plugins. The runtime, the store and the tests
//! implement them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::effect::{EffectCall, EffectKind};
use crate::plugin::{Account, Generation, ObjectInfo, PluginError, Schema};
use crate::record::{Attributes, Batch, Outcome, Page, PageRequest};
use crate::value::Value;

/// One job on one system: a connector instance under exactly one generation. Calls run one after
/// another.
#[async_trait]
pub trait Connector: Send + Sync {
    /// The generation that serves this job.
    fn generation(&self) -> &Generation;
    /// The account that the credentials belong to, and the permissions that they have there.
    async fn check(&self) -> Result<Account, PluginError>;
    /// Every object of the account that can be read, those of the manifest or not. A connector
    /// need not know them ([`PluginError::Unsupported`]).
    async fn objects(&self) -> Result<Vec<ObjectInfo>, PluginError> {
        Err(PluginError::Unsupported { plugin: self.generation().clone(), what: "objects".into() })
    }
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
    /// The outcomes of jobs that were [`Outcome::Pending`], one per token, in order. `columns` are
    /// those of the writes.
    async fn finish(
        &self,
        object: &str,
        columns: &[String],
        tokens: &[String],
    ) -> Result<Vec<Outcome>, PluginError> {
        let _ = (object, columns, tokens);
        Err(PluginError::Unsupported { plugin: self.generation().clone(), what: "finish".into() })
    }
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

/// The records of calls of accounts: one text per account, which all processes of a data directory
/// change in turn. The way out (`host/egress`) says what a text means, the store keeps it. Every
/// function may block.
pub trait CallRecords: Send + Sync {
    /// True where calls of the account were recorded before. Makes nothing.
    ///
    /// # Errors
    /// The record cannot be read.
    fn has_calls(&self, account: &str) -> io::Result<bool>;

    /// Shows the account's record to `change`, at most once, while no other process changes it, and
    /// keeps the text that `change` returns. `known` is the version whose text the caller still
    /// has. Returns the version that is kept now.
    ///
    /// # Errors
    /// The text cannot be read or kept; the caller then knows no version.
    fn update(
        &self,
        account: &str,
        known: Option<i64>,
        change: &mut RecordChange<'_>,
    ) -> io::Result<Option<i64>>;
}

/// A change of a record; nothing is kept where it returns nothing.
pub type RecordChange<'c> = dyn FnMut(CallRecord<'_>) -> Option<RecordText> + 'c;

/// The record of calls of one account, as a change sees it.
#[derive(Clone, Copy)]
pub struct CallRecord<'r> {
    /// The text.
    pub content: RecordContent<'r>,
    /// The number of this process, which no other living one has; never 0.
    pub process: u64,
    /// True where the process of a number lives.
    pub is_alive: &'r dyn Fn(u64) -> bool,
    /// The file that holds it, for messages.
    pub file: &'r Path,
}

/// The text of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordContent<'r> {
    /// No call of the account was recorded.
    Nothing,
    /// The version that the caller knows.
    Known,
    /// Another version.
    Text(&'r str),
    /// Damaged: the calls before this time, ms since 1970, are not known.
    Lost(i64),
}

/// The text that a change leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordText {
    /// The text.
    pub text: String,
    /// True where it must outlast a power cut.
    pub is_durable: bool,
}

/// The states of plugins: one text per plugin, by its id, which all processes of a data directory
/// change in turn. The runtime says what a text means, the store keeps it. Every function may
/// block.
pub trait PluginRecords: Send + Sync {
    /// The texts of all plugins. Makes nothing.
    ///
    /// # Errors
    /// [`PluginRecordsError`].
    fn read(&self) -> Result<PluginTexts, PluginRecordsError>;

    /// Shows the texts of all plugins to `change`, at most once, while no other process changes
    /// them, and keeps those that `change` returns; the other plugins keep theirs. Where the file
    /// is damaged, `change` sees none, and the texts that it returns become the only ones; where it
    /// returns none, the file stays as it is.
    ///
    /// # Errors
    /// [`PluginRecordsError`], also that of `change`; nothing is kept then.
    fn update(&self, change: &mut PluginTextsChange<'_>) -> Result<(), PluginRecordsError>;
}

/// A change of the texts of plugins; returns those that are to be kept.
pub type PluginTextsChange<'c> =
    dyn FnMut(Option<&PluginTexts>) -> Result<TextsById, PluginRecordsError> + 'c;

/// Texts by plugin id.
pub type TextsById = BTreeMap<String, String>;

/// The texts of all plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginTexts {
    /// The file that holds them, for messages.
    pub file: PathBuf,
    /// True where there was no file: whatever was known of the plugins is not in it.
    pub is_new: bool,
    /// The texts.
    pub by_id: TextsById,
}

/// The reason why the states of plugins cannot be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginRecordsError {
    /// The file or a text in it is not what Renkei wrote.
    #[error("{}: damaged ({reason})", .file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The fault.
        reason: String,
    },
    /// Any other failure.
    #[error("{}{message}", prefix(.file.as_deref()))]
    Failed {
        /// The file that it is about, if any.
        file: Option<PathBuf>,
        /// The failure.
        message: String,
        /// The next step.
        hint: Option<&'static str>,
    },
}

/// The file before a message.
fn prefix(file: Option<&Path>) -> String {
    file.map(|file| format!("{}: ", file.display())).unwrap_or_default()
}

impl PluginRecordsError {
    /// The file that it is about; its text begins with it.
    pub fn place(&self) -> Option<&Path> {
        match self {
            Self::Damaged { file, .. } => Some(file),
            Self::Failed { file, .. } => file.as_deref(),
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Damaged { .. } => Some(
                "restore it, or remove it: holds and grants are then forgotten and each plugin is \
                 taken as if it were new",
            ),
            Self::Failed { hint, .. } => *hint,
        }
    }
}
