//! Ingestion: the rows and tombstones of a connector become record states.
//!
//! No row is dropped for the person or plugin that made its change, and absence proves nothing. A
//! repeated row or tombstone changes nothing. A link is marked dirty only when a field or the
//! status of one of its records changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Engine;
use crate::link::stamp::{CreateStamp, StampMemory, recall};
use crate::read::fields::{RowReading, RowsKind, read_rows};
use crate::read::keys;
use crate::read::missing::mark_missing;
use crate::read::order::{self, ReadingContext, RowVerdict, remaining_doubt};
use crate::read::transforms::TransformCalls;
use crate::read::unreadable;
use renkei_model::index::FieldIndex;
use renkei_model::plugin::{Generation, PluginError};
use renkei_model::ports::Connector;
use renkei_model::reason::Reason;
use renkei_model::record::{Page, Removal, Row, Tombstone};
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{
    Awaited, Doubt, JournalEntry, LinkId, RecordKey, RecordState, RecordStatus,
};
use renkei_model::store::fetch::records_for;
use renkei_model::store::port::{Changes, Restored, Store, StoreError};

mod gone_unread;
mod not_kept;
mod record;
pub(crate) mod unread;

/// The coarsest resolution of a system's modification times, ms: some are cut to whole seconds.
const MODIFIED_STEP_MS: i64 = 1000;

/// A failure to take in a page.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum IngestError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A transform failed.
    #[error(transparent)]
    Plugin(#[from] PluginError),
}

/// The stream that records come from, with everything that reading them needs.
#[derive(Clone, Copy)]
pub(crate) struct IngestSource<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) transforms: &'a TransformCalls<'a>,
    pub(crate) entity: &'a EntitySpec,
    pub(crate) member: &'a MemberSpec,
    /// The generation of the connector that reads them.
    pub(crate) generation: &'a Generation,
    pub(crate) now_ms: i64,
}

impl<'a> IngestSource<'a> {
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

    /// Reads records again by their ids and commits their changes.
    pub(crate) async fn read_again(
        &self,
        connector: &dyn Connector,
        ids: &[String],
    ) -> Result<(), IngestError> {
        if ids.is_empty() {
            return Ok(());
        }
        let columns = self.member.read_columns();
        let page = connector.read_records(&self.member.object, &columns, ids).await?;
        let changes = self.absorb(&page).await?;
        if !changes.is_empty() {
            self.store.commit(changes).await?;
        }
        Ok(())
    }

    /// The changes of a page of records that were read by their ids.
    pub(crate) async fn absorb(&self, page: &Page) -> Result<Changes, IngestError> {
        Ok(self.absorb_page(page, true).await?.0)
    }

    /// The changes of a scan's page, without its cursor, and the ids of records to be read by their
    /// ids at once.
    pub(crate) async fn absorb_scan(
        &self,
        page: &Page,
    ) -> Result<(Changes, Vec<String>), IngestError> {
        self.absorb_page(page, false).await
    }

