//! Problems and errors: one constructor per thing that can go wrong.
//!
//! Which [`Error`] a call fails with decides what the host does next, so choose by consequence:
//! `unauthorized` pauses the system, `forbidden` pauses the object, `cursor_lost` starts a
//! backfill, `invalid` waits for a person. Messages of problems may quote the vendor; messages of
//! `bug` and `host` go to the log and hold no field values.

use crate::http::Failure;
use crate::{Error, Problem};

/// The person or program that can solve a problem (`problem.remedy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Trying again later, by the host.
    Retry,
    /// The admin of Renkei or of the system.
    Admin,
    /// Whoever keeps the data where the value came from.
    SourceData,
    /// Whoever keeps the data where the value should go.
    TargetData,
    /// The plugin's author.
    Plugin,
    /// Nobody, or nobody knows.
    Nobody,
}

impl Remedy {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Admin => "admin",
            Self::SourceData => "source-data",
            Self::TargetData => "target-data",
            Self::Plugin => "plugin",
            Self::Nobody => "nobody",
        }
    }
}

impl Problem {
    /// A problem with the system's own code and words, which `remedy` can solve.
    ///
    /// ```
    /// # use renkei_sdk::{Problem, Remedy};
    /// let problem = Problem::new("TOO_LONG", "80 at most", Remedy::SourceData).on("LastName");
    /// assert_eq!(problem.field.as_deref(), Some("LastName"));
    /// ```
    pub fn new(code: impl Into<String>, message: impl Into<String>, remedy: Remedy) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            field: None,
            remedy: remedy.as_str().to_owned(),
        }
    }

    /// The same problem, blamed on a column.
    #[must_use]
    pub fn on(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl Error {
    /// The credentials were refused although the host thought them good.
    pub fn unauthorized(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unauthorized(Problem::new(code, message, Remedy::Admin))
    }

    /// The credentials are good but lack a right.
    pub fn forbidden(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Forbidden(Problem::new(code, message, Remedy::Admin))
    }

    /// There is no such object, column or account.
    pub fn not_found(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::NotFound(Problem::new(code, message, Remedy::Admin))
    }

    /// The request or the configuration is wrong and will stay wrong.
    pub fn invalid(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(Problem::new(code, message, Remedy::Admin))
    }

    /// The cursor is no longer usable; the host starts from a backfill.
    pub fn cursor_lost(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::CursorLost(Problem::new(code, message, Remedy::Nobody))
    }

    /// The system cannot do this at all.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    /// A fault of the plugin itself. No field values: the text is logged.
    pub fn bug(what: impl Into<String>) -> Self {
        Self::Bug(what.into())
    }
}

/// The error of a call that cannot go on without a failed request. For the operations of a
/// write, a failure becomes an [`Outcome`](crate::Outcome) instead.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Quota(ms) => Self::RetryAfter(ms),
            Failure::Unauthorized(message) => Self::unauthorized("credentials", message),
            Failure::NoAnswer(why) => Self::Host(format!("no answer: {why}")),
            Failure::Denied(why) => Self::Host(format!("denied: {why}")),
            Failure::TooLarge(bytes) => Self::Host(format!("answer larger than {bytes} bytes")),
            Failure::Timeout => Self::Host("timeout".to_owned()),
            Failure::Cancelled => Self::Host("cancelled".to_owned()),
            Failure::Other(other) => Self::Host(format!("{}: {}", other.code, other.text)),
        }
    }
}
