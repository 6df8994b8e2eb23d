//! What could not be read or written, as people see it: kept with its record or its link until it
//! works or its cause has gone (RULES.md V5, V10, V17).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{LinkId, RecordKey};
use crate::model::record::Problem;

/// How long a refused write is not repeated while nothing that it depends on has changed, ms.
pub const RETRY_REFUSED_MS: i64 = 24 * 3_600_000;

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The system refused the write.
    Refused,
    /// The value stands in no table of the mapping.
    Unmapped,
    /// The value cannot be read as the field's kind.
    Unreadable,
    /// A transform fails at the record.
    Transform,
    /// A record cannot be made without a value that is not there.
    Required,
    /// A person gave the create up. A memory, not a failure: it is never listed.
    GivenUp,
    /// A create that nobody answered and that was not found: the next one has its intent, which is
    /// kept as the digest, so that both cannot make a record each. A memory, too.
    Unanswered,
}

impl FailureClass {
    /// The word for scripts and logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unmapped => "unmapped",
            Self::Unreadable => "unreadable",
            Self::Transform => "transform",
            Self::Required => "required",
            Self::GivenUp => "given-up",
            Self::Unanswered => "unanswered",
        }
    }
}

/// One thing that could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The system.
    pub system: String,
    /// The object.
    pub object: String,
    /// The record; none where it is still to be made.
    pub id: Option<String>,
    /// The field's name; none where the record as a whole fails.
    pub field: Option<String>,
    /// The kind.
    pub class: FailureClass,
    /// What the system or the mapping says. Its sentence may hold values.
    pub problems: Vec<Problem>,
    /// Hash of the write that was refused: the same write is not repeated before
    /// [`RETRY_REFUSED_MS`]. Empty where it may be tried at the next plan.
    pub digest: String,
    /// Digests of the hub's values that it is about, by the field's name: what was refused once is
    /// no news for a record that is gone (RULES.md V5).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// When it failed first, ms.
    pub since_ms: i64,
    /// When it failed last, ms.
    pub last_ms: i64,
    /// How often it failed.
    pub times: u32,
}

impl Failure {
    /// The record, where there is one.
    pub fn record(&self) -> Option<RecordKey> {
        let id = self.id.clone()?;
        Some(RecordKey { system: self.system.clone(), object: self.object.clone(), id })
    }

    /// Whether people see it.
    pub fn is_listed(&self) -> bool {
        !matches!(self.class, FailureClass::GivenUp | FailureClass::Unanswered)
    }

    /// The codes, in order.
    pub fn codes(&self) -> Vec<String> {
        self.problems.iter().map(|problem| problem.code.clone()).collect()
    }

    /// The system's words, or the mapping's.
    pub fn message(&self) -> String {
        let words = |problem: &Problem| match problem.message.as_str() {
            "" => problem.code.clone(),
            message => message.to_owned(),
        };
        self.problems.iter().map(words).collect::<Vec<_>>().join("; ")
    }

    /// Whether it is about the same thing as another one. A record as a whole may be refused in
    /// several ways: as many columns at once, then as some of them.
    pub fn is_about_same(&self, other: &Self) -> bool {
        let place = |one: &Self| (one.system.clone(), one.object.clone(), one.field.clone());
        self.class == other.class
            && place(self) == place(other)
            && (self.field.is_some() || self.digest == other.digest)
    }
}

/// When the newest of the listed ones failed, and how many there are.
pub fn newest(failures: &[Failure]) -> Option<(i64, u64)> {
    let listed = || failures.iter().filter(|failure| failure.is_listed());
    let newest_ms = listed().map(|failure| failure.last_ms).max()?;
    Some((newest_ms, listed().count() as u64))
}

/// A failure with the link that it keeps from being in step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The entity's name.
    pub entity: String,
    /// The link, if there is one.
    pub link: Option<LinkId>,
    /// What fails.
    pub failure: Failure,
}
