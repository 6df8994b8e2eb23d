//! Doubts about an answered write, and reading it back where the answer names no version
//! (`RULES.md` V1, R26).

use std::collections::BTreeMap;

use super::BatchSettler;
use crate::plan::refused_columns::columns::field_digests;
use crate::plan::render::refusal_digest;
use crate::read::fields::{RowsKind, read_rows};
use crate::read::ingest::{IngestError, has_changed, unread};
use crate::read::order::{self, FieldVerdict, ReadingContext, RowVerdict, remaining_doubt};
use renkei_model::record::{Applied, Outcome};
use renkei_model::state::{Doubt, OutboxEntry, READING_LAG_MS, RecordState, Stream, keep_failure};

/// The most records read back in one call.
const READ_BACK_MAX: usize = 2_000;

fn is_unnamed(entry: &OutboxEntry, applied: &Applied) -> bool {
    entry.effect.kind().writes_columns() && applied.version.is_none()
}

impl BatchSettler<'_> {
    /// Reads records back whose answer names no version. If that fails they stay in doubt, and are
    /// read in a later cycle.
    pub(super) async fn read_back(
        &mut self,
        batch: &[OutboxEntry],
        outcomes: &[Outcome],
    ) -> Result<(), IngestError> {
        if self.probed {
            return Ok(());
        }
        let (system, object) = (self.member.system.clone(), self.member.object.clone());
        let cursor = self.engine.store.cursor(&Stream { system, object }).await?;
        self.shown.stream_ms = cursor.and_then(|cursor| cursor.lag_ms).unwrap_or(READING_LAG_MS);
        let unnamed = batch.iter().zip(outcomes).filter_map(|(entry, outcome)| match outcome {
            Outcome::Applied(applied) if is_unnamed(entry, applied) => Some(applied.id.clone()),
            _ => None,
        });
        let unnamed: Vec<String> = unnamed.collect();
        let columns = self.member.read_columns();
        for ids in unnamed.chunks(READ_BACK_MAX) {
            let read = self.connector.read_records(&self.member.object, &columns, ids).await;
            let Ok(page) = read else { return Ok(()) };
            let lag_ms = order::lag_of(&page);
            let keys = page.batch.rows.iter().map(|row| self.source().key(&row.id));
            let known: Vec<Option<&RecordState>> = keys.map(|key| self.records.get(&key)).collect();
            let transforms = &self.engine.transforms;
            let readings = read_rows(
                transforms,
                self.entity,
                self.member,
                (&page.batch, RowsKind::Answered),
                &known,
            )
            .await?;
            for (row, reading) in page.batch.rows.into_iter().zip(readings) {
                self.shown.rows.insert(row.id.clone(), (row, reading, lag_ms));
            }
        }
        Ok(())
    }

    /// The doubt that a reading must clear up after a write; made before the record takes the write
    /// over.
    pub(super) fn doubt_of(
        &self,
        entry: &OutboxEntry,
        applied: &Applied,
        record: &RecordState,
    ) -> Option<Doubt> {
        if entry.effect.kind().removes_record() && !self.probed {
            let known = self.doubts.get(&record.key).map_or(0, |doubt| doubt.archives);
            let digest = refusal_digest(entry, &self.member.digest);
            let digests = [(String::new(), digest)].into();
            let stale = Doubt::of_stale(self.now_ms, self.shown.stream_ms);
            return Some(Doubt { archives: known + 1, digests, ..stale });
        }
        let created = entry.effect.kind().makes_record();
        if self.probed || !entry.effect.kind().writes_columns() {
            return None;
        }
        let mut doubt = self.doubts.get(&record.key).cloned().unwrap_or_default();
        if !doubt.written || doubt.confirmed {
            doubt.before.clear();
            doubt.writes.clear();
        }
        doubt.since_ms = self.now_ms;
        doubt.due_ms = self.now_ms.saturating_add(self.shown.stream_ms);
        doubt.created = created || doubt.created && !doubt.confirmed;
        (doubt.written, doubt.confirmed, doubt.stale) = (true, false, false);
        doubt.timed = applied.modified_ms.is_some();
        // A version that did not move proves nothing.
        doubt.version = applied.version.clone().filter(|_| applied.version != record.version);
        doubt.past.extend(record.version.clone());
        doubt.past.retain(|version| Some(version) != applied.version.as_ref());
        doubt.past.dedup();
        let mut tries = 0;
        for write in &entry.fields {
            let Some((position, field)) = self.entity.field(&write.field) else { continue };
            let state = &record.fields[position];
            tries = tries.max(state.tries);
            if let Some(seen) = state.seen.clone() {
                doubt.remember(&field.name, seen);
            }
        }
        doubt.count_write(entry.fields.iter().map(|write| &write.field));
        let is_last = tries >= order::TRIES_MAX;
        let digests = || field_digests(self.entity, self.member, entry);
        doubt.digests = if is_last { digests() } else { BTreeMap::new() };
        Some(doubt)
    }

    /// Takes over the row that was read back of a written record, and keeps what is still in doubt.
    /// True where the system keeps a value in a form of its own.
    pub(super) fn observe_write(&mut self, record: &mut RecordState, doubt: Doubt) -> bool {
        let key = record.key.clone();
        let Some((row, mut reading, lag_ms)) = self.shown.rows.remove(&key.id) else {
            self.changes.doubts.push((key, Some(doubt)));
            return false;
        };
        let context = ReadingContext { now_ms: self.now_ms, lag_ms, by_id: true, read_back: true };
        unread::note(&mut reading, Some(record), &row);
        let cells = (&row, &reading.cells);
        let row_verdict = order::compare_row(self.entity, record, Some(&doubt), cells, context);
        let mut remaining = remaining_doubt(Some(&doubt), &row_verdict, self.entity, &row, context);
        if !matches!(row_verdict, RowVerdict::Nothing { .. }) {
            remaining = unread::with_unread(
                (remaining, Some(&doubt)),
                &reading,
                Some(record),
                &row,
                self.now_ms,
            );
        }
        if remaining.is_some() || self.doubts.contains_key(&key) {
            self.changes.doubts.push((key, remaining));
        }
        if matches!(row_verdict, RowVerdict::Nothing { .. }) {
            return false;
        }
        let source = self.source();
        let before = record.clone();
        *record = source.update(&row, &mut reading, (Some(record), &row_verdict), (None, &[]));
        if has_changed(&before, record) {
            self.changes.dirty.extend(record.link);
        }
        let RowVerdict::Fields(verdicts) = &row_verdict else { return false };
        let refused =
            source.note_not_kept(record, &row_verdict, Some(&doubt), &mut self.changes.journal);
        for (link, failure) in refused {
            if let (Some(link), Some(failure)) = (self.links.get_mut(&link), failure) {
                keep_failure(&mut link.failures, failure);
                self.changes.links.push(link.clone());
            }
        }
        order::contains(verdicts, FieldVerdict::Form)
    }
}
