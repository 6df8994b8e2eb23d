//! How a command fails: an exit code that scripts can branch on, and a message that names the next
//! step.

use std::process::ExitCode;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    error: anyhow::Error,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Unexpected = 1,
    Usage = 2,
    System = 3,
    Store = 4,
    Plugin = 5,
}

impl Failure {
    /// Wrong usage or configuration; nothing was written.
    pub(crate) fn usage(message: impl std::fmt::Display) -> Self {
        Self { kind: Kind::Usage, error: anyhow::anyhow!("{message}") }
    }

    /// A system could not be reached or refused the credentials.
    pub(crate) fn system(error: impl Into<anyhow::Error>) -> Self {
        Self { kind: Kind::System, error: error.into() }
    }

    /// The database could not be opened or written.
    pub(crate) fn store(error: impl Into<anyhow::Error>) -> Self {
        Self { kind: Kind::Store, error: error.into() }
    }

    /// A plugin is missing, broken or built for another contract.
    pub(crate) fn plugin(error: impl Into<anyhow::Error>) -> Self {
        Self { kind: Kind::Plugin, error: error.into() }
    }

    /// What `main` returns.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl std::fmt::Display for Failure {
    /// The whole chain of causes on one line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { kind: Kind::Unexpected, error: error.into() }
    }
}
