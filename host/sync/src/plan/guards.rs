//! The guards: deletions and creations above a number in 24 hours wait for a person (`RULES.md` V2,
//! P3, P14).
//!
//! Both are counted over the last 24 hours, so that many small steps are one large one. Deletions
//! are counted before any is made, with what they take along in their systems. A deletion that
//! takes others along asks in any case, unless the admin says otherwise. Creations are counted as
//! they are planned: so many are made as the guard allows, the others are held. At the end of the
//! cycle a person is asked about their number; until that is approved no cycle makes any more, and
//! then so many.

use std::collections::BTreeSet;

use crate::cycle_plan::PlannedDeletions;
use crate::cycle_state::CycleState;
use crate::engine::{CycleError, CycleEvent, Engine, FirstSyncAnswer};
use crate::plan::cascades::{TakenAlong, WentAlong, taken_along};
use crate::plan::deletion_hold::DeletionHold;
use crate::plan::mapping::FieldMappings;
use crate::plan::merge::answers::MergeAnswers;
use crate::plan::one_link::{PlanContext, plan_link};
use crate::plan::references::{PromisedRecords, References};
use renkei_model::review;
use renkei_model::spec::{EntitySpec, OnCascade};
use renkei_model::state::{
    GuardCounts, LinkId, OutboxState, RecordKey, Review, ReviewChoice, ReviewStatus, ReviewSubject,
    first_hour_of, hour_of,
};
use renkei_model::store::fetch::links_for;
use renkei_model::store::port::{Changes, OutboxQuery, ReviewFilter, ReviewQuery, StoreError};

/// The deletions that a plan without a guard would make.
struct PendingDeletions {
    records: BTreeSet<RecordKey>,
    /// Questions about records that went along with an archive, which are still to be answered.
    asked: BTreeSet<String>,
}

/// Weighs the pending deletions of an entity and renews the questions about them. The hold, where
/// they must wait.
pub(crate) async fn hold_deletions(
    cycle: &mut CycleState<'_>,
    mappings: &FieldMappings<'_>,
) -> Result<Option<DeletionHold>, CycleError> {
    let entity = mappings.entity;
    let pending = find_pending(cycle, mappings).await?;
    let open = open_questions(cycle.engine, entity).await?;
    let mut changes = Changes::default();
    let now_ms = cycle.engine.clock.now_ms();
    let is_over = |known: &&Review| match &known.subject {
        ReviewSubject::Deletions { .. } => pending.records.is_empty(),
        _ => !pending.asked.contains(&known.id),
    };
    changes.reviews.extend(open.iter().filter(is_over).map(|one| review::closed(one, now_ms)));
    let hold = match pending.records.is_empty() {
        true => None,
        false => weigh_deletions(cycle, entity, &pending.records, &open, &mut changes).await?,
    };
    // A dry run decides nothing that a later cycle builds on.
    if cycle.engine.options.apply && !changes.is_empty() {
        cycle.engine.store.commit(changes).await?;
    }
    Ok(hold)
}

/// Plans the links with a removed record as if there were no guard.
async fn find_pending(
    cycle: &CycleState<'_>,
    mappings: &FieldMappings<'_>,
) -> Result<PendingDeletions, StoreError> {
    let engine = cycle.engine;
    let (name, limit) = (&mappings.entity.name, engine.options.chunk_links);
    let mut pending = PendingDeletions { records: BTreeSet::new(), asked: BTreeSet::new() };
    let mut after = LinkId::default();
    loop {
        let ids = engine.store.pending_deletions(name, after, limit).await?;
        let Some(last) = ids.last() else { return Ok(pending) };
        after = *last;
        let views = links_for(engine.store, mappings.entity, &ids).await?;
        let references =
            References::fetch(engine.store, mappings, &views, Some(PromisedRecords::new())).await?;
        let along = WentAlong::fetch(cycle, mappings, &views).await?;
        let now_ms = engine.clock.now_ms();
        let context = PlanContext {
            mappings,
            references: &references,
            along: &along,
            now_ms,
            hold: None,
            // No conflict decides about a deletion.
            answers: &MergeAnswers::default(),
        };
        for view in &views {
            let planned_writes = plan_link(&context, view).writes;
            let archives = planned_writes
                .into_iter()
                .filter(|planned_write| planned_write.effect.kind().removes_record());
            let records = archives.filter_map(|planned_write| {
                planned_write.record(&mappings.entity[planned_write.member])
            });
            pending.records.extend(records);
        }
        pending.asked.extend(along.asked(mappings.entity));
    }
}

