//! Records with a stamp of a forgotten create, or of another installation. The stamp names the
//! record that they were made from, and both belong to one link (RULES.md P2).
//!
//! A database that remembers a record has it in a link. So this concerns records from after the
//! backup that a database was put back from, and records that came back. A copy founds no link by
//! itself while its original may still show. Where the original is gone, a person is asked, because
//! a new original would undo a deletion.

use std::collections::{BTreeMap, BTreeSet};

use super::Linker;
use crate::link::matching::{MatchVerdict, judge};
use crate::link::stamp::{CreateStamp, MemberPlaces, StampMemory, recall};
use renkei_model::state::{LinkId, RecordKey, RecordState, RecordStatus};
use renkei_model::store::port::{Candidate, StoreError};

/// The name under which a stamp stands beside the match keys.
const STAMP: &str = "stamp";

/// A record with a stamp, and the record that it names.
struct Stamped {
    record: RecordKey,
    origin: RecordKey,
    memory: StampMemory,
}

impl Linker<'_> {
    /// Links the records of a chunk to the originals that their stamps name.
    pub(super) async fn follow_stamps(&mut self, chunk: &[RecordState]) -> Result<(), StoreError> {
        let stamped = self.stamped(chunk).await?;
        if stamped.is_empty() {
            return Ok(());
        }
        let origins = self.origins(&stamped).await?;
        for Stamped { record, origin, memory } in stamped {
            if self.known.linked.contains_key(&record) {
                continue;
            }
            let known = origins.get(&origin);
            match known.filter(|known| known.status == RecordStatus::Live) {
                Some(known) => {
                    self.join_origin(&record, known).await?;
                    if memory == StampMemory::Forgotten {
                        // Both were in step once (RULES.md P14).
                        self.recalled.extend(self.known.linked.get(&record));
                    }
                }
                None if memory == StampMemory::Known => {}
                None => {
                    self.waiting.insert(record.clone());
                    // The original may still show.
                    if !self.is_behind(&origin.system) {
                        let mut records = vec![record.clone(), origin];
                        records.sort_unstable();
                        self.ask_about_matches(&record, STAMP, records).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The records of a chunk with a stamp that names another record.
    async fn stamped(&self, chunk: &[RecordState]) -> Result<Vec<Stamped>, StoreError> {
        let stamp = |record: &RecordState| {
            let (_, member) = self.entity.member(&record.key.system, &record.key.object)?;
            let column = member.stamp.as_ref()?;
            let (_, cell) = record.raw.iter().find(|(name, _)| name == column)?;
            Some((record.key.clone(), CreateStamp::parse(cell.as_ref()?.as_text()?)?))
        };
        let (records, stamps): (Vec<RecordKey>, Vec<CreateStamp>) =
            chunk.iter().filter_map(stamp).unzip();
        if stamps.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.engine.store;
        let places = MemberPlaces::fetch(store, self.entity).await?;
        let memories = recall(store, &stamps).await?;
        let stamped = records.into_iter().zip(&stamps).zip(memories);
        Ok(stamped
            .filter_map(|((record, stamp), memory)| {
                let origin = places.origin(stamp).filter(|origin| *origin != record)?;
                Some(Stamped { record, origin, memory })
            })
            .collect())
    }

    /// The stored originals, by the keys that the stamps name, through all merges and conversions.
    /// Fetches their match candidates and the places of their links, too.
    async fn origins(
        &mut self,
        stamped: &[Stamped],
    ) -> Result<BTreeMap<RecordKey, RecordState>, StoreError> {
        let store = self.engine.store;
        let named: BTreeSet<RecordKey> = stamped.iter().map(|one| one.origin.clone()).collect();
        let named: Vec<RecordKey> = named.into_iter().collect();
        let aliases: BTreeMap<RecordKey, RecordKey> =
            store.aliases(&named).await?.into_iter().collect();
        let now = |key: &RecordKey| aliases.get(key).unwrap_or(key).clone();
        let keys: Vec<RecordKey> = named.iter().map(now).collect();
        let records: BTreeMap<RecordKey, RecordState> = store
            .records(&keys)
            .await?
            .into_iter()
            .map(|record| (record.key.clone(), record))
            .collect();
        let links: Vec<LinkId> = records.values().filter_map(|record| record.link).collect();
        for (link, record) in store.members(&links).await? {
            self.known.occupied.insert((link, record.system));
        }
        let values = store.match_keys(&keys).await?.into_iter().collect();
        self.fetch_candidates(&values).await?;
        self.values.extend(values);
        Ok(named
            .into_iter()
            .filter_map(|key| Some((key.clone(), records.get(&now(&key))?.clone())))
            .collect())
    }

    /// Gives the record the link of its original, which gets one first where it has none.
    async fn join_origin(
        &mut self,
        record: &RecordKey,
        origin: &RecordState,
    ) -> Result<(), StoreError> {
        let link = |linker: &Self| linker.known.linked.get(&origin.key).copied().or(origin.link);
        if link(self).is_none() {
            let own = self.values.get(&origin.key).cloned().unwrap_or_default();
            let verdict = judge(&self.entity.match_keys, &origin.key, &own, &self.known);
            self.apply_verdict(&origin.key, verdict).await?;
        }
        if self.known.linked.contains_key(record) {
            return Ok(());
        }
        self.waiting.insert(record.clone());
        let Some(link) = link(self) else { return Ok(()) };
        if !self.known.occupied.contains(&(link, record.system.clone())) {
            let (others, key) = (Vec::new(), STAMP.to_owned());
            return self.apply_verdict(record, MatchVerdict::Join { link, others, key }).await;
        }
        // Another record has the place: a person is asked.
        let members = self.engine.store.members(&[link]).await?;
        let there = members.into_iter().map(|(_, member)| member);
        let there: Vec<RecordKey> = there.filter(|member| member.system == record.system).collect();
        let place = (STAMP.to_owned(), record.to_string());
        let candidate = |member: &RecordKey| Candidate {
            value: place.1.clone(),
            record: member.clone(),
            link: Some(link),
        };
        let candidates = there.iter().map(candidate).collect();
        self.known.candidates.insert(place, candidates);
        let mut records = there;
        records.push(record.clone());
        records.sort_unstable();
        self.ask_about_matches(record, STAMP, records).await
    }
}
