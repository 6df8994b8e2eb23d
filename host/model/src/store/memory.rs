//! The store in memory, for tests and histories: the plainest implementation of the port.
//!
//! Everything stands in maps ordered by key, so that queries answer in the promised order. Indexes
//! (records by link and by match key, reviews by link) are kept in step by the `put_` functions of
//! [`State`] alone. Links and records are shared with those who asked for them, not copied.
//! [`MemoryStore::stop_after`] imitates a crash: later commits fail and change nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::spec::FieldIndex;
use crate::state::{
    Awaited, Cursor, Doubt, Failing, GuardCounts, JournalEntry, Link, LinkId, LinkView, LinkWork,
    OutboxEntry, RecordKey, RecordState, RecordStatus, Review, ReviewStatus, Stream, Sweep,
};
use crate::store::port::{
    Candidate, Changes, JournalQuery, OutboxQuery, ReviewFilter, ReviewQuery, Store, StoreCounts,
    StoreError,
};
use crate::value::Value;

use doubts::Doubts;
use outbox::Outbox;

mod aliases;
mod commit;
mod derived;
mod doubts;
mod failures;
mod guards;
mod indexes;
mod outbox;

/// A store in memory, with shared content and limited commits for tests.
#[derive(Debug)]
pub struct MemoryStore {
    identity: String,
    epoch: String,
    /// Openings of this store and its copies so far: gives each an epoch of its own.
    openings: Arc<AtomicU64>,
    state: Mutex<State>,
}

/// Key name, value, record: the match keys in the order in which they are asked for.
type KeyIndex = BTreeMap<(String, String), BTreeSet<RecordKey>>;

#[derive(Debug, Clone, Default)]
struct State {
    cursors: BTreeMap<Stream, Cursor>,
    sweeps: BTreeMap<Stream, Sweep>,
    swept: BTreeMap<RecordKey, u64>,
    links: BTreeMap<LinkId, Arc<Link>>,
    records: BTreeMap<RecordKey, Arc<RecordState>>,
    /// In the order of keys.
    by_link: BTreeMap<LinkId, Vec<Arc<RecordState>>>,
    work: BTreeMap<RecordKey, LinkWork>,
    match_keys: BTreeMap<RecordKey, Vec<(String, String)>>,
    by_match_key: KeyIndex,
    doubts: Doubts,
    aliases: BTreeMap<RecordKey, RecordKey>,
    dirty: BTreeSet<LinkId>,
    waits: BTreeMap<LinkId, Vec<Awaited>>,
    outbox: Outbox,
    guards: BTreeMap<(String, i64), GuardCounts>,
    begun: BTreeMap<String, u64>,
    reviews: BTreeMap<String, Review>,
    reviews_by_link: BTreeMap<LinkId, BTreeSet<String>>,
    journal: Vec<JournalEntry>,
    commits: u64,
    stop_after: Option<u64>,
    epochs: BTreeSet<String>,
    restored_ms: Option<i64>,
    accounts: BTreeMap<String, String>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(identity: &str) -> Self {
        Self::open(identity, Arc::default(), State::default())
    }

    /// A store of its own with the same content; its commits are not limited.
    pub fn copy(&self) -> Self {
        let state = State { stop_after: None, ..self.state().clone() };
        Self::open(&self.identity, Arc::clone(&self.openings), state)
    }

    fn open(identity: &str, openings: Arc<AtomicU64>, state: State) -> Self {
        let epoch = format!("{:012x}", openings.fetch_add(1, Ordering::Relaxed));
        Self { identity: identity.to_owned(), epoch, openings, state: Mutex::new(state) }
    }

    /// Lets `commits` more commits through, then fails all others.
    pub fn stop_after(&self, commits: u64) {
        let mut state = self.state();
        state.stop_after = Some(state.commits.saturating_add(commits));
    }

