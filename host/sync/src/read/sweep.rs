//! Sweeps: budgeted passes over every id and version that find what cursors missed.
//!
//! A record with an unknown id or another version than the stored one is read again. Absence proves
//! nothing: a known record that a completed listing leaves out is asked for by its id, and only a
//! tombstone says that it is gone. One that is neither answered nor reported as gone becomes
//! [`RecordStatus::Missing`]: it is left alone and a person is asked (RULES.md V12). Sweeps run at
//! the end of a cycle, a few pages per system, and go on in the next one; every page is a commit.

use std::collections::{BTreeMap, BTreeSet};

use crate::cycle_failure::{CycleFailure, CycleStep};
use crate::cycle_state::CycleState;
use crate::engine::{CycleError, CycleEvent};
use crate::read::ingest::{IngestError, has_changed};
use crate::read::missing::mark_missing;
use crate::read::observe::{Reader, options, successors};
use renkei_model::plugin::PluginError;
use renkei_model::ports::Connector;
use renkei_model::record::{Page, PageRequest, Problem, Remedy, Row, Scan};
use renkei_model::state::{
    RecordKey, RecordState, RecordStatus, Stream, Sweep, SweepCounts, SweepStage,
};
use renkei_model::store::port::{Changes, Restored, StoreError};
use renkei_model::value::Value;

/// Records asked for by id in one call.
const ASKED_MAX: usize = 500;
/// The age from which a change should have come by the cursor, ms. A younger one may still come:
/// vendors' searches lag behind, and people go on working between two reads.
const CURSOR_LAG_MS: i64 = 600_000;

/// Goes on with the sweeps that are due, except of `backfilled` streams, which were read as a whole
/// in this cycle.
pub(crate) async fn sweep(
    cycle: &CycleState<'_>,
    backfilled: &BTreeSet<Stream>,
) -> Result<(), CycleError> {
    let systems = cycle.engine.spec.systems();
    let sweeps = systems.iter().map(|system| sweep_system(cycle, backfilled, system));
    futures::future::try_join_all(sweeps).await.map(drop)
}

/// Reads everything again where the database was put back from a backup or a copy; nothing is
/// planned before (RULES.md P14). Returns true once everything was read again, or nothing had to
/// be.
pub(crate) async fn catch_up_after_restore(cycle: &CycleState<'_>) -> Result<bool, CycleError> {
    let engine = cycle.engine;
    let Some(since_ms) = engine.store.restored_ms().await? else { return Ok(true) };
    let systems = engine.spec.systems();
    let reads = systems.iter().map(|system| read_system_again(cycle, since_ms, system));
    let read_again = futures::future::try_join_all(reads).await?.into_iter().all(|done| done);
    if read_again {
        let restored = Some(Restored::ReadAgain);
        engine.store.commit(Changes { restored, ..Changes::default() }).await?;
    }
    cycle.counters.event(&CycleEvent::Restored { read_again });
    Ok(read_again)
}

