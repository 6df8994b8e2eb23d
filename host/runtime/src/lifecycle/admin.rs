//! Requests of an admin about plugins, and their answers.
//!
//! Requests and answers cross a socket, so they are plain data. Whoever may talk to that socket may
//! do all of it: it belongs to this user alone.

use std::collections::BTreeSet;
use std::path::Path;

use renkei_egress::PausedSystem;
use renkei_model::ports::PluginRecordsError;
use serde::{Deserialize, Serialize};

use crate::lifecycle::view::{KnownVersion, PluginFile, WaitingVersion};
use crate::sandbox::loader::LoadFailure;

/// So many digits of a digest name one file: nobody makes another one that begins with them by
/// chance.
pub(crate) const DIGITS_MIN: usize = 12;

/// A request of an admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PluginRequest {
    /// Say what there is.
    List,
    /// Look at the folder now; with a file's name or an id, approve what it holds, forget that it
    /// was rolled back, end its quarantine, and ask systems again that asked for a pause.
    Reload(Option<String>),
    /// Let the version before serve again.
    RollBack(String),
    /// Let new versions wait for an approval, or no longer.
    Hold {
        /// The plugin's id.
        id: String,
        /// True where they wait.
        on: bool,
    },
    /// Say what plugins ask and may; with an id, change it first. `all` means all that is asked.
    Grants {
        /// The plugin's id, or all.
        id: Option<String>,
        /// The permissions to give.
        allow: Vec<String>,
        /// The permissions to deny.
        deny: Vec<String>,
    },
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PluginAnswer {
    /// The files as they are now; of one plugin where one was named.
    Plugins(Vec<PluginReport>),
    /// The permissions of plugins.
    Grants(Vec<GrantsReport>),
}

/// One file of the plugin folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginReport {
    /// Its name in the folder.
    pub file: String,
    /// The plugin's id, if it serves.
    pub id: Option<String>,
    /// The version that serves.
    pub version: Option<String>,
    /// Its SHA-256, hex.
    pub digest: Option<String>,
    /// `connector` or `transform`.
    pub kind: Option<String>,
    /// `serving`, `probation`, `quarantined`, `waiting`, `refused` or `loading`: the first that
    /// fits from the end.
    pub state: String,
    /// The reason why the file as it is now is not taken.
    pub fault: Option<String>,
    /// The next step where it is not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Two-way functions that run one-way, with the reason.
    pub one_way: std::collections::BTreeMap<String, String>,
    /// The file as it is now waits.
    pub waiting: Option<WaitingVersion>,
    /// New versions wait for an approval.
    pub hold: bool,
    /// No call is taken until then, ms since 1970.
    pub quarantined_until_ms: Option<i64>,
    /// Systems of it that asked for a pause.
    #[serde(default)]
    pub paused_systems: Vec<PausedSystem>,
    /// Versions that can serve again, newest first.
    pub versions: Vec<KnownVersion>,
}

impl From<&PluginFile> for PluginReport {
    fn from(file: &PluginFile) -> Self {
        let serving = file.serving.as_ref();
        let state = match file {
            _ if file.loading => "loading",
            _ if file.fault.is_some() => "refused",
            _ if file.waiting.is_some() => "waiting",
            _ if file.quarantined_until_ms.is_some() => "quarantined",
            _ if file.on_probation => "probation",
            _ => "serving",
        };
        Self {
            file: file.file.clone(),
            id: serving.map(|serving| serving.plugin.clone()),
            version: serving.map(|serving| serving.version.clone()),
            digest: serving.map(|serving| serving.digest.clone()),
            kind: file.manifest.as_ref().map(|manifest| manifest.kind.name().to_owned()),
            state: state.to_owned(),
            fault: file.fault.clone(),
            hint: file.hint.clone(),
            one_way: file.one_way.clone(),
            waiting: file.waiting.clone(),
            hold: file.hold,
            quarantined_until_ms: file.quarantined_until_ms,
            paused_systems: Vec::new(),
            versions: file.versions.clone(),
        }
    }
}