/// Counts what would be deleted and opens, keeps or uses the question about it.
async fn weigh_deletions(
    cycle: &mut CycleState<'_>,
    entity: &EntitySpec,
    records: &BTreeSet<RecordKey>,
    open: &[Review],
    changes: &mut Changes,
) -> Result<Option<DeletionHold>, CycleError> {
    let engine = cycle.engine;
    let now_ms = engine.clock.now_ms();
    let (along, all, is_known) = match taken_along(cycle, records).await? {
        Ok((along, all)) => (along, all, true),
        Err(failure) => {
            cycle.counters.failed(&failure);
            (TakenAlong::new(), records.clone(), false)
        }
    };
    let limit = entity.delete_guard.limit(engine.store.active_links(&entity.name).await?);
    let mut counts = engine.store.guard_counts(&entity.name, first_hour_of(now_ms)).await?;
    counts.deleted += unanswered(engine, entity).await?;
    let taken: u64 = along.values().sum();
    let count = records.len() as u64 + taken;
    let asks = taken > 0 && entity.on_cascade == OnCascade::Ask;
    let subject = ReviewSubject::Deletions {
        count,
        limit,
        along: along.iter().map(|(object, count)| (object.clone(), *count)).collect(),
        digest: digest(&all),
    };
    let question = review::of_entity(&entity.name, subject, now_ms);
    let known = open.iter().find(|known| known.id == question.id);
    let is_other_hold = |one: &&Review| {
        matches!(one.subject, ReviewSubject::Deletions { .. }) && one.id != question.id
    };
    changes
        .reviews
        .extend(open.iter().filter(is_other_hold).map(|one| review::closed(one, now_ms)));
    let answer = known.and_then(|known| known.choice.as_ref());
    let approved = answer == Some(&ReviewChoice::Approve);
    let leaves = is_known && answer == Some(&ReviewChoice::Leave);
    let hold = DeletionHold { count, limit, along: taken, leaves, later: false };
    let mut waits = !is_known || asks || count > counts.deletions_left(limit);
    let goes = !waits || is_known && (approved || cycle.are_approved(&entity.name, records));
    if goes && !leaves && taken > 0 && cycle.postpone_deletions(&entity.name) {
        // Records that go along may have been moved elsewhere, which is planned first.
        return Ok(Some(DeletionHold { later: true, ..hold }));
    }
    if cycle.are_approved(&entity.name, records) {
        waits = !is_known;
    } else if approved && is_known {
        cycle.approve(&entity.name, records);
        let approved = GuardCounts { may_delete: count, ..GuardCounts::default() };
        changes.guards.push((entity.name.clone(), hour_of(now_ms), approved));
        waits = false;
    }
    if !waits && taken > 0 && cycle.note_cascade_counted(&question.id) {
        let went = GuardCounts { deleted: taken, ..GuardCounts::default() };
        changes.guards.push((entity.name.clone(), hour_of(now_ms), went));
    }
    let (entity, records, today) = (entity.name.clone(), records.len() as u64, counts.deleted);
    let stops = waits && !leaves;
    cycle.show(PlannedDeletions { entity, records, along, today, limit, waits: stops });
    match known {
        Some(known) if !waits || leaves => changes.reviews.push(review::closed(known, now_ms)),
        None if waits && is_known => changes.reviews.push(question),
        _ => {}
    }
    Ok(waits.then_some(hold))
}

/// The number of archives that were sent and not answered; they count as done.
async fn unanswered(engine: &Engine<'_>, entity: &EntitySpec) -> Result<u64, StoreError> {
    let query = OutboxQuery {
        state: OutboxState::Sent,
        entity: Some(entity.name.clone()),
        system: None,
        kind: None,
        due_ms: i64::MAX,
        limit: usize::MAX,
    };
    let sent = engine.store.outbox(&query).await?;
    Ok(sent.iter().filter(|entry| entry.effect.kind().removes_record()).count() as u64)
}

