//! Failed readings and writes as people see them. Each stays with its record or its link until it
//! works or its cause is gone (RULES.md V5, V10, V17).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{LinkId, RecordKey};
use crate::record::{Problem, Remedy};
use crate::spec::MemberSpec;

/// The time for which a refused write is not repeated while nothing that it depends on changes, ms.
pub const RETRY_REFUSED_MS: i64 = 24 * 3_600_000;

/// Failures that a link remembers.
const FAILURES_MAX: usize = 64;

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
    /// A person gave the create up. A mark, not a failure: it is never listed.
    GivenUp,
    /// A create without an answer that was not found. The next create takes its intent, which is
    /// kept as the digest, so that both make one record (RULES.md P1). A mark, too.
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

/// One reading or write that failed.
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
    /// The kind of the failure.
    pub class: FailureClass,
    /// The problems that the system or the mapping reports. Their messages may hold values.
    pub problems: Vec<Problem>,
    /// Hash of the write that was refused: the same write is not repeated before
    /// [`RETRY_REFUSED_MS`]. Empty where it may be tried at the next plan.
    pub digest: String,
    /// Digests of the hub's values that failed, by the field's name. A value that was refused once
    /// is no edit that beats a deletion (RULES.md V5).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// The time of the first failure, ms.
    pub since_ms: i64,
    /// The time of the last failure, ms.
    pub last_ms: i64,
    /// The number of failures.
    pub times: u32,
}

impl Failure {
    /// A failure that Renkei finds by itself, with a problem of its own words.
    pub fn of_member(
        member: &MemberSpec,
        record: Option<&RecordKey>,
        field: Option<String>,
        class: FailureClass,
        (column, message): (Option<String>, String),
        now_ms: i64,
    ) -> Self {
        let problem = Problem {
            code: class.word().to_owned(),
            message,
            field: column,
            remedy: Remedy::SourceData,
        };
        Self {
            system: member.system.clone(),
            object: member.object.clone(),
            id: record.map(|record| record.id.clone()),
            field,
            class,
            problems: vec![problem],
            digest: String::new(),
            values: BTreeMap::new(),
            since_ms: now_ms,
            last_ms: now_ms,
            times: 1,
        }
    }

    /// The record; `None` where it is still to be made.
    pub fn record(&self) -> Option<RecordKey> {
        let id = self.id.clone()?;
        Some(RecordKey { system: self.system.clone(), object: self.object.clone(), id })
    }

    /// True if people see the failure.
    pub fn is_listed(&self) -> bool {
        !matches!(self.class, FailureClass::GivenUp | FailureClass::Unanswered)
    }

    /// The codes of the problems, in order.
    pub fn codes(&self) -> Vec<String> {
        self.problems.iter().map(|problem| problem.code.clone()).collect()
    }

    /// The messages of the problems, or their codes where they have none, joined by `; `.
    pub fn message(&self) -> String {
        let words = |problem: &Problem| match problem.message.as_str() {
            "" => problem.code.clone(),
            message => message.to_owned(),
        };
        self.problems.iter().map(words).collect::<Vec<_>>().join("; ")
    }

    /// True if both are about the same thing. Several failures of a record as a whole differ by
    /// their digests: first many columns are refused at once, then some of them.
    pub fn is_about_same(&self, other: &Self) -> bool {
        let place = |one: &Self| (one.system.clone(), one.object.clone(), one.field.clone());
        self.class == other.class
            && place(self) == place(other)
            && (self.field.is_some() || self.digest == other.digest)
    }
}

/// Keeps a failure: as a further time of the one that it is about, if there is one.
pub fn keep_failure(failures: &mut Vec<Failure>, mut news: Failure) {
    if let Some(position) = failures.iter().position(|known| known.is_about_same(&news)) {
        let known = failures.remove(position);
        news.since_ms = known.since_ms;
        news.times = known.times.saturating_add(1);
    }
    failures.push(news);
    let excess = failures.len().saturating_sub(FAILURES_MAX);
    failures.drain(..excess);
}

/// The time of the newest listed failure and the number of listed ones; `None` without any.
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
    /// The failure.
    pub failure: Failure,
}