    async fn absorb_page(
        &self,
        page: &Page,
        by_id: bool,
    ) -> Result<(Changes, Vec<String>), IngestError> {
        let ids = page.batch.rows.iter().map(|row| &row.id);
        let ids = ids.chain(page.removed.iter().map(|tombstone| &tombstone.id));
        let keys: BTreeSet<RecordKey> = ids.map(|id| self.key(id)).collect();
        let keys: Vec<RecordKey> = keys.into_iter().collect();
        let mut known: BTreeMap<RecordKey, RecordState> = BTreeMap::new();
        for record in records_for(self.store, self.entity, &keys).await? {
            // What was known of it under another entity says nothing here (`RULES.md` V13).
            if record.entity == self.entity.name {
                known.insert(record.key.clone(), record);
            }
        }
        let doubts: BTreeMap<RecordKey, Doubt> =
            self.store.doubts(&keys).await?.into_iter().collect();
        let mut changes = Changes::default();
        // A record with a row on the page is there, whatever an older tombstone says.
        let there: BTreeSet<&String> = page.batch.rows.iter().map(|row| &row.id).collect();
        let context = ReadingContext {
            now_ms: self.now_ms,
            lag_ms: order::lag_of(page),
            by_id,
            read_back: false,
        };
        let mut outdated: Vec<RecordKey> = Vec::new();
        let (hidden, mut removed): (Vec<&Tombstone>, Vec<&Tombstone>) = page
            .removed
            .iter()
            .filter(|gone| !there.contains(&gone.id))
            .partition(|gone| gone.removal == Removal::Hidden);
        for tombstone in &removed {
            let doubt = doubts.get(&self.key(&tombstone.id));
            if self.apply_tombstone((tombstone, doubt, context), &mut known, &mut changes) {
                outdated.push(self.key(&tombstone.id));
            }
        }
        let buried = changes.records.iter().map(|record| record.key.clone());
        changes.doubts =
            buried.filter(|key| doubts.contains_key(key)).map(|key| (key, None)).collect();
        changes.doubts.extend(outdated.into_iter().map(|key| {
            let stale = || Doubt::of_stale(context.now_ms, context.lag_ms);
            let doubt = doubts.get(&key).cloned().unwrap_or_else(stale);
            (key, Some(Doubt { stale: true, ..doubt }))
        }));
        removed.retain(|gone| !known.contains_key(&self.key(&gone.id)));
        changes.records.extend(self.find_gone_unread(&removed).await?);
        let hidden = hidden.iter().filter_map(|gone| known.get(&self.key(&gone.id)).cloned());
        let now = (self.now_ms, self.generation);
        let missing = mark_missing(self.store, now, hidden.collect()).await?;
        changes.records.extend(missing.records);
        changes.reviews.extend(missing.reviews);
        changes.dirty.extend(missing.dirty);
        changes.journal.extend(missing.journal);
        let again = self.take_rows((page, context), &known, &doubts, &mut changes).await?;
        Ok((changes, again))
    }

    /// Takes in the rows of a page; returns the ids of rows that may be older than our own write.
    async fn take_rows(
        &self,
        (page, context): (&Page, ReadingContext),
        known: &BTreeMap<RecordKey, RecordState>,
        doubts: &BTreeMap<RecordKey, Doubt>,
        changes: &mut Changes,
    ) -> Result<Vec<String>, IngestError> {
        let before: Vec<Option<&RecordState>> =
            page.batch.rows.iter().map(|row| known.get(&self.key(&row.id))).collect();
        let rows = (&page.batch, RowsKind::Answered);
        let (transforms, entity, member) = (self.transforms, self.entity, self.member);
        let mut readings = read_rows(transforms, entity, member, rows, &before).await?;
        let unreadable = unreadable::named(&page.facts);
        let fields = self.entity.indexed_fields().map(|(field, _)| field);
        let unmapped: Vec<FieldIndex> =
            fields.filter(|field| self.member.group_of(*field).is_none()).collect();
        let stamp_at = self.member.stamp.as_ref();
        let stamp_at = stamp_at.and_then(|name| page.batch.columns.iter().position(|c| c == name));
        let (mut fresh, mut stamps) = (Vec::<RecordState>::new(), Vec::<CreateStamp>::new());
        let (mut again, mut refused) = (Vec::new(), Vec::new());
        for ((row, reading), before) in page.batch.rows.iter().zip(&mut readings).zip(before) {
            let cells = unreadable.get(row.id.as_str()).map(Vec::as_slice).unwrap_or_default();
            unreadable::add(self.member, reading, cells);
            unread::note(reading, before, row);
            let doubt = before.and_then(|before| doubts.get(&before.key));
            let row_verdict = before.map_or(RowVerdict::Plain, |before| {
                order::compare_row(self.entity, before, doubt, (row, &reading.cells), context)
            });
            let remaining = self.doubt_after((row, reading, before), doubt, &row_verdict, context);
            let is_other = remaining.as_ref() != doubt;
            changes.doubts.extend(is_other.then(|| (self.key(&row.id), remaining)));
            again.extend(row_verdict.asks().then(|| row.id.clone()));
            if matches!(row_verdict, RowVerdict::Nothing { .. }) {
                continue;
            }
            self.add_unusable_values(row, reading, before, changes);
            let stamp = stamp_at.and_then(|at| row.cells.get(at)?.as_ref()?.as_text());
            let failures = self.failures((page, row, cells), reading, before);
            let after = self.update(row, reading, (before, &row_verdict), (stamp, &unmapped));
            let mut after = RecordState { failures, ..after };
            let journal = &mut changes.journal;
            refused.extend(self.note_not_kept(&mut after, &row_verdict, doubt, journal));
            let Some(before) = before else {
                stamps.extend(stamp.and_then(CreateStamp::parse));
                fresh.push(after.clone());
                changes.records.push(after);
                continue;
            };
            if *before == after {
                continue;
            }
            let is_changed = has_changed(before, &after);
            // A refused write there waits, or is tried again (RULES.md V13).
            if is_changed || before.failures != after.failures {
                changes.dirty.extend(after.link);
            }
            // The last reading may have failed to make a key.
            if is_changed || after.link.is_none() {
                fresh.push(after.clone());
            }
            changes.records.push(after);
        }
        self.store_not_kept(refused, changes).await?;
        self.notice_restore(&stamps, changes).await?;
        self.add_effects(&fresh, known, changes).await?;
        Ok(again)
    }

