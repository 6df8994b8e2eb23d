//! Linking: every live record gets one link, or a person is asked.
//!
//! Merged and converted records have handed on their links before this
//! ([`crate::link::successors`], called by [`crate::cycle`]). Records without a link are matched by
//! keys in order. A record that matches nothing founds a link. A stamp goes before all keys
//! (`stamped`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cycle_state::ContestedPlaces;
use crate::engine::{CycleCounters, CycleEvent, Engine};
use crate::journal::{JournalNote, journal_of};
use crate::link::matching::{MatchContext, MatchVerdict, judge};
use crate::link::pending_creates::UnansweredCreates;
use crate::read::keys::UNMADE_KEY;
use renkei_model::index::PerField;
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::spec::EntitySpec;
use renkei_model::state::{
    Link, LinkId, LinkStatus, LinkWork, RecordKey, RecordState, RecordStatus, Review,
    ReviewSubject, Truth,
};
use renkei_model::store::fetch::work_for;
use renkei_model::store::port::{Changes, ReviewFilter, ReviewQuery, StoreError};

mod answered;
mod changes;
mod returned;
mod stamped;

pub(crate) use returned::place_returned_records;

/// Links all unlinked records of an entity. `current` are the systems that were read up to now.
/// Returns the places that stay empty for now, because a question about their records is open.
pub(crate) async fn link_records(
    engine: &Engine<'_>,
    counters: &CycleCounters<'_>,
    entity: &EntitySpec,
    current: &BTreeSet<&str>,
) -> Result<ContestedPlaces, StoreError> {
    let mut reviews = BTreeMap::new();
    let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
    for review in engine.store.reviews(&query).await? {
        if review.entity == entity.name && matches!(review.subject, ReviewSubject::Ambiguous { .. })
        {
            reviews.insert(review.id.clone(), review);
        }
    }
    let unanswered = UnansweredCreates::new(engine, counters, entity).await?;
    let mut pass = LinkingPass::default();
    let mut after: Option<RecordKey> = None;
    loop {
        let limit = engine.options.chunk_links;
        let work = LinkWork::Unlinked;
        let chunk = work_for(engine.store, entity, work, after.as_ref(), limit).await?;
        let Some(last) = chunk.last() else { break };
        after = Some(last.key.clone());
        let mut linker = Linker::new(engine, entity, &reviews, &unanswered, current).await?;
        linker.known.bound = std::mem::take(&mut pass.bound);
        linker.pass = pass;
        linker.link(&chunk).await?;
        pass = std::mem::take(&mut linker.pass);
        pass.bound = std::mem::take(&mut linker.known.bound);
        counters.event(&CycleEvent::Linked {
            entity: &entity.name,
            matched: linker.matched,
            founded: linker.founded,
            ambiguous: &linker.asked,
        });
        pass.open_questions.append(&mut linker.asked);
        let changes = linker.finish().await?;
        if !changes.is_empty() {
            engine.store.commit(changes).await?;
        }
    }
    let over = reviews.into_values().filter(|review| !pass.open_questions.contains(&review.id));
    close_stale(engine, over).await?;
    Ok(pass.contested)
}

/// Closes questions that have lost their cause.
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

/// Fetches the records that share a match key with records, by the values of their keys, and the
/// systems in which their links have live records.
async fn fetch_candidates(
    engine: &Engine<'_>,
    entity: &EntitySpec,
    values: &BTreeMap<RecordKey, Vec<(String, String)>>,
    known: &mut MatchContext,
) -> Result<(), StoreError> {
    let store = engine.store;
    let mut by_name: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let made = values.values().flatten().filter(|(_, value)| value != UNMADE_KEY);
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

/// A link without records and values.
fn new_link(entity: &EntitySpec, id: LinkId) -> Link {
    Link {
        id,
        entity: entity.name.clone(),
        status: LinkStatus::Active,
        version: 0,
        truth: PerField::filled(entity, Truth::default()),
        failures: Vec::new(),
        restored: false,
    }
}

/// The removed records of a link that goes on without them.
fn replaced(records: Vec<Arc<RecordState>>) -> impl Iterator<Item = RecordState> {
    let gone = records.into_iter().filter(|record| record.status.is_removed());
    gone.map(|record| RecordState {
        status: RecordStatus::Replaced,
        ..Arc::unwrap_or_clone(record)
    })
}

/// A match key's name and all records that it fits.
type Group = (String, Vec<RecordKey>);

/// The findings of one pass over all records without a link, across its chunks.
#[derive(Debug, Default)]
struct LinkingPass {
    /// The groups of records that a question is about; true for a new question.
    groups: BTreeMap<Group, bool>,
    /// Questions that are open, or whose answer waits.
    open_questions: BTreeSet<String>,
    /// The same as [`MatchContext::bound`].
    bound: BTreeSet<RecordKey>,
    contested: ContestedPlaces,
}

/// Links one chunk of records.
struct Linker<'a> {
    engine: &'a Engine<'a>,
    entity: &'a EntitySpec,
    reviews: &'a BTreeMap<String, Review>,
    /// Creates that nobody answered, and the records that may be what they made.
    unanswered: &'a UnansweredCreates<'a>,
    /// The systems that were read up to now.
    current: &'a BTreeSet<&'a str>,
    now_ms: i64,
    next: LinkId,
    known: MatchContext,
    /// Match keys of originals that stamps name, by name and value.
    values: BTreeMap<RecordKey, Vec<(String, String)>>,
    /// Links from before this chunk that its records join.
    joined: BTreeSet<LinkId>,
    /// Records that a person has put with another one, which keeps its place, in the order in which
    /// they got their link.
    chosen: Vec<RecordKey>,
    /// Links of records that were made before the database was put back.
    recalled: BTreeSet<LinkId>,
    /// Records of this chunk whose stamp names a link that they cannot join yet.
    waiting: BTreeSet<RecordKey>,
    asked: BTreeSet<String>,
    pass: LinkingPass,
    changes: Changes,
    matched: u64,
    founded: u64,
}

