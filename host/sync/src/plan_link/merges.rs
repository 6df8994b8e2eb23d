//! Merging in one system what was merged in another, where a policy or a person says so (SYNC.md
//! 3.8).
//!
//! A merge cannot be undone, so it is planned only for a review about a surplus record whose choice
//! is to approve, and only while both records stand as the review says. What else is due at the
//! link waits for what comes of it: the survivor may have another id and other values.

use super::{Draft, Work};
use crate::reason::Reason;
use crate::record::Action;
use crate::review;
use crate::state::{Choice, Matter, RecordKey, Review, ReviewStatus, Status};

impl Work<'_> {
    /// Whether records are to be merged first. Questions about records that are surplus no more are
    /// over.
    pub(super) fn merges(&mut self) -> bool {
        for known in std::mem::take(&mut self.reviews) {
            if let Matter::Surplus { surplus, .. } = &known.matter {
                let approved = known.choice == Some(Choice::Approve);
                if !self.is_surplus(surplus) {
                    self.plan.reviews.push(review::closed(&known, self.context.now_ms));
                    continue;
                }
                if approved && !self.merge_into_active(surplus) {
                    // What was approved cannot be done now: the question stays (RULES.md P8).
                    let open = Review { status: ReviewStatus::Open, choice: None, ..known };
                    self.plan.reviews.push(open.clone());
                    self.reviews.push(open);
                    continue;
                }
            }
            self.reviews.push(known);
        }
        !self.plan.drafts.is_empty()
    }

    fn is_surplus(&self, key: &RecordKey) -> bool {
        self.records.iter().any(|record| record.key == *key && record.status == Status::Surplus)
    }

    /// Drafts the merge, one per system at a time; whether there is a record to merge with.
    fn merge_into_active(&mut self, surplus: &RecordKey) -> bool {
        let winner = self.active.iter().find_map(|active| {
            let record = self.records.get(active.record)?;
            let alike = record.key.system == surplus.system && record.key.object == surplus.object;
            alike.then_some((active.member, record))
        });
        let Some((member, record)) = winner else { return false };
        let draft = Draft {
            link: self.plan.link.id,
            member,
            action: Action::Merge,
            id: Some(record.key.id.clone()),
            loser: Some(surplus.id.clone()),
            if_version: record.version.clone(),
            if_modified_ms: record.modified_ms,
            groups: Vec::new(),
            fields: Vec::new(),
            reason: Reason::MergedElsewhere,
            raw: Vec::new(),
            copies: Vec::new(),
        };
        if !self.plan.drafts.iter().any(|other| other.member == member) {
            self.plan.drafts.push(draft);
        }
        true
    }
}
