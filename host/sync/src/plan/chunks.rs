//! Plans all dirty links of an entity, a chunk per commit.
//!
//! The plan of a link is derived from stored state; what this cycle saw holds writes back. Systems
//! may be asked for cascades and lost records. Operations are committed together with the truths
//! and bases that they follow from, so that a crash loses neither.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::cycle_failure::{CycleFailure, CycleStep};
use crate::cycle_state::CycleState;
use crate::engine::CycleError;
use crate::link::stamp::MemberPlaces;
use crate::plan::cascades::WentAlong;
use crate::plan::check;
use crate::plan::deletion_hold::DeletionHold;
use crate::plan::guards;
use crate::plan::mapping::FieldMappings;
use crate::plan::merge::answers::{MergeAnswers, MergeQuestion};
use crate::plan::one_link::{LinkPlan, PlanContext, PlannedWrite, plan_link};
use crate::plan::references::{PromisedRecords, References};
use crate::plan::render::render;
use crate::read::ingest::IngestSource;
use renkei_model::spec::EntitySpec;
use renkei_model::state::{
    Awaited, EntityPlan, Link, LinkId, LinkStatus, LinkView, OutboxEntry, RecordKey, RecordState,
    RecordStatus,
};
use renkei_model::store::fetch::links_for;
use renkei_model::store::port::{Changes, Store, StoreError};

mod changes;

use changes::ChunkChanges;

/// Lost records read by id in one call.
const LOOK_MAX: usize = 1_000;

/// Plans the dirty links of an entity. The number of links that nothing holds back.
pub(crate) async fn plan_entity(
    cycle: &mut CycleState<'_>,
    entity: &EntitySpec,
) -> Result<u64, CycleError> {
    let mappings = FieldMappings::new(entity);
    let hold = guards::hold_deletions(cycle, &mappings).await?;
    guards::allow_creations(cycle, entity).await?;
    let preview = (!cycle.engine.options.apply).then(|| std::mem::take(&mut cycle.promised));
    let mut references = References::empty(preview);
    let mut made = PromisedRecords::new();
    let mut after = LinkId::default();
    let mut done = u64::from(hold.is_some_and(|hold| hold.later));
    loop {
        let limit = cycle.engine.options.chunk_links;
        let ids = cycle.engine.store.dirty(&entity.name, after, limit).await?;
        let Some(last) = ids.last() else { break };
        after = *last;
        let ids: Vec<LinkId> = ids.into_iter().filter(|id| !cycle.is_deferred(*id)).collect();
        let mut views = links_for(cycle.engine.store, entity, &ids).await?;
        references.extend(cycle.engine.store, &mappings, &views).await?;
        if !references.lost_there().is_empty() {
            if !look_for_lost(cycle, references.lost_there()).await? {
                continue;
            }
            views = links_for(cycle.engine.store, entity, &ids).await?;
            references.extend(cycle.engine.store, &mappings, &views).await?;
        }
        done += plan_chunk(cycle, (&mappings, &references), hold, views, &mut made).await?;
    }
    cycle.promise(entity, references.into_promised(), made);
    Ok(done)
}

