//! Settles the outcomes of a batch: moves bases, adds members to links, keeps refusals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::apply::refusals::{ClearedRefusals, failures_of_refusal, forgive_written};
use crate::apply::settled::{RETRY_MS, SettledOperation, with_job};
use crate::engine::{Engine, WriteResult};
use crate::plan::refused_columns::is_met;
use crate::read::fields::{RowReading, RowsKind, read_rows};
use crate::read::forms::is_form_of;
use crate::read::ingest::{IngestError, IngestSource};
use crate::read::keys;
use crate::unanswered::sent_cells::sent_cell;
use renkei_model::ports::Connector;
use renkei_model::reason::Reason;
use renkei_model::record::{Applied, Batch, Outcome, Problem, Row, can_retry};
use renkei_model::spec::{EntitySpec, FieldKind, MemberSpec};
use renkei_model::state::{
    Awaited, Doubt, FieldWrite, Link, LinkId, LinkStatus, OutboxEntry, RecordKey, RecordState,
    RecordStatus, Review, ReviewChoice, ReviewStatus, Span, keep_failure,
};
use renkei_model::store::fetch::{links_for, records_for};
use renkei_model::store::port::Changes;
use renkei_model::value::Value;

mod confirm;
mod count;
mod exists;
mod pause;

/// Links, and records without one that a match key takes for the same thing.
type Lookalikes = BTreeSet<(LinkId, RecordKey)>;

/// Rows that were read back after the write.
#[derive(Default)]
struct ReadBack {
    /// By id, with the age that the row may have, ms.
    rows: BTreeMap<String, (Row, RowReading, i64)>,
    /// The age that scans of the stream may have, ms.
    stream_ms: i64,
}

/// Settles one batch of one member.
pub(crate) struct BatchSettler<'a> {
    engine: &'a Engine<'a>,
    entity: &'a EntitySpec,
    member: &'a MemberSpec,
    connector: &'a dyn Connector,
    now_ms: i64,
    links: BTreeMap<LinkId, Link>,
    records: BTreeMap<RecordKey, RecordState>,
    /// Records that this batch gave to a link, for the links that wait for them.
    created: Vec<RecordKey>,
    touched: BTreeSet<RecordKey>,
    alike: Lookalikes,
    /// Questions about writes that met a record of another link.
    asked: Vec<Review>,
    /// The records were read after the write: what they hold stands, and differs by edits.
    probed: bool,
    doubts: BTreeMap<RecordKey, Doubt>,
    shown: ReadBack,
    /// Creations that the approval of a first sync still covers.
    covered: Option<u64>,
    changes: Changes,
}

impl<'a> BatchSettler<'a> {
    pub(crate) fn new(
        engine: &'a Engine<'a>,
        entity: &'a EntitySpec,
        member: &'a MemberSpec,
        connector: &'a dyn Connector,
    ) -> Self {
        Self {
            engine,
            entity,
            member,
            connector,
            now_ms: engine.clock.now_ms(),
            links: BTreeMap::new(),
            records: BTreeMap::new(),
            created: Vec::new(),
            touched: BTreeSet::new(),
            alike: Lookalikes::new(),
            asked: Vec::new(),
            probed: false,
            doubts: BTreeMap::new(),
            shown: ReadBack::default(),
            covered: None,
            changes: Changes::default(),
        }
    }

    /// The outcomes were found by a probe, which has read the records.
    pub(crate) fn found_by_probe(mut self) -> Self {
        self.probed = true;
        self
    }

    /// Commits what follows from the outcomes; they are in the order of `batch`.
    pub(crate) async fn settle_batch(
        &mut self,
        columns: &[String],
        batch: &[OutboxEntry],
        outcomes: Vec<Outcome>,
    ) -> Result<Vec<SettledOperation>, IngestError> {
        self.read_again(batch, &outcomes).await?;
        self.load(batch, &outcomes).await?;
        self.compare(batch, &outcomes).await?;
        self.read_back(batch, &outcomes).await?;
        let readings = self.after_images(columns, batch, &outcomes).await?;
        self.covered = self.engine.store.begun(&self.entity.name).await?;
        let mut settled = Vec::with_capacity(batch.len());
        for ((entry, outcome), reading) in batch.iter().zip(outcomes).zip(readings) {
            settled.push(self.settle_one(entry, outcome, reading));
        }
        self.add_reviews().await?;
        self.add_waiting_links().await?;
        self.add_match_keys().await?;
        let records = &self.records;
        let touched = self.touched.iter().filter_map(|key| records.get(key).cloned());
        self.changes.records.extend(touched);
        self.engine.store.commit(std::mem::take(&mut self.changes)).await?;
        Ok(settled)
    }

