//! A refused column is isolated: the rest of its record is written, and it is tried again when its
//! cause can have changed (`RULES.md` V5).
//!
//! Pure. What was refused is kept with its link ([`Failure`]). A refusal that names columns is
//! kept per field; one that names none is kept for the columns that it was about, and the planner
//! sends them in halves until the guilty one stands alone.

use std::collections::BTreeMap;

use crate::model::reason::Reason;
use crate::model::record::{Action, Problem, Remedy};
use crate::model::review::digest;
use crate::model::spec::{EntitySpec, MappingGroup, MemberSpec};
use crate::model::state::{
    Failure, FailureClass, FieldWrite, OutboxEntry, RETRY_REFUSED_MS, RecordKey,
};
use crate::model::value::Cell;
use crate::plan::link::UnreadField;
use crate::plan::render::refusal_digest;

mod columns;
mod narrow;

use columns::{column_digest, fields_of, groups_of, is_at};
pub(crate) use narrow::narrow;
use narrow::{halves, only};

/// The code of a write that met a record of another link.
pub(crate) const TAKEN: &str = "record-of-another-link";
/// Failures that a link remembers.
const FAILURES_MAX: usize = 64;
/// A write that gets through lets what was refused longer ago than this be tried again, ms.
const REST_MS: i64 = 3_600_000;

/// True where a write met a record of another link.
pub(crate) fn is_met(failures: &[Failure]) -> bool {
    failures.iter().any(|one| one.codes().iter().any(|code| code == TAKEN))
}

/// The failures that a refusal leaves, and whether a part of the operation is still to be tried.
pub(crate) fn of_refusal(
    entity: &EntitySpec,
    member: &MemberSpec,
    entry: &OutboxEntry,
    problems: Vec<Problem>,
    now_ms: i64,
) -> (Vec<Failure>, bool) {
    let groups = groups_of(member, entry);
    let blames = |problem: &Problem, group: &MappingGroup| {
        problem.field.as_ref().is_some_and(|column| group.columns.contains(column))
    };
    let mut guilty: Vec<(&MappingGroup, Vec<Problem>)> = Vec::new();
    for group in &groups {
        let mine: Vec<Problem> =
            problems.iter().filter(|problem| blames(problem, group)).cloned().collect();
        if !mine.is_empty() {
            guilty.push((*group, mine));
        }
    }
    // A column alone is to blame, whether the system names it or not.
    if let ([group], true, Action::Update) = (groups.as_slice(), guilty.is_empty(), entry.action) {
        guilty.push((*group, problems.clone()));
    }
    let blank = Failure {
        system: entry.system.clone(),
        object: entry.object.clone(),
        id: entry.id.clone(),
        field: None,
        class: FailureClass::Refused,
        problems: Vec::new(),
        digest: String::new(),
        values: BTreeMap::new(),
        since_ms: now_ms,
        last_ms: now_ms,
        times: 1,
    };
    if guilty.is_empty() {
        let more = entry.action == Action::Update && groups.len() > 1;
        let digest = refusal_digest(entry, &member.digest);
        let values = entry.fields.iter().map(value_of).collect();
        return (vec![Failure { problems, digest, values, ..blank }], more);
    }
    let waits = entry.action == Action::Create && guilty.iter().any(|(group, _)| group.required);
    let more = guilty.len() < groups.len() && !waits;
    let failures = guilty.into_iter().flat_map(|(group, problems)| {
        let digest = column_digest(group, entry, &member.digest);
        let failure = Failure { digest, problems, ..blank.clone() };
        fields_of(entity, group).map(move |field| {
            let write = entry.fields.iter().find(|write| write.field == field);
            let values = write.map(value_of).into_iter().collect();
            Failure { field: Some(field), values, ..failure.clone() }
        })
    });
    (failures.collect(), more)
}

/// Remembers a create that was not found, so that the next one has its intent.
pub(crate) fn remember(failures: &mut Vec<Failure>, entry: &OutboxEntry, now_ms: i64) {
    failures.retain(|one| one.class != FailureClass::Unanswered || !is_at(one, entry));
    failures.push(Failure {
        system: entry.system.clone(),
        object: entry.object.clone(),
        id: None,
        field: None,
        class: FailureClass::Unanswered,
        problems: Vec::new(),
        digest: entry.intent.clone(),
        values: BTreeMap::new(),
        since_ms: now_ms,
        last_ms: entry.not_before_ms.min(now_ms),
        times: entry.attempts.saturating_add(1),
    });
}

/// The create that nobody answered and that this one repeats.
pub(crate) fn repeated<'a>(failures: &'a [Failure], entry: &OutboxEntry) -> Option<&'a Failure> {
    let is_create = entry.action == Action::Create;
    let mut mine = failures.iter().filter(|one| is_create && is_at(one, entry));
    mine.find(|one| one.class == FailureClass::Unanswered)
}

