//! After a crash, or an answer that never came: find out what happened before anything is sent.
//!
//! An operation that was planned but never marked as sent is forgotten and planned again. One that
//! was marked as sent is probed: one that a job at the vendor carries out by asking about the job
//! (`by_job`), a create by its stamp, its match keys and its values (`by_stamp`), anything else by
//! reading the record again (`by_record`). [`crate::unanswered::evidence`] decides
//! what the findings mean (`RULES.md` E18, E19).

use std::collections::{BTreeMap, BTreeSet};

use crate::cycle_failure::{CycleFailure, CycleStep};
use crate::cycle_state::CycleState;
use crate::engine::{CycleError, Engine};
use crate::link::pending_creates::questions;
use crate::read::ingest::{IngestError, IngestSource};
use renkei_model::effect::ProbeBy;
use renkei_model::ports::Connector;
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{FailureClass, JournalEntry, LinkId, OutboxEntry, OutboxState};
use renkei_model::store::port::{Changes, OutboxQuery, StoreError};

mod by_job;
mod by_record;
mod by_stamp;

/// More than any outbox holds: a chunk of links and the batches in flight.
const OUTBOX_MAX: usize = 1_000_000;

/// Continues after a crash: forgets what was never sent, then probes what was.
pub(crate) async fn recover(cycle: &mut CycleState<'_>) -> Result<(), CycleError> {
    let planned = forget_unconfigured(cycle.engine).await?;
    // An operation that was planned and not sent is planned again. A create that repeats another
    // has that one's intent: where no link remembers it, and where the database was put back since,
    // it is looked for as if it had been sent.
    let known = remembered(cycle.engine, &planned).await?;
    let (forgotten, again): (Vec<OutboxEntry>, Vec<OutboxEntry>) =
        planned.into_iter().partition(|entry| entry.attempts == 0 || known.contains(&entry.intent));
    if !forgotten.is_empty() || !again.is_empty() {
        let unanswered = |entry| OutboxEntry { state: OutboxState::Sent, ..entry };
        let changes = Changes {
            dirty: forgotten.iter().map(|entry| entry.link).collect(),
            outbox: again.into_iter().map(unanswered).collect(),
            outbox_done: forgotten.into_iter().map(|entry| entry.intent).collect(),
            ..Changes::default()
        };
        cycle.engine.store.commit(changes).await?;
    }
    let sent = outbox(cycle.engine, OutboxState::Sent, None).await?;
    cycle.unanswered = sent.into_iter().map(|entry| (entry.intent, entry.attempts)).collect();
    probe(cycle, ProbeStage::Start).await.map(drop)
}

/// Of these operations, those that repeat a create which their link remembers.
async fn remembered(
    engine: &Engine<'_>,
    planned: &[OutboxEntry],
) -> Result<BTreeSet<String>, StoreError> {
    let repeated = planned.iter().filter(|entry| entry.attempts > 0);
    let links: Vec<LinkId> = repeated.map(|entry| entry.link).collect();
    if links.is_empty() || engine.store.restored_ms().await?.is_some() {
        return Ok(BTreeSet::new());
    }
    let views = engine.store.links(&links).await?;
    let failures = views.iter().flat_map(|view| &view.link.failures);
    let memories = failures.filter(|one| one.class == FailureClass::Unanswered);
    Ok(memories.map(|one| one.digest.clone()).collect())
}

/// The planned operations. Operations of members that the configuration no longer has are
/// forgotten, with a line in the journal.
async fn forget_unconfigured(engine: &Engine<'_>) -> Result<Vec<OutboxEntry>, StoreError> {
    let is_known = |entry: &OutboxEntry| {
        let entity = engine.spec.entity(&entry.entity);
        entity.is_some_and(|entity| entity.member(&entry.system, &entry.object).is_some())
    };
    let planned = outbox(engine, OutboxState::Planned, None).await?;
    let sent = outbox(engine, OutboxState::Sent, None).await?;
    let (planned, mut unconfigured): (Vec<_>, Vec<_>) = planned.into_iter().partition(is_known);
    unconfigured.extend(sent.into_iter().filter(|entry| !is_known(entry)));
    if !unconfigured.is_empty() {
        let line = |entry: &OutboxEntry| JournalEntry {
            at_ms: engine.clock.now_ms(),
            entity: entry.entity.clone(),
            link: Some(entry.link),
            record: entry.record(),
            field: None,
            intent: Some(entry.intent.clone()),
            generation: None,
            reason: Reason::NotConfigured,
        };
        let now_ms = engine.clock.now_ms();
        let mut asked = Vec::new();
        for name in unconfigured.iter().map(|entry| &entry.entity).collect::<BTreeSet<_>>() {
            asked.extend(questions(engine.store, name).await?);
        }
        asked.retain(|(intent, _)| unconfigured.iter().any(|entry| entry.intent == *intent));
        let planned_again = |entry: &&OutboxEntry| engine.spec.entity(&entry.entity).is_some();
        let changes = Changes {
            dirty: unconfigured.iter().filter(planned_again).map(|entry| entry.link).collect(),
            reviews: asked.iter().map(|(_, known)| review::closed(known, now_ms)).collect(),
            journal: unconfigured.iter().map(line).collect(),
            outbox_done: unconfigured.into_iter().map(|entry| entry.intent).collect(),
            ..Changes::default()
        };
        engine.store.commit(changes).await?;
    }
    Ok(planned)
}