    /// Marks the database as put back where it has forgotten a create of its own.
    async fn notice_restore(
        &self,
        stamps: &[CreateStamp],
        changes: &mut Changes,
    ) -> Result<(), StoreError> {
        if !stamps.is_empty() && recall(self.store, stamps).await?.contains(&StampMemory::Forgotten)
        {
            changes.restored = Some(Restored::Noticed(self.now_ms));
        }
        Ok(())
    }

    /// The doubt about a record that remains once a row of it was judged.
    fn doubt_after(
        &self,
        (row, reading, before): (&Row, &RowReading, Option<&RecordState>),
        doubt: Option<&Doubt>,
        row_verdict: &RowVerdict,
        context: ReadingContext,
    ) -> Option<Doubt> {
        let remaining =
            before.and_then(|_| remaining_doubt(doubt, row_verdict, self.entity, row, context));
        if matches!(row_verdict, RowVerdict::Nothing { .. }) {
            return remaining;
        }
        unread::with_unread((remaining, doubt), reading, before, row, self.now_ms)
    }

    /// Adds the effects of new and changed records: links that wait for a record that is back, and
    /// match keys.
    async fn add_effects(
        &self,
        fresh: &[RecordState],
        known: &BTreeMap<RecordKey, RecordState>,
        changes: &mut Changes,
    ) -> Result<(), IngestError> {
        let is_back = |record: &&RecordState| {
            let before = known.get(&record.key).map(|before| &before.status);
            before.is_some_and(|status| *status == RecordStatus::Missing || status.is_gone())
        };
        let back: Vec<Awaited> =
            fresh.iter().filter(is_back).filter_map(RecordState::awaited).collect();
        if !back.is_empty() {
            changes.dirty.extend(self.store.links_waiting_for(&back).await?);
        }
        let fresh: Vec<&RecordState> = fresh.iter().collect();
        let (match_keys, failed) = keys::match_keys(self.transforms, self.entity, &fresh).await?;
        changes.match_keys.extend(match_keys);
        self.tell_keyless(failed, known, changes);
        Ok(())
    }

    /// Journals records whose match key cannot be made, once per modification time.
    fn tell_keyless(
        &self,
        failed: Vec<(RecordKey, Reason)>,
        known: &BTreeMap<RecordKey, RecordState>,
        changes: &mut Changes,
    ) {
        for (key, reason) in failed {
            // Without a version the next sweep reads it again.
            let mine = changes.records.iter_mut().find(|record| record.key == key);
            let Some(record) = mine else { continue };
            record.version = None;
            let link = record.link;
            let modified_ms = record.modified_ms;
            let told = known.get(&key).is_some_and(|before| {
                before.version.is_none()
                    && modified_ms.is_some()
                    && before.modified_ms == modified_ms
            });
            if !told {
                changes.journal.push(self.line(key, link, None, reason));
            }
        }
    }

