//! Plugins as the engine sees them: their generations, the accounts and schemas that they report,
//! and their errors.

mod stop;

pub use stop::{Cap, StopCause};

use crate::record::{Attributes, Problem};
use crate::times::span;

/// One loaded version of a plugin. Every operation and log line names the generation that made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Generation {
    /// The plugin's id, such as `hubspot`.
    pub plugin: String,
    /// The version of its manifest.
    pub version: String,
    /// SHA-256 of the file, hex.
    pub digest: String,
}

impl Generation {
    /// Name, version and digest, as the journal records the generation that acted.
    pub fn in_full(&self) -> String {
        format!("{self} {}", self.digest)
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.plugin, self.version)
    }
}

/// The account that a connector serves, as the connector reports it.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The account's id in its system, which a database belongs to (RULES.md V4); empty where
    /// unknown.
    pub id: String,
    /// The account's name for people.
    pub name: String,
    /// Scopes, time zone, calls left.
    pub facts: Attributes,
}

/// One object of an account, as the connector lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The vendor's name, as a schema is asked for by.
    pub name: String,
    /// Its label for people.
    pub label: String,
    /// Of `create`, `update`, `upsert`, `archive`, `restore`, `merge`: what the account may do.
    pub actions: Vec<String>,
    /// Made by the account's people, not by the vendor.
    pub custom: bool,
    /// `parent`: the object whose records these are parts of.
    pub facts: Attributes,
}

/// The live schema of one object.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The object's name.
    pub object: String,
    /// Its label for people.
    pub label: String,
    /// Its fields, one per column.
    pub fields: Vec<SchemaField>,
    /// `stamp`, `creatable`, `archivable`, `mergeable`.
    pub facts: Attributes,
}

/// One field of a live schema; `connector.wit` defines each item.
#[derive(Debug, Clone)]
pub struct SchemaField {
    /// The column's name.
    pub name: String,
    /// Its label for people.
    pub label: String,
    /// `boolean`, `integer`, `decimal`, `text`, `date`, `timestamp`, `choice`, `choices`,
    /// `reference`, `references`.
    pub kind: String,
    /// The account may read it.
    pub readable: bool,
    /// May be given at creation.
    pub creatable: bool,
    /// An update may change it.
    pub updatable: bool,
    /// A create without it is refused.
    pub required: bool,
    /// No two records of the object have the same value.
    pub unique: bool,
    /// An update may empty it.
    pub nullable: bool,
    /// The longest text, in Unicode scalar values; `None` is no known limit.
    pub max_length: Option<u32>,
    /// The values of a list of choices, each with its label.
    pub choices: Vec<(String, String)>,
    /// Objects that a reference may point at.
    pub targets: Vec<String>,
    /// Documented codes.
    pub facts: Attributes,
}

/// The code of a problem that the host itself reports: an admin denied the permission.
pub const NOT_GRANTED: &str = "not-granted";

