//! Taking in what a connector reports: rows and tombstones become record states.
//!
//! Nothing is dropped by who made the change and nothing is inferred from absence (SYNC.md 3.4,
//! 3.8). A repeated row or tombstone changes nothing. A link is marked dirty only when a field or
//! the status of one of its records moved.

use std::collections::{BTreeMap, BTreeSet};

use crate::canonical::is_changed;
use crate::engine::Engine;
use crate::keys;
use crate::lens::Lenses;
use crate::plugin::{Generation, PluginError};
use crate::read::{Reading, read_rows};
use crate::reason::Reason;
use crate::record::{Page, Removal, Row, Tombstone};
use crate::spec::{EntitySpec, FieldIndex, MemberSpec};
use crate::stamp::{Memory, Stamp, recall};
use crate::state::{
    Awaited, Failure, FailureClass, FieldState, JournalEntry, LinkId, RecordKey, RecordState, Span,
    Status,
};
use crate::store::{Changes, Restored, Store, StoreError};
use crate::unreadable;
use crate::value::Value;
use crate::withhold::strays;

/// Stamps of one system may be cut to whole seconds here and not there.
const STAMP_MS: i64 = 1000;

/// Why a page could not be taken in.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AbsorbError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A transform failed.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// Where records come from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) transforms: &'a Lenses<'a>,
    pub(crate) entity: &'a EntitySpec,
    pub(crate) member: &'a MemberSpec,
    /// The generation of the connector that reads them.
    pub(crate) generation: &'a Generation,
    pub(crate) now_ms: i64,
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        engine: &'a Engine<'a>,
        entity: &'a EntitySpec,
        member: &'a MemberSpec,
        generation: &'a Generation,
    ) -> Self {
        let now_ms = engine.clock.now_ms();
        Self {
            store: engine.store,
            transforms: &engine.transforms,
            entity,
            member,
            generation,
            now_ms,
        }
    }

    pub(crate) fn key(&self, id: &str) -> RecordKey {
        RecordKey {
            system: self.member.system.clone(),
            object: self.member.object.clone(),
            id: id.to_owned(),
        }
    }

    /// What a page changes, without its cursor.
    pub(crate) async fn absorb(&self, page: &Page) -> Result<Changes, AbsorbError> {
        let ids = page.batch.rows.iter().map(|row| &row.id);
        let ids = ids.chain(page.removed.iter().map(|tombstone| &tombstone.id));
        let keys: BTreeSet<RecordKey> = ids.map(|id| self.key(id)).collect();
        let keys: Vec<RecordKey> = keys.into_iter().collect();
        let mut known: BTreeMap<RecordKey, RecordState> = BTreeMap::new();
        for record in self.store.records(&keys).await? {
            known.insert(record.key.clone(), record);
        }
        let mut changes = Changes::default();
        // What is on the page as a row is there, whatever an older tombstone says.
        let there: BTreeSet<&String> = page.batch.rows.iter().map(|row| &row.id).collect();
        for tombstone in page.removed.iter().filter(|gone| !there.contains(&gone.id)) {
            self.bury(tombstone, &mut known, &mut changes);
        }
        let unknown = page
            .removed
            .iter()
            .filter(|gone| !there.contains(&gone.id) && !known.contains_key(&self.key(&gone.id)));
        changes.records.extend(strays(self, &unknown.collect::<Vec<_>>()).await?);
        self.take_rows(page, &known, &mut changes).await?;
        Ok(changes)
    }

    async fn take_rows(
        &self,
        page: &Page,
        known: &BTreeMap<RecordKey, RecordState>,
        changes: &mut Changes,
    ) -> Result<(), AbsorbError> {
        let before: Vec<Option<&RecordState>> =
            page.batch.rows.iter().map(|row| known.get(&self.key(&row.id))).collect();
        let mut readings =
            read_rows(self.transforms, self.entity, self.member, &page.batch, &before).await?;
        let unreadable = unreadable::named(&page.facts);
        let fields = (0..self.entity.fields.len()).map(FieldIndex);
        let unmapped: Vec<FieldIndex> =
            fields.filter(|field| self.member.group_of(*field).is_none()).collect();
        let mut fresh: Vec<RecordState> = Vec::new();
        let stamp_at = self.member.stamp.as_ref();
        let stamp_at = stamp_at.and_then(|name| page.batch.columns.iter().position(|c| c == name));
        let mut stamps: Vec<Stamp> = Vec::new();
        for ((row, reading), before) in page.batch.rows.iter().zip(&mut readings).zip(before) {
            let cells = unreadable.get(row.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            unreadable::add(self.member, reading, cells);
            self.tell(row, reading, before, changes);
            let stamp = stamp_at.and_then(|at| row.cells.get(at)?.as_ref()?.as_text());
            let failures = self.failures((page, row, cells), reading, before);
            let after = self.update(row, reading, before, (stamp, &unmapped));
            let after = RecordState { failures, ..after };
            let Some(before) = before else {
                stamps.extend(stamp.and_then(Stamp::parse));
                fresh.push(after.clone());
                changes.records.push(after);
                continue;
            };
            if *before == after {
                continue;
            }
            let has_moved = moved(before, &after);
            if has_moved {
                changes.dirty.extend(after.link);
            }
            // A key may have failed last time.
            if has_moved || after.link.is_none() {
                fresh.push(after.clone());
            }
            changes.records.push(after);
        }
        if !stamps.is_empty() && recall(self.store, &stamps).await?.contains(&Memory::Forgotten) {
            changes.restored = Some(Restored::Noticed(self.now_ms));
        }
        let is_back = |record: &&RecordState| {
            known.get(&record.key).is_some_and(|before| before.status == Status::Missing)
        };
        let back: Vec<Awaited> =
            fresh.iter().filter(is_back).filter_map(RecordState::awaited).collect();
        if !back.is_empty() {
            changes.dirty.extend(self.store.waiters(&back).await?);
        }
        self.add_match_keys(&fresh, known, changes).await
    }

    /// The keys of records that are new or have moved; a record whose key fails is read again.
    async fn add_match_keys(
        &self,
        fresh: &[RecordState],
        known: &BTreeMap<RecordKey, RecordState>,
        changes: &mut Changes,
    ) -> Result<(), AbsorbError> {
        let fresh: Vec<&RecordState> = fresh.iter().collect();
        let (match_keys, failed) = keys::match_keys(self.transforms, self.entity, &fresh).await?;
        changes.match_keys.extend(match_keys);
        for (key, reason) in failed {
            // Without a version the next sweep reads it again.
            let mine = changes.records.iter_mut().find(|record| record.key == key);
            let Some(record) = mine else { continue };
            record.version = None;
            let link = record.link;
            let stamp_ms = record.modified_ms;
            let told = known.get(&key).is_some_and(|before| {
                before.version.is_none() && stamp_ms.is_some() && before.modified_ms == stamp_ms
            });
            if !told {
                changes.journal.push(self.line(key, link, None, reason));
            }
        }
        Ok(())
    }

    /// The record as this row says. One without a link keeps its stamp, which may say where it
    /// belongs.
    fn update(
        &self,
        row: &Row,
        reading: &mut Reading,
        before: Option<&RecordState>,
        (stamp, unmapped): (Option<&str>, &[FieldIndex]),
    ) -> RecordState {
        let mut record = before.cloned().unwrap_or_else(|| self.blank(&row.id));
        if record.status == Status::Missing {
            record.status = Status::Live;
        } else if !matches!(record.status, Status::Live | Status::Surplus) {
            // It came back: it is matched anew, because its link may have ended.
            record.status = Status::Live;
            record.link = None;
        }
        let last_ms = record.modified_ms;
        record.fields.resize_with(self.entity.fields.len(), FieldState::default);
        let cells = std::mem::take(&mut reading.cells);
        let states = record.fields.iter_mut().zip(&self.entity.fields);
        for ((state, field), mut cell) in states.zip(cells) {
            if state.is_filler(&field.kind, &cell) {
                // What we put there for want of a value is none (`RULES.md` V6).
                cell = Some(Value::Null);
            } else if cell.is_some() {
                state.filler = None;
            }
            if cell.is_some() && state.seen != cell {
                if is_changed(&field.kind, &state.seen, &cell) {
                    let after = state.seen.is_some().then_some(last_ms).flatten();
                    state.edited = Span { after, until: row.modified_ms };
                }
                state.seen = cell;
            }
        }
        // What the member does not map, or no longer, is met anew when it does again.
        for field in unmapped {
            if let Some(state) = record.fields.get_mut(field.0)
                && *state != FieldState::default()
            {
                *state = FieldState::default();
            }
        }
        for (field, _) in &reading.problems {
            if let Some(state) = record.fields.get_mut(field.0) {
                state.seen = None;
            }
        }
        // Without a version the next sweep reads it again.
        record.version = row.version.clone().filter(|_| !reading.again);
        record.modified_ms = row.modified_ms.or(last_ms);
        record.raw = std::mem::take(&mut reading.raw);
        if let (None, Some(column), Some(stamp)) = (record.link, &self.member.stamp, stamp) {
            record.raw.push((column.clone(), Some(stamp.into())));
        }
        record
    }

    /// What this row fails at.
    fn failures(
        &self,
        place: (&Page, &Row, &[(&str, &str)]),
        reading: &Reading,
        before: Option<&RecordState>,
    ) -> Vec<Failure> {
        if reading.problems.is_empty() {
            return Vec::new();
        }
        let blank = Failure {
            system: self.member.system.clone(),
            object: self.member.object.clone(),
            id: Some(place.1.id.clone()),
            field: None,
            class: FailureClass::Unreadable,
            problems: Vec::new(),
            digest: String::new(),
            since_ms: self.now_ms,
            last_ms: self.now_ms,
            times: 1,
        };
        let name = |field: &FieldIndex| self.entity.fields.get(field.0).map(|one| one.name.clone());
        let problems = reading.problems.iter();
        let problems = problems.filter_map(|(field, reason)| Some((name(field)?, reason.clone())));
        let known = before.map(|record| record.failures.as_slice()).unwrap_or_default();
        unreadable::failures(&blank, place, problems, known)
    }

    pub(crate) fn blank(&self, id: &str) -> RecordState {
        RecordState {
            key: self.key(id),
            entity: self.entity.name.clone(),
            link: None,
            version: None,
            modified_ms: None,
            status: Status::Live,
            fields: vec![FieldState::default(); self.entity.fields.len()],
            raw: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn bury(
        &self,
        tombstone: &Tombstone,
        known: &mut BTreeMap<RecordKey, RecordState>,
        changes: &mut Changes,
    ) {
        let key = self.key(&tombstone.id);
        let status = self.status_of(tombstone);
        if let Some(successor) = status.successor()
            && *successor != key
        {
            changes.aliases.push((key.clone(), successor.clone()));
        }
        let Some(record) = known.get_mut(&key) else { return };
        let was_there = matches!(record.status, Status::Live | Status::Surplus | Status::Missing);
        let moves_on = status.successor().is_some() && record.status.is_removed();
        let outdated = match (tombstone.at_ms, record.modified_ms) {
            (Some(at_ms), Some(modified_ms)) => at_ms.saturating_add(STAMP_MS) < modified_ms,
            _ => false,
        };
        if record.status == status || outdated || !(was_there || moves_on) {
            return;
        }
        if record.status == Status::Surplus {
            record.link = None;
        }
        record.status = status;
        changes.dirty.extend(record.link);
        changes.records.push(record.clone());
    }

    pub(crate) fn status_of(&self, tombstone: &Tombstone) -> Status {
        match &tombstone.removal {
            Removal::Deleted => Status::Deleted,
            Removal::Archived => Status::Archived,
            Removal::MergedInto(id) => Status::MergedInto(self.key(id)),
            Removal::ConvertedTo(became) => {
                let system = &self.member.system;
                let ours = became
                    .iter()
                    .find(|(object, _)| self.entity.member(system, object).is_some())
                    .or(became.first());
                ours.map_or(Status::Deleted, |(object, id)| {
                    let (system, object) = (system.clone(), object.clone());
                    Status::ConvertedTo(RecordKey { system, object, id: id.clone() })
                })
            }
        }
    }

    /// Values that cannot be used are told once, when the record is new or has changed.
    fn tell(
        &self,
        row: &Row,
        reading: &Reading,
        before: Option<&RecordState>,
        changes: &mut Changes,
    ) {
        let told = before.is_some_and(|before| {
            let same = before.version.is_some() && before.version == row.version;
            same || (before.version.is_none()
                && row.modified_ms.is_some()
                && before.modified_ms == row.modified_ms)
        });
        if told {
            return;
        }
        let link = before.and_then(|record| record.link);
        let lines = reading.problems.iter().map(|(field, reason)| {
            let field = self.entity.fields.get(field.0).map(|field| field.name.clone());
            self.line(self.key(&row.id), link, field, reason.clone())
        });
        changes.journal.extend(lines);
    }

    fn line(
        &self,
        record: RecordKey,
        link: Option<LinkId>,
        field: Option<String>,
        reason: Reason,
    ) -> JournalEntry {
        JournalEntry {
            at_ms: self.now_ms,
            entity: self.entity.name.clone(),
            link,
            record: Some(record),
            field,
            intent: None,
            generation: Some(self.generation.in_full()),
            reason,
        }
    }
}

/// Whether anything moved that a plan looks at.
pub(crate) fn moved(before: &RecordState, after: &RecordState) -> bool {
    before.status != after.status
        || before.fields.len() != after.fields.len()
        || before.fields.iter().zip(&after.fields).any(|(old, new)| old.seen != new.seen)
}