impl<'a> Linker<'a> {
    async fn new(
        engine: &'a Engine<'a>,
        entity: &'a EntitySpec,
        reviews: &'a BTreeMap<String, Review>,
        unanswered: &'a UnansweredCreates<'a>,
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
            known: MatchContext::default(),
            values: BTreeMap::new(),
            joined: BTreeSet::new(),
            chosen: Vec::new(),
            recalled: BTreeSet::new(),
            waiting: BTreeSet::new(),
            asked: BTreeSet::new(),
            pass: LinkingPass::default(),
            changes: Changes::default(),
            matched: 0,
            founded: 0,
        })
    }

    async fn link(&mut self, chunk: &[RecordState]) -> Result<(), StoreError> {
        let keys: Vec<RecordKey> = chunk.iter().map(|record| record.key.clone()).collect();
        let values: BTreeMap<RecordKey, Vec<(String, String)>> =
            self.engine.store.match_keys(&keys).await?.into_iter().collect();
        self.fetch_candidates(&values).await?;
        self.follow_stamps(chunk).await?;
        for record in &keys {
            if self.known.linked.contains_key(record) || self.waiting.contains(record) {
                continue;
            }
            let own = values.get(record).map(Vec::as_slice).unwrap_or_default();
            let verdict = judge(&self.entity.match_keys, record, own, &self.known);
            self.apply_verdict(record, verdict).await?;
        }
        Ok(())
    }

    /// Fetches the records that share a key with the chunk.
    async fn fetch_candidates(
        &mut self,
        values: &BTreeMap<RecordKey, Vec<(String, String)>>,
    ) -> Result<(), StoreError> {
        fetch_candidates(self.engine, self.entity, values, &mut self.known).await
    }

    async fn apply_verdict(
        &mut self,
        record: &RecordKey,
        verdict: MatchVerdict,
    ) -> Result<(), StoreError> {
        match verdict {
            MatchVerdict::Join { link, .. } if self.unanswered.blocks(record, link) => {}
            MatchVerdict::Join { link, others, key } => {
                self.joined.insert(link);
                self.join_link(record, link, Reason::MatchedBy(key.clone()));
                for other in others {
                    self.join_link(&other, link, Reason::MatchedBy(key.clone()));
                }
                self.matched += 1;
            }
            MatchVerdict::Found { others, .. } if !self.may_found(record, &others) => {}
            MatchVerdict::Found { others, key } => {
                let link = self.found();
                let by_key = key.map(Reason::MatchedBy);
                self.join_link(record, link, by_key.clone().unwrap_or(Reason::Founded));
                for other in &others {
                    self.join_link(other, link, by_key.clone().unwrap_or(Reason::Founded));
                }
                self.matched += u64::from(!others.is_empty());
                self.founded += 1;
            }
            // The reading that failed has journalled the reason.
            MatchVerdict::Held => {}
            MatchVerdict::Ambiguous { key, records } => {
                self.ask_about_matches(record, &key, records).await?
            }
        }
        Ok(())
    }

    /// True if these records may found a link now. A record that was not read yet may be the same
    /// thing (RULES.md P13), and so may a record of a create without an answer.
    fn may_found(&self, record: &RecordKey, others: &[RecordKey]) -> bool {
        let waits = |one: &RecordKey| self.is_behind(&one.system) || self.unanswered.withholds(one);
        !others.iter().chain([record]).any(waits)
    }

    fn is_behind(&self, system: &str) -> bool {
        !self.current.contains(system)
    }

    fn found(&mut self) -> LinkId {
        self.next = LinkId(self.next.0 + 1);
        self.changes.links.push(new_link(self.entity, self.next));
        self.next
    }

    fn join_link(&mut self, record: &RecordKey, link: LinkId, reason: Reason) {
        self.known.linked.insert(record.clone(), link);
        self.known.occupied.insert((link, record.system.clone()));
        self.changes.dirty.push(link);
        let note = JournalNote { record: Some(record.clone()), field: None, reason };
        self.changes.journal.extend(journal_of(&self.entity.name, link, self.now_ms, [note]));
    }
}
