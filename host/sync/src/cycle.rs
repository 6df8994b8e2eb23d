//! One cycle, from recovery to sweep. It may be repeated at any time; a second run right after the
//! first plans nothing.
//!
//! ```text
//! recover -> retry refused links -> observe -> catch up after a restore -> first syncs ask
//!         -> per entity, parents first: place records that came back -> follow moves -> link
//!            -> plan, check -> apply
//!         -> probe, pause; again while anything moves -> ask about creations -> sweep
//! ```
//! One commit each: a page, a moved record, a chunk of linked records, a chunk of checked plans, a
//! batch marked as sent, its outcomes. A link's plan is derived from stored state, and what this
//! cycle saw only holds writes back. So after a crash anywhere the next cycle goes on (`RULES.md`
//! I15). The passes repeat until nothing more can move, so that a parent made in this cycle lets
//! its children through in the same cycle.

use crate::apply::recover::{ProbeStage, probe, recover};
use crate::apply::send::apply_entity;
use crate::cycle_plan::CyclePlan;
use crate::cycle_state::CycleState;
use crate::engine::{CycleError, CycleReport, Engine};
use crate::link::linker::{link_records, place_returned_records};
use crate::link::successors::follow_moves;
use crate::plan::chunks::plan_entity;
use crate::plan::first_sync::begin_or_ask;
use crate::plan::guards;
use crate::read::observe::observe;
use crate::read::sweep::{catch_up_after_restore, sweep};
use renkei_model::state::RETRY_REFUSED_MS;
use renkei_model::store::port::Changes;

/// The most passes over all entities; a chain of parents needs one per generation.
const PASSES_MAX: u32 = 8;
/// Links with refusals that one cycle plans again; those that it tries make room for the others.
const RETRIES_MAX: usize = 10_000;

/// The results of a cycle.
#[derive(Debug, Clone, Default)]
pub struct CycleResult {
    /// Counts of what was read, linked, planned and written, and the failures.
    pub report: CycleReport,
    /// The planned operations, where the options do not let the cycle write; else empty.
    pub plan: CyclePlan,
}

/// Marks links with a refusal as dirty once nothing was tried for a day: the cause may have gone
/// without a reading that shows it (`RULES.md` V5).
async fn retry_refused(engine: &Engine<'_>) -> Result<(), CycleError> {
    let before_ms = engine.clock.now_ms().saturating_sub(RETRY_REFUSED_MS);
    let dirty = engine.store.failing_links(before_ms, RETRIES_MAX).await?;
    if dirty.is_empty() {
        return Ok(());
    }
    Ok(engine.store.commit(Changes { dirty, ..Changes::default() }).await?)
}

/// Runs one cycle.
///
/// # Errors
/// The store failed, or a plan broke a rule of [`crate::plan::check`]. Failures of systems and
/// plugins are in the report, and the others' work goes on.
pub async fn run_cycle(engine: &Engine<'_>) -> Result<CycleResult, CycleError> {
    let mut cycle = CycleState::new(engine);
    if engine.options.apply {
        recover(&mut cycle).await?;
    }
    retry_refused(engine).await?;
    let observed = observe(engine, &cycle.counters).await?;
    let backfilled = observed.backfilled;
    (cycle.current, cycle.denied) = (observed.current, observed.denied);
    if !catch_up_after_restore(&cycle).await? {
        return Ok(CycleResult { report: cycle.counters.into_report(), plan: cycle.plan });
    }
    begin_or_ask(&mut cycle).await?;
    for _ in 0..PASSES_MAX {
        let mut progress = 0;
        for entity in engine.spec.entities() {
            if cycle.is_waiting(&entity.name) {
                continue;
            }
            place_returned_records(engine, entity).await?;
            follow_moves(engine, &cycle.counters, entity).await?;
            let current = cycle.current_systems(entity);
            let contested = link_records(engine, &cycle.counters, entity, &current).await?;
            cycle.note_contested_places(&entity.name, contested);
            progress += plan_entity(&mut cycle, entity).await?;
            if engine.options.apply {
                apply_entity(&mut cycle, entity).await?;
            }
        }
        if !engine.options.apply {
            break;
        }
        progress += probe(&cycle, ProbeStage::End).await?;
        progress += cycle.pause().await;
        if progress == 0 {
            break;
        }
    }
    if engine.options.apply {
        guards::ask_about_creations(&cycle).await?;
        sweep(&cycle, &backfilled).await?;
    }
    Ok(CycleResult { report: cycle.counters.into_report(), plan: cycle.plan })
}