/// The permissions that one plugin asks for and has, such as `slot:primary`,
/// `host:primary:https://api.example.com`, `base:primary:https://api.example.com`,
/// `auth:primary:bearer`, `token:primary:form:/oauth/token`, `token-base:primary:instance_url`,
/// `method:primary:GET`, `path:primary:/crm/v3`, `secret:client_secret`, `read:contacts`,
/// `write:contacts:create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantsReport {
    /// The plugin's id.
    pub id: String,
    /// The version that serves.
    pub version: String,
    /// The permissions that it asks for.
    pub asked: BTreeSet<String>,
    /// Those that it has.
    pub allowed: BTreeSet<String>,
    /// The permissions that it does not have.
    pub denied: BTreeSet<String>,
    /// A version that waits because it asks for more.
    pub waiting: Option<GrantsWaiting>,
}

/// A version that waits because it asks for more than was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantsWaiting {
    /// Its version.
    pub version: String,
    /// The permissions that it asks for beyond those.
    pub more: BTreeSet<String>,
}

/// The reason why what an admin wants is not done. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// No such file or plugin.
    #[error("there is no plugin or plugin file `{0}`")]
    Unknown(String),
    /// There is nothing to go back to.
    #[error("`{0}` has no earlier version to go back to that was not rolled back itself")]
    NoEarlier(String),
    /// The file is another one than was looked at.
    #[error("`{name}` has changed: its SHA-256 is {is}")]
    Changed {
        /// The name as typed, without the digest.
        name: String,
        /// The digest of the file as it is now, hex.
        is: String,
    },
    /// The text after `@` is no beginning of a digest that could name one file only.
    #[error("`@{0}` is no SHA-256: at least {DIGITS_MIN} of its 64 hexadecimal digits are needed")]
    NoDigest(String),
    /// Its files are known, and none serves.
    #[error("nothing of `{0}` serves, so there is nothing to go back from")]
    NothingServes(String),
    /// The plugin does not ask for that.
    #[error("`{id}` does not ask for `{word}`")]
    NotAsked {
        /// The plugin's id.
        id: String,
        /// The text as typed.
        word: String,
    },
    /// The file as it is now is no plugin, or its earlier version cannot be loaded any more.
    #[error("{reason}")]
    Refused {
        /// The reason.
        reason: String,
        /// The next step.
        hint: Option<String>,
    },
    /// It cannot be remembered.
    #[error(transparent)]
    PluginState(#[from] PluginRecordsError),
    /// The program ends.
    #[error("the plugins are being closed")]
    Closed,
}

impl From<LoadFailure> for AdminError {
    fn from(refused: LoadFailure) -> Self {
        Self::Refused { reason: refused.error.to_string(), hint: refused.error.hint() }
    }
}

impl AdminError {
    /// The file that it is about; its text begins with it.
    pub fn place(&self) -> Option<&Path> {
        match self {
            Self::PluginState(error) => error.place(),
            _ => None,
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unknown(_) => "`renkei plugin list` lists plugins and plugin files",
            Self::NoEarlier(_) => {
                "to use another version, or to drop one that waits, put its file into the plugin \
                 folder"
            }
            Self::Changed { .. } => "see `renkei plugin list` again",
            Self::NoDigest(_) => "`renkei plugin list --json` shows the digests",
            Self::NothingServes(_) => {
                "`renkei plugin list` says why, and a good version in the plugin folder ends it"
            }
            Self::NotAsked { id, .. } => {
                return Some(format!("`renkei plugin grants {id}` lists what it asks for"));
            }
            Self::Refused { hint, .. } => return hint.clone(),
            Self::PluginState(error) => error.hint()?,
            Self::Closed => "run the command again",
        };
        Some(hint.to_owned())
    }
}
