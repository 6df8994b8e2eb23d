//! Answered writes that did not happen (RULES.md R26).

use std::sync::Arc;

use super::IngestSource;
use crate::read::order::{self, FieldVerdict, RowVerdict};
use renkei_model::reason::Reason;
use renkei_model::record::Remedy;
use renkei_model::spec::MemberSpec;
use renkei_model::state::{
    Doubt, Failure, FailureClass, JournalEntry, LinkId, LinkStatus, RecordKey, RecordState,
    keep_failure,
};
use renkei_model::store::port::{Changes, StoreError};

impl IngestSource<'_> {
    /// Journals the answered writes that did not happen. One that was repeated more than
    /// [`order::TRIES_MAX`] times counts as refused, so that a person sees it and it is not
    /// repeated for ever.
    pub(crate) fn note_not_kept(
        &self,
        record: &mut RecordState,
        row_verdict: &RowVerdict,
        doubt: Option<&Doubt>,
        journal: &mut Vec<JournalEntry>,
    ) -> Vec<(LinkId, Option<Failure>)> {
        if *row_verdict == RowVerdict::There {
            return self.unarchived(record, doubt, journal).into_iter().collect();
        }
        let RowVerdict::Fields(verdicts) = row_verdict else { return Vec::new() };
        let mut refused = Vec::new();
        // A value that is taken back after each write counts as not kept, too.
        let is_not_kept = |verdict: &FieldVerdict| {
            matches!(verdict, FieldVerdict::NotKept | FieldVerdict::Unsure)
        };
        for (position, verdict) in verdicts.iter().filter(|(_, verdict)| is_not_kept(verdict)) {
            let (field, state) = (&self.entity[position], &mut record.fields[position]);
            let name = Some(field.name.clone());
            if *verdict == FieldVerdict::NotKept {
                journal.push(self.line(record.key.clone(), record.link, name, Reason::NotKept));
            }
            let digest = doubt.and_then(|doubt| doubt.digests.get(&field.name));
            if state.tries > order::TRIES_MAX
                && let (Some(digest), Some(link)) = (digest, record.link)
            {
                state.tries = 0;
                let (member, group) = (self.member, self.member.group_of(position));
                let column = group.and_then(|group| group.columns.first()).cloned();
                let place = (&record.key, Some(field.name.clone()), column);
                let failure = not_kept_failure(member, place, digest.clone(), self.now_ms);
                refused.push((link, Some(failure)));
            }
        }
        refused
    }

    /// Journals an archive that was answered and did not happen. Its link goes on.
    fn unarchived(
        &self,
        record: &RecordState,
        doubt: Option<&Doubt>,
        journal: &mut Vec<JournalEntry>,
    ) -> Option<(LinkId, Option<Failure>)> {
        journal.push(self.line(record.key.clone(), record.link, None, Reason::NotKept));
        let is_last = |doubt: &&Doubt| doubt.archives > order::TRIES_MAX;
        let digest = doubt.filter(is_last).and_then(|doubt| doubt.digests.get("")).cloned();
        let place = (&record.key, None, None);
        let failure = |digest| not_kept_failure(self.member, place, digest, self.now_ms);
        Some((record.link?, digest.map(failure)))
    }

    /// Stores refusals with their links, and reopens links that had ended.
    pub(super) async fn store_not_kept(
        &self,
        not_kept: Vec<(LinkId, Option<Failure>)>,
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        if not_kept.is_empty() {
            return Ok(());
        }
        let ids: Vec<LinkId> = not_kept.iter().map(|(link, _)| *link).collect();
        for view in self.store.links(&ids).await? {
            let mut link = Arc::unwrap_or_clone(view.link);
            if link.status == LinkStatus::Ended {
                link.status = LinkStatus::Active;
            }
            let own = not_kept.iter().filter(|(id, _)| *id == link.id);
            for failure in own.filter_map(|(_, failure)| failure.as_ref()) {
                keep_failure(&mut link.failures, failure.clone());
            }
            changes.links.push(link);
        }
        Ok(())
    }
}

/// A write that was answered again and again and did not happen.
fn not_kept_failure(
    member: &MemberSpec,
    (record, field, column): (&RecordKey, Option<String>, Option<String>),
    digest: String,
    now_ms: i64,
) -> Failure {
    let message = (column, Reason::NotKept.to_string());
    let class = FailureClass::Refused;
    let mut failure = Failure::of_member(member, Some(record), field, class, message, now_ms);
    for problem in &mut failure.problems {
        problem.code = "not-kept".to_owned();
        problem.remedy = Remedy::TargetData;
    }
    Failure { digest, ..failure }
}