fn digest(records: &BTreeSet<RecordKey>) -> String {
    let names: Vec<String> = records.iter().map(ToString::to_string).collect();
    review::digest(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

async fn open_questions(
    engine: &Engine<'_>,
    entity: &EntitySpec,
) -> Result<Vec<Review>, StoreError> {
    let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let mut reviews = engine.store.reviews(&query).await?;
    reviews.retain(|known| {
        known.entity == entity.name
            && matches!(
                known.subject,
                ReviewSubject::Deletions { .. } | ReviewSubject::TookAlong { .. }
            )
    });
    Ok(reviews)
}

/// Sets the number of records of an entity that may be created in this cycle. A first sync is asked
/// about as a whole, so the guard does not cut it short.
pub(crate) async fn allow_creations(
    cycle: &mut CycleState<'_>,
    entity: &EntitySpec,
) -> Result<(), StoreError> {
    let Some(limit) = entity.create_guard.filter(|_| !cycle.has_create_allowance(&entity.name))
    else {
        return Ok(());
    };
    let engine = cycle.engine;
    let covered = engine.store.begun(&entity.name).await?;
    if covered.is_none() && engine.options.first_sync != FirstSyncAnswer::Unasked {
        return Ok(());
    }
    let now_ms = engine.clock.now_ms();
    let asked = creation_questions(engine).await?.into_iter().find(|one| {
        let is_same =
            matches!(one.subject, ReviewSubject::Creations { limit: known, .. } if known == limit);
        one.entity == entity.name && is_same
    });
    match asked {
        Some(approved) if approved.choice == Some(ReviewChoice::Approve) => {
            let count = match approved.subject {
                // An older program asked without a number.
                ReviewSubject::Creations { count: 0, .. } => u64::MAX,
                ReviewSubject::Creations { count, .. } => count,
                _ => 0,
            };
            cycle.allow_creations(&entity.name, count, Some(approved));
        }
        Some(_) => cycle.allow_creations(&entity.name, 0, None),
        None => {
            let counts = engine.store.guard_counts(&entity.name, first_hour_of(now_ms)).await?;
            let count = counts.creations_left(limit).saturating_add(covered.unwrap_or(0));
            cycle.allow_creations(&entity.name, count, None);
        }
    }
    Ok(())
}

async fn creation_questions(engine: &Engine<'_>) -> Result<Vec<Review>, StoreError> {
    let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let mut reviews = engine.store.reviews(&query).await?;
    reviews.retain(|known| matches!(known.subject, ReviewSubject::Creations { .. }));
    Ok(reviews)
}

/// Asks about the creations that wait at the end of a cycle. A question about another number, or
/// about none, is over; an approval that nothing was made by yet still holds.
pub(crate) async fn ask_about_creations(cycle: &CycleState<'_>) -> Result<(), StoreError> {
    let engine = cycle.engine;
    let known = creation_questions(engine).await?;
    let now_ms = engine.clock.now_ms();
    let mut changes = Changes::default();
    for entity in engine.spec.entities() {
        let mine: Vec<&Review> = known.iter().filter(|one| one.entity == entity.name).collect();
        let waiting = match entity.create_guard {
            Some(limit) => cycle.creations_waiting(&entity.name).map(|known| (limit, known)),
            None => Some((0, (0, false))),
        };
        // Not planned in this cycle.
        let Some((limit, (count, held_by_guard))) = waiting else { continue };
        let subject = ReviewSubject::Creations { limit, count };
        let question = review::of_entity(&entity.name, subject, now_ms);
        let is_over = |one: &&&Review| {
            let is_other = one.id != question.id && one.status == ReviewStatus::Open;
            count == 0 || is_other && held_by_guard
        };
        let over = mine.iter().filter(is_over).map(|one| review::closed(one, now_ms));
        changes.reviews.extend(over);
        if held_by_guard && mine.iter().all(|one| is_over(&one)) {
            changes.reviews.push(question);
            let (entity, questions) = (entity.name.as_str(), 1);
            let (links, operations, decided) = (0, 0, 0);
            let event = CycleEvent::Planned { entity, links, operations, questions, decided };
            cycle.counters.event(&event);
        }
    }
    match changes.is_empty() {
        true => Ok(()),
        false => engine.store.commit(changes).await,
    }
}