/// The time of a probe within the cycle.
///
/// A probe before reading finds what was made. Only one after reading believes that nothing was
/// made: by then deletions and records without a stamp are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProbeStage {
    /// Before anything is read.
    Start,
    /// After reading and linking.
    End,
}

/// Probes every operation that was sent without an answer. The number of those that are known now.
pub(crate) async fn probe(cycle: &CycleState<'_>, stage: ProbeStage) -> Result<u64, CycleError> {
    let mut known = 0;
    for system in cycle.engine.spec.systems() {
        let sent = outbox(cycle.engine, OutboxState::Sent, Some(system)).await?;
        if sent.is_empty() || cycle.counters.has_failed(system) {
            continue;
        }
        let connector = match cycle.engine.systems.open(system).await {
            Ok(connector) => connector,
            Err(error) => {
                cycle.counters.failed(&CycleFailure::of_system(system, CycleStep::Open, &error));
                continue;
            }
        };
        for ((entity, object), entries) in by_object(sent) {
            let Some(entity) = cycle.engine.spec.entity(&entity) else { continue };
            let Some((_, member)) = entity.member(system, &object) else { continue };
            if cycle.counters.has_stopped(system, &object) {
                continue;
            }
            let connector = connector.as_ref();
            let engine = cycle.engine;
            let before = &cycle.unanswered;
            let prober = Prober { engine, entity, member, connector, stage, before };
            match prober.probe(entries).await {
                Ok(count) => known += count,
                Err(error) => cycle.record_failure(member, error)?,
            }
        }
    }
    Ok(known)
}

async fn outbox(
    engine: &Engine<'_>,
    state: OutboxState,
    system: Option<&str>,
) -> Result<Vec<OutboxEntry>, StoreError> {
    let query = OutboxQuery {
        state,
        entity: None,
        system: system.map(str::to_owned),
        kind: None,
        due_ms: i64::MAX,
        limit: OUTBOX_MAX,
    };
    engine.store.outbox(&query).await
}

fn by_object(entries: Vec<OutboxEntry>) -> BTreeMap<(String, String), Vec<OutboxEntry>> {
    let mut objects: BTreeMap<(String, String), Vec<OutboxEntry>> = BTreeMap::new();
    for entry in entries {
        let object = (entry.entity.clone(), entry.object.clone());
        objects.entry(object).or_default().push(entry);
    }
    objects
}

struct Prober<'a> {
    engine: &'a Engine<'a>,
    entity: &'a EntitySpec,
    member: &'a MemberSpec,
    connector: &'a dyn Connector,
    stage: ProbeStage,
    /// Intents and attempts that were sent before this cycle read anything: of these it is known
    /// what was read since.
    before: &'a BTreeSet<(String, u32)>,
}

impl Prober<'_> {
    async fn probe(&self, entries: Vec<OutboxEntry>) -> Result<u64, IngestError> {
        let (jobs, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.job.is_some());
        let (ended, forgotten) = self.ask_about_jobs(jobs).await?;
        let (mut stamped, mut named) = (Vec::new(), Vec::new());
        for entry in others.into_iter().chain(forgotten) {
            match entry.effect.kind().probe_by() {
                ProbeBy::Stamp => stamped.push(entry),
                ProbeBy::Record => named.push(entry),
            }
        }
        self.look_at(&named).await?;
        let known = self.find_creates(&stamped).await?;
        Ok(ended + named.len() as u64 + known)
    }

    fn source(&self) -> IngestSource<'_> {
        IngestSource::new(self.engine, self.entity, self.member, self.connector.generation())
    }

    fn line(&self, entry: &OutboxEntry, reason: Reason) -> JournalEntry {
        entry.line(self.engine.clock.now_ms(), self.connector.generation(), reason)
    }
}
