//! Errors in three parts: what happened, where, and a hint for the next step.
//!
//! Every surface shows the parts separately: a command prints an `error:` and a `hint:` line, JSON
//! has the keys `error`, `where` and `hint`. So no message holds its own hint.

use std::path::PathBuf;

use renkei_model::store::port::StoreError;
use renkei_runtime::AdminError;
use renkei_sync::answers::resolve::ResolveError;
use serde::{Deserialize, Serialize};

/// The kind of a failure; its number is the exit code of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Nobody foresaw it.
    Unexpected = 1,
    /// Wrong usage or configuration; nothing was written.
    Usage = 2,
    /// A system could not be reached or refused the credentials.
    System = 3,
    /// The database, or a file beside it, could not be opened or written.
    Database = 4,
    /// A plugin is missing, broken or built for another contract.
    Plugin = 5,
    /// The first sync awaits a decision.
    FirstSync = 6,
}

impl FailureKind {
    /// The exit code of a command.
    pub fn exit_code(self) -> u8 {
        self as u8
    }

    /// The kind with this exit code; `Unexpected` for a code of another version.
    pub fn from_exit_code(code: u8) -> Self {
        let kinds = [Self::Usage, Self::System, Self::Database, Self::Plugin, Self::FirstSync];
        let kind = kinds.into_iter().find(|kind| kind.exit_code() == code);
        kind.unwrap_or(Self::Unexpected)
    }
}

/// A failure as it crosses the control socket and stands in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// The error.
    pub error: String,
    /// The file, line or address that it is about.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The reason why a request is refused or fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No review has an id that begins so.
    #[error("there is no review {0}")]
    UnknownReview(String),
    /// The beginning of an id fits several reviews.
    #[error("several reviews begin with {0}")]
    SeveralReviews(String),
    /// A system's value was chosen in a review that is no conflict.
    #[error("only a conflict between systems takes the value of one")]
    NoConflict,
    /// A value was chosen of a system that is no part of the conflict.
    #[error("`{system}` is not in this conflict")]
    NotInConflict {
        /// The system as typed.
        system: String,
        /// The systems of the conflict.
        systems: Vec<String>,
    },
    /// The text names no record.
    #[error("`{0}` is no record")]
    NoRecord(String),
    /// The text names neither a link nor a record.
    #[error("`{0}` is neither a link nor a record")]
    NoSubject(String),
    /// The entity has no such field.
    #[error("there is no field `{name}`")]
    UnknownField {
        /// The field as typed.
        name: String,
        /// The fields that there are.
        fields: Vec<String>,
    },
    /// The database does not know the record.
    #[error("nothing is known of {0}")]
    UnknownRecord(String),
    /// The decision does not fit the review.
    #[error(transparent)]
    ReviewDecision(ResolveError),
    /// The request about plugins is refused.
    #[error(transparent)]
    Plugins(#[from] AdminError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file in the data directory cannot be written or removed.
    #[error("{source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// This user may not use the control socket.
    #[error("{source}")]
    SocketDenied {
        /// The socket.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The serving process ended before it answered.
    #[error("`renkei serve` stopped before it answered")]
    ServeStopped,
    /// The serving process takes too long to answer.
    #[error("`renkei serve` did not answer in time")]
    ServeBusy,
    /// The answer of the serving process is too long.
    #[error("the answer of `renkei serve` {0}")]
    LongAnswer(std::io::Error),
    /// The serving process is of an older version, which has no such request.
    #[error("`renkei serve` does not know this request")]
    UnknownRequest,
    /// The serving process answered another request.
    #[error("`renkei serve` answered another request")]
    OtherAnswer,
    /// The serving process refused the request.
    #[error("{}", .report.error)]
    Remote {
        /// The kind of the failure there.
        kind: FailureKind,
        /// The report of that process.
        report: ErrorReport,
    },
}

impl From<ResolveError> for RequestError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Store(error) => Self::Store(error),
            other => Self::ReviewDecision(other),
        }
    }
}

impl RequestError {
    /// The kind, which is also the exit code.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Plugins(error) => kind_of_plugins(error),
            Self::Store(_)
            | Self::File { .. }
            | Self::SocketDenied { .. }
            | Self::ServeStopped
            | Self::ServeBusy
            | Self::LongAnswer(_) => FailureKind::Database,
            Self::Remote { kind, .. } => *kind,
            Self::UnknownReview(_)
            | Self::SeveralReviews(_)
            | Self::NoConflict
            | Self::NotInConflict { .. }
            | Self::NoRecord(_)
            | Self::NoSubject(_)
            | Self::UnknownField { .. }
            | Self::UnknownRecord(_)
            | Self::ReviewDecision(_)
            | Self::UnknownRequest
            | Self::OtherAnswer => FailureKind::Usage,
        }
    }

    /// The file or address that the error is about.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::File { path, .. } | Self::SocketDenied { path, .. } => {
                Some(path.display().to_string())
            }
            Self::Remote { report, .. } => report.place.clone(),
            Self::Plugins(error) => error.place().map(|place| place.display().to_string()),
            _ => None,
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownReview(_) => "`renkei status` lists open reviews",
            Self::SeveralReviews(_) => "give more digits of the id",
            Self::NotInConflict { systems, .. } => {
                return Some(format!("the conflict is between {}", systems.join(", ")));
            }
            Self::NoRecord(_) => "give system.object/id, such as hubspot.contacts/501",
            Self::NoSubject(_) => {
                "give entity/number, such as person/12, or system.object/id, such as \
                 hubspot.contacts/501"
            }
            Self::UnknownField { fields, .. } => {
                return Some(format!("the fields are {}", fields.join(", ")));
            }
            Self::UnknownRecord(_) => "`renkei status` shows what is linked",
            Self::SocketDenied { .. } => "run the command as the user who runs `renkei serve`",
            Self::ServeStopped => "run the command again",
            Self::ServeBusy => {
                "it may be busy with a plugin file: run the command again; if that does not help, \
                 see whether its process is stopped"
            }
            Self::UnknownRequest | Self::OtherAnswer => {
                "run the same version of renkei as `renkei serve`"
            }
            Self::Remote { report, .. } => return report.hint.clone(),
            Self::ReviewDecision(error) => return error.hint(),
            Self::Plugins(error) => return error.hint(),
            Self::Store(error) => error.hint()?,
            Self::NoConflict => "`renkei status` lists the answers of each review",
            Self::File { .. } | Self::LongAnswer(_) => return None,
        };
        Some(hint.to_owned())
    }

    /// The failure as data.
    pub fn report(&self) -> ErrorReport {
        ErrorReport { error: self.to_string(), place: self.place(), hint: self.hint() }
    }
}

/// The kind of a refused request about plugins.
pub fn kind_of_plugins(error: &AdminError) -> FailureKind {
    match error {
        AdminError::Refused { .. } => FailureKind::Plugin,
        AdminError::PluginState(_) | AdminError::Closed => FailureKind::Database,
        _ => FailureKind::Usage,
    }
}
