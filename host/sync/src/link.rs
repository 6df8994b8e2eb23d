//! Linking: every live record belongs to one link, or a person is asked.
//!
//! Links have followed records that were merged or converted before this ([`crate::moves`], called
//! by [`crate::cycle`]). Records without a link are matched by keys in order. A record that matches
//! nothing founds a link. A stamp goes before all keys (`stamped`).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::{Engine, Event, Tally, journal_of};
use crate::keys::HELD;
use crate::matching::{Known, Verdict, judge};
use crate::plan_link::Note;
use crate::reason::Reason;
use crate::review;
use crate::spec::EntitySpec;
use crate::state::{
    Choice, Link, LinkId, LinkStatus, LinkWork, Matter, RecordKey, RecordState, Review, Status,
    Truth,
};
use crate::store::{Changes, ReviewQuery, Reviews, StoreError};
use crate::withhold::Unanswered;

mod aside;
mod returned;
mod stamped;

pub(crate) use returned::take_back;

/// Links all records of an entity that need it. `current` are the systems that were read up to now.
pub(crate) async fn link_records(
    engine: &Engine<'_>,
    tally: &Tally<'_>,
    entity: &EntitySpec,
    current: &BTreeSet<&str>,
) -> Result<(), StoreError> {
    let mut reviews = BTreeMap::new();
    let query = ReviewQuery { stand: Reviews::Stopping, ..ReviewQuery::default() };
    for review in engine.store.reviews(&query).await? {
        if review.entity == entity.name && matches!(review.matter, Matter::Ambiguous { .. }) {
            reviews.insert(review.id.clone(), review);
        }
    }
    let unanswered = Unanswered::new(engine, tally, entity).await?;
    let mut asked = BTreeSet::new();
    let mut groups = BTreeMap::new();
    let mut after: Option<RecordKey> = None;
    loop {
        let limit = engine.options.chunk_links;
        let work = LinkWork::Unlinked;
        let chunk = engine.store.link_work(&entity.name, work, after.as_ref(), limit).await?;
        let Some(last) = chunk.last() else { break };
        after = Some(last.key.clone());
        let mut linker = Linker::new(engine, entity, &reviews, &unanswered, current).await?;
        linker.groups = std::mem::take(&mut groups);
        linker.link(&chunk).await?;
        groups = std::mem::take(&mut linker.groups);
        tally.event(&Event::Linked {
            entity: &entity.name,
            matched: linker.matched,
            founded: linker.founded,
            ambiguous: &linker.asked,
        });
        asked.append(&mut linker.asked);
        let changes = linker.finish().await?;
        if !changes.is_empty() {
            engine.store.commit(changes).await?;
        }
    }
    close_stale(engine, reviews.into_values().filter(|review| !asked.contains(&review.id))).await
}

/// Questions that the world has answered meanwhile.
async fn close_stale(
    engine: &Engine<'_>,
    reviews: impl Iterator<Item = Review>,
) -> Result<(), StoreError> {
    let now_ms = engine.clock.now_ms();
    let reviews: Vec<Review> = reviews.map(|review| review::closed(&review, now_ms)).collect();
    if reviews.is_empty() {
        return Ok(());
    }
    engine.store.commit(Changes { reviews, ..Changes::default() }).await
}

/// Fetches everything that shares a key with records, by the values of their keys.
async fn fetch_candidates(
    engine: &Engine<'_>,
    entity: &EntitySpec,
    values: &BTreeMap<RecordKey, Vec<(String, String)>>,
    known: &mut Known,
) -> Result<(), StoreError> {
    let store = engine.store;
    let mut by_name: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let made = values.values().flatten().filter(|(_, value)| value != HELD);
    for (name, value) in made {
        by_name.entry(name).or_default().insert(value.clone());
    }
    let mut links = BTreeSet::new();
    for (name, values) in by_name {
        let is_news =
            |value: &String| !known.candidates.contains_key(&(name.to_owned(), value.clone()));
        let values: Vec<String> = values.into_iter().filter(is_news).collect();
        for candidate in store.candidates(&entity.name, name, &values).await? {
            links.extend(candidate.link);
            let place = (name.to_owned(), candidate.value.clone());
            known.candidates.entry(place).or_default().push(candidate);
        }
    }
    let links: Vec<LinkId> = links.into_iter().collect();
    for (link, record) in store.members(&links).await? {
        known.occupied.insert((link, record.system));
    }
    Ok(())
}

