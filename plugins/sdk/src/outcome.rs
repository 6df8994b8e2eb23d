//! Making outcomes: what became of one operation of a write.

use crate::connector::{Applied, Job, Outcome};
use crate::http::Failure;
use crate::{Attributes, Cell, Problem, Remedy};

impl Applied {
    /// An update of this record, with nothing known of its state.
    pub fn updated(id: impl Into<String>) -> Self {
        let (id, after, facts) = (id.into(), Vec::new(), Attributes::new());
        Self { id, created: false, version: None, modified: None, after, facts }
    }

    /// A new record, with nothing known of its state.
    pub fn created(id: impl Into<String>) -> Self {
        Self { created: true, ..Self::updated(id) }
    }

    /// With the record's version after the write.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// With the system's own time of the write, ms, as a later row shows it.
    #[must_use]
    pub fn modified(mut self, modified_ms: i64) -> Self {
        self.modified = Some(modified_ms);
        self
    }

    /// With what the system now holds for the request's columns.
    #[must_use]
    pub fn after(mut self, cells: Vec<Cell>) -> Self {
        self.after = cells;
        self
    }
}

impl Outcome {
    /// Refused for one reason.
    pub fn rejected(problem: Problem) -> Self {
        Self::Rejected(vec![problem])
    }

    /// Not created: this record has the same unique value.
    pub fn exists(id: impl Into<String>) -> Self {
        Self::Exists(vec![id.into()])
    }

    /// Accepted and not done: the host asks [`finish`](crate::Connector::finish) for the outcome
    /// after so many ms, also after a restart. The token finds the vendor's job again; at most
    /// 1,024 bytes, no secret.
    pub fn pending(token: impl Into<String>, after_ms: u64) -> Self {
        Self::Pending(Job { token: token.into(), after: after_ms })
    }
}

impl From<Applied> for Outcome {
    fn from(applied: Applied) -> Self {
        Self::Applied(applied)
    }
}

/// The outcome of each operation in a failed request. Nothing was written where the host sent
/// nothing; otherwise the effect is unknown, and the host probes.
impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        let problem = |message, remedy| Self::rejected(Problem::new("not-sent", message, remedy));
        match failure {
            Failure::Quota(ms) => Self::RetryAfter(ms),
            Failure::Denied(why) => problem(why, Remedy::Plugin),
            Failure::Unauthorized(why) => problem(why, Remedy::Admin),
            Failure::NoAnswer(why) => Self::Uncertain(why),
            Failure::TooLarge(bytes) => Self::Uncertain(format!("answer of over {bytes} bytes")),
            Failure::Timeout => Self::Uncertain("timeout".to_owned()),
            Failure::Cancelled => Self::Uncertain("cancelled".to_owned()),
            Failure::Other(other) => Self::Uncertain(format!("{}: {}", other.code, other.text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_request_says_whether_its_effect_is_known() {
        assert_eq!(Outcome::from(Failure::Quota(9)), Outcome::RetryAfter(9));
        assert_eq!(Outcome::from(Failure::Timeout), Outcome::Uncertain("timeout".into()));
        let rejected = Outcome::rejected(Problem::new("not-sent", "grant", Remedy::Plugin));
        assert_eq!(Outcome::from(Failure::Denied("grant".into())), rejected);
    }
}
