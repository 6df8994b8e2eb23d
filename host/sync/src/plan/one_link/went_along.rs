//! A record went because the engine archived the one that it belonged to (`RULES.md` V2).
//!
//! Nobody deleted it, so the same thing in other systems stays. A person says once, for all that
//! went along with the same record, whether the others go too, it is made again, or they are left.

use std::sync::Arc;

use super::{LinkPlanner, is_now};
use crate::journal::JournalNote;
use crate::plan::cascades::question;
use renkei_model::reason::Reason;
use renkei_model::state::{RecordKey, RecordState, RecordStatus, ReviewChoice};

/// The next step after a removal was weighed.
pub(super) enum RemovalStep {
    /// Nothing more in this plan.
    Done,
    /// The record is created again, for this reason.
    Again(Reason),
}

impl LinkPlanner<'_> {
    /// The removed record of the link that a person deleted, or else one that went along, and with
    /// which, or else one that the engine archived.
    pub(super) fn gone(&self) -> Option<(RecordKey, Option<RecordKey>)> {
        let there = |record: &RecordState| {
            let is_there = |other: &Arc<RecordState>| {
                other.status.is_surplus() && other.key.system == record.key.system
            };
            self.records.values().any(is_there)
        };
        let removed = self
            .records
            .values()
            .filter(|record| record.link.is_some() && record.status.is_removed() && !there(record));
        let with = |record: &RecordState| self.context.along.with(&record.key).cloned();
        let all: Vec<_> = removed.map(|record| (record.key.clone(), with(record))).collect();
        let by_a_person = all.iter().find(|(key, with)| with.is_none() && !self.is_withdrawn(key));
        let along = all.iter().find(|(_, with)| with.is_some());
        by_a_person.or(along).or(all.first()).cloned()
    }

    /// True where the engine archived the record. If nothing else of the link is gone, the record
    /// that it was archived for is there again.
    pub(super) fn is_withdrawn(&self, key: &RecordKey) -> bool {
        is_now(&self.records, key, &RecordStatus::Withdrawn)
    }

    pub(super) fn went_along(&mut self, gone: &RecordKey, with: RecordKey) -> RemovalStep {
        let note = JournalNote {
            record: Some(gone.clone()),
            field: None,
            reason: Reason::WentAlong(with.clone()),
        };
        for record in self.records.values_mut().filter(|record| record.key == *gone) {
            if record.status != RecordStatus::Withdrawn {
                Arc::make_mut(record).status = RecordStatus::Withdrawn;
                self.plan.news.push(note.clone());
            }
        }
        let known = self.context.along.review(&with);
        match known.and_then(|known| known.choice.as_ref()) {
            Some(ReviewChoice::Approve) => self.archive_others(gone),
            Some(ReviewChoice::Separate) => return RemovalStep::Again(Reason::MadeAgain(with)),
            Some(ReviewChoice::Leave) => {
                self.end(Reason::Unlinked(gone.system.clone()), Some(gone.clone()));
            }
            _ => {
                self.plan.held = true;
                self.plan.notes.push(note);
                if known.is_none() {
                    let asked = question(self.context.mappings.entity, &with, self.context.now_ms);
                    self.plan.reviews.push(asked);
                }
            }
        }
        RemovalStep::Done
    }
}
