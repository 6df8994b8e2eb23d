//! The inputs of a cycle (ports, specification, options), and its events and report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cascades::Cascades;
use crate::cycle_failure::{CycleFailure, CycleStep};
use crate::first_sync_waits::FirstSyncWaits;
use crate::read::transforms::TransformCalls;
use renkei_model::effect::EffectKind;
use renkei_model::plugin::PluginError;
use renkei_model::ports::{Clock, Systems};
use renkei_model::spec::{MemberSpec, Spec};
use renkei_model::state::SweepCounts;
use renkei_model::store::port::{Store, StoreError};

/// The ports, the specification and the options of a cycle.
pub struct Engine<'a> {
    /// The entities, fields and mappings that are kept in step.
    pub spec: &'a Spec,
    /// The configured systems.
    pub systems: &'a dyn Systems,
    /// The loaded transforms.
    pub transforms: TransformCalls<'a>,
    /// The database.
    pub store: &'a dyn Store,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The receiver of events.
    pub observer: &'a dyn CycleObserver,
    /// The options of this cycle.
    pub options: CycleOptions,
}

/// Options of a cycle.
#[derive(Debug, Clone)]
pub struct CycleOptions {
    /// True to write. False returns the plan and sends nothing; readings are committed all the
    /// same, so a dry run needs a copy of the store.
    pub apply: bool,
    /// The answer to the question that is asked before the first write of an entity.
    pub first_sync: FirstSyncAnswer,
    /// Links planned in one commit.
    pub chunk_links: usize,
    /// The most operations in one call of a connector, whatever its manifest says: what the host
    /// keeps in memory at a time.
    pub write_operations: usize,
    /// The most operations whose outcomes are settled in one commit: what a large call brings is
    /// not kept in memory several times over.
    pub settle_operations: usize,
    /// The most operations that a returned plan holds, and the most of what it holds back; more are
    /// only counted.
    pub plan_operations: usize,
    /// Pages that sweeps may read of each system in a cycle.
    pub sweep_pages: u32,
    /// Objects that systems delete together with another, from live schemas read before the cycle;
    /// other schemas are read when a deletion needs them.
    pub cascades: Cascades,
    /// Pages that reading the changes of one object may take in a cycle; reading everything may
    /// take [`BACKFILL_SHARE`] times as many.
    pub read_pages: u32,
    /// The longest time for reading the changes of one object in a cycle, ms. The other objects
    /// wait so long.
    pub read_ms: i64,
    /// The longest time for reading all records of one object in a cycle, ms.
    pub backfill_ms: i64,
}

/// The answer to the question about the first sync of an entity (`RULES.md` P15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FirstSyncAnswer {
    /// Nobody is asked, and nothing is remembered: for engines without a person.
    #[default]
    Unasked,
    /// A person is asked, and nothing is written before the answer.
    Ask,
    /// A person has approved whatever the plan is.
    Approved,
}

/// The factor by which reading all records may take more pages of a cycle than reading changes.
pub const BACKFILL_SHARE: u32 = 10;

impl Default for CycleOptions {
    fn default() -> Self {
        Self {
            apply: true,
            first_sync: FirstSyncAnswer::default(),
            chunk_links: 500,
            write_operations: 10_000,
            settle_operations: 2_000,
            plan_operations: 10_000,
            sweep_pages: 20,
            cascades: Cascades::default(),
            read_pages: 10_000,
            read_ms: 120_000,
            backfill_ms: 6_000_000,
        }
    }
}

/// An error that stops the whole cycle. An error of one system does not; it is in the report.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CycleError {
    /// The store failed; nothing half-written remains.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The planner broke one of its own rules: a fault of the engine, nothing of it was sent.
    #[error("the plan breaks a rule: {0}")]
    Plan(String),
}

