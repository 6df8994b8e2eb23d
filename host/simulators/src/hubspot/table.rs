//! The records of one object type, their unique values, and the search index that lags behind.
//!
//! A record's values sit in an `Arc<Row>`. The search index holds the `Arc` of the version it has
//! seen, so a search answers old values until the index has caught up, as HubSpot's does. Archived
//! and merged-away records leave the index at once. Reads by id and lists are current, unless a
//! knob lets them lag as well: then a table keeps what each record was before.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use crate::control::Origin;
use crate::rules::share;

/// One version of a record: what a read shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HubSpotRow {
    pub id: u64,
    pub created_ms: i64,
    pub modified_ms: i64,
    /// Values that are not null; never empty strings.
    pub values: BTreeMap<Arc<str>, Box<str>>,
}

impl HubSpotRow {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| &**value)
    }
}

/// A record with what is not part of a version.
#[derive(Clone, Debug)]
pub(super) struct HubSpotRecord {
    pub row: Arc<HubSpotRow>,
    pub archived_ms: Option<i64>,
    pub origin: Origin,
    /// Changes since its creation, oldest first.
    pub history: Vec<ValueChange>,
}

/// One value that a property got.
#[derive(Clone, Debug)]
pub(super) struct ValueChange {
    pub name: Arc<str>,
    pub value: Box<str>,
    pub at_ms: i64,
    pub by: Origin,
}

/// All records of one object type.
#[derive(Debug, Default)]
pub(super) struct RecordTable {
    records: BTreeMap<u64, HubSpotRecord>,
    /// Property, value, id of the live record that has it.
    unique: HashMap<Arc<str>, HashMap<Box<str>, u64>>,
    /// Merged-away id and the id that took its place.
    merged: HashMap<u64, u64>,
    index: SearchIndex,
    pub lag: ReadLag,
    /// Earlier versions of a record, each with the time until which a lagging read shows it.
    earlier: BTreeMap<u64, VecDeque<(i64, Option<HubSpotRecord>)>>,
}

/// Lag of reads behind writes of one object type, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReadLag {
    pub search_ms: i64,
    pub read_ms: i64,
    /// Up to so much more, a fixed share for each record.
    pub spread_ms: i64,
}

impl RecordTable {
    /// The record an id stands for, through merges; archived ones too.
    pub(super) fn resolve(&self, id: u64) -> Option<&HubSpotRecord> {
        let mut id = id;
        while let Some(survivor) = self.merged.get(&id) {
            id = *survivor;
        }
        self.records.get(&id)
    }

    /// The live record an id stands for.
    pub(super) fn live(&self, id: u64) -> Option<&HubSpotRecord> {
        self.resolve(id).filter(|record| record.archived_ms.is_none())
    }

    /// Record that a read by id shows at `now_ms`, archived ones included.
    pub(super) fn shown(&self, id: u64, now_ms: i64) -> Option<&HubSpotRecord> {
        let earlier = self.earlier.get(&id).into_iter().flatten();
        match earlier.into_iter().find(|(until_ms, _)| *until_ms > now_ms) {
            Some((_, before)) => before.as_ref(),
            None => self.resolve(id),
        }
    }

    /// The live record that has a unique value.
    pub(super) fn holder(&self, property: &str, value: &str) -> Option<u64> {
        self.unique.get(property)?.get(value).copied()
    }

    /// Records with an id above `after`, in order.
    pub(super) fn after(&self, after: u64) -> impl Iterator<Item = &HubSpotRecord> {
        self.records.range(after.saturating_add(1)..).map(|(_, record)| record)
    }

    /// Adds a record, or replaces the one with its id; `unique` names its unique properties.
    pub(super) fn insert_record(
        &mut self,
        record: HubSpotRecord,
        unique: &[Arc<str>],
        written_ms: i64,
    ) {
        self.remember(record.row.id, written_ms);
        self.release(record.row.id, unique);
        self.hold(&record.row, unique);
        self.index.schedule(written_ms, Arc::clone(&record.row), unique);
        self.records.insert(record.row.id, record);
    }