/// Reads records by id that references lost although they seem to be there: readings may be older
/// than their deletion (`RULES.md` V2). False where a system did not answer; then the links wait.
async fn look_for_lost(
    cycle: &mut CycleState<'_>,
    lost: &BTreeSet<RecordKey>,
) -> Result<bool, CycleError> {
    let engine = cycle.engine;
    let mut objects: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for key in lost.iter().filter(|key| cycle.note_lost_record(key)) {
        objects.entry((&key.system, &key.object)).or_default().push(key.id.clone());
    }
    for ((system, object), ids) in objects {
        let places = engine.spec.entities().iter();
        let places = places.filter_map(|entity| Some((entity, entity.member(system, object)?.1)));
        for (entity, member) in places {
            let connector = match engine.systems.open(system).await {
                Ok(connector) => connector,
                Err(error) => {
                    cycle.counters.failed(&CycleFailure::of_system(
                        system,
                        CycleStep::Open,
                        &error,
                    ));
                    return Ok(false);
                }
            };
            let source = IngestSource::new(engine, entity, member, connector.generation());
            for ids in ids.chunks(LOOK_MAX) {
                if let Err(error) = source.read_again(connector.as_ref(), ids).await {
                    cycle.record_failure(member, error)?;
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

async fn plan_chunk(
    cycle: &mut CycleState<'_>,
    (mappings, references): (&FieldMappings<'_>, &References),
    hold: Option<DeletionHold>,
    views: Vec<LinkView>,
    made: &mut PromisedRecords,
) -> Result<u64, CycleError> {
    let engine = cycle.engine;
    let now_ms = engine.clock.now_ms();
    let along = WentAlong::fetch(cycle, mappings, &views).await?;
    let answers = &MergeAnswers::default();
    let context = PlanContext { mappings, references, along: &along, now_ms, hold, answers };
    let Some(mut plans) = plan_links(cycle, &context, &views).await else { return Ok(0) };
    let unclear = unclear(engine.store, &plans, &views).await?;
    for (plan, view) in plans.iter_mut().zip(&views) {
        cycle.hold_writes(mappings.entity, plan, view, &unclear);
    }
    let counts: Vec<usize> = plans.iter().map(|plan| plan.writes.len()).collect();
    let planned_writes: Vec<PlannedWrite> =
        plans.iter_mut().flat_map(|plan| std::mem::take(&mut plan.writes)).collect();
    let rendered = match render(&engine.transforms, mappings.entity, &planned_writes).await {
        Ok(rendered) => rendered,
        Err(error) => {
            cycle.counters.failed(&CycleFailure::of_transform(&mappings.entity.name, &error));
            return Ok(0);
        }
    };
    let mut rendered = planned_writes.iter().zip(rendered);
    let mut chunk = ChunkChanges::new(mappings.entity, now_ms);
    let links = plans.len() as u64;
    let counted = counts_of(mappings.entity, &plans, &views);
    let creates =
        planned_writes.iter().any(|planned_write| planned_write.effect.kind().makes_record());
    if creates {
        chunk.places = Some(MemberPlaces::fetch(engine.store, mappings.entity).await?);
        chunk.changes.epoch = Some(engine.store.epoch().to_owned());
    }
    let mut done = 0;
    for ((plan, view), count) in plans.into_iter().zip(&views).zip(counts) {
        done += u64::from(!plan.held);
        chunk.add_link(engine.store, plan, rendered.by_ref().take(count), view);
    }
    check::check(mappings.entity, &chunk.changes.outbox, &views, hold.is_some())
        .map_err(CycleError::Plan)?;
    let mut back = filled(&chunk.changes.records, &views);
    back.extend(ended(&chunk.changes.links, &views));
    if !back.is_empty() {
        chunk.changes.dirty.extend(engine.store.links_waiting_for(&back).await?);
    }
    let Changes { outbox, guards, reviews, .. } = &mut chunk.changes;
    cycle.note_approved(mappings.entity, outbox, guards, reviews);
    chunk.report_events(cycle, links);
    if engine.options.apply {
        engine.store.commit(chunk.changes).await?;
    } else {
        note_made(&chunk.changes.outbox, made);
        cycle.preview(counted, chunk.changes.outbox, chunk.held);
    }
    Ok(done)
}

/// Plans links; those that ask a merge function are planned again with its answer. Nothing where a
/// function failed as a whole.
async fn plan_links(
    cycle: &CycleState<'_>,
    context: &PlanContext<'_>,
    views: &[LinkView],
) -> Option<Vec<LinkPlan>> {
    let entity = context.mappings.entity;
    let mut plans: Vec<LinkPlan> = views.iter().map(|view| plan_link(context, view)).collect();
    let mut answers = MergeAnswers::default();
    loop {
        let questions: HashSet<MergeQuestion> =
            plans.iter().flat_map(|plan| &plan.asks).cloned().collect();
        if questions.is_empty() {
            return Some(plans);
        }
        let asked = answers.ask_plugins(&cycle.engine.transforms, entity, questions).await;
        if let Err(error) = asked {
            cycle.counters.failed(&CycleFailure::of_transform(&entity.name, &error));
            return None;
        }
        let context = PlanContext { answers: &answers, ..*context };
        let asking = plans.iter_mut().zip(views).filter(|(plan, _)| !plan.asks.is_empty());
        asking.for_each(|(plan, view)| *plan = plan_link(&context, view));
    }
}

/// Keeps the links that get a record, by system and object.
fn note_made(planned: &[OutboxEntry], made: &mut PromisedRecords) {
    for entry in planned.iter().filter(|entry| entry.effect.kind().makes_record()) {
        let place = (entry.system.clone(), entry.object.clone());
        made.entry(place).or_default().insert(entry.link);
    }
}

/// Counts the links that match, stand alone and are held back, for a dry run.
fn counts_of(entity: &EntitySpec, plans: &[LinkPlan], views: &[LinkView]) -> EntityPlan {
    let systems = |view: &&LinkView| {
        let live = view.records.iter().filter(|record| record.status == RecordStatus::Live);
        live.map(|record| record.key.system.as_str()).collect::<BTreeSet<_>>().len()
    };
    EntityPlan {
        entity: entity.name.clone(),
        matched: views.iter().filter(|view| systems(view) > 1).count() as u64,
        single: views.iter().filter(|view| systems(view) == 1).count() as u64,
        held: plans.iter().filter(|plan| plan.held).count() as u64,
        ..EntityPlan::default()
    }
}

/// Places that have a live record again: children may have waited for one.
fn filled(after: &[RecordState], views: &[LinkView]) -> Vec<Awaited> {
    let before = views.iter().flat_map(|view| &view.records);
    let away: HashSet<&RecordKey> = before
        .filter(|record| record.status != RecordStatus::Live)
        .map(|record| &record.key)
        .collect();
    let is_back =
        |record: &&RecordState| record.status == RecordStatus::Live && away.contains(&record.key);
    after.iter().filter(is_back).filter_map(RecordState::awaited).collect()
}

/// Places of links that ended: what waited for them waits for nothing any more.
fn ended(links: &[Link], views: &[LinkView]) -> Vec<Awaited> {
    let ended = links.iter().filter(|link| link.status == LinkStatus::Ended);
    let views = ended.flat_map(|link| views.iter().filter(|view| view.link.id == link.id));
    views.flat_map(|view| view.records.iter().filter_map(|record| record.awaited())).collect()
}

/// Records of links that are about to lose some, whose newest reading was older than what is known
/// or lacked a cell: somebody may have edited them (`RULES.md` V1, V13).
async fn unclear(
    store: &dyn Store,
    plans: &[LinkPlan],
    views: &[LinkView],
) -> Result<BTreeSet<RecordKey>, StoreError> {
    let archives = |plan: &&LinkPlan| {
        plan.writes.iter().any(|planned_write| planned_write.effect.kind().removes_record())
    };
    let losing: BTreeSet<LinkId> = plans.iter().filter(archives).map(|plan| plan.link.id).collect();
    if losing.is_empty() {
        return Ok(BTreeSet::new());
    }
    let views = views.iter().filter(|view| losing.contains(&view.link.id));
    let records = views.flat_map(|view| &view.records);
    let live = records.filter(|record| record.status == RecordStatus::Live);
    let keys: Vec<RecordKey> = live.map(|record| record.key.clone()).collect();
    let doubts = store.doubts(&keys).await?;
    Ok(doubts
        .into_iter()
        .filter(|(_, doubt)| doubt.stale || doubt.unread)
        .map(|(key, _)| key)
        .collect())
}