/// A field and the digest of the hub's value that a write carries.
pub(crate) fn value_of(write: &FieldWrite) -> (String, String) {
    (write.field.clone(), value_digest(&write.after))
}

fn value_digest(value: &Cell) -> String {
    digest(&["value", &format!("{value:?}")])
}

/// The history of a value that a member never got, the weightier last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Undelivered {
    /// It was refused there, or has no counterpart: no edit.
    Refused,
    /// The field was refused there, and perhaps with this value.
    Doubtful,
    /// It was never tried.
    News,
}

/// Decides whether a member never got a value because that very value was refused there.
pub(crate) fn undelivered(
    failures: &[Failure],
    (system, object): (&str, &str),
    field: &str,
    value: &Cell,
) -> Undelivered {
    let mine = failures.iter().filter(|one| {
        let is_about = one.field.as_ref().is_none_or(|name| name == field);
        one.is_listed() && one.system == system && one.object == object && is_about
    });
    let value = value_digest(value);
    let known = mine.map(|one| match one.values.get(field) {
        Some(refused) if *refused == value => Undelivered::Refused,
        None if one.values.is_empty() => Undelivered::Doubtful,
        _ => Undelivered::News,
    });
    known.min().unwrap_or(Undelivered::News)
}

/// Keeps a failure: as a further time of the one that it is about, if there is one.
pub(crate) fn keep(failures: &mut Vec<Failure>, mut news: Failure) {
    if let Some(position) = failures.iter().position(|known| known.is_about_same(&news)) {
        let known = failures.remove(position);
        news.since_ms = known.since_ms;
        news.times = known.times.saturating_add(1);
    }
    failures.push(news);
    let excess = failures.len().saturating_sub(FAILURES_MAX);
    failures.drain(..excess);
}

/// The change that an applied write makes to the known failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClearedRefusals {
    Nothing,
    Changed,
    /// A refused column is tried again: the link is planned again.
    TriesAgain,
}

/// A write of this record got through: what it carried fails no more, and what was refused at the
/// same record a while ago is worth another try; what is left names the record, which may have been
/// made by it (`RULES.md` V20).
pub(crate) fn forgive(
    failures: &mut Vec<Failure>,
    entry: &OutboxEntry,
    record: &str,
    now_ms: i64,
) -> ClearedRefusals {
    let carries = |name: &str| entry.fields.iter().any(|write| write.field == name);
    let is_made = |failure: &Failure| {
        failure.class == FailureClass::Unanswered && entry.action == Action::Create
    };
    let is_over = |failure: &Failure| {
        is_at(failure, entry)
            && (failure.is_listed() || is_made(failure))
            && failure.field.as_ref().is_none_or(|field| carries(field))
    };
    let before = failures.len();
    failures.retain(|failure| !is_over(failure));
    let (mut changed, mut tries_again) = (failures.len() != before, false);
    for failure in failures.iter_mut().filter(|failure| is_at(failure, entry)) {
        let is_other = failure.id.as_deref() != Some(record);
        if entry.action == Action::Create && failure.is_listed() && is_other {
            failure.id = Some(record.to_owned());
            changed = true;
        }
        let rested = failure.last_ms.saturating_add(REST_MS) <= now_ms;
        if failure.class == FailureClass::Refused && rested && !failure.digest.is_empty() {
            failure.digest.clear();
            tries_again = true;
        }
    }
    match (changed, tries_again) {
        (_, true) => ClearedRefusals::TriesAgain,
        (true, false) => ClearedRefusals::Changed,
        (false, false) => ClearedRefusals::Nothing,
    }
}

/// The findings of a plan, which replace those of plans before it. Refusals stay while the refused
/// write is still wanted.
pub(crate) struct PlanFindings<'a> {
    pub(crate) entity: &'a EntitySpec,
    /// The operations of this plan, before anything was left out.
    pub(crate) wanted: Vec<OutboxEntry>,
    /// The failures that keep it from writing more.
    pub(crate) failures: Vec<Failure>,
    /// The fields that it would write if they could be read there.
    pub(crate) unread: Vec<UnreadField>,
}

