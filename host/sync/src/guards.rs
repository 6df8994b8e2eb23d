//! Guards against writing far more than was meant: deletions and creations above a number wait for
//! a person (SYNC.md D10, I11).
//!
//! Deletions are counted before any is made. Creations are counted as they are planned: a cycle
//! makes as many as the guard allows, holds the others and asks; until that is approved no cycle
//! makes any more.

use crate::cycle::Cycle;
use crate::engine::Engine;
use crate::review;
use crate::spec::EntitySpec;
use crate::state::{Choice, Matter, Review, ReviewStatus};
use crate::store::{Changes, ReviewQuery, Reviews, StoreError};

/// Whether deletions must wait (how many there are, how many are allowed), and the question about
/// it.
pub(crate) async fn deletions(
    cycle: &mut Cycle<'_>,
    entity: &EntitySpec,
) -> Result<Option<(u64, u64)>, StoreError> {
    let engine = cycle.engine;
    let doomed = engine.store.doomed(&entity.name).await?;
    if doomed.doomed == 0 {
        return Ok(None);
    }
    let limit = entity.delete_guard.limit(doomed.links);
    let matter = Matter::Deletions { count: doomed.doomed, limit };
    let now_ms = engine.clock.now_ms();
    let question = review::of_entity(&entity.name, matter, now_ms);
    let mut braked = doomed.doomed > limit && !cycle.may_delete(&entity.name);
    let mut reviews = Vec::new();
    for known in open_brakes(engine, entity).await? {
        if known.id == question.id && known.choice == Some(Choice::Approve) {
            cycle.allow_deletions(&entity.name);
            braked = false;
        } else if known.id == question.id && braked {
            continue;
        }
        reviews.push(review::closed(&known, now_ms));
    }
    let closed = reviews.iter().any(|known| known.id == question.id);
    if braked
        && !closed
        && engine.store.review(&question.id).await?.is_none_or(|known| is_over(&known))
    {
        reviews.push(question);
    }
    if !reviews.is_empty() {
        engine.store.commit(Changes { reviews, ..Changes::default() }).await?;
    }
    Ok(braked.then_some((doomed.doomed, limit)))
}

async fn open_brakes(engine: &Engine<'_>, entity: &EntitySpec) -> Result<Vec<Review>, StoreError> {
    let query = ReviewQuery { stand: Reviews::Stopping, ..ReviewQuery::default() };
    let mut reviews = engine.store.reviews(&query).await?;
    reviews.retain(|known| {
        known.entity == entity.name && matches!(known.matter, Matter::Deletions { .. })
    });
    Ok(reviews)
}

fn is_over(review: &Review) -> bool {
    review.status == ReviewStatus::Closed
}

/// Whether creations are held until a person approves them, and the end of that question.
pub(crate) async fn creations(
    cycle: &mut Cycle<'_>,
    entity: &EntitySpec,
) -> Result<(), StoreError> {
    let Some(limit) = entity.create_guard.filter(|_| !cycle.is_guarded(&entity.name)) else {
        return Ok(());
    };
    let engine = cycle.engine;
    let question = creations_question(entity, limit, engine.clock.now_ms());
    let known = engine.store.review(&question.id).await?.filter(|known| !is_over(known));
    match known {
        Some(known) if known.choice == Some(Choice::Approve) => {
            cycle.guard(&entity.name, u64::MAX, false);
            let reviews = vec![review::closed(&known, engine.clock.now_ms())];
            engine.store.commit(Changes { reviews, ..Changes::default() }).await?;
        }
        Some(_) => cycle.guard(&entity.name, 0, true),
        None => cycle.guard(&entity.name, limit, false),
    }
    Ok(())
}

/// Whether more than these may be created.
pub(crate) fn creations_question(entity: &EntitySpec, limit: u64, now_ms: i64) -> Review {
    review::of_entity(&entity.name, Matter::Creations { limit }, now_ms)
}
