//! A refused column is isolated: the rest of its record is planned without it, and it is planned
//! again when its cause can have changed (`RULES.md` V5).
//!
//! Pure. `crate::apply::refusals` keeps what was refused with its link ([`Failure`]). A refusal
//! that names columns is kept per field. One that names none is kept for the columns that it was
//! about, and the planner tries them in halves until the guilty one is alone in its write.

use crate::plan::one_link::UnreadField;
use crate::plan::render::refusal_digest;
use renkei_model::spec::{EntitySpec, MappingGroup};
use renkei_model::state::{Failure, FailureClass, OutboxEntry, RETRY_REFUSED_MS};
use renkei_model::value::Cell;

pub(crate) mod columns;
mod narrow;

use columns::{column_digest, field_digests, groups_of, is_at, value_digest, value_of};
pub(crate) use narrow::narrow;
use narrow::{halves, only};

/// The code of a write that met a record of another link.
pub(crate) const TAKEN: &str = "record-of-another-link";

/// True where a write met a record of another link.
pub(crate) fn is_met(failures: &[Failure]) -> bool {
    failures.iter().any(|one| one.codes().iter().any(|code| code == TAKEN))
}

/// The create that nobody answered and that this one repeats.
pub(crate) fn repeated<'a>(failures: &'a [Failure], entry: &OutboxEntry) -> Option<&'a Failure> {
    let is_create = entry.effect.kind().makes_record();
    let mut mine = failures.iter().filter(|one| is_create && is_at(one, entry));
    mine.find(|one| one.class == FailureClass::Unanswered)
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
        failure.id = entry.effect.id().map(str::to_owned);
        if let (true, Some(field)) = (failure.values.is_empty(), &failure.field)
            && let Some((_, member)) = self.entity.member(&entry.system, &entry.object)
            && field_digests(self.entity, member, entry).get(field) == Some(&failure.digest)
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
        let parts = if entry.effect.kind().changes_record() { halves(&open) } else { vec![open] };
        parts.iter().any(|part| digest(&only(self.entity, member, entry, part)) == failure.digest)
    }
}