impl PlanFindings<'_> {
    /// The failures from now on.
    pub(crate) fn renew(mut self, known: &[Failure]) -> Vec<Failure> {
        let mut failures: Vec<Failure> = known
            .iter()
            .filter(|one| !one.is_listed() || self.still_wants(one, known))
            .map(|one| self.named(one))
            .collect();
        for news in &mut self.failures {
            if let Some(before) = known.iter().find(|before| before.is_about_same(news)) {
                // Told already: only an attempt is a further time.
                let is_stale = before.last_ms.saturating_add(RETRY_REFUSED_MS) <= news.last_ms;
                if before.problems == news.problems && before.id == news.id && !is_stale {
                    *news = before.clone();
                } else {
                    news.since_ms = before.since_ms;
                    news.times = before.times.saturating_add(1);
                }
            }
        }
        failures.append(&mut self.failures);
        failures
    }

    /// The failure of the record that is there now, or is about to be made, and of the value.
    fn named(&self, failure: &Failure) -> Failure {
        let mut failure = failure.clone();
        if !failure.is_listed() {
            return failure;
        }
        if self.unread(&failure).is_some_and(|unread| unread.not_answered) {
            // Worth another try as soon as it is answered again.
            failure.digest.clear();
        }
        let Some(entry) = self.wanted.iter().find(|entry| is_at(&failure, entry)) else {
            return failure;
        };
        failure.id.clone_from(&entry.id);
        if let (true, Some(field)) = (failure.values.is_empty(), &failure.field)
            && let Some((_, member)) = self.entity.member(&entry.system, &entry.object)
            && digests(self.entity, member, entry).get(field) == Some(&failure.digest)
        {
            let write = entry.fields.iter().find(|write| write.field == *field);
            failure.values.extend(write.map(value_of));
        }
        failure
    }

    fn still_wants(&self, failure: &Failure, known: &[Failure]) -> bool {
        let mut mine = self.wanted.iter().filter(|entry| is_at(failure, entry));
        let is_written = mine.any(|entry| match &failure.field {
            Some(field) => entry.fields.iter().any(|write| write.field == *field),
            None => self.may_meet(failure, entry, known),
        });
        failure.class == FailureClass::Refused && (is_written || self.unread(failure).is_some())
    }

    /// The unread field that a failure is about, if there is one: it is not written either.
    fn unread(&self, failure: &Failure) -> Option<&UnreadField> {
        self.unread.iter().find(|unread| {
            let member = &self.entity[unread.member];
            let is_there = member.system == failure.system && member.object == failure.object;
            is_there && failure.field.as_ref() == Some(&unread.field)
        })
    }

    /// True where a refusal that named no column is of this operation or of a part of it.
    fn may_meet(&self, failure: &Failure, entry: &OutboxEntry, known: &[Failure]) -> bool {
        let Some((_, member)) = self.entity.member(&entry.system, &entry.object) else {
            return false;
        };
        let digest = |entry: &OutboxEntry| refusal_digest(entry, &member.digest);
        let is_open = |group: &&MappingGroup| {
            let refused = column_digest(group, entry, &member.digest);
            !known.iter().any(|known| is_at(known, entry) && known.digest == refused)
        };
        let open: Vec<&MappingGroup> =
            groups_of(member, entry).into_iter().filter(is_open).collect();
        let is_whole = open.len() == groups_of(member, entry).len();
        if is_whole && digest(entry) == failure.digest {
            return true;
        }
        // A create is not sent in halves, but without the columns that were refused alone.
        let parts = if entry.action == Action::Update { halves(&open) } else { vec![open] };
        parts.iter().any(|part| digest(&only(self.entity, member, entry, part)) == failure.digest)
    }
}

/// A failure that a plan finds before anything is sent.
pub(crate) fn planned(
    member: &MemberSpec,
    record: Option<&RecordKey>,
    field: Option<String>,
    class: FailureClass,
    (column, message): (Option<String>, String),
    now_ms: i64,
) -> Failure {
    let problem = Problem {
        code: class.word().to_owned(),
        message,
        field: column,
        remedy: Remedy::SourceData,
    };
    Failure {
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

/// A write that was answered again and again and did not happen.
pub(crate) fn not_kept(
    member: &MemberSpec,
    (record, field, column): (&RecordKey, Option<String>, Option<String>),
    digest: String,
    now_ms: i64,
) -> Failure {
    let message = (column, Reason::NotKept.to_string());
    let class = FailureClass::Refused;
    let mut failure = planned(member, Some(record), field, class, message, now_ms);
    for problem in &mut failure.problems {
        problem.code = "not-kept".to_owned();
        problem.remedy = Remedy::TargetData;
    }
    Failure { digest, ..failure }
}

/// The digest of each field's write, as a refusal would keep it ([`Failure::digest`]).
pub(crate) fn digests(
    entity: &EntitySpec,
    member: &MemberSpec,
    entry: &OutboxEntry,
) -> BTreeMap<String, String> {
    let groups = groups_of(member, entry).into_iter();
    let named = groups.flat_map(|group| {
        let digest = column_digest(group, entry, &member.digest);
        fields_of(entity, group).map(move |field| (field, digest.clone()))
    });
    named.collect()
}