/// A call to a plugin that failed as a whole. Each variant stands for one reaction of the caller.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The system is busy: the call is repeated after this many ms.
    #[error("{plugin}: busy, again in {}", span(*.after_ms))]
    RetryAfter {
        /// The plugin.
        plugin: Generation,
        /// The wait before the next call, ms.
        after_ms: u64,
    },
    /// The credentials were refused: the system pauses until an admin renews them.
    #[error("{plugin}: the credentials were refused ({code}): {message}")]
    Unauthorized {
        /// The plugin.
        plugin: Generation,
        /// The system's code.
        code: String,
        /// The system's words, for people.
        message: String,
    },
    /// The credentials are good but lack a right.
    #[error("{plugin}: missing permission ({}): {}", .problem.code, .problem.message)]
    Forbidden {
        /// The plugin.
        plugin: Generation,
        /// The system's code and words.
        problem: Problem,
    },
    /// The system is another account than the one that the database belongs to.
    #[error(
        "{plugin}: {system} is account {found}, and this database belongs to account {known}, so \
         nothing was read or written"
    )]
    OtherAccount {
        /// The plugin.
        plugin: Generation,
        /// The system's name in the configuration.
        system: String,
        /// The account that the database belongs to.
        known: String,
        /// The account that answers.
        found: String,
    },
    /// The system's name is new, and its account is known under a name that no system has now. Its
    /// records would be taken for others, and made twice.
    #[error(
        "{plugin}: {system} is account {account}, which this database knows as {known}, so nothing \
         was read or written"
    )]
    RenamedAccount {
        /// The plugin.
        plugin: Generation,
        /// The system's name in the configuration.
        system: String,
        /// The name under which the account is known.
        known: String,
        /// The account.
        account: String,
    },
    /// The thing asked for does not exist.
    #[error("{plugin}: not found: {}", .problem.message)]
    NotFound {
        /// The plugin.
        plugin: Generation,
        /// The system's code and words.
        problem: Problem,
    },
    /// The request or the configuration is wrong and will stay wrong.
    #[error("{plugin}: refused ({}): {}", .problem.code, .problem.message)]
    Invalid {
        /// The plugin.
        plugin: Generation,
        /// The system's code and words.
        problem: Problem,
    },
    /// The cursor is no longer usable: start from a backfill.
    #[error("{plugin}: the cursor is no longer usable ({})", .problem.code)]
    CursorLost {
        /// The plugin.
        plugin: Generation,
        /// The system's code and words.
        problem: Problem,
    },
    /// The system cannot do this.
    #[error("{plugin}: not supported: {what}")]
    Unsupported {
        /// The plugin.
        plugin: Generation,
        /// The function that was called.
        what: String,
    },
    /// The host refused or failed a call underneath: no answer, denied, cancelled.
    #[error("{plugin}: {reason}")]
    Host {
        /// The plugin.
        plugin: Generation,
        /// The reason, in plain words.
        reason: String,
    },
    /// No version of the plugin serves.
    #[error("{plugin}: no such plugin is loaded")]
    NotLoaded {
        /// The plugin, without a version.
        plugin: Generation,
    },
    /// The plugin failed repeatedly and gets no calls for a while.
    #[error("{plugin}: in quarantine for {seconds} s more, because it failed repeatedly")]
    Quarantined {
        /// The plugin.
        plugin: Generation,
        /// The rest of the quarantine, s, rounded up.
        seconds: i64,
    },
    /// The plugin trapped, ran over a limit, or broke the contract. The host is unharmed.
    #[error("{plugin}: stopped: {reason}")]
    Broken {
        /// The plugin.
        plugin: Generation,
        /// The cause, for the host's reactions and counters.
        cause: StopCause,
        /// The limit or the rule, for people.
        reason: String,
    },
}

impl PluginError {
    /// The next step.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unauthorized { .. } => Some(
                "renew the secret of this system, or its login by `renkei auth login`, and run \
                     again"
                    .to_owned(),
            ),
            Self::OtherAccount { system, known, found, .. } => Some(format!(
                "set the base URL and the credentials of {known} again, use another directory for \
                 {found}, or declare the move: `renkei account move {system} --to {found}`"
            )),
            Self::RenamedAccount { system, known, .. } => Some(format!(
                "name the system {known} again, or use another directory for {system}"
            )),
            Self::NotLoaded { .. } => {
                Some("`renkei plugin list` says which plugins serve, and why others do not".into())
            }
            Self::Quarantined { plugin, .. } => Some(format!(
                "put another version there, or run `renkei plugin reload {}` to try it at once",
                plugin.plugin
            )),
            Self::Forbidden { plugin, .. } if self.not_granted().is_some() => {
                Some(format!("`renkei plugin grants {}` lists what it may do", plugin.plugin))
            }
            _ => None,
        }
    }

    /// The host's message where the plugin may not do it: its manifest does not list it, or an
    /// admin denied the permission. Then nothing was sent.
    pub fn not_granted(&self) -> Option<&str> {
        match self {
            Self::Forbidden { problem, .. } if problem.code == NOT_GRANTED => {
                Some(&problem.message)
            }
            _ => None,
        }
    }
}
