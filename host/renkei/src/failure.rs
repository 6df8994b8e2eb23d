//! How a command fails: an exit code that scripts can branch on, and a message that names the next
//! step.

use std::process::ExitCode;

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

    /// The same failure, of which nothing more need be printed as JSON: the command has printed
    /// its result with the failure in it.
    pub(crate) fn reported(self) -> Self {
        Self { reported: true, ..self }
    }

    /// Whether the command's own output says it already.
    pub(crate) fn is_reported(&self) -> bool {
        self.reported
    }

    fn of(kind: Kind, error: anyhow::Error) -> Self {
        Self { kind, error, reported: false }
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
        Self::of(Kind::Unexpected, error.into())
    }
}
