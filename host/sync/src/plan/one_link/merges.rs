//! Plans merges: records of one system that a policy or a person wants merged, as they are in
//! another (`RULES.md` E11).
//!
//! A merge cannot be undone. So it is planned only after an approved review about a surplus record,
//! and only while both records stand as the review says. What else is due at the link waits for
//! what comes of it: the survivor may have another id and other values.

use std::sync::Arc;

use super::{LinkPlanner, PlannedWrite, is_now};
use crate::plan::merge::consent;
use renkei_model::effect::Effect;
use renkei_model::index::RecordIndex;
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::state::{
    RecordKey, RecordStatus, Review, ReviewChoice, ReviewStatus, ReviewSubject,
};

impl LinkPlanner<'_> {
    /// Plans approved merges; true where there is one, so that nothing else of the link is planned.
    /// Questions about records that are surplus no more are closed.
    pub(super) fn plan_merges(&mut self) -> bool {
        for known in std::mem::take(&mut self.reviews) {
            if let ReviewSubject::Surplus { surplus, .. } = &known.subject {
                let approved = known.choice == Some(ReviewChoice::Approve);
                if !self.is_surplus(surplus) {
                    self.plan.reviews.push(review::closed(&known, self.context.now_ms));
                    continue;
                }
                // A surplus record that is converted or merged is asked about as what it becomes.
                let waits = !is_now(&self.records, surplus, &RecordStatus::Surplus);
                if approved && !waits && !self.merge_into_active(surplus) {
                    // What was approved cannot be done now: the question stays (`RULES.md` P8).
                    let open = Review { status: ReviewStatus::Open, choice: None, ..known };
                    self.plan.reviews.push(open.clone());
                    self.reviews.push(open);
                    continue;
                }
            }
            self.reviews.push(known);
        }
        !self.plan.writes.is_empty()
    }

    /// Two live records of one system in one link, as one that was made beside another, or whose
    /// object is in the mapping again: one is active, and a person is asked about the other.
    pub(super) fn mark_surplus_records(&mut self) {
        let mappings = self.context.mappings;
        let is_second = |position: &RecordIndex| {
            let record = &self.records[*position];
            record.status == RecordStatus::Live
                && mappings.member_of(record).is_some()
                && !self.active.values().any(|active| active.record == *position)
        };
        let others: Vec<RecordIndex> = self.records.positions().filter(is_second).collect();
        for position in others {
            let record = &mut self.records[position];
            let surplus = record.key.clone();
            Arc::make_mut(record).status = RecordStatus::Surplus;
            consent::carry(mappings.entity, Arc::make_mut(&mut self.plan.link), record);
            let Some(active) = self.active_in(&surplus.system) else { continue };
            self.note(Some(surplus.clone()), None, Reason::SurplusOf(active.clone()));
            let asked = self.question((active, surplus.clone()));
            self.plan.reviews.push(asked);
            self.new_surplus.push(surplus);
        }
    }

    /// True where a question about a surplus record still holds: both records are there as it says.
    /// An approval is used with whatever record is active now.
    pub(super) fn still_asks(
        &self,
        review: &Review,
        active: &RecordKey,
        surplus: &RecordKey,
    ) -> bool {
        let mut records = self.records.values().filter(|record| record.key == *active);
        let is_as_asked = match review.choice {
            Some(ReviewChoice::Approve) => !records.any(|record| record.status.is_gone()),
            _ => records.any(|record| record.status.has_place()),
        };
        is_as_asked && self.is_surplus(surplus)
    }

    /// The question about a surplus record whose active one is another now.
    pub(super) fn asked_again(&self, over: &Review) -> Option<Review> {
        let ReviewSubject::Surplus { active, surplus, .. } = &over.subject else { return None };
        let now = self.active_in(&surplus.system).filter(|now| now != active)?;
        let is_open = over.choice.is_none() && self.is_surplus(surplus);
        let asked = is_open.then(|| self.question((now, surplus.clone())))?;
        Some(Review { record: over.record.clone(), ..asked })
    }

    fn question(&self, pair: (RecordKey, RecordKey)) -> Review {
        let (entity, now_ms) = (self.context.mappings.entity, self.context.now_ms);
        review::of_surplus(entity, &self.plan.link, pair, now_ms)
    }

    fn active_in(&self, system: &str) -> Option<RecordKey> {
        let records = self.active.values().map(|active| &self.records[active.record]);
        records.map(|record| &record.key).find(|key| key.system == system).cloned()
    }

    fn is_surplus(&self, key: &RecordKey) -> bool {
        self.records.values().any(|record| record.key == *key && record.status.is_surplus())
    }

    /// Plans the merge, one per system at a time; false where no active record of that object is
    /// there.
    fn merge_into_active(&mut self, surplus: &RecordKey) -> bool {
        if self.new_surplus.contains(surplus) {
            return false;
        }
        let winner = self.active.values().find_map(|active| {
            let record = self.record(*active);
            let alike = record.key.system == surplus.system && record.key.object == surplus.object;
            alike.then_some((active.member, record))
        });
        let Some((member, record)) = winner else { return false };
        let planned_write = PlannedWrite {
            link: self.plan.link.id,
            member,
            effect: Effect::Merge { winner: record.key.id.clone(), loser: surplus.id.clone() },
            if_version: record.version.clone(),
            if_modified_ms: record.modified_ms,
            groups: Vec::new(),
            fields: Vec::new(),
            reason: Reason::MergedElsewhere,
            raw: Vec::new(),
            copies: Vec::new(),
        };
        if !self.plan.writes.iter().any(|other| other.member == member) {
            self.plan.writes.push(planned_write);
        }
        true
    }
}