    fn source(&self) -> IngestSource<'a> {
        let generation = self.connector.generation();
        let source = IngestSource::new(self.engine, self.entity, self.member, generation);
        IngestSource { now_ms: self.now_ms, ..source }
    }

    /// Reads records that turned out to be other than thought. An observation, with its own commit.
    async fn read_again(
        &self,
        batch: &[OutboxEntry],
        outcomes: &[Outcome],
    ) -> Result<(), IngestError> {
        let mut ids: Vec<String> = Vec::new();
        for (entry, outcome) in batch.iter().zip(outcomes) {
            match outcome {
                Outcome::Exists(found) => ids.extend(found.iter().cloned()),
                Outcome::Conflict | Outcome::Gone => {
                    ids.extend(entry.effect.id().map(str::to_owned))
                }
                _ => {}
            }
        }
        self.source().read_again(self.connector, &ids).await
    }

    async fn load(
        &mut self,
        batch: &[OutboxEntry],
        outcomes: &[Outcome],
    ) -> Result<(), IngestError> {
        let store = self.engine.store;
        let ids: Vec<LinkId> = batch.iter().map(|entry| entry.link).collect();
        for view in links_for(store, self.entity, &ids).await? {
            self.links.insert(view.link.id, Arc::unwrap_or_clone(view.link));
        }
        let source = self.source();
        let keys = |(entry, outcome): (&OutboxEntry, &Outcome)| match outcome {
            Outcome::Applied(applied) => vec![source.key(&applied.id)],
            Outcome::Exists(ids) => ids.iter().flat_map(|id| self.named(id)).collect(),
            _ => entry.effect.id().map(|id| source.key(id)).into_iter().collect(),
        };
        let keys: Vec<RecordKey> = batch.iter().zip(outcomes).flat_map(keys).collect();
        for record in records_for(store, self.entity, &keys).await? {
            self.records.insert(record.key.clone(), record);
        }
        self.doubts = store.doubts(&keys).await?.into_iter().collect();
        Ok(())
    }

    /// Reads the values that the system holds now, in canonical form; a cell that the answer leaves
    /// out is as sent.
    async fn after_images(
        &self,
        columns: &[String],
        batch: &[OutboxEntry],
        outcomes: &[Outcome],
    ) -> Result<Vec<RowReading>, IngestError> {
        let mut rows = Vec::with_capacity(batch.len());
        for (entry, outcome) in batch.iter().zip(outcomes) {
            let after = match outcome {
                Outcome::Applied(applied) => applied.after.as_slice(),
                _ => &[],
            };
            let cell = |(index, column): (usize, &String)| {
                let sent = sent_cell(entry, column)?;
                Some(after.get(index).cloned().flatten().unwrap_or(sent))
            };
            let cells = columns.iter().enumerate().map(cell).collect();
            rows.push(Row { cells, ..Row::default() });
        }
        let known: Vec<Option<&RecordState>> =
            batch.iter().map(|entry| self.target(entry)).collect();
        let batch = Batch { columns: columns.to_vec(), rows };
        let transforms = &self.engine.transforms;
        Ok(read_rows(transforms, self.entity, self.member, (&batch, RowsKind::Carried), &known)
            .await?)
    }

    fn target(&self, entry: &OutboxEntry) -> Option<&RecordState> {
        self.records.get(&self.source().key(entry.effect.id()?))
    }

    fn settle_one(
        &mut self,
        entry: &OutboxEntry,
        outcome: Outcome,
        reading: RowReading,
    ) -> SettledOperation {
        let done = |result| SettledOperation { result, pause: None };
        match outcome {
            Outcome::Applied(applied) => {
                self.applied(entry, &applied, reading);
                done(WriteResult::Applied)
            }
            Outcome::Exists(ids) => done(self.exists(entry, &ids)),
            Outcome::Conflict => {
                let (reason, pause) = self.conflict(entry);
                self.drop(entry, reason);
                SettledOperation { result: WriteResult::Later, pause }
            }
            Outcome::Gone => {
                self.gone(entry);
                done(WriteResult::Later)
            }
            Outcome::Rejected(problems) if can_retry(&problems) => {
                let codes = problems.into_iter().map(|problem| problem.code).collect();
                self.later(entry, Reason::ToTryAgain { codes }, RETRY_MS)
            }
            Outcome::Rejected(problems) => {
                self.refuse(entry, problems);
                done(WriteResult::Refused)
            }
            Outcome::RetryAfter(after_ms) => {
                self.later(entry, Reason::PutOff { after_ms }, after_ms)
            }
            Outcome::Uncertain(_) => {
                self.add_journal_entry(entry, None, Reason::Uncertain);
                done(WriteResult::Uncertain)
            }
            Outcome::Pending(job) => {
                let (waiting, reason) = with_job(entry, job, self.now_ms);
                self.changes.outbox.push(waiting);
                if entry.job.is_none() {
                    self.add_journal_entry(entry, None, reason);
                }
                done(WriteResult::BeingDone)
            }
        }
    }

    fn applied(&mut self, entry: &OutboxEntry, applied: &Applied, reading: RowReading) {
        self.changes.outbox_done.push(entry.intent.clone());
        let key = self.source().key(&applied.id);
        let link = self.final_link(entry.link);
        if self.is_of_another(&key, link) {
            self.reject_foreign_record(entry, &key);
            return;
        }
        let mut record =
            self.records.remove(&key).unwrap_or_else(|| self.source().blank(&applied.id));
        if record.link != Some(link) {
            record.link = Some(link);
            self.created.push(key.clone());
        }
        let doubt = self.doubt_of(entry, applied, &record);
        if self.probed {
            self.changes.dirty.push(link);
        } else {
            record.status = RecordStatus::Live;
            record.version.clone_from(&applied.version);
            record.modified_ms = applied.modified_ms.or(record.modified_ms);
        }
        if entry.effect.kind().removes_record() {
            record.status = RecordStatus::Withdrawn;
            self.changes.dirty.push(link);
        }
        self.count(entry.effect.kind());
        let mut altered = false;
        for write in &entry.fields {
            altered |=
                self.take_written_fields(&mut record, (entry, write), &reading, doubt.as_ref());
        }
        if entry.effect.kind().makes_record() {
            note_defaults(self.member, entry, &reading, &mut record);
        }
        for (column, cell) in reading.raw {
            record.raw.retain(|(known, _)| *known != column);
            record.raw.push((column, cell));
        }
        // The row that is read back may show that it was not kept: that comes after (`RULES.md`
        // R26).
        self.forgive(link, entry, &key);
        if let Some(doubt) = doubt {
            altered |= self.observe_write(&mut record, doubt);
        }
        self.touched.insert(key.clone());
        self.records.insert(key.clone(), record);
        let reason = match altered {
            _ if self.probed => Reason::FoundByProbe,
            true => Reason::AppliedAltered,
            false => Reason::Applied,
        };
        self.add_journal_entry(entry, Some(key), reason);
    }

    /// Moves seen, base and agreement of one written field. True where the system altered the
    /// value.
    fn take_written_fields(
        &self,
        record: &mut RecordState,
        (entry, write): (&OutboxEntry, &FieldWrite),
        reading: &RowReading,
        doubt: Option<&Doubt>,
    ) -> bool {
        let Some((position, field)) = self.entity.field(&write.field) else { return false };
        let state = &mut record.fields[position];
        let holds = reading.cells[position].clone();
        let is_reference = matches!(field.kind, FieldKind::Reference { .. });
        // An answer that shows what stood there before says that nothing was written, and not in
        // which form: the next reading tells (`RULES.md` R26).
        let column = self.member.group_of(position).and_then(|group| group.columns.first());
        let remote = column.filter(|_| is_reference).and_then(|column| sent_cell(entry, column));
        let wrote = if is_reference { &remote } else { &write.after };
        let known = doubt.and_then(|doubt| doubt.before(&field.name)).unwrap_or_default();
        let is_before = |now: &Value| {
            let is_old = state.seen.as_ref() == Some(now) || known.contains(now);
            is_old && !wrote.as_ref().is_some_and(|sent| is_form_of(&field.kind, sent, now))
        };
        let is_shown = holds.is_some() || !is_reference;
        let holds = holds.filter(|now| !is_before(now)).or_else(|| wrote.clone());
        let holds = holds.filter(|_| is_shown);
        // A create that is found was read first: a form of what was sent is the system's own, not
        // an edit (`RULES.md` V8).
        let found = state.seen.clone().filter(|now| {
            self.probed
                && !is_reference
                && wrote.as_ref().is_some_and(|sent| is_form_of(&field.kind, sent, now))
        });
        let holds = found.or(holds);
        state.agreed.clone_from(&write.after);
        (state.filler, state.bereft) = (None, None);
        state.base = if is_reference { write.after.clone() } else { holds.clone() };
        if !self.probed || state.seen.is_none() {
            (state.edited, state.lost) = (Span::default(), None);
            state.seen = holds;
        }
        !is_reference && state.base != write.after
    }

    /// Asks what was not asked before; what a person leaves as it is stays answered.
    async fn add_reviews(&mut self) -> Result<(), IngestError> {
        for review in std::mem::take(&mut self.asked) {
            let known = self.engine.store.review(&review.id).await?;
            let was_asked = known.is_some_and(|known| {
                known.status != ReviewStatus::Closed || known.choice == Some(ReviewChoice::Leave)
            });
            if !was_asked {
                self.changes.reviews.push(review);
            }
        }
        Ok(())
    }

    fn is_of_another(&self, key: &RecordKey, link: LinkId) -> bool {
        let known = self.records.get(key).filter(|record| record.status != RecordStatus::Replaced);
        known.and_then(|record| record.link).is_some_and(|known| known != link)
    }

    /// The record that should be written is not there. If reading it again found no tombstone
    /// either, it is taken as deleted: the system said so itself.
    fn gone(&mut self, entry: &OutboxEntry) {
        if let Some(id) = entry.effect.id() {
            let key = self.source().key(id);
            if let Some(record) = self.records.get_mut(&key)
                && record.status == RecordStatus::Live
            {
                record.status = RecordStatus::Deleted;
                self.touched.insert(key);
            }
        }
        self.drop(entry, Reason::FoundGone);
    }

    fn refuse(&mut self, entry: &OutboxEntry, problems: Vec<Problem>) {
        let codes = problems.iter().map(|problem| problem.code.clone()).collect();
        self.changes.outbox_done.push(entry.intent.clone());
        self.add_journal_entry(entry, None, Reason::Refused { codes });
        let id = self.final_link(entry.link);
        let (entity, member) = (self.entity, self.member);
        let (failures, more) = failures_of_refusal(entity, member, entry, problems, self.now_ms);
        if more {
            self.changes.dirty.push(id);
        }
        if let Some(link) = self.links.get_mut(&id) {
            for failure in failures {
                keep_failure(&mut link.failures, failure);
            }
            self.changes.links.push(link.clone());
        }
    }

    /// A write got through.
    fn forgive(&mut self, id: LinkId, entry: &OutboxEntry, record: &RecordKey) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let was_met = is_met(&link.failures);
        let forgiven = forgive_written(&mut link.failures, entry, &record.id, self.now_ms);
        if forgiven != ClearedRefusals::Nothing {
            self.changes.links.push(link.clone());
            // The question about it is over with the next plan.
            if was_met && !is_met(&link.failures) {
                self.changes.dirty.push(id);
            }
        }
        if forgiven == ClearedRefusals::TriesAgain {
            self.changes.dirty.push(id);
        }
    }

    /// Forgets the operation and plans the link again from what is known then.
    fn drop(&mut self, entry: &OutboxEntry, reason: Reason) {
        self.changes.outbox_done.push(entry.intent.clone());
        self.changes.dirty.push(self.final_link(entry.link));
        self.add_journal_entry(entry, None, reason);
    }

    /// The link may have been united with another since the operation was planned.
    fn final_link(&self, id: LinkId) -> LinkId {
        match self.links.get(&id).map(|link| link.status) {
            Some(LinkStatus::MergedInto(other)) => other,
            _ => id,
        }
    }

    fn add_journal_entry(
        &mut self,
        entry: &OutboxEntry,
        record: Option<RecordKey>,
        reason: Reason,
    ) {
        let mut line = entry.line(self.now_ms, self.connector.generation(), reason);
        line.record = record.or(line.record);
        self.changes.journal.push(line);
    }

    /// Adds the links that waited for what this batch made.
    async fn add_waiting_links(&mut self) -> Result<(), IngestError> {
        let made = self.created.iter().filter_map(|key| self.records.get(key));
        let mut awaited: Vec<Awaited> = Vec::new();
        for record in made {
            awaited.push(Awaited::Linked(record.key.clone()));
            awaited.extend(record.link.map(|link| Awaited::Member {
                link,
                system: record.key.system.clone(),
                object: record.key.object.clone(),
            }));
        }
        if !awaited.is_empty() {
            self.changes.dirty.extend(self.engine.store.links_waiting_for(&awaited).await?);
        }
        Ok(())
    }

    async fn add_match_keys(&mut self) -> Result<(), IngestError> {
        let written: Vec<&RecordState> =
            self.touched.iter().filter_map(|key| self.records.get(key)).collect();
        let (keys, _) = keys::match_keys(&self.engine.transforms, self.entity, &written).await?;
        self.changes.match_keys.extend(keys);
        Ok(())
    }
}

/// Fields in which a record was made with a default are empty (`RULES.md` V6).
fn note_defaults(
    member: &MemberSpec,
    entry: &OutboxEntry,
    reading: &RowReading,
    record: &mut RecordState,
) {
    for (index, holds) in reading.cells.iter() {
        let state = &mut record.fields[index];
        let Some((column, default)) = member.default_of(index) else { continue };
        let was_sent =
            entry.columns.iter().any(|write| write.column == column && write.cell == *default);
        // A field that was carried has what was sent as its base.
        if was_sent && state.agreed.is_none() && holds.is_some() {
            state.filler = holds.clone().map(Box::new);
            state.base = Some(Value::Null);
            if state.seen.is_none() || state.seen == *holds {
                state.seen = Some(Value::Null);
            }
        }
    }
}
