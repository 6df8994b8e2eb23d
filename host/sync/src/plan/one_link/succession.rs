//! Fills the place of a record that is gone with a surplus record of the same system.
//!
//! The active record of a system is gone while a surplus one of the same system stands by: the
//! thing is still there, so that is no deletion (`RULES.md` E12). One surplus record takes the
//! place with the base values that it has; between several a person decides. A missing record keeps
//! its place until it comes back or a person says that it is gone.

use std::sync::Arc;

use super::{LinkPlanner, is_now};
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::state::{
    RecordKey, RecordState, RecordStatus, Review, ReviewChoice, ReviewStatus, ReviewSubject,
};

impl LinkPlanner<'_> {
    /// Closes questions about missing records that are back, and marks those as deleted that a
    /// person said are gone.
    pub(super) fn settle_missing(&mut self) {
        let now_ms = self.context.now_ms;
        for known in &self.reviews {
            let ReviewSubject::Missing { record: key } = &known.subject else { continue };
            let missing = |record: &&mut Arc<RecordState>| {
                record.key == *key && record.status == RecordStatus::Missing
            };
            match (self.records.values_mut().find(missing), &known.choice) {
                (Some(_), None) => continue,
                (Some(record), Some(ReviewChoice::Approve)) => {
                    Arc::make_mut(record).status = RecordStatus::Deleted;
                }
                _ => {}
            }
            self.plan.reviews.push(review::closed(known, now_ms));
        }
    }

    /// Fills places whose active record is gone.
    pub(super) fn succeed(&mut self) {
        let surplus = self.records.values().filter(|record| record.status == RecordStatus::Surplus);
        let mut systems: Vec<String> = surplus.map(|record| record.key.system.clone()).collect();
        systems.dedup();
        let asked: Vec<String> = systems.iter().filter_map(|system| self.fill(system)).collect();
        let now_ms = self.context.now_ms;
        for known in &self.reviews {
            if matches!(known.subject, ReviewSubject::Successor { .. })
                && !asked.contains(&known.id)
            {
                self.plan.reviews.push(review::closed(known, now_ms));
            }
        }
    }

    /// The id of the question, if a person must choose the record that takes the place in this
    /// system.
    fn fill(&mut self, system: &str) -> Option<String> {
        let here = || self.records.values().filter(|record| record.key.system == system);
        if here().any(|record| record.status.has_place()) {
            return None;
        }
        let surplus = here().filter(|record| record.status == RecordStatus::Surplus);
        let heirs: Vec<RecordKey> = surplus.map(|record| record.key.clone()).collect();
        let gone = here().find(|record| record.status.is_removed());
        let gone =
            gone.map_or_else(|| heirs.first().cloned(), |record| Some(record.key.clone()))?;
        if let [only] = heirs.as_slice() {
            let only = only.clone();
            self.take_over(&only, gone);
            return None;
        }
        let subject = ReviewSubject::Successor { gone: gone.clone(), records: heirs };
        let now_ms = self.context.now_ms;
        let question = review::of_link(&self.plan.link, subject, ReviewStatus::Open, now_ms);
        let known = self.reviews.iter().find(|known| known.id == question.id);
        match known {
            Some(Review { choice: Some(ReviewChoice::LinkWith(heir)), .. }) => {
                let heir = heir.clone();
                self.take_over(&heir, gone);
                return None;
            }
            Some(_) => {}
            None => {
                self.note(Some(gone.clone()), None, Reason::SuccessorUndecided(gone));
                self.plan.reviews.push(question.clone());
            }
        }
        Some(question.id)
    }

    fn take_over(&mut self, heir: &RecordKey, gone: RecordKey) {
        if !is_now(&self.records, heir, &RecordStatus::Surplus) {
            return;
        }
        for record in self.records.values_mut().filter(|record| record.key == *heir) {
            Arc::make_mut(record).status = RecordStatus::Live;
        }
        self.active = self.context.mappings.active(&self.records);
        self.note(Some(heir.clone()), None, Reason::TookOver(gone));
    }

    /// Drops reading failures of records that are gone or surplus, unless a deletion is still
    /// to be weighed with them (`RULES.md` V20).
    pub(super) fn drop_failures(&mut self) {
        if self.plan.held || self.plan.awaits_answer {
            return;
        }
        let is_over = |record: &RecordState| {
            let is_inactive = record.status.is_gone() || record.status == RecordStatus::Surplus;
            is_inactive && !record.failures.is_empty()
        };
        for record in self.records.values_mut().filter(|record| is_over(record)) {
            Arc::make_mut(record).failures.clear();
        }
    }
}
