//! The first sync of an entity: nothing is written before a person has seen the numbers and
//! approved (`RULES.md` P15).
//!
//! An entity is begun when somebody has approved its first plan; that stands in the store
//! ([`renkei_model::store::port::Store::begun`]), and is taken back only when the entity gets the
//! records of another one (`RULES.md` V13). One that is not begun is read and linked, and its plan
//! is made as a dry run makes it and thrown away. Its numbers stand in one question about all
//! entities that are not begun. An entity is not asked about before two of its systems were read
//! to their end, because its plan is not known.

use crate::cycle_state::CycleState;
use crate::engine::{CycleError, CycleOptions, Engine, FirstSyncAnswer, SilentObserver};
use crate::first_sync_waits::{FirstSyncWaits, plans};
use crate::link::linker::{link_records, place_returned_records};
use crate::link::successors::follow_moves;
use crate::plan::chunks::plan_entity;
use crate::read::transforms::TransformCalls;
use renkei_model::review;
use renkei_model::spec::EntitySpec;
use renkei_model::state::{EntityPlan, Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_model::store::port::{Changes, ReviewFilter, ReviewQuery, StoreError};

/// The next step for entities whose first plans are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// They are begun.
    Begin,
    /// There is nothing to write: their records are compared from now on.
    Compare,
    /// A person is asked.
    Ask,
}

/// All of them together: one answer is about all that was shown.
fn next_step(answer: FirstSyncAnswer, plans: &[EntityPlan]) -> Step {
    if answer == FirstSyncAnswer::Approved && !plans.is_empty() {
        Step::Begin
    } else if plans.iter().all(|plan| plan.writes.is_empty()) {
        Step::Compare
    } else {
        Step::Ask
    }
}

/// Begins what a person has approved, and asks about the other entities that nothing was written
/// of. The cycle plans and writes nothing of those.
pub(crate) async fn begin_or_ask(cycle: &mut CycleState<'_>) -> Result<(), CycleError> {
    let engine = cycle.engine;
    if !engine.options.apply || engine.options.first_sync == FirstSyncAnswer::Unasked {
        return Ok(());
    }
    let asked = begin_approved(engine, open_questions(engine).await?).await?;
    let mut new = Vec::new();
    for entity in engine.spec.entities() {
        if engine.store.begun(&entity.name).await?.is_none() {
            new.push(entity);
        }
    }
    if new.is_empty() {
        return close(engine, &asked, None).await.map_err(CycleError::from);
    }
    for entity in engine.spec.entities() {
        let current = cycle.current_systems(entity);
        place_returned_records(engine, entity).await?;
        follow_moves(engine, &cycle.counters, entity).await?;
        let contested = link_records(engine, &cycle.counters, entity, &current).await?;
        cycle.note_contested_places(&entity.name, contested);
    }
    let mut waits = FirstSyncWaits::default();
    let mut entities = Vec::new();
    for entity in new {
        match preview(cycle, entity).await? {
            Some(plan) => entities.push((entity, plan)),
            None => {
                waits.unread.push(entity.name.clone());
                cycle.wait(&entity.name);
            }
        }
    }
    let plans: Vec<EntityPlan> = entities.iter().map(|(_, plan)| plan.clone()).collect();
    let step = next_step(engine.options.first_sync, &plans);
    let question = review::of_first_sync(plans, engine.clock.now_ms());
    match step {
        Step::Begin => {
            begin(engine, &question).await?;
            close(engine, &asked, Some(&question.id)).await?;
        }
        Step::Compare => {
            close(engine, &asked, None).await?;
            for (entity, _) in &entities {
                plan_entity(cycle, entity).await?;
                cycle.wait(&entity.name);
            }
        }
        Step::Ask => {
            entities.iter().for_each(|(entity, _)| cycle.wait(&entity.name));
            close(engine, &asked, Some(&question.id)).await?;
            waits.question = Some(add_review(engine, &asked, question).await?);
        }
    }
    if waits != FirstSyncWaits::default() {
        cycle.counters.first_sync_waits(waits);
    }
    Ok(())
}

/// Begins the entities of approved questions. The questions without an answer.
async fn begin_approved(
    engine: &Engine<'_>,
    questions: Vec<Review>,
) -> Result<Vec<Review>, StoreError> {
    let mut unanswered = Vec::new();
    for question in questions {
        match question.choice {
            Some(ReviewChoice::Approve) => begin(engine, &question).await?,
            _ => unanswered.push(question),
        }
    }
    Ok(unanswered)
}

/// Marks the entities of a question as begun, with the creations that a person has seen and
/// approved, and keeps the question as answered.
async fn begin(engine: &Engine<'_>, question: &Review) -> Result<(), StoreError> {
    let begun = plans(question).iter().map(|plan| (plan.entity.clone(), Some(plan.creations())));
    let answered = Review { choice: Some(ReviewChoice::Approve), ..question.clone() };
    let changes = Changes {
        begun: begun.collect(),
        reviews: vec![review::closed(&answered, engine.clock.now_ms())],
        ..Changes::default()
    };
    engine.store.commit(changes).await
}

