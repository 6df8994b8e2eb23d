//! Plans the removal of a record: the others of its link are archived, left, asked about, or it is
//! created again (`RULES.md` E10).

use std::sync::Arc;

use super::went_along::RemovalStep;
use super::{LinkPlanner, PlannedWrite, is_filled};
use crate::plan::deletion_hold::DeletionHold;
use crate::plan::mapping::{ActiveMember, FieldMapping};
use crate::plan::references::{governs, link_ids};
use crate::plan::refused_columns::{Undelivered, undelivered};
use crate::read::unreadable::was_not_answered;
use renkei_model::effect::Effect;
use renkei_model::index::FieldIndex;
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::spec::{FieldKind, FieldSpec, OnDelete, Winner};
use renkei_model::state::{
    LinkId, LinkStatus, RecordKey, RecordState, RecordStatus, ReviewChoice, ReviewStatus,
    ReviewSubject, SKEW_MS,
};
use renkei_model::value::{Cell, Value};

/// Content of a live member that the hub does not have, the weightier last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum UnsharedContent {
    /// A value where none was ever agreed on: somebody filled what was empty, or the record took
    /// the place of one that had no such field, as the Contact of a Lead that was converted.
    Added,
    /// Another value than was agreed on.
    Edited,
}

/// A checkbox that is not set, which systems show for one that nobody ever touched (`RULES.md` P4).
/// A value that says that somebody has opted out counts like others.
fn is_unset(cell: &Cell, winner: &Winner) -> bool {
    *cell == Some(Value::Boolean(false)) && winner.opted_out() != Some(false)
}

/// True if both are such a checkbox, or one of them and the other is empty.
fn are_unset(one: &Cell, other: &Cell, winner: &Winner) -> bool {
    let cells = [one, other];
    let is_null = |cell: &Cell| *cell == Some(Value::Null);
    cells.iter().any(|cell| is_unset(cell, winner))
        && cells.iter().all(|cell| is_null(cell) || is_unset(cell, winner))
}

