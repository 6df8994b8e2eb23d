//! Records that a match key cannot tell apart: the question to a person, and the effect of the
//! answer.
//!
//! An answer is carried out whole, or the question goes on with the records that are left
//! (`RULES.md` V15). A record that a person puts with another one follows it: the two are one thing
//! for the match keys. Other records with the key are matched with the two, or asked about.

use super::Linker;
use crate::link::matching::{MatchVerdict, judge};
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::state::{JournalEntry, LinkId, RecordKey, Review, ReviewChoice, ReviewSubject};
use renkei_model::store::port::StoreError;

impl Linker<'_> {
    /// Asks a person, or carries out the answer. A group has one question, for the first of its
    /// records without a link; the answer may decide about the others.
    pub(super) async fn ask_about_matches(
        &mut self,
        record: &RecordKey,
        key: &str,
        records: Vec<RecordKey>,
    ) -> Result<(), StoreError> {
        let subject = ReviewSubject::Ambiguous { key: key.to_owned(), records: records.clone() };
        let review = review::of_record(&self.entity.name, record, subject, self.now_ms);
        let known = self.reviews.get(&review.id);
        match known.and_then(|known| known.choice.as_ref()) {
            Some(ReviewChoice::LinkWith(other)) if self.is_there(other) => {
                let other = other.clone();
                self.put_with(record, &other, review.id).await
            }
            Some(ReviewChoice::Separate) => {
                let link = self.found();
                self.join_link(record, link, Reason::LinkedByChoice);
                self.founded += 1;
                Ok(())
            }
            _ => self.stand_still(record, (key, records), review).await,
        }
    }

    /// Gives a record the link of another one, as a person has chosen. It waits where that one has
    /// no link yet.
    async fn put_with(
        &mut self,
        record: &RecordKey,
        other: &RecordKey,
        answered: String,
    ) -> Result<(), StoreError> {
        self.known.bound.insert(record.clone());
        if self.link_of(other).is_none() && !self.waiting.contains(other) {
            self.bring(other).await?;
        }
        let Some(link) = self.link_of(other) else {
            self.pass.open_questions.insert(answered);
            return Ok(());
        };
        self.joined.insert(link);
        self.chosen.push(record.clone());
        self.join_link(record, link, Reason::LinkedByChoice);
        self.matched += 1;
        Ok(())
    }

    /// Links a record that others wait for by its match keys.
    async fn bring(&mut self, record: &RecordKey) -> Result<(), StoreError> {
        let own: Vec<(String, String)> = self
            .engine
            .store
            .match_keys(std::slice::from_ref(record))
            .await?
            .pop()
            .map_or_else(Vec::new, |(_, own)| own);
        self.fetch_candidates(&[(record.clone(), own.clone())].into()).await?;
        match judge(&self.entity.match_keys, record, &own, &self.known) {
            MatchVerdict::Found { others, .. } if others.is_empty() => {
                if self.may_found(record, &others) {
                    let link = self.found();
                    self.join_link(record, link, Reason::LinkedByChoice);
                    self.founded += 1;
                }
                Ok(())
            }
            verdict => Box::pin(self.apply_verdict(record, verdict)).await,
        }
    }

    /// Opens a question or keeps it open. Its records wait, and no record is made in a place that
    /// one of them may have.
    async fn stand_still(
        &mut self,
        record: &RecordKey,
        (key, records): (&str, Vec<RecordKey>),
        review: Review,
    ) -> Result<(), StoreError> {
        let known = self.reviews.contains_key(&review.id);
        let group = (key.to_owned(), records);
        let is_news = match self.pass.groups.get(&group) {
            Some(is_news) => *is_news,
            None => {
                self.note_contested_places(key, &group.1).await?;
                self.asked.insert(review.id.clone());
                self.changes.reviews.extend((!known).then_some(review));
                self.pass.groups.insert(group, !known);
                !known
            }
        };
        if is_news {
            self.changes.journal.push(JournalEntry {
                at_ms: self.now_ms,
                entity: self.entity.name.clone(),
                link: None,
                record: Some(record.clone()),
                field: None,
                intent: None,
                generation: None,
                reason: Reason::AmbiguousBy(key.to_owned()),
            });
        }
        Ok(())
    }

    /// Notes the places of a group's links that a record of the group may have. A link that a
    /// person has set apart from this very group keeps its places free.
    async fn note_contested_places(
        &mut self,
        key: &str,
        records: &[RecordKey],
    ) -> Result<(), StoreError> {
        let (linked, free): (Vec<&RecordKey>, Vec<&RecordKey>) =
            records.iter().partition(|one| self.link_of(one).is_some());
        for one in linked {
            let subject =
                ReviewSubject::Ambiguous { key: key.to_owned(), records: records.to_vec() };
            let question = review::of_record(&self.entity.name, one, subject, self.now_ms);
            let answered = self.engine.store.review(&question.id).await?;
            let is_apart = answered.is_some_and(|one| one.choice == Some(ReviewChoice::Separate));
            let Some(link) = self.link_of(one).filter(|_| !is_apart) else { continue };
            let places = free.iter().map(|&other| ((link, other.system.clone()), other.clone()));
            self.pass.contested.extend(places);
        }
        Ok(())
    }

    fn is_there(&self, record: &RecordKey) -> bool {
        self.known.candidates.values().flatten().any(|candidate| candidate.record == *record)
    }

    /// The link that a candidate has now.
    fn link_of(&self, record: &RecordKey) -> Option<LinkId> {
        let mut candidates = self.known.candidates.values().flatten();
        let known = candidates.find(|candidate| candidate.record == *record);
        known.and_then(|candidate| self.known.link_of(candidate))
    }
}
