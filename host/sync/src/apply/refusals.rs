//! Refused writes: the failures that they leave with their link, and what ends them
//! (`RULES.md` V5).
//!
//! Pure. `crate::plan::refused_columns` leaves out of later plans what is kept here.

use std::collections::BTreeMap;

use crate::plan::refused_columns::columns::{column_digest, fields_of, groups_of, is_at, value_of};
use crate::plan::render::refusal_digest;
use renkei_model::record::Problem;
use renkei_model::spec::{EntitySpec, MappingGroup, MemberSpec};
use renkei_model::state::{Failure, FailureClass, OutboxEntry};

/// A write that gets through lets what was refused longer ago than this be tried again, ms.
const REST_MS: i64 = 3_600_000;

/// The failures that a refusal leaves, and whether a part of the operation is still to be tried.
pub(crate) fn failures_of_refusal(
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
    let changes_record = entry.effect.kind().changes_record();
    if let ([group], true, true) = (groups.as_slice(), guilty.is_empty(), changes_record) {
        guilty.push((*group, problems.clone()));
    }
    let blank = Failure {
        system: entry.system.clone(),
        object: entry.object.clone(),
        id: entry.effect.id().map(str::to_owned),
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
        let more = changes_record && groups.len() > 1;
        let digest = refusal_digest(entry, &member.digest);
        let values = entry.fields.iter().map(value_of).collect();
        return (vec![Failure { problems, digest, values, ..blank }], more);
    }
    let waits =
        entry.effect.kind().makes_record() && guilty.iter().any(|(group, _)| group.required);
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
pub(crate) fn remember_create(failures: &mut Vec<Failure>, entry: &OutboxEntry, now_ms: i64) {
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
pub(crate) fn forgive_written(
    failures: &mut Vec<Failure>,
    entry: &OutboxEntry,
    record: &str,
    now_ms: i64,
) -> ClearedRefusals {
    let carries = |name: &str| entry.fields.iter().any(|write| write.field == name);
    let is_made = |failure: &Failure| {
        failure.class == FailureClass::Unanswered && entry.effect.kind().makes_record()
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
        if entry.effect.kind().makes_record() && failure.is_listed() && is_other {
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
