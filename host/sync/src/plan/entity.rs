//! Plans all dirty links of an entity, a chunk per commit.
//!
//! The plan is derived from stored state only, and operations are committed together with the
//! truths and bases that they follow from, so that a crash loses neither.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::cycle_state::CycleState;
use crate::engine::{CycleError, CycleEvent, journal_of};
use crate::link::stamp::{MemberPlaces, origin_of};
use crate::model::cycle_plan::HeldLink;
use crate::model::reason::Reason;
use crate::model::review;
use crate::model::spec::{EntitySpec, MemberSpec};
use crate::model::state::{
    Awaited, EntityPlan, Failure, FailureClass, FieldWrite, JournalEntry, Link, LinkId, LinkStatus,
    LinkView, OutboxEntry, RecordKey, RecordState, RecordStatus, Review, ReviewStatus,
    ReviewSubject,
};
use crate::plan::cascades::WentAlong;
use crate::plan::check;
use crate::plan::deletion_hold::DeletionHold;
use crate::plan::limits;
use crate::plan::link::{
    LinkPlan, MissingRequirement, PlanContext, PlanNote, PlannedWrite, plan_link,
};
use crate::plan::mapping::FieldMappings;
use crate::plan::references::{PromisedRecords, References};
use crate::plan::refused_columns::columns::value_of;
use crate::plan::refused_columns::{PlanFindings, is_met, narrow, repeated};
use crate::plan::render::{RenderedWrite, intent, render};
use crate::read::ingest::IngestSource;
use crate::store::fetch::links_for;
use crate::store::port::{Changes, Store, StoreError};

/// Lost records read by id in one call.
const LOOK_MAX: usize = 1_000;