/// Something that happened in a cycle: numbers only.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CycleEvent<'a> {
    /// A page was read and committed.
    Read {
        /// The system.
        system: &'a str,
        /// The object.
        object: &'a str,
        /// Records on it.
        rows: u64,
        /// Tombstones on it.
        removed: u64,
        /// True if more pages follow.
        more: bool,
    },
    /// A page of a sweep was compared with what is known.
    Swept {
        /// The system.
        system: &'a str,
        /// The object.
        object: &'a str,
        /// Rows, missed changes and missing records of the page.
        counts: SweepCounts,
        /// True if this page ends the sweep.
        completed: bool,
    },
    /// A system's clock is far from the host's. No cursor follows it (`RULES.md` R19).
    ClockOff {
        /// The system.
        system: &'a str,
        /// The time by which it is ahead, ms; below zero it is behind.
        ahead_ms: i64,
    },
    /// The database was put back from a backup or a copy (`RULES.md` P14).
    Restored {
        /// True once every stream has been read again since; nothing is planned before that.
        read_again: bool,
    },
    /// Records were linked.
    Linked {
        /// The entity.
        entity: &'a str,
        /// Links that got another record.
        matched: u64,
        /// New links.
        founded: u64,
        /// The questions about records that a person must decide about, by id; each pass asks
        /// again.
        ambiguous: &'a BTreeSet<String>,
    },
    /// A chunk of links was planned.
    Planned {
        /// The entity.
        entity: &'a str,
        /// Links looked at.
        links: u64,
        /// Operations planned.
        operations: u64,
        /// Questions opened.
        questions: u64,
        /// Conflicts that a rule decided.
        decided: u64,
    },
    /// One operation has its outcome.
    Written {
        /// The system.
        system: &'a str,
        /// The object.
        object: &'a str,
        /// The kind of the operation.
        kind: EffectKind,
        /// The result.
        result: WriteResult,
    },
    /// A system, one object of it, or the transform of an entity failed; its work stops for this
    /// cycle.
    Failed(&'a CycleFailure),
}

/// The result of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WriteResult {
    /// Done.
    Applied,
    /// The record was there already and is linked instead.
    AlreadyThere,
    /// Refused.
    Refused,
    /// Nothing was written; planned again.
    Later,
    /// Not known; probed before anything is sent again.
    Uncertain,
    /// Accepted; the system is still doing it and is asked later.
    BeingDone,
}

/// Receives the events of a cycle, for progress bars and metrics.
pub trait CycleObserver: Send + Sync {
    /// Something happened.
    fn event(&self, event: &CycleEvent<'_>);
}

/// Ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct SilentObserver;

impl CycleObserver for SilentObserver {
    fn event(&self, _event: &CycleEvent<'_>) {}
}

/// The counts and failures of a cycle.
#[derive(Debug, Clone, Default)]
pub struct CycleReport {
    /// Rows read, by system and object.
    pub read: BTreeMap<(String, String), u64>,
    /// Rows, missed changes and missing records of sweeps.
    pub swept: SweepCounts,
    /// Links that got another record.
    pub matched: u64,
    /// New links.
    pub founded: u64,
    /// The questions about records that a person must decide about, by id.
    pub ambiguous: BTreeSet<String>,
    /// Operations planned.
    pub planned: u64,
    /// Questions opened.
    pub questions: u64,
    /// Conflicts that a rule decided.
    pub decided: u64,
    /// Outcomes, by system, object, kind of effect and result.
    pub written: BTreeMap<(String, String, EffectKind, WriteResult), u64>,
    /// Systems whose clock is far from the host's, and how far it is ahead, ms.
    pub clocks: BTreeMap<String, i64>,
    /// The database was put back from a backup or a copy; whether everything has been read again
    /// since.
    pub restored: Option<bool>,
    /// The question that first syncs wait for, and the entities that could not be read yet.
    pub first_sync: Option<FirstSyncWaits>,
    /// Work that failed, in order.
    pub failures: Vec<CycleFailure>,
    /// Systems and objects whose work stopped; without an object it is the whole system.
    pub stopped: BTreeSet<(String, Option<String>)>,
}

impl CycleReport {
    /// Operations that were sent and done.
    pub fn applied(&self) -> u64 {
        let done = self.written.iter().filter(|((.., result), _)| *result == WriteResult::Applied);
        done.map(|(_, count)| count).sum()
    }

