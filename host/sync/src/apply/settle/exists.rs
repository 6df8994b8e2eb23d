//! A duplicate that a system reports: nothing was written, and it names the record that is there
//! (`RULES.md` V20, P9).
//!
//! A system may guess by a name or a number that two records are the same. So a new record is taken
//! for the one that is there only where a match key of the mapping agrees; in all other cases a
//! person is asked.

use crate::engine::WriteResult;
use crate::plan::refused_columns::TAKEN;
use crate::read::ingest::IngestError;
use crate::read::keys::{UNMADE_KEY, match_keys};
use renkei_model::reason::Reason;
use renkei_model::record::{Outcome, Problem, Remedy};
use renkei_model::review;
use renkei_model::state::{
    LinkId, OutboxEntry, RecordKey, RecordState, RecordStatus, ReviewStatus, ReviewSubject,
};
use renkei_model::store::fetch::links_for;

use super::BatchSettler;

impl BatchSettler<'_> {
    /// All records that an id may name which a system says of a duplicate: a rule of it may compare
    /// with another object.
    pub(super) fn named(&self, id: &str) -> Vec<RecordKey> {
        let (own, members) = (self.member, self.entity.members.iter());
        let others = members.filter(|one| one.system == own.system && one.object != own.object);
        let other = |object: &String| RecordKey { object: object.clone(), ..self.source().key(id) };
        let others = others.map(|member| other(&member.object));
        std::iter::once(self.source().key(id)).chain(others).collect()
    }

    /// The one of them that is there; where none is known to be, it is of the object written to.
    fn there(&self, id: &str) -> RecordKey {
        let is_live = |key: &RecordKey| {
            self.records.get(key).is_some_and(|record| record.status == RecordStatus::Live)
        };
        self.named(id).into_iter().find(is_live).unwrap_or_else(|| self.source().key(id))
    }

    /// Learns which records without a link are the same thing as what was to be made.
    pub(super) async fn compare(
        &mut self,
        batch: &[OutboxEntry],
        outcomes: &[Outcome],
    ) -> Result<(), IngestError> {
        for (entry, outcome) in batch.iter().zip(outcomes) {
            let Outcome::Exists(ids) = outcome else { continue };
            let link = self.final_link(entry.link);
            for id in ids {
                let key = self.there(id);
                if self.is_alike(link, &key).await? {
                    self.alike.insert((link, key));
                }
            }
        }
        Ok(())
    }

    /// True if a record without a link shares a match key with a link.
    async fn is_alike(&self, link: LinkId, key: &RecordKey) -> Result<bool, IngestError> {
        let record = self.records.get(key).filter(|record| record.link.is_none());
        let Some(record) = record else { return Ok(false) };
        let views = links_for(self.engine.store, self.entity, &[link]).await?;
        let Some(view) = views.into_iter().next() else { return Ok(false) };
        let all = std::iter::once(record).chain(view.records.iter().map(AsRef::as_ref));
        let all: Vec<&RecordState> = all.collect();
        let (keys, _) = match_keys(&self.engine.transforms, self.entity, &all).await?;
        let mut keys = keys.into_iter().map(|(_, values)| values);
        let mine = keys.next().unwrap_or_default();
        let mut shared = keys.flatten().filter(|key| key.1 != UNMADE_KEY);
        Ok(shared.any(|key| mine.contains(&key)))
    }

    /// The record that decides, of those that a system takes for duplicates: the link's own, else
    /// the only one that is the same thing, else the first. True where it is the same thing.
    fn decisive(&self, link: LinkId, ids: &[String]) -> Option<(RecordKey, bool)> {
        let keys: Vec<RecordKey> = ids.iter().map(|id| self.there(id)).collect();
        let is_own = |key: &&RecordKey| {
            self.records.get(key).is_some_and(|record| {
                record.link == Some(link) && record.status == RecordStatus::Live
            })
        };
        let alike = keys.iter().filter(|key| self.alike.contains(&(link, (*key).clone())));
        let only = match alike.collect::<Vec<_>>().as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let found = keys.iter().find(is_own).or(only).or(keys.first())?;
        Some((found.clone(), only == Some(found)))
    }

    /// The record that is there is linked, if it is free and the same thing; else a person must
    /// look.
    pub(super) fn exists(&mut self, entry: &OutboxEntry, ids: &[String]) -> WriteResult {
        let link = self.final_link(entry.link);
        let Some((key, alike)) = self.decisive(link, ids) else {
            self.drop(entry, Reason::ChangedMeanwhile);
            return WriteResult::Later;
        };
        let record =
            self.records.get_mut(&key).filter(|record| record.status == RecordStatus::Live);
        let is_mine = record.as_ref().is_some_and(|record| record.link == Some(link));
        match record {
            Some(record) if entry.effect.kind().makes_record() && (is_mine || alike) => {
                record.link = Some(link);
                self.touched.insert(key.clone());
                self.created.push(key.clone());
                self.drop(entry, Reason::AlreadyThere(key));
                WriteResult::AlreadyThere
            }
            // Another record of the same thing is a question of its own.
            _ if is_mine => {
                self.refuse(entry, vec![duplicate(&key)]);
                WriteResult::Refused
            }
            _ => {
                self.reject_foreign_record(entry, &key);
                WriteResult::Refused
            }
        }
    }

    /// The record belongs to another link: a person must look, and the write is not repeated.
    pub(super) fn reject_foreign_record(&mut self, entry: &OutboxEntry, key: &RecordKey) {
        self.refuse(entry, vec![duplicate(key)]);
        if let Some(link) = self.links.get(&entry.link) {
            let subject = ReviewSubject::Taken { record: key.clone() };
            self.asked.push(review::of_link(link, subject, ReviewStatus::Open, self.now_ms));
        }
    }
}

fn duplicate(key: &RecordKey) -> Problem {
    Problem {
        code: TAKEN.to_owned(),
        message: format!("the system takes it for a duplicate of {key}"),
        field: None,
        remedy: Remedy::SourceData,
    }
}