/// Sweeps each stream once from its beginning, without the page budget. Returns true once each has
/// a completed round that began after `since_ms`.
async fn read_system_again(
    cycle: &CycleState<'_>,
    since_ms: i64,
    system: &str,
) -> Result<bool, CycleError> {
    let engine = cycle.engine;
    if cycle.counters.has_failed(system) {
        return Ok(false);
    }
    let connector = match engine.systems.open(system).await {
        Ok(connector) => connector,
        Err(error) => {
            cycle.counters.failed(&CycleFailure::of_system(system, CycleStep::Open, &error));
            return Ok(false);
        }
    };
    for entity in engine.spec.entities() {
        for member in entity.members.iter().filter(|member| member.system == system) {
            if cycle.counters.has_stopped(system, &member.object) {
                return Ok(false);
            }
            let stream = Stream { system: system.to_owned(), object: member.object.clone() };
            let kept = engine.store.sweep(&stream).await?.unwrap_or_default();
            let is_new = kept.round > 0 && kept.began_ms >= since_ms;
            if is_new && kept.stage == SweepStage::Resting {
                continue;
            }
            let sweep = if is_new { kept } else { kept.next_round(engine.clock.now_ms()) };
            let connector = connector.as_ref();
            let reader = Reader { engine, counters: &cycle.counters, connector, entity, member };
            let mut sweeper = Sweeper { reader, stream, sweep, pages: u32::MAX };
            if let Err(error) = sweeper.run().await {
                cycle.record_failure(member, error)?;
                return Ok(false);
            }
            // A system that asks for a pause goes on in the next cycle.
            if sweeper.sweep.stage != SweepStage::Resting {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

async fn sweep_system(
    cycle: &CycleState<'_>,
    backfilled: &BTreeSet<Stream>,
    system: &str,
) -> Result<(), CycleError> {
    let engine = cycle.engine;
    let mut connector: Option<Box<dyn Connector>> = None;
    let mut pages = engine.options.sweep_pages;
    for entity in engine.spec.entities() {
        let Some(interval_ms) = entity.sweep_ms else { continue };
        for member in entity.members.iter().filter(|member| member.system == system) {
            let stream = Stream { system: system.to_owned(), object: member.object.clone() };
            if pages == 0
                || backfilled.contains(&stream)
                || cycle.counters.has_stopped(system, &member.object)
            {
                continue;
            }
            // Before the first backfill is over there is nothing to compare with.
            let follows = engine.store.cursor(&stream).await?.is_some_and(|c| c.backfilled);
            let kept = engine.store.sweep(&stream).await?.unwrap_or_default();
            if !follows || !kept.is_due(engine.clock.now_ms(), interval_ms) {
                continue;
            }
            if connector.is_none() {
                match engine.systems.open(system).await {
                    Ok(opened) => connector = Some(opened),
                    Err(error) => {
                        cycle.counters.failed(&CycleFailure::of_system(
                            system,
                            CycleStep::Open,
                            &error,
                        ));
                        return Ok(());
                    }
                }
            }
            let Some(connector) = connector.as_deref() else { return Ok(()) };
            let reader = Reader { engine, counters: &cycle.counters, connector, entity, member };
            let mut sweeper = Sweeper { reader, stream, sweep: kept, pages };
            let result = sweeper.run().await;
            pages = sweeper.pages;
            match result {
                // The sweep goes on in the next cycle.
                Ok(()) | Err(IngestError::Plugin(PluginError::RetryAfter { .. })) => {}
                Err(error) => cycle.record_failure(member, error)?,
            }
        }
    }
    Ok(())
}

/// Sweeps one stream with the pages that are left of the cycle's budget.
struct Sweeper<'a> {
    reader: Reader<'a>,
    stream: Stream,
    sweep: Sweep,
    /// Pages that may still be read in this cycle.
    pages: u32,
}

impl Sweeper<'_> {
    async fn run(&mut self) -> Result<(), IngestError> {
        if self.sweep.stage == SweepStage::Resting {
            self.sweep = self.sweep.next_round(self.now_ms());
        }
        while self.pages > 0 {
            self.pages -= 1;
            let goes_on = match self.sweep.stage.clone() {
                SweepStage::Scanning(position) => self.scan(position).await?,
                SweepStage::Asking(after) => self.ask_unseen_ids(after).await?,
                SweepStage::Resting => false,
            };
            if !goes_on {
                break;
            }
        }
        Ok(())
    }

    fn now_ms(&self) -> i64 {
        self.reader.engine.clock.now_ms()
    }

    /// Reads one page of ids and versions; true if the sweep goes on in this cycle.
    async fn scan(&mut self, position: Option<Vec<u8>>) -> Result<bool, IngestError> {
        let expected = match (&position, self.sweep.last) {
            (None, Some((_, last))) => Some(last.rows),
            (None, None) => self.reader.known_rows().await?,
            (Some(_), _) => None,
        };
        let request = PageRequest {
            object: self.stream.object.clone(),
            columns: Vec::new(),
            scan: Scan::Sweep,
            cursor: position.clone(),
            filter: Vec::new(),
            limit: self.reader.member.read_rows,
            options: options(self.now_ms(), expected),
        };
        let page = match self.reader.connector.read_page(&request).await {
            Err(PluginError::CursorLost { .. }) if position.is_some() => {
                self.sweep = self.sweep.next_round(self.now_ms());
                return Ok(true);
            }
            // A system without sweeps: asked again when the next one is due.
            Err(PluginError::Unsupported { .. }) => {
                let sweep = Sweep { stage: SweepStage::Resting, ..self.sweep.clone() };
                self.keep(sweep, Changes::default(), SweepCounts::default()).await?;
                return Ok(false);
            }
            page => page?,
        };
        let mut counts = SweepCounts { rows: page.batch.rows.len() as u64, ..Default::default() };
        counts.missed += self.compare(&page).await?;
        let round = self.sweep.round;
        let seen = page.batch.rows.iter().map(|row| (self.reader.source().key(&row.id), round));
        let changes = Changes { swept: seen.collect(), ..Changes::default() };
        let stage = match page.more {
            true => SweepStage::Scanning(Some(page.cursor.clone())),
            false => SweepStage::Asking(None),
        };
        self.keep(Sweep { stage, ..self.sweep.clone() }, changes, counts).await?;
        // A page that asks for a pause ends the sweep in this cycle.
        Ok(!page.facts.iter().any(|(code, wait)| code == "wait-ms" && *wait != Value::Integer(0)))
    }

    /// Reads the rows again that differ from the stored records; returns the number of missed
    /// changes.
    async fn compare(&self, page: &Page) -> Result<u64, IngestError> {
        let gone = Page { removed: page.removed.clone(), ..Page::default() };
        let mut missed = self.ingest_page(&gone).await?;
        let keys: Vec<RecordKey> =
            page.batch.rows.iter().map(|row| self.reader.source().key(&row.id)).collect();
        let known = self.known(&keys).await?;
        let differs = |row: &&Row| {
            known.get(row.id.as_str()).is_none_or(|record| {
                let there = matches!(
                    record.status,
                    RecordStatus::Live | RecordStatus::Surplus | RecordStatus::Returned
                );
                !there || row.version.is_none() || record.version != row.version
            })
        };
        let ids: Vec<String> =
            page.batch.rows.iter().filter(differs).map(|row| row.id.clone()).collect();
        for ids in ids.chunks(ASKED_MAX) {
            missed += self.ingest_page(&self.read(ids).await?).await?;
        }
        Ok(missed)
    }

    async fn read(&self, ids: &[String]) -> Result<Page, PluginError> {
        let columns = self.reader.member.read_columns();
        self.reader.connector.read_records(&self.stream.object, &columns, ids).await
    }

    async fn known(&self, keys: &[RecordKey]) -> Result<BTreeMap<String, RecordState>, StoreError> {
        let records = self.reader.engine.store.records(keys).await?;
        Ok(records.into_iter().map(|record| (record.key.id.clone(), record)).collect())
    }

    /// Takes in rows and tombstones; returns the number of changes that the cursor should have
    /// brought.
    async fn ingest_page(&self, page: &Page) -> Result<u64, IngestError> {
        let changes = self.reader.source().absorb(page).await?;
        if changes.is_empty() {
            return Ok(0);
        }
        let keys: Vec<RecordKey> =
            changes.records.iter().map(|record| record.key.clone()).collect();
        let known = self.known(&keys).await?;
        let due_ms = self.now_ms().saturating_sub(CURSOR_LAG_MS);
        let is_missed = |record: &&RecordState| {
            record.modified_ms.is_none_or(|modified_ms| modified_ms <= due_ms)
                && known.get(&record.key.id).is_none_or(|before| has_changed(before, record))
        };
        let missed = changes.records.iter().filter(is_missed).count() as u64;
        let successors = successors(&changes);
        self.reader.engine.store.commit(changes).await?;
        self.reader.fetch(successors).await?;
        Ok(missed)
    }

    /// Asks for known records that were not listed; true if the sweep goes on in this cycle.
    async fn ask_unseen_ids(&mut self, after: Option<String>) -> Result<bool, IngestError> {
        let (store, round) = (self.reader.engine.store, self.sweep.round);
        let keys = store.unswept(&self.stream, round, after.as_deref(), ASKED_MAX).await?;
        let Some(last) = keys.last() else {
            let sweep = self.sweep.completed(self.now_ms());
            self.keep(sweep, Changes::default(), SweepCounts::default()).await?;
            return Ok(false);
        };
        let ids: Vec<String> = keys.iter().map(|key| key.id.clone()).collect();
        let page = self.read(&ids).await?;
        let missed = self.ingest_page(&page).await?;
        let rows = page.batch.rows.iter().map(|row| row.id.as_str());
        let answered: BTreeSet<&str> =
            rows.chain(page.removed.iter().map(|gone| gone.id.as_str())).collect();
        let missing: Vec<RecordKey> =
            keys.iter().filter(|key| !answered.contains(key.id.as_str())).cloned().collect();
        if let Some(blind) = self.blindness(missing.len() as u64) {
            return Err(blind.into());
        }
        let engine = self.reader.engine;
        let records = engine.store.records(&missing).await?;
        let generation = self.reader.connector.generation();
        let changes = mark_missing(engine.store, (self.now_ms(), generation), records).await?;
        let found = changes.records.len() as u64;
        let counts = SweepCounts { missed, missing: found, ..SweepCounts::default() };
        let stage = SweepStage::Asking(Some(last.id.clone()));
        self.keep(Sweep { stage, ..self.sweep.clone() }, changes, counts).await?;
        Ok(true)
    }

    /// An error if more records are missing than the guard on deletions allows. So many do not
    /// vanish at once: a permission was lost or the connector errs, and nothing is concluded.
    fn blindness(&self, missing: u64) -> Option<PluginError> {
        let missing = self.sweep.counts.missing + missing;
        let known = self.sweep.counts.rows + missing;
        if missing <= self.reader.entity.delete_guard.limit(known) {
            return None;
        }
        Some(PluginError::NotFound {
            plugin: self.reader.connector.generation().clone(),
            problem: Problem {
                code: "records-missing".to_owned(),
                message: format!(
                    "{missing} known {} of {known} are neither listed nor answered, as after a \
                     lost permission",
                    self.stream.object
                ),
                field: None,
                remedy: Remedy::Admin,
            },
        })
    }

    /// Commits the progress of the sweep with the changes that it found.
    async fn keep(
        &mut self,
        sweep: Sweep,
        mut changes: Changes,
        found: SweepCounts,
    ) -> Result<(), StoreError> {
        let add = |counts: &mut SweepCounts| {
            counts.rows += found.rows;
            counts.missed += found.missed;
            counts.missing += found.missing;
        };
        self.sweep = sweep;
        add(&mut self.sweep.counts);
        changes.sweeps.push((self.stream.clone(), self.sweep.clone()));
        self.reader.engine.store.commit(changes).await?;
        self.reader.counters.event(&CycleEvent::Swept {
            system: &self.stream.system,
            object: &self.stream.object,
            counts: found,
            completed: self.sweep.stage == SweepStage::Resting,
        });
        Ok(())
    }
}