    /// Lets a write never have been: the record is again what it was before.
    pub(super) fn take_back(&mut self, before: HubSpotRecord, unique: &[Arc<str>]) {
        let id = before.row.id;
        self.release(id, unique);
        self.hold(&before.row, unique);
        self.index.forget_last(id);
        if let Some(earlier) = self.earlier.get_mut(&id) {
            earlier.pop_back();
        }
        self.records.insert(id, before);
    }

    /// Lets the search index see a record as it is, whatever the lag.
    pub(super) fn refresh(&mut self, id: u64) {
        let row = self.live(id).map(|record| Arc::clone(&record.row));
        if let Some(row) = row {
            self.index.forget_last(row.id);
            self.index.insert(row);
        }
    }

    /// Enters the values of a property that has become unique.
    pub(super) fn enter_unique(&mut self, property: &Arc<str>) {
        let live = self.records.values().filter(|record| record.archived_ms.is_none());
        for record in live {
            if let Some(value) = record.row.value(property) {
                let holders = self.unique.entry(Arc::clone(property)).or_default();
                holders.entry(value.into()).or_insert(record.row.id);
            }
        }
    }

    fn hold(&mut self, row: &HubSpotRow, unique: &[Arc<str>]) {
        for property in unique {
            if let Some(value) = row.value(property) {
                let holders = self.unique.entry(Arc::clone(property)).or_default();
                holders.insert(value.into(), row.id);
            }
        }
    }

    /// Keeps what a record is for reads that lag behind the write that follows.
    fn remember(&mut self, id: u64, written_ms: i64) {
        if self.lag.read_ms <= 0 || written_ms == i64::MIN {
            return;
        }
        let until_ms = written_ms + self.lag.read_ms + share(id, self.lag.spread_ms);
        let before = self.records.get(&id).cloned();
        self.earlier.entry(id).or_default().push_back((until_ms, before));
    }

    /// Archives a live record.
    pub(super) fn archive(&mut self, id: u64, unique: &[Arc<str>], now_ms: i64) {
        self.remember(id, now_ms);
        self.release(id, unique);
        self.index.remove(id);
        if let Some(record) = self.records.get_mut(&id) {
            record.archived_ms = Some(now_ms);
        }
    }

    /// Removes a record for good.
    pub(super) fn erase(
        &mut self,
        id: u64,
        unique: &[Arc<str>],
        now_ms: i64,
    ) -> Option<HubSpotRecord> {
        self.remember(id, now_ms);
        self.release(id, unique);
        self.index.remove(id);
        self.records.remove(&id)
    }

    /// Lets `loser` stand for `survivor` from now on.
    pub(super) fn alias(&mut self, loser: u64, survivor: u64) {
        self.merged.insert(loser, survivor);
    }

    /// Lets a value of a merged-away record lead to the survivor.
    pub(super) fn claim(&mut self, property: &Arc<str>, value: &str, id: u64) {
        self.unique.entry(Arc::clone(property)).or_default().entry(value.into()).or_insert(id);
    }

    /// Forgets all values of a deleted property.
    pub(super) fn drop_property(&mut self, name: &str) {
        self.unique.remove(name);
        for record in self.records.values_mut() {
            if record.row.value(name).is_some() {
                Arc::make_mut(&mut record.row).values.remove(name);
            }
        }
    }

    /// The search index as of the last [`RecordTable::catch_up`].
    pub(super) fn index(&self) -> &SearchIndex {
        &self.index
    }

    /// Brings the search index up to what it shows at `now_ms`.
    pub(super) fn catch_up(&mut self, now_ms: i64) {
        for row in self.index.due(now_ms, self.lag) {
            if self.records.get(&row.id).is_some_and(|record| record.archived_ms.is_none()) {
                self.index.insert(row);
            }
        }
        if !self.earlier.is_empty() {
            self.earlier.retain(|_, versions| {
                versions.retain(|(until_ms, _)| *until_ms > now_ms);
                !versions.is_empty()
            });
        }
    }

    fn release(&mut self, id: u64, unique: &[Arc<str>]) {
        let Some(record) = self.records.get(&id) else { return };
        for property in unique {
            if let (Some(holders), Some(value)) =
                (self.unique.get_mut(property), record.row.value(property))
                && holders.get(value) == Some(&id)
            {
                holders.remove(value);
            }
        }
    }
}