    /// Takes in a removal. True if it is older than the stored state, which a clock that stepped
    /// back may cause. Then the record is read by its id once readings are current.
    fn apply_tombstone(
        &self,
        (tombstone, doubt, context): (&Tombstone, Option<&Doubt>, ReadingContext),
        known: &mut BTreeMap<RecordKey, RecordState>,
        changes: &mut Changes,
    ) -> bool {
        let key = self.key(&tombstone.id);
        let status = self.status_of(tombstone);
        if let Some(successor) = status.successor()
            && *successor != key
        {
            changes.aliases.push((key.clone(), successor.clone()));
        }
        let Some(record) = known.get_mut(&key) else { return false };
        let was_there = record.status.is_there();
        let moves_on = status.successor().is_some() && record.status.is_gone();
        let outdated = match (tombstone.at_ms, record.modified_ms) {
            (Some(at_ms), Some(modified_ms)) => {
                at_ms.saturating_add(MODIFIED_STEP_MS) < modified_ms
            }
            _ => false,
        };
        if record.status == status || !(was_there || moves_on) {
            return false;
        }
        if outdated && !context.is_final(doubt) {
            return true;
        }
        if record.link.is_none() {
            record.failures.clear();
        }
        // A row from before the removal is older than the stored state.
        record.modified_ms = record.modified_ms.max(tombstone.at_ms);
        changes.dirty.extend(record.link);
        let is_ours = |heir: &RecordKey| self.entity.member(&heir.system, &heir.object).is_some();
        record.status = match (&record.status, status.successor()) {
            // The link goes on with the active record.
            (RecordStatus::Surplus | RecordStatus::Replaced, None) => RecordStatus::Replaced,
            // Its successor becomes surplus in its stead.
            (RecordStatus::Surplus, Some(heir)) if is_ours(heir) => {
                RecordStatus::SurplusInto(heir.clone())
            }
            (RecordStatus::Surplus | RecordStatus::Replaced, Some(_)) => {
                record.link = None;
                status
            }
            _ => status,
        };
        changes.records.push(record.clone());
        false
    }

    pub(crate) fn status_of(&self, tombstone: &Tombstone) -> RecordStatus {
        match &tombstone.removal {
            Removal::Deleted => RecordStatus::Deleted,
            Removal::Archived => RecordStatus::Archived,
            Removal::Hidden => RecordStatus::Missing,
            Removal::MergedInto(id) => RecordStatus::MergedInto(self.key(id)),
            Removal::ConvertedTo(became) => {
                let system = &self.member.system;
                let ours = became
                    .iter()
                    .find(|(object, _)| self.entity.member(system, object).is_some())
                    .or(became.first());
                ours.map_or(RecordStatus::Deleted, |(object, id)| {
                    let (system, object) = (system.clone(), object.clone());
                    RecordStatus::ConvertedTo(RecordKey { system, object, id: id.clone() })
                })
            }
        }
    }

    /// Journals unusable values once, when the record is new or has changed.
    fn add_unusable_values(
        &self,
        row: &Row,
        reading: &RowReading,
        before: Option<&RecordState>,
        changes: &mut Changes,
    ) {
        if before.is_some_and(|before| unread::is_as_known(before, row)) {
            return;
        }
        let link = before.and_then(|record| record.link);
        let lines = reading.problems.iter().map(|(field, reason)| {
            let field = Some(self.entity[*field].name.clone());
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

/// True if anything changed that a plan reads: the status or a field.
pub(crate) fn has_changed(before: &RecordState, after: &RecordState) -> bool {
    before.status != after.status
        || before.fields.len() != after.fields.len()
        || before.fields.values().zip(after.fields.values()).any(|(old, new)| old.seen != new.seen)
}