    /// True if the work of the whole system stopped.
    pub fn has_failed(&self, system: &str) -> bool {
        self.stopped.contains(&(system.to_owned(), None))
    }

    /// True if the work of the object stopped, alone or with its system.
    pub fn has_stopped(&self, system: &str, object: &str) -> bool {
        !self.stopped.is_empty()
            && (self.has_failed(system)
                || self.stopped.contains(&(system.to_owned(), Some(object.to_owned()))))
    }

    fn add(&mut self, event: &CycleEvent<'_>) {
        match event {
            CycleEvent::Read { system, object, rows, .. } => {
                let key = ((*system).to_owned(), (*object).to_owned());
                *self.read.entry(key).or_default() += rows;
            }
            CycleEvent::Swept { counts, .. } => {
                self.swept.rows += counts.rows;
                self.swept.missed += counts.missed;
                self.swept.missing += counts.missing;
            }
            CycleEvent::ClockOff { system, ahead_ms } => {
                self.clocks.insert((*system).to_owned(), *ahead_ms);
            }
            CycleEvent::Restored { read_again } => self.restored = Some(*read_again),
            CycleEvent::Linked { matched, founded, ambiguous, .. } => {
                self.matched += matched;
                self.founded += founded;
                self.ambiguous.extend(ambiguous.iter().cloned());
            }
            CycleEvent::Planned { operations, questions, decided, .. } => {
                self.planned += operations;
                self.questions += questions;
                self.decided += decided;
            }
            CycleEvent::Written { system, object, kind, result } => {
                let key = ((*system).to_owned(), (*object).to_owned(), *kind, *result);
                *self.written.entry(key).or_default() += 1;
            }
            CycleEvent::Failed(failure) => {
                self.stopped.insert((failure.system.clone(), failure.object.clone()));
                self.failures.push((*failure).clone());
            }
        }
    }
}

/// Counts events for the report and passes them on.
pub(crate) struct CycleCounters<'a> {
    observer: &'a dyn CycleObserver,
    report: Mutex<CycleReport>,
}

impl<'a> CycleCounters<'a> {
    pub(crate) fn new(observer: &'a dyn CycleObserver) -> Self {
        Self { observer, report: Mutex::default() }
    }

    pub(crate) fn event(&self, event: &CycleEvent<'_>) {
        self.report().add(event);
        self.observer.event(event);
    }

    /// The work that failed stops for this cycle.
    pub(crate) fn failed(&self, failure: &CycleFailure) {
        self.event(&CycleEvent::Failed(failure));
    }

    /// Reports a denied permission once; nothing else stops (`RULES.md` V18).
    pub(crate) fn denied(&self, member: &MemberSpec, error: &PluginError) {
        let failure = CycleFailure::of_object(member, CycleStep::Write, error);
        let is_known = |known: &CycleFailure| {
            known.system == failure.system && known.error.not_granted() == error.not_granted()
        };
        if self.report().failures.iter().any(is_known) {
            return;
        }
        self.report().failures.push(failure.clone());
        self.observer.event(&CycleEvent::Failed(&failure));
    }

    /// Something of a first sync waits.
    pub(crate) fn first_sync_waits(&self, waits: FirstSyncWaits) {
        self.report().first_sync = Some(waits);
    }

    /// Counters for a dry run within the cycle: they know what has stopped and count from zero.
    pub(crate) fn for_preview<'o>(&self, observer: &'o dyn CycleObserver) -> CycleCounters<'o> {
        let stopped = self.report().stopped.clone();
        CycleCounters {
            observer,
            report: Mutex::new(CycleReport { stopped, ..CycleReport::default() }),
        }
    }

    pub(crate) fn has_failed(&self, system: &str) -> bool {
        self.report().has_failed(system)
    }

    pub(crate) fn has_stopped(&self, system: &str, object: &str) -> bool {
        self.report().has_stopped(system, object)
    }

    pub(crate) fn into_report(self) -> CycleReport {
        self.report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> MutexGuard<'_, CycleReport> {
        // Counting cannot panic half-way.
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