/// A link that nothing is known of yet.
fn new_link(entity: &EntitySpec, id: LinkId) -> Link {
    Link {
        id,
        entity: entity.name.clone(),
        status: LinkStatus::Active,
        version: 0,
        truth: vec![Truth::default(); entity.fields.len()],
        failures: Vec::new(),
        restored: false,
    }
}

/// The removed records of a link that goes on without them.
fn replaced(records: Vec<Arc<RecordState>>) -> impl Iterator<Item = RecordState> {
    let gone = records.into_iter().filter(|record| record.status.is_removed());
    gone.map(|record| RecordState { status: Status::Replaced, ..Arc::unwrap_or_clone(record) })
}

/// A match key's name and all records that it fits.
type Group = (String, Vec<RecordKey>);

/// Links one chunk of records.
struct Linker<'a> {
    engine: &'a Engine<'a>,
    entity: &'a EntitySpec,
    reviews: &'a BTreeMap<String, Review>,
    /// Creates that nobody answered, and the records that may be what they made.
    unanswered: &'a Unanswered<'a>,
    /// The systems that were read up to now.
    current: &'a BTreeSet<&'a str>,
    now_ms: i64,
    next: LinkId,
    known: Known,
    /// Match keys of originals that stamps name, by name and value.
    values: BTreeMap<RecordKey, Vec<(String, String)>>,
    /// Links that existed before.
    joined: BTreeSet<LinkId>,
    /// Records that a person has put with another one: that one keeps its place.
    chosen: BTreeSet<RecordKey>,
    /// Links of records that were made before the database was put back.
    recalled: BTreeSet<LinkId>,
    /// Records of this chunk whose stamp says where they belong, and which cannot go there yet.
    waiting: BTreeSet<RecordKey>,
    asked: BTreeSet<String>,
    /// The groups of records that a question of this pass is about, and whether it is a new one.
    groups: BTreeMap<Group, bool>,
    changes: Changes,
    matched: u64,
    founded: u64,
}