impl LinkPlanner<'_> {
    /// Follows a removed record; true where that settles the whole plan of the link.
    pub(super) fn plan_removal(&mut self) -> bool {
        self.settle_missing();
        self.succeed();
        self.forget_replaced();
        let Some((gone, with)) = self.gone() else { return false };
        let moving = self.records.values().any(|record| record.status.successor().is_some());
        if self.active.is_empty() {
            // A missing record is not known to be gone; its removal is due once it is seen again.
            let is_hidden =
                self.records.values().any(|record| record.status == RecordStatus::Missing);
            if !moving && !is_hidden {
                self.end(Reason::GoneEverywhere, None);
            }
            return true;
        }
        if with.is_none() && self.is_withdrawn(&gone) {
            self.forget_removed();
            return false;
        }
        if let Some(reason) = self.outlives() {
            // The edit may have been older than the deletion, and carried over long ago.
            if self.plan.link.restored {
                self.ask_about(&gone);
                return true;
            }
            self.forget_removed();
            self.create_reason = reason;
            return false;
        }
        if let Some(with) = with {
            if let RemovalStep::Again(reason) = self.went_along(&gone, with) {
                self.forget_removed();
                self.create_reason = reason;
                return false;
            }
            return true;
        }
        match self.context.mappings.entity.on_delete {
            // Its content was never seen, so no rule can say that nothing of it is lost.
            OnDelete::Archive if self.was_never_read(&gone) => self.ask_about(&gone),
            OnDelete::Archive if self.may_have_gone_along => self.ask_about(&gone),
            // Nobody knows if the value that it never got was refused or is an edit.
            OnDelete::Archive if self.undelivered() == Some(Undelivered::Doubtful) => {
                self.ask_about(&gone);
            }
            OnDelete::Archive => self.archive_others(&gone),
            OnDelete::Unlink => self.end(Reason::Unlinked(gone.system.clone()), Some(gone)),
            OnDelete::Review => self.ask_about(&gone),
        }
        true
    }

    /// The reason why the deletion does not spread, if there is one: a live member was edited since
    /// it agreed with the hub, or has more than the hub knew, or the removed record never got an
    /// edit.
    fn outlives(&self) -> Option<Reason> {
        let has = |wanted| self.active.values().find(move |active| self.news(**active) == wanted);
        if has(Some(UnsharedContent::Edited)).is_some()
            || self.undelivered() == Some(Undelivered::News)
        {
            return Some(Reason::EditBeatsDelete);
        }
        let record = self.record(*has(Some(UnsharedContent::Added))?);
        Some(Reason::AddedBeatsDelete(record.key.system.clone()))
    }

    fn news(&self, active: ActiveMember) -> Option<UnsharedContent> {
        let mappings = self.context.mappings;
        let record = self.record(active);
        let seen = mappings.entity.indexed_fields().filter_map(|(position, field)| {
            let state = &record.fields[position];
            let mapping = mappings.mapping(active.member, position)?;
            let mut waits = Vec::new();
            let references = self.context.references;
            let seen = super::seen(references, field, mapping, record, state, &mut waits);
            let truth = &self.plan.link.truth[position].value;
            mapping.group.direction.reads().then_some((seen, state, truth, field))
        });
        seen.filter_map(|(seen, state, truth, field)| match &state.base {
            Some(_) => {
                let is_other = *seen != state.base && !self.follows_only(field, &state.base, &seen);
                let is_edited = seen.is_some() && (is_other || state.unsure);
                let known = [&state.base, truth];
                let says_nothing = known.iter().any(|one| are_unset(one, &seen, &field.winner));
                (is_edited && !says_nothing).then_some(UnsharedContent::Edited)
            }
            // A value that the system set when the record was made is nobody's (`RULES.md` P4).
            None => (is_filled(&seen) && !state.preset && !is_unset(&seen, &field.winner))
                .then_some(UnsharedContent::Added),
        })
        .max()
    }

    /// True where a reference differs only because its target was deleted or united with another:
    /// that is nobody's edit (`RULES.md` V2).
    fn follows(&self, field: &FieldSpec, before: &Cell, now: &Cell) -> bool {
        matches!(field.kind, FieldKind::Reference { .. })
            && self.context.references.is_same_by_now(before, now)
    }

    /// [`Self::follows`], and names nothing that was not named before: a deletion takes references
    /// away. Who adds one works on the record, whatever becomes of its target.
    fn follows_only(&self, field: &FieldSpec, before: &Cell, now: &Cell) -> bool {
        let known: Vec<LinkId> = link_ids(before).collect();
        let references = self.context.references;
        let is_added = |link: LinkId| references.is_over(link) && !known.contains(&link);
        self.follows(field, before, now) && !link_ids(now).any(is_added)
    }

    /// The weightiest value of the truth that a removed record never got. A value that was refused
    /// there is no edit.
    fn undelivered(&self) -> Option<Undelivered> {
        let removed = self.records.values().filter(|record| record.status.is_removed());
        let due = removed.flat_map(|record| {
            let fields = self.context.mappings.entity.indexed_fields();
            fields.filter_map(move |(position, _)| self.never_got(record, position))
        });
        due.max()
    }

    fn never_got(&self, record: &RecordState, position: FieldIndex) -> Option<Undelivered> {
        let mappings = self.context.mappings;
        let mapping = mappings.mapping(mappings.member_of(record)?, position)?;
        let (state, truth) = (&record.fields[position], self.truth(position));
        let field = &mappings.entity[position];
        // Nothing is known of a field that stood still there (`RULES.md` V13).
        let is_due = mapping.group.direction.writes()
            && self.could_stand_there(record, field, mapping, &truth)
            && !state.is_still()
            && state.agreed != truth
            && state.base != truth
            && (is_filled(&truth) || is_filled(&state.base));
        if !is_due || self.follows(field, &state.agreed, &truth) {
            return None;
        }
        let name = &field.name;
        let place = (record.key.system.as_str(), record.key.object.as_str());
        let known = undelivered(&self.plan.link.failures, place, name, &truth);
        // Neither it nor what it took over from ever said anything of this field: nobody knows what
        // it held (`RULES.md` V12, V13).
        let is_blank = state.agreed.is_none() && state.base.is_none();
        let unread = !record.was_read() || was_not_answered(&record.failures, name);
        if known == Undelivered::News && is_blank && unread {
            return Some(Undelivered::Doubtful);
        }
        // A value that may have been typed after the deletion was refused for want of the record,
        // perhaps: a person says which of the two counts.
        let edited = self.plan.link.truth[position].edited.until;
        let is_older = edited
            .zip(record.modified_ms)
            .is_some_and(|(edited_ms, gone_ms)| edited_ms.saturating_add(SKEW_MS) < gone_ms);
        Some(if known == Undelivered::Refused && !is_older { Undelivered::Doubtful } else { known })
    }

    /// True where nothing but time kept the truth from the record: a reference waits for the record
    /// that it names, and one to what is gone is written nowhere.
    fn could_stand_there(
        &self,
        record: &RecordState,
        field: &FieldSpec,
        mapping: FieldMapping<'_>,
        truth: &Cell,
    ) -> bool {
        let Some(target) = mapping.target(&field.kind) else { return mapping.is_plain() };
        let governs = governs(&field.kind, mapping);
        let system = &record.key.system;
        let references = self.context.references;
        let written = references.outward(governs, system, target, truth, &Some(Value::Null));
        written.missing.is_empty() && is_filled(&written.remote)
    }

    /// Marks removed and missing records as replaced where their system has another live record in
    /// the link.
    fn forget_replaced(&mut self) {
        let is_gone = |record: &RecordState| {
            record.status.is_removed() || record.status == RecordStatus::Missing
        };
        if !self.records.values().any(|record| is_gone(record)) {
            return;
        }
        let records = &self.records;
        let live: Vec<String> =
            self.active.values().map(|active| records[active.record].key.system.clone()).collect();
        for record in self.records.values_mut().filter(|record| is_gone(record)) {
            if live.contains(&record.key.system) {
                Arc::make_mut(record).status = RecordStatus::Replaced;
            }
        }
    }

    /// The link goes on without its removed records, so that their systems get new ones.
    fn forget_removed(&mut self) {
        for record in self.records.values_mut().filter(|record| record.status.is_removed()) {
            Arc::make_mut(record).status = RecordStatus::Replaced;
        }
    }

    pub(super) fn end(&mut self, reason: Reason, record: Option<RecordKey>) {
        Arc::make_mut(&mut self.plan.link).status = LinkStatus::Ended;
        self.note(record, None, reason);
    }

    fn was_never_read(&self, key: &RecordKey) -> bool {
        self.records.values().any(|record| record.key == *key && !record.was_read())
    }

    pub(super) fn archive_others(&mut self, gone: &RecordKey) {
        if self.context.hold.is_some_and(|hold| hold.leaves) {
            self.end(Reason::Unlinked(gone.system.clone()), Some(gone.clone()));
            return;
        }
        if let Some(DeletionHold { count, limit, along, .. }) = self.context.hold {
            self.plan.held = true;
            self.note(Some(gone.clone()), None, Reason::AboveDeleteGuard { count, limit, along });
            return;
        }
        for active in self.active.values() {
            let record = &self.records[active.record];
            self.plan.writes.push(PlannedWrite {
                link: self.plan.link.id,
                member: active.member,
                effect: Effect::Archive { id: record.key.id.clone() },
                if_version: record.version.clone(),
                if_modified_ms: record.modified_ms,
                groups: Vec::new(),
                fields: Vec::new(),
                reason: Reason::DeletedIn(gone.system.clone()),
                raw: Vec::new(),
                copies: Vec::new(),
            });
        }
    }

    fn ask_about(&mut self, gone: &RecordKey) {
        let subject = ReviewSubject::Deleted { gone: gone.clone() };
        let now_ms = self.context.now_ms;
        let review = review::of_link(&self.plan.link, subject, ReviewStatus::Open, now_ms);
        let known = self.reviews.iter().find(|known| known.id == review.id).cloned();
        match known {
            Some(known) if known.status == ReviewStatus::Chosen => {
                self.plan.reviews.push(review::closed(&known, now_ms));
                match known.choice {
                    Some(ReviewChoice::Approve) => self.archive_others(gone),
                    _ => self.end(Reason::Unlinked(gone.system.clone()), Some(gone.clone())),
                }
            }
            Some(_) => (self.recalls, self.plan.awaits_answer) = (false, true),
            None => {
                (self.recalls, self.plan.awaits_answer) = (false, true);
                self.plan.reviews.push(review);
                let reason = Reason::DeleteUndecided(gone.system.clone());
                self.note(Some(gone.clone()), None, reason);
            }
        }
    }
}