    /// The number of commits so far.
    pub fn commits(&self) -> u64 {
        self.state().commits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave a commit half done, so the content is good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn records_of(&self, link: LinkId) -> &[Arc<RecordState>] {
        self.by_link.get(&link).map(Vec::as_slice).unwrap_or_default()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn identity(&self) -> &str {
        &self.identity
    }

    fn epoch(&self) -> &str {
        &self.epoch
    }

    async fn epochs(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.state().epochs.iter().cloned().collect())
    }

    async fn restored_ms(&self) -> Result<Option<i64>, StoreError> {
        Ok(self.state().restored_ms)
    }

    async fn account(&self, system: &str) -> Result<Option<String>, StoreError> {
        Ok(self.state().accounts.get(system).cloned())
    }

    async fn systems_of(&self, account: &str) -> Result<Vec<String>, StoreError> {
        let state = self.state();
        let names = state.accounts.iter().filter(|(_, known)| *known == account);
        Ok(names.map(|(system, _)| system.clone()).collect())
    }

    async fn cursor(&self, stream: &Stream) -> Result<Option<Cursor>, StoreError> {
        Ok(self.state().cursors.get(stream).cloned())
    }

    async fn sweep(&self, stream: &Stream) -> Result<Option<Sweep>, StoreError> {
        Ok(self.state().sweeps.get(stream).cloned())
    }

    async fn count_live(&self, entity: &str, stream: &Stream) -> Result<u64, StoreError> {
        let state = self.state();
        let live = state.records.values().filter(|record| {
            record.status == RecordStatus::Live
                && record.entity == entity
                && record.key.system == stream.system
                && record.key.object == stream.object
        });
        Ok(live.count() as u64)
    }

    async fn unswept(
        &self,
        stream: &Stream,
        round: u64,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let state = self.state();
        let there = state.records.values().filter(|record| {
            record.key.system == stream.system
                && record.key.object == stream.object
                && matches!(record.status, RecordStatus::Live | RecordStatus::Surplus)
        });
        let keys = there.map(|record| &record.key).filter(|key| {
            state.swept.get(key) != Some(&round) && after.is_none_or(|after| *key.id > *after)
        });
        Ok(keys.take(limit).cloned().collect())
    }

    async fn stream_records(
        &self,
        stream: &Stream,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let state = self.state();
        let keys = state.records.keys().filter(|key| {
            key.system == stream.system
                && key.object == stream.object
                && after.is_none_or(|after| *key.id > *after)
        });
        Ok(keys.take(limit).cloned().collect())
    }

    async fn records(&self, keys: &[RecordKey]) -> Result<Vec<RecordState>, StoreError> {
        let state = self.state();
        Ok(keys.iter().filter_map(|key| state.records.get(key)).map(copy).collect())
    }

    async fn doubts(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Doubt)>, StoreError> {
        Ok(self.state().doubts.find(keys))
    }

    async fn due_doubts(
        &self,
        stream: &Stream,
        now_ms: i64,
        limit: usize,
    ) -> Result<Vec<(RecordKey, Doubt)>, StoreError> {
        Ok(self.state().doubts.due(stream, now_ms, limit))
    }

    async fn link_work(
        &self,
        entity: &str,
        work: LinkWork,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordState>, StoreError> {
        let state = self.state();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let there = state.work.range((start, Bound::Unbounded));
        let keys = there.filter(|(_, known)| **known == work);
        let records = keys.filter_map(|(key, _)| state.records.get(key));
        Ok(records.filter(|record| record.entity == entity).take(limit).map(copy).collect())
    }

    async fn candidates(
        &self,
        entity: &str,
        key: &str,
        values: &[String],
    ) -> Result<Vec<Candidate>, StoreError> {
        let state = self.state();
        let mut found = Vec::new();
        for value in values {
            let keys = state.by_match_key.get(&(key.to_owned(), value.clone()));
            let records = keys.into_iter().flatten().filter_map(|key| state.records.get(key));
            let here = |status: &RecordStatus| {
                matches!(status, RecordStatus::Live | RecordStatus::Missing)
            };
            let there = records.filter(|r| r.entity == entity && here(&r.status));
            found.extend(there.map(|record| Candidate {
                value: value.clone(),
                record: record.key.clone(),
                link: record.link,
            }));
        }
        Ok(found)
    }

    async fn match_keys(
        &self,
        records: &[RecordKey],
    ) -> Result<Vec<(RecordKey, Vec<(String, String)>)>, StoreError> {
        let state = self.state();
        let keys = |key: &RecordKey| Some((key.clone(), state.match_keys.get(key)?.clone()));
        Ok(records.iter().filter_map(keys).collect())
    }

    async fn aliases(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, RecordKey)>, StoreError> {
        let state = self.state();
        let alias = |key: &RecordKey| Some((key.clone(), state.final_alias(key)?));
        Ok(keys.iter().filter_map(alias).collect())
    }

    async fn resolve(&self, keys: &[RecordKey]) -> Result<Vec<(RecordKey, LinkId)>, StoreError> {
        let state = self.state();
        Ok(keys.iter().filter_map(|key| Some((key.clone(), state.link_of(key)?))).collect())
    }

    async fn members(&self, links: &[LinkId]) -> Result<Vec<(LinkId, RecordKey)>, StoreError> {
        let state = self.state();
        let mut found = Vec::new();
        for &link in links {
            let records = state.records_of(state.final_link(link));
            let live = records.iter().filter(|record| record.status == RecordStatus::Live);
            found.extend(live.map(|record| (link, record.key.clone())));
        }
        Ok(found)
    }

    async fn last_link(&self) -> Result<LinkId, StoreError> {
        Ok(self.state().links.keys().next_back().copied().unwrap_or_default())
    }

    async fn links(&self, ids: &[LinkId]) -> Result<Vec<LinkView>, StoreError> {
        let state = self.state();
        let ids: BTreeSet<LinkId> = ids.iter().copied().collect();
        Ok(ids.into_iter().filter_map(|id| state.view(id)).collect())
    }

    async fn dirty(
        &self,
        entity: &str,
        after: LinkId,
        limit: usize,
    ) -> Result<Vec<LinkId>, StoreError> {
        let state = self.state();
        let later = state.dirty.range((Bound::Excluded(after), Bound::Unbounded)).copied();
        let ids = later.filter(|id| {
            state.links.get(id).is_some_and(|link| link.entity == entity)
                && !state.outbox.is_busy(*id)
        });
        Ok(ids.take(limit).collect())
    }

    async fn pending_deletions(
        &self,
        entity: &str,
        after: LinkId,
        limit: usize,
    ) -> Result<Vec<LinkId>, StoreError> {
        let state = self.state();
        let later = state.dirty.range((Bound::Excluded(after), Bound::Unbounded)).copied();
        Ok(later.filter(|id| state.is_pending_deletion(*id, entity)).take(limit).collect())
    }

    async fn active_links(&self, entity: &str) -> Result<u64, StoreError> {
        Ok(self.state().active_links(entity))
    }

    async fn referring(
        &self,
        entity: &str,
        stream: &Stream,
        field: FieldIndex,
        ids: &[String],
    ) -> Result<Vec<RecordKey>, StoreError> {
        let state = self.state();
        let refers = |record: &&Arc<RecordState>| {
            let seen = record.fields.find(field).and_then(|state| state.seen.as_ref());
            record.entity == entity
                && record.key.system == stream.system
                && record.key.object == stream.object
                && matches!(record.status, RecordStatus::Live | RecordStatus::Surplus)
                && matches!(seen, Some(Value::References(known))
                    if known.iter().any(|id| ids.iter().any(|one| one == id)))
        };
        Ok(state.records.values().filter(refers).map(|record| record.key.clone()).collect())
    }

    async fn guard_counts(&self, entity: &str, first_hour: i64) -> Result<GuardCounts, StoreError> {
        Ok(self.state().guard_counts(entity, first_hour))
    }

    async fn begun(&self, entity: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.state().begun.get(entity).copied())
    }

    async fn links_waiting_for(&self, awaited: &[Awaited]) -> Result<Vec<LinkId>, StoreError> {
        let state = self.state();
        let waits = state.waits.iter();
        let found = waits.filter(|(_, waits)| waits.iter().any(|wait| awaited.contains(wait)));
        Ok(found.map(|(link, _)| *link).collect())
    }

    async fn awaited_by(&self, link: LinkId) -> Result<Vec<Awaited>, StoreError> {
        Ok(self.state().waits.get(&link).cloned().unwrap_or_default())
    }

    async fn outbox(&self, query: &OutboxQuery) -> Result<Vec<OutboxEntry>, StoreError> {
        let state = self.state();
        let entries = state.outbox.iter().filter(|entry| {
            entry.state == query.state
                && query.entity.as_ref().is_none_or(|entity| &entry.entity == entity)
                && query.system.as_ref().is_none_or(|system| &entry.system == system)
                && query
                    .kind
                    .as_ref()
                    .is_none_or(|kind| kind.0 == entry.object && kind.1 == entry.effect.kind())
                && entry.not_before_ms <= query.due_ms
        });
        Ok(entries.take(query.limit).cloned().collect())
    }

    async fn review(&self, id: &str) -> Result<Option<Review>, StoreError> {
        Ok(self.state().reviews.get(id).cloned())
    }

    async fn reviews(&self, query: &ReviewQuery) -> Result<Vec<Review>, StoreError> {
        let state = self.state();
        let reviews = state.reviews.values().filter(|review| {
            let has_status = match query.filter {
                ReviewFilter::All => true,
                ReviewFilter::Stopping => {
                    matches!(review.status, ReviewStatus::Open | ReviewStatus::Chosen)
                }
                ReviewFilter::Decided => review.status == ReviewStatus::Decided,
            };
            has_status && (query.link.is_none() || review.link == query.link)
        });
        let mut reviews: Vec<Review> = reviews.cloned().collect();
        reviews.sort_by_key(|review| review.at_ms);
        if query.limit > 0 {
            reviews.truncate(query.limit);
        }
        Ok(reviews)
    }

    async fn journal(&self, query: &JournalQuery) -> Result<Vec<JournalEntry>, StoreError> {
        let state = self.state();
        let entries = state.journal.iter().rev().filter(|entry| {
            (query.link.is_some() && entry.link == query.link)
                || (query.record.is_some() && entry.record == query.record)
        });
        Ok(entries.take(query.limit).cloned().collect())
    }

    async fn failures(&self, since_ms: i64, limit: usize) -> Result<Vec<Failing>, StoreError> {
        Ok(self.state().failures(since_ms, limit))
    }

    async fn failing_links(&self, before_ms: i64, limit: usize) -> Result<Vec<LinkId>, StoreError> {
        Ok(self.state().failing_links(before_ms, limit))
    }

    async fn counts(&self) -> Result<StoreCounts, StoreError> {
        Ok(self.state().counts())
    }

    async fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.stop_after.is_some_and(|stop| state.commits >= stop) {
            return Err(StoreError::Failed("stopped".to_owned()));
        }
        state.commits += 1;
        state.apply(changes);
        Ok(())
    }
}

fn copy(record: &Arc<RecordState>) -> RecordState {
    RecordState::clone(record)
}