/// The search index of one object type.
#[derive(Debug, Default)]
pub(super) struct SearchIndex {
    rows: BTreeMap<u64, Arc<HubSpotRow>>,
    by_modified: BTreeSet<(i64, u64)>,
    /// Unique property, lower-cased value, id.
    by_key: HashMap<Arc<str>, HashMap<Box<str>, u64>>,
    /// Written versions that the index has not seen, oldest first.
    pending: VecDeque<(i64, Arc<HubSpotRow>)>,
}

impl SearchIndex {
    /// Every row in order of id, from `least_id` on.
    pub(super) fn by_id(&self, least_id: u64) -> impl Iterator<Item = &Arc<HubSpotRow>> {
        self.rows.range(least_id..).map(|(_, row)| row)
    }

    /// Rows modified from `from_ms` to `to_ms`, both included.
    pub(super) fn modified(
        &self,
        from_ms: i64,
        to_ms: i64,
    ) -> impl Iterator<Item = &Arc<HubSpotRow>> {
        let range = (from_ms, 0)..=(to_ms.max(from_ms), u64::MAX);
        self.by_modified.range(range).filter_map(|(_, id)| self.rows.get(id))
    }

    /// Rows that have one of these lower-cased values of a unique property, in order of id;
    /// `None` when the property is not unique.
    pub(super) fn keyed(&self, property: &str, values: &[String]) -> Option<Vec<&Arc<HubSpotRow>>> {
        let holders = self.by_key.get(property)?;
        let ids: BTreeSet<u64> =
            values.iter().filter_map(|value| holders.get(value.as_str())).copied().collect();
        Some(ids.iter().filter_map(|id| self.rows.get(id)).collect())
    }

    fn schedule(&mut self, written_ms: i64, row: Arc<HubSpotRow>, unique: &[Arc<str>]) {
        for property in unique {
            if !self.by_key.contains_key(property) {
                self.by_key.insert(Arc::clone(property), HashMap::new());
            }
        }
        self.pending.push_back((written_ms, row));
    }

    /// Takes the versions whose time has come, in the order in which they were written.
    fn due(&mut self, now_ms: i64, lag: ReadLag) -> Vec<Arc<HubSpotRow>> {
        let until_ms = now_ms - lag.search_ms;
        let mut due = Vec::new();
        if lag.spread_ms <= 0 {
            while self.pending.front().is_some_and(|(at_ms, _)| *at_ms <= until_ms) {
                due.extend(self.pending.pop_front().map(|(_, row)| row));
            }
            return due;
        }
        let late = |at_ms: i64, row: &HubSpotRow| {
            at_ms != i64::MIN && at_ms + share(row.id, lag.spread_ms) > until_ms
        };
        let pending = std::mem::take(&mut self.pending);
        for (at_ms, row) in pending {
            if late(at_ms, &row) {
                self.pending.push_back((at_ms, row));
            } else {
                due.push(row);
            }
        }
        due
    }

    /// Forgets the last version of a record that waits to be seen.
    fn forget_last(&mut self, id: u64) {
        if let Some(place) = self.pending.iter().rposition(|(_, row)| row.id == id) {
            self.pending.remove(place);
        }
    }

    fn insert(&mut self, row: Arc<HubSpotRow>) {
        self.remove(row.id);
        for (property, holders) in &mut self.by_key {
            if let Some(value) = row.value(property) {
                holders.insert(value.to_lowercase().into(), row.id);
            }
        }
        self.by_modified.insert((row.modified_ms, row.id));
        self.rows.insert(row.id, row);
    }

    fn remove(&mut self, id: u64) {
        if let Some(old) = self.rows.remove(&id) {
            self.by_modified.remove(&(old.modified_ms, id));
            for (property, holders) in &mut self.by_key {
                if let Some(value) = old.value(property).map(str::to_lowercase)
                    && holders.get(value.as_str()) == Some(&id)
                {
                    holders.remove(value.as_str());
                }
            }
        }
    }
}
