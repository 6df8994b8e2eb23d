//! Reports of a cycle and of a plan: numbers for people and scripts.

use std::collections::{BTreeMap, BTreeSet};

use renkei_model::effect::EffectKind;
use renkei_model::state::{OutboxEntry, SweepCounts};
use renkei_sync::cycle_plan::{CyclePlan, HeldLink};
use renkei_sync::engine::{CycleReport, WriteResult};
use serde::Serialize;

use crate::failures::PendingWork;
use crate::first_sync::FirstSyncReport;

/// The numbers of a cycle.
#[derive(Debug, Serialize)]
pub struct CycleSummary {
    /// Records read.
    pub read: u64,
    /// Links that got another record.
    pub matched: u64,
    /// New links.
    pub founded: u64,
    /// Reviews about records that match several others.
    pub ambiguous: usize,
    /// Operations planned.
    pub planned: u64,
    /// Operations done.
    pub writes: u64,
    /// Operations done of each kind: `created`, `updated`, `archived`, `merged`.
    #[serde(flatten)]
    pub done: BTreeMap<&'static str, u64>,
    /// Reviews opened.
    pub questions: u64,
    /// Conflicts that a rule decided.
    pub decided: u64,
    /// The findings of sweeps.
    pub swept: SweepCounts,
    /// Systems whose clock is far from the host's, and how far it is ahead, ms.
    pub clocks: BTreeMap<String, i64>,
    /// A first sync that awaits a decision.
    pub first_sync: Option<FirstSyncReport>,
    /// The database was put back from a backup or a copy.
    pub restored: Option<RestoredReport>,
    /// Operations that were refused or whose outcome is not known.
    pub refused: u64,
    /// The number of systems that failed.
    pub failed: usize,
    /// The failures of systems.
    pub failures: Vec<SystemFailure>,
    /// Systems that failed, with the objects where it is about some of them: `hubspot (contacts)`.
    pub stopped: Vec<String>,
}

/// The progress of the reading after a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RestoredReport {
    /// Everything has been read again.
    pub read_again: bool,
}

/// A system that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SystemFailure {
    /// The system; `transform` where a transform failed.
    pub system: String,
    /// The object, where the system's other objects may fare better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The entity, where its transform failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The step that failed: `open`, `read`, `schema`, `transform`, `look-again`, `write` or
    /// `settle`.
    pub doing: &'static str,
    /// The error.
    pub error: String,
    /// The next step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<&CycleReport> for CycleSummary {
    fn from(report: &CycleReport) -> Self {
        let failures = report.failures.iter().map(|failure| SystemFailure {
            system: failure.system.clone(),
            object: failure.object.clone(),
            entity: failure.entity.clone(),
            doing: failure.step.word(),
            error: failure.error.to_string(),
            hint: failure.error.hint(),
        });
        Self {
            read: report.read.values().sum(),
            matched: report.matched,
            founded: report.founded,
            ambiguous: report.ambiguous.len(),
            planned: report.planned,
            writes: report.applied(),
            done: EffectKind::ALL.map(|kind| (kind.done_word(), count_done(report, kind))).into(),
            questions: report.questions,
            decided: report.decided,
            swept: report.swept,
            clocks: report.clocks.clone(),
            first_sync: report.first_sync.as_ref().map(FirstSyncReport::from),
            restored: report.restored.map(|read_again| RestoredReport { read_again }),
            refused: count_refused(report),
            failed: failed_systems(report).len(),
            failures: failures.collect(),
            stopped: stopped_systems(report),
        }
    }
}

impl CycleSummary {
    /// The number of operations of a kind that were done.
    pub fn done(&self, kind: EffectKind) -> u64 {
        self.done.get(kind.done_word()).copied().unwrap_or_default()
    }
}

/// Counts operations of one kind that were done.
fn count_done(report: &CycleReport, wanted: EffectKind) -> u64 {
    let done = report
        .written
        .iter()
        .filter(|((_, _, kind, result), _)| *kind == wanted && *result == WriteResult::Applied);
    done.map(|(_, count)| count).sum()
}

/// Counts operations that were refused or whose outcome is not known.
fn count_refused(report: &CycleReport) -> u64 {
    let bad = [WriteResult::Refused, WriteResult::Uncertain];
    let writes = report.written.iter().filter(|((.., result), _)| bad.contains(result));
    writes.map(|(_, count)| count).sum()
}

/// Systems that failed at anything, each once; `transform` where a transform did.
pub fn failed_systems(report: &CycleReport) -> BTreeSet<&str> {
    report.failures.iter().map(|failure| failure.system.as_str()).collect()
}

/// Systems that failed, with the objects where it is about some of them.
fn stopped_systems(report: &CycleReport) -> Vec<String> {
    let name = |system: &str| {
        let mine = report.stopped.iter().filter(|(name, _)| name == system);
        let objects: Option<Vec<&str>> = mine.map(|(_, object)| object.as_deref()).collect();
        match objects.unwrap_or_default().as_slice() {
            [] => system.to_owned(),
            objects => format!("{system} ({})", objects.join(", ")),
        }
    };
    failed_systems(report).into_iter().map(name).collect()
}

/// A plan of which nothing was written.
#[derive(Debug, Serialize)]
pub struct PlanReport<'a> {
    /// Operations in the order in which they would be sent.
    pub operations: &'a [OutboxEntry],
    /// Operations beyond the number that is listed.
    pub omitted: u64,
    /// Values that are not written, with the reason.
    pub held: &'a [HeldLink],
    /// Values that are held back beyond the number that is listed.
    pub held_omitted: u64,
    /// The numbers of the cycle that made the plan.
    pub report: CycleSummary,
}

impl<'a> PlanReport<'a> {
    /// The report of a dry run.
    pub fn new(plan: &'a CyclePlan, report: &CycleReport) -> Self {
        Self {
            operations: &plan.operations,
            omitted: plan.omitted,
            held: &plan.held,
            held_omitted: plan.held_omitted,
            report: CycleSummary::from(report),
        }
    }
}

/// A cycle with the work that is left after it.
#[derive(Debug, Serialize)]
pub struct CycleStatus {
    /// The numbers of the cycle.
    #[serde(flatten)]
    pub summary: CycleSummary,
    /// The work that is left for people.
    #[serde(flatten)]
    pub pending: PendingWork,
}