/// Keeps the question with the numbers of now; what a person has answered stays.
async fn add_review(
    engine: &Engine<'_>,
    asked: &[Review],
    question: Review,
) -> Result<Review, StoreError> {
    let known = asked.iter().find(|known| known.id == question.id);
    let question = match known {
        Some(known) => Review { subject: question.subject, ..known.clone() },
        None => question,
    };
    if known != Some(&question) {
        let reviews = vec![question.clone()];
        engine.store.commit(Changes { reviews, ..Changes::default() }).await?;
    }
    Ok(question)
}

/// Ends all questions but this one: they are about other entities than those that wait now.
async fn close(
    engine: &Engine<'_>,
    asked: &[Review],
    kept: Option<&str>,
) -> Result<(), StoreError> {
    let over = asked.iter().filter(|known| kept != Some(known.id.as_str()));
    let now_ms = engine.clock.now_ms();
    let reviews: Vec<Review> = over.map(|known| review::closed(known, now_ms)).collect();
    match reviews.is_empty() {
        true => Ok(()),
        false => engine.store.commit(Changes { reviews, ..Changes::default() }).await,
    }
}

async fn open_questions(engine: &Engine<'_>) -> Result<Vec<Review>, StoreError> {
    let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let mut reviews = engine.store.reviews(&query).await?;
    reviews.retain(|known| matches!(known.subject, ReviewSubject::FirstSync { .. }));
    Ok(reviews)
}

/// The plan of an entity in numbers, made by a dry run; nothing where the entity was not read to
/// its end or could not be planned as a whole.
async fn preview(
    cycle: &mut CycleState<'_>,
    entity: &EntitySpec,
) -> Result<Option<EntityPlan>, CycleError> {
    let engine = cycle.engine;
    if !is_read(cycle, entity) {
        return Ok(None);
    }
    let options = CycleOptions { apply: false, plan_operations: 0, ..engine.options.clone() };
    let transforms = TransformCalls::new(engine.transforms.transforms());
    let dry = Engine { transforms, observer: &SilentObserver, options, ..*engine };
    let mut dry = cycle.for_preview(&dry);
    dry.promised = std::mem::take(&mut cycle.promised);
    plan_entity(&mut dry, entity).await?;
    cycle.promised = std::mem::take(&mut dry.promised);
    let plan = dry.plan.entities.pop();
    let failures = dry.counters.into_report().failures;
    for failure in &failures {
        cycle.counters.failed(failure);
    }
    if !failures.is_empty() {
        return Ok(None);
    }
    let name = entity.name.clone();
    let plan = plan.unwrap_or_else(|| EntityPlan { entity: name, ..EntityPlan::default() });
    let ambiguous = ambiguous(engine, &plan.entity).await?;
    Ok(Some(EntityPlan { ambiguous, ..plan }))
}

/// True where the plan can be known: all systems were read to their end, or two were and the others
/// have failed.
fn is_read(cycle: &CycleState<'_>, entity: &EntitySpec) -> bool {
    let current = cycle.current_systems(entity);
    let mut unread =
        entity.members.iter().filter(|one| !current.contains(one.system.as_str())).peekable();
    let is_whole = unread.peek().is_none();
    let has_stopped = |system: &str| {
        let mut members = entity.members.iter().filter(|one| one.system == system);
        members.any(|one| cycle.counters.has_stopped(system, &one.object))
    };
    is_whole || (current.len() > 1 && unread.all(|one| has_stopped(&one.system)))
}

/// The number of open questions about ambiguous matches of the entity.
async fn ambiguous(engine: &Engine<'_>, entity: &str) -> Result<u64, StoreError> {
    let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let reviews = engine.store.reviews(&query).await?;
    let is_ours = |review: &&Review| {
        review.entity == entity
            && review.status == ReviewStatus::Open
            && matches!(review.subject, ReviewSubject::Ambiguous { .. })
    };
    Ok(reviews.iter().filter(is_ours).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use renkei_model::effect::EffectKind;

    #[test]
    fn first_plans_are_asked_about_together_unless_approved_or_empty() {
        let quiet = EntityPlan { entity: "deal".to_owned(), ..EntityPlan::default() };
        let mut writes = EntityPlan { entity: "person".to_owned(), ..EntityPlan::default() };
        writes.add("hubspot", "contacts", EffectKind::Create);
        for (answer, plans, expected) in [
            (FirstSyncAnswer::Ask, vec![], Step::Compare),
            (FirstSyncAnswer::Approved, vec![], Step::Compare),
            (FirstSyncAnswer::Ask, vec![quiet.clone()], Step::Compare),
            (FirstSyncAnswer::Approved, vec![quiet.clone()], Step::Begin),
            (FirstSyncAnswer::Ask, vec![quiet.clone(), writes.clone()], Step::Ask),
            (FirstSyncAnswer::Approved, vec![quiet, writes], Step::Begin),
        ] {
            assert_eq!(next_step(answer, &plans), expected, "{answer:?} {plans:?}");
        }
    }

    #[test]
    fn question_is_the_same_when_only_its_numbers_differ() {
        let plan = |entity: &str, matched| EntityPlan {
            entity: entity.to_owned(),
            matched,
            ..EntityPlan::default()
        };
        let id = |plans: Vec<EntityPlan>| review::of_first_sync(plans, 0).id;
        assert_eq!(id(vec![plan("deal", 1)]), id(vec![plan("deal", 2)]));
        assert_ne!(id(vec![plan("deal", 1)]), id(vec![plan("person", 1)]));
    }
}