impl<'a> Linker<'a> {
    async fn new(
        engine: &'a Engine<'a>,
        entity: &'a EntitySpec,
        reviews: &'a BTreeMap<String, Review>,
        unanswered: &'a Unanswered<'a>,
        current: &'a BTreeSet<&'a str>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            engine,
            entity,
            reviews,
            unanswered,
            current,
            now_ms: engine.clock.now_ms(),
            next: engine.store.last_link().await?,
            known: Known::default(),
            values: BTreeMap::new(),
            joined: BTreeSet::new(),
            chosen: BTreeSet::new(),
            recalled: BTreeSet::new(),
            waiting: BTreeSet::new(),
            asked: BTreeSet::new(),
            groups: BTreeMap::new(),
            changes: Changes::default(),
            matched: 0,
            founded: 0,
        })
    }

    async fn link(&mut self, chunk: &[RecordState]) -> Result<(), StoreError> {
        let keys: Vec<RecordKey> = chunk.iter().map(|record| record.key.clone()).collect();
        let values: BTreeMap<RecordKey, Vec<(String, String)>> =
            self.engine.store.match_keys(&keys).await?.into_iter().collect();
        self.learn(&values).await?;
        self.follow_stamps(chunk).await?;
        for record in &keys {
            if self.known.linked.contains_key(record) || self.waiting.contains(record) {
                continue;
            }
            let own = values.get(record).map(Vec::as_slice).unwrap_or_default();
            let verdict = judge(&self.entity.match_keys, record, own, &self.known);
            self.follow(record, verdict).await?;
        }
        Ok(())
    }

    /// Everything that shares a key with the chunk.
    async fn learn(
        &mut self,
        values: &BTreeMap<RecordKey, Vec<(String, String)>>,
    ) -> Result<(), StoreError> {
        fetch_candidates(self.engine, self.entity, values, &mut self.known).await
    }

    async fn follow(&mut self, record: &RecordKey, verdict: Verdict) -> Result<(), StoreError> {
        match verdict {
            Verdict::Join { link, .. } if self.unanswered.blocks(record, link) => {}
            Verdict::Join { link, others, key } => {
                self.joined.insert(link);
                self.put(record, link, Reason::MatchedBy(key.clone()));
                for other in others {
                    self.put(&other, link, Reason::MatchedBy(key.clone()));
                }
                self.matched += 1;
            }
            // What was not read yet may be the same thing (RULES.md P13).
            Verdict::Found { others, .. }
                if others.iter().chain([record]).any(|one| self.is_behind(&one.system)) => {}
            Verdict::Found { others, .. }
                if others.iter().chain([record]).any(|one| self.unanswered.withholds(one)) => {}
            Verdict::Found { others, key } => {
                let link = self.found();
                let by_key = key.map(Reason::MatchedBy);
                self.put(record, link, by_key.clone().unwrap_or(Reason::Founded));
                for other in &others {
                    self.put(other, link, by_key.clone().unwrap_or(Reason::Founded));
                }
                self.matched += u64::from(!others.is_empty());
                self.founded += 1;
            }
            // The reading that failed has told why.
            Verdict::Held => {}
            Verdict::Ambiguous { key, records } => self.ask(record, &key, records).await?,
        }
        Ok(())
    }

    fn is_behind(&self, system: &str) -> bool {
        !self.current.contains(system)
    }

    fn found(&mut self) -> LinkId {
        self.next = LinkId(self.next.0 + 1);
        self.changes.links.push(new_link(self.entity, self.next));
        self.next
    }

    fn put(&mut self, record: &RecordKey, link: LinkId, reason: Reason) {
        self.known.linked.insert(record.clone(), link);
        self.known.occupied.insert((link, record.system.clone()));
        self.changes.dirty.push(link);
        let note = Note { record: Some(record.clone()), field: None, reason };
        self.changes.journal.extend(journal_of(&self.entity.name, link, self.now_ms, [note]));
    }

    /// Asks a person, or does what the person has chosen. A group is asked about once, for the
    /// first of its records that has no link: the answer may settle the others.
    async fn ask(
        &mut self,
        record: &RecordKey,
        key: &str,
        records: Vec<RecordKey>,
    ) -> Result<(), StoreError> {
        let group = (key.to_owned(), records.clone());
        let matter = Matter::Ambiguous { key: key.to_owned(), records };
        let review = review::of_record(&self.entity.name, record, matter, self.now_ms);
        let known = self.reviews.get(&review.id);
        match known.and_then(|known| known.choice.as_ref()) {
            Some(Choice::LinkWith(other)) if self.is_there(other) => {
                let link = self.link_of(other);
                self.chosen.insert(record.clone());
                self.put(record, link, Reason::LinkedByChoice);
                self.matched += 1;
            }
            Some(Choice::Separate) => {
                let link = self.found();
                self.put(record, link, Reason::LinkedByChoice);
                self.founded += 1;
            }
            _ => {
                let is_news = match self.groups.entry(group) {
                    Entry::Occupied(asked) => *asked.get(),
                    Entry::Vacant(first) => {
                        let is_news = known.is_none();
                        self.asked.insert(review.id.clone());
                        self.changes.reviews.extend(is_news.then_some(review));
                        *first.insert(is_news)
                    }
                };
                if is_news {
                    self.changes.journal.push(crate::state::JournalEntry {
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
            }
        }
        Ok(())
    }

    fn is_there(&self, record: &RecordKey) -> bool {
        self.known.candidates.values().flatten().any(|candidate| candidate.record == *record)
    }

    /// The link of a candidate; one without gets a new one.
    fn link_of(&mut self, record: &RecordKey) -> LinkId {
        let mut candidates = self.known.candidates.values().flatten();
        let known = candidates.find(|candidate| candidate.record == *record);
        match known.and_then(|candidate| self.known.link_of(candidate)) {
            Some(link) => {
                self.joined.insert(link);
                link
            }
            None => {
                let link = self.found();
                self.put(record, link, Reason::LinkedByChoice);
                link
            }
        }
    }
}
