//! How a command fails: an exit code that scripts can branch on, and a message that names the next
//! step.

use std::io;
use std::process::ExitCode;

use renkei_runtime::{AdminError, RuntimeError};
use renkei_store::OpenError;

use crate::plain;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    error: anyhow::Error,
    /// The command's own output says it already.
    reported: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Unexpected = 1,
    Usage = 2,
    System = 3,
    Store = 4,
    Plugin = 5,
    FirstSync = 6,
}

impl Failure {
    /// Wrong usage or configuration; nothing was written.
    pub(crate) fn usage(message: impl std::fmt::Display) -> Self {
        Self::of(Kind::Usage, anyhow::anyhow!("{message}"))
    }

    /// A system could not be reached or refused the credentials.
    pub(crate) fn system(error: impl Into<anyhow::Error>) -> Self {
        Self::of(Kind::System, error.into())
    }

    /// The database could not be opened or written.
    pub(crate) fn store(error: impl Into<anyhow::Error>) -> Self {
        Self::of(Kind::Store, error.into())
    }

    /// A plugin is missing, broken or built for another contract.
    pub(crate) fn plugin(error: impl Into<anyhow::Error>) -> Self {
        Self::of(Kind::Plugin, error.into())
    }

    /// A person must answer before anything is written for the first time.
    pub(crate) fn first_sync(message: impl std::fmt::Display) -> Self {
        Self::of(Kind::FirstSync, anyhow::anyhow!("{message}"))
    }

    /// The runtime does not start: its files in the data directory, or a plugin.
    pub(crate) fn runtime(error: RuntimeError) -> Self {
        let kind = match error {
            RuntimeError::Cache(_) | RuntimeError::Quotas(_) | RuntimeError::PluginState(_) => {
                Kind::Store
            }
            _ => Kind::Plugin,
        };
        Self::of(kind, error.into())
    }

    /// What an admin wants of plugins is not done.
    pub(crate) fn admin(error: AdminError) -> Self {
        let kind = match error {
            AdminError::Refused(_) => Kind::Plugin,
            AdminError::PluginState(_) | AdminError::Closed => Kind::Store,
            _ => Kind::Usage,
        };
        Self::of(kind, error.into())
    }

    /// The same failure, of which nothing more need be printed as JSON: the command has printed
    /// its result with the failure in it.
    pub(crate) fn reported(self) -> Self {
        Self { reported: true, ..self }
    }

    /// Another process works on the database.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self.error.downcast_ref(), Some(OpenError::InUse { .. }))
    }

    /// The database, or a file beside it, is the trouble.
    pub(crate) fn is_of_store(&self) -> bool {
        matches!(self.kind, Kind::Store)
    }

    /// Whether the command's own output says it already.
    pub(crate) fn is_reported(&self) -> bool {
        self.reported
    }

    /// What another process of ours failed with.
    pub(crate) fn told(code: u8, message: String) -> Self {
        let kinds = [Kind::Usage, Kind::System, Kind::Store, Kind::Plugin];
        let kind = kinds.into_iter().find(|kind| *kind as u8 == code);
        Self::of(kind.unwrap_or(Kind::Unexpected), anyhow::anyhow!("{message}"))
    }

    fn of(kind: Kind, error: anyhow::Error) -> Self {
        Self { kind, error, reported: false }
    }

    /// What `main` returns.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// The exit code as a number.
    pub(crate) fn code(&self) -> u8 {
        self.kind as u8
    }
}

impl std::fmt::Display for Failure {
    /// The whole chain of causes. Many errors say their cause themselves; it is not said twice.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = self.error.to_string();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            if !text.contains(&cause) {
                text = format!("{text}: {cause}");
            }
        }
        let causes = self.error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        if causes.into_iter().any(|cause| cause.kind() == io::ErrorKind::StorageFull) {
            text.push_str("; free some space and run it again, nothing is half-written");
        }
        f.write_str(&plain::message(&text))
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::of(Kind::Unexpected, error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("plugin.wasm: cannot be read: {source}")]
    struct SaysItsCause {
        source: std::io::Error,
    }

    #[test]
    fn a_cause_is_said_once() {
        let source = std::io::Error::other("no such file");
        let error = anyhow::Error::new(SaysItsCause { source }).context("system hubspot");
        let said = Failure::plugin(error).to_string();
        assert_eq!(said, "system hubspot: plugin.wasm: cannot be read: no such file");
    }
}