/// Plans the dirty links of an entity. The number of links that nothing holds back.
pub(crate) async fn plan_entity(
    cycle: &mut CycleState<'_>,
    entity: &EntitySpec,
) -> Result<u64, CycleError> {
    let mappings = FieldMappings::new(entity);
    let hold = limits::deletions(cycle, &mappings).await?;
    limits::creations(cycle, entity).await?;
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
    for key in lost.iter().filter(|key| cycle.looks_at(key)) {
        objects.entry((&key.system, &key.object)).or_default().push(key.id.clone());
    }
    for ((system, object), ids) in objects {
        let places = engine.spec.entities().iter();
        let places = places.filter_map(|entity| Some((entity, entity.member(system, object)?.1)));
        for (entity, member) in places {
            let connector = match engine.systems.open(system).await {
                Ok(connector) => connector,
                Err(error) => {
                    cycle.tally.failed(system, "open", &error);
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
    let context = PlanContext { mappings, references, along: &along, now_ms, hold };
    let mut plans: Vec<LinkPlan> = views.iter().map(|view| plan_link(&context, view)).collect();
    let unclear = unclear(engine.store, &plans, &views).await?;
    for (plan, view) in plans.iter_mut().zip(&views) {
        cycle.hold_back(mappings.entity, plan, view, &unclear);
    }
    let counts: Vec<usize> = plans.iter().map(|plan| plan.writes.len()).collect();
    let planned_writes: Vec<PlannedWrite> =
        plans.iter_mut().flat_map(|plan| std::mem::take(&mut plan.writes)).collect();
    let rendered = match render(&engine.transforms, mappings.entity, &planned_writes).await {
        Ok(rendered) => rendered,
        Err(error) => {
            cycle.tally.failed("transform", &mappings.entity.name, &error);
            return Ok(0);
        }
    };
    let mut rendered = planned_writes.iter().zip(rendered);
    let mut chunk = LinkChunk {
        entity: mappings.entity,
        now_ms,
        changes: Changes::default(),
        held: vec![],
        places: None,
    };
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
        chunk.add(engine.store, plan, rendered.by_ref().take(count), view);
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

/// The changes of one chunk of links.
struct LinkChunk<'a> {
    entity: &'a EntitySpec,
    now_ms: i64,
    changes: Changes,
    held: Vec<HeldLink>,
    /// The accounts and objects that stamps of creates name; fetched where a create is planned.
    places: Option<MemberPlaces<'a>>,
}

impl<'s> LinkChunk<'s> {
    /// Adds one plan with its rendered writes to the chunk.
    fn add<'d>(
        &mut self,
        store: &dyn Store,
        mut plan: LinkPlan,
        rendered: impl Iterator<Item = (&'d PlannedWrite, RenderedWrite)>,
        view: &LinkView,
    ) {
        let link = plan.link.id;
        forget_made(&mut plan.link, view);
        let mut notes = std::mem::take(&mut plan.notes);
        let version = plan.link.version + 1;
        let mut found = self.lacking(&plan);
        found.unread = std::mem::take(&mut plan.unread);
        let mut goes_on = plan.held;
        for (planned_write, rendered) in rendered {
            let member = &self.entity[planned_write.member];
            found.failures.extend(self.unrendered(member, planned_write, &rendered.notes));
            notes.extend(rendered.notes);
            for settled in &rendered.settled {
                mark_field_told(self.entity, &mut plan.records, view, (planned_write, settled));
            }
            let Some(entry) = rendered.entry else { continue };
            if !plan.link.failures.is_empty() {
                found.wanted.push(entry.clone());
            }
            let narrowed = narrow(self.entity, member, &plan.link.failures, entry, self.now_ms);
            notes.extend(refused_notes(planned_write, member, narrowed.left_out));
            goes_on |= narrowed.is_part;
            let Some(mut entry) = narrowed.entry else { continue };
            if let Some(before) = repeated(&plan.link.failures, &entry) {
                (entry.attempts, entry.not_before_ms) = (before.times, before.last_ms);
                entry.intent.clone_from(&before.digest);
            } else {
                entry.intent = self.intent(store, &entry, version, view);
            }
            Arc::make_mut(&mut plan.link).version = version;
            self.journal_entry(&entry);
            self.changes.outbox.push(entry);
        }
        let is_partial = plan.held
            || plan.stands
            || found.wanted.iter().any(|one| one.effect.kind().goes_alone());
        let is_whole = plan.link.failures.is_empty() && found.failures.is_empty();
        if !is_partial && !is_whole {
            if plan.link.status != LinkStatus::Active {
                found.wanted.clear();
                found.failures.clear();
                found.unread.clear();
            }
            let failures = found.renew(&plan.link.failures);
            if failures != plan.link.failures {
                Arc::make_mut(&mut plan.link).failures = failures;
            }
        }
        self.close_taken(&mut plan, view);
        let news = std::mem::take(&mut plan.news);
        self.changes.journal.extend(journal_of(&self.entity.name, link, self.now_ms, news));
        self.keep(link, notes, plan.held);
        if !Arc::ptr_eq(&plan.link, &view.link) && plan.link != view.link {
            self.changes.links.push(Arc::unwrap_or_clone(plan.link));
        }
        self.changes.records.extend(plan.records.into_iter().map(Arc::unwrap_or_clone));
        self.changes.reviews.extend(plan.reviews);
        self.changes.waits.push((link, plan.waits));
        if !goes_on {
            self.changes.clean.push(link);
        }
    }

    fn intent(
        &self,
        store: &dyn Store,
        entry: &OutboxEntry,
        version: u64,
        view: &LinkView,
    ) -> String {
        match &self.places {
            Some(places) if entry.effect.kind().makes_record() => {
                let records = view.records.iter().map(Arc::as_ref);
                places.intent(store, entry, version, origin_of(records))
            }
            _ => intent((store.identity(), store.epoch()), entry, version),
        }
    }

    /// Closes questions about a write that met a record of another link, once that write is due no
    /// more.
    fn close_taken(&self, plan: &mut LinkPlan, view: &LinkView) {
        let is_met = is_met(&plan.link.failures);
        let taken =
            view.reviews.iter().filter(|one| matches!(one.subject, ReviewSubject::Taken { .. }));
        let over = taken.filter(|_| !is_met).map(|known| review::closed(known, self.now_ms));
        plan.reviews.extend(over);
    }

    /// The failures of creates that lack a requirement.
    fn lacking(&self, plan: &LinkPlan) -> PlanFindings<'s> {
        let failure = |lacking: &MissingRequirement| {
            let member = &self.entity[lacking.member];
            let (field, class) = (lacking.field.clone(), FailureClass::Required);
            let said = (lacking.column.clone(), lacking.reason.to_string());
            Failure::of_member(member, None, field, class, said, self.now_ms)
        };
        let failures = plan.lacking.iter().map(failure).collect();
        PlanFindings { entity: self.entity, wanted: Vec::new(), failures, unread: Vec::new() }
    }

    /// The failures of values that a member's columns have no counterpart for.
    fn unrendered(
        &self,
        member: &MemberSpec,
        planned_write: &PlannedWrite,
        notes: &[PlanNote],
    ) -> Vec<Failure> {
        let failure = |note: &PlanNote| {
            let (class, column) = match &note.reason {
                Reason::Unmapped { column, .. } => (FailureClass::Unmapped, Some(column.clone())),
                Reason::ZoneUnknown { column } => (FailureClass::Unreadable, Some(column.clone())),
                Reason::TransformFailed { .. } => (FailureClass::Transform, None),
                _ => return None,
            };
            let said = (column, note.reason.to_string());
            let record = note.record.as_ref();
            let mut failure =
                Failure::of_member(member, record, note.field.clone(), class, said, self.now_ms);
            let writes = planned_write
                .fields
                .iter()
                .filter(|write| failure.field.as_ref() == Some(&write.field));
            failure.values = writes.map(value_of).collect();
            Some(failure)
        };
        notes.iter().filter_map(failure).collect()
    }

    /// Notes go to the journal; those of a held link would come again in every cycle.
    fn keep(&mut self, link: LinkId, notes: Vec<PlanNote>, held: bool) {
        let name = &self.entity.name;
        self.held.extend(notes.iter().map(|note| HeldLink {
            entity: name.clone(),
            link,
            record: note.record.clone(),
            field: note.field.clone(),
            reason: note.reason.clone(),
        }));
        if !held {
            self.changes.journal.extend(journal_of(name, link, self.now_ms, notes));
        }
    }

    fn journal_entry(&mut self, entry: &OutboxEntry) {
        let record = entry.record();
        let line = |field: Option<String>, reason: &Reason| JournalEntry {
            at_ms: self.now_ms,
            entity: self.entity.name.clone(),
            link: Some(entry.link),
            record: record.clone(),
            field,
            intent: Some(entry.intent.clone()),
            generation: None,
            reason: reason.clone(),
        };
        if entry.effect.kind().changes_record() {
            let fields = entry.fields.iter();
            let lines = fields.map(|write| line(Some(write.field.clone()), &write.reason));
            self.changes.journal.extend(lines);
        } else {
            self.changes.journal.push(line(None, &entry.reason));
        }
    }

    fn report_events(&self, cycle: &CycleState<'_>, links: u64) {
        let count = |status| {
            let reviews = self.changes.reviews.iter();
            reviews.filter(|review: &&Review| review.status == status).count() as u64
        };
        cycle.tally.event(&CycleEvent::Planned {
            entity: &self.entity.name,
            links,
            operations: self.changes.outbox.len() as u64,
            questions: count(ReviewStatus::Open),
            decided: count(ReviewStatus::Decided),
        });
    }
}

/// Forgets creates without an answer in systems where the link has had a record since.
fn forget_made(link: &mut Arc<Link>, view: &LinkView) {
    let is_made = |failure: &Failure| {
        failure.class == FailureClass::Unanswered
            && view.records.iter().any(|record| record.key.system == failure.system)
    };
    if link.failures.iter().any(is_made) {
        Arc::make_mut(link).failures.retain(|failure| !is_made(failure));
    }
}

/// A note for each field that is left out, or one for the record as a whole.
fn refused_notes(
    planned_write: &PlannedWrite,
    member: &MemberSpec,
    left_out: Vec<(Option<String>, Vec<String>)>,
) -> Vec<PlanNote> {
    let record = planned_write.record(member);
    let note = |(field, codes)| PlanNote {
        record: record.clone(),
        field,
        reason: Reason::RefusedBefore { codes },
    };
    left_out.into_iter().map(note).collect()
}

/// Notes that a member has agreed to the truth: its columns hold it already, in a form of its own.
fn mark_field_told(
    entity: &EntitySpec,
    records: &mut Vec<Arc<RecordState>>,
    view: &LinkView,
    (planned_write, settled): (&PlannedWrite, &FieldWrite),
) {
    let is_target = |record: &RecordState| {
        Some(record.key.id.as_str()) == planned_write.effect.id()
            && entity.member(&record.key.system, &record.key.object).map(|(position, _)| position)
                == Some(planned_write.member)
    };
    let Some((position, _)) = entity.field(&settled.field) else { return };
    let mut record = match records.iter().position(|record| is_target(record)) {
        Some(index) => records.swap_remove(index),
        None => match view.records.iter().find(|record| is_target(record)) {
            Some(record) => Arc::clone(record),
            None => return,
        },
    };
    Arc::make_mut(&mut record).fields[position].agreed.clone_from(&settled.after);
    records.push(record);
}
