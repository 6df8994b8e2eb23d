//! Speed of planning links: `plan_link` alone, and whole dry cycles over the store in memory and
//! over the real one.
//!
//! A cycle without `apply` observes systems where nothing has changed, plans every dirty link and
//! commits nothing, so it can be run again and again on the same store. Over the real store, in a
//! file, its time per link at a million links is compared with that at ten thousand: processor time
//! of all threads, for the store reads on threads of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use futures::executor::block_on;
use renkei_model::effect::EffectCall;
use renkei_model::plugin::{Account, Generation, PluginError, Schema};
use renkei_model::ports::{Connector, Systems, TransformCall, Transforms};
use renkei_model::record::{Batch, Outcome, Page, PageRequest};
use renkei_model::spec::Spec;
use renkei_model::state::LinkId;
use renkei_model::store::memory::MemoryStore;
use renkei_model::store::port::{Changes, Store};
use renkei_model::value::Value;
use renkei_store::Layouts;
use renkei_store::SqliteStore;
use renkei_sync::cycle::run_cycle;
use renkei_sync::engine::{CycleEvent, CycleObserver, CycleOptions, Engine};
use renkei_sync::plan::cascades::WentAlong;
use renkei_sync::plan::mapping::FieldMappings;
use renkei_sync::plan::merge::answers::MergeAnswers;
use renkei_sync::plan::one_link::{PlanContext, plan_link};
use renkei_sync::plan::references::References;
use renkei_sync::read::transforms::TransformCalls;
use renkei_test_support::HandClock;

use crate::figures::{Figures, Target};
use crate::people::{self, PERSON, Story};
use crate::timing::{Spent, median, spend};

const FEW: u64 = 10_000;
const MANY: u64 = 1_000_000;
const ROUNDS: usize = 5;
/// Cycles over the few links in one round, so that they take as long as the kernel can tell.
const CYCLES: u64 = 20;
const CHUNK: u64 = 500;
/// Links per second and core over the real store (`tests/bench/README.md`).
const LINKS_PER_SECOND: f64 = 120_000.0;
/// Time per link at many links over that at few (README.md).
const GROWTH: f64 = 1.2;

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let spec = people::spec()?;
    let layouts = Layouts::from_spec(&spec);
    let memory = MemoryStore::new("bench");
    fill(&memory, &layouts, FEW)?;
    let dir = tempfile::tempdir()?;
    let few = SqliteStore::open(&dir.path().join("few"), layouts.clone())?;
    fill(&few, &layouts, FEW)?;
    let many = SqliteStore::open(&dir.path().join("many"), layouts.clone())?;
    fill(&many, &layouts, MANY)?;
    let (mut alone, mut quick, mut small, mut large) = (vec![], vec![], vec![], vec![]);
    let mut growth = Vec::new();
    for _ in 0..ROUNDS {
        alone.push(plan_links(&spec, &memory)?);
        quick.push(cycles(&spec, &memory, FEW, CYCLES)?);
        let at_few = cycles(&spec, &few, FEW, CYCLES)?;
        let at_many = cycles(&spec, &many, MANY, 1)?;
        growth.push(at_many / at_few);
        small.push(at_few);
        large.push(at_many);
    }
    let mut figures = Figures::default();
    figures.record("plan_link_per_second", 1.0 / median(alone));
    figures.record("memory_links_per_second", 1.0 / median(quick));
    figures.record("links_per_second", 1.0 / median(small));
    figures.record("links_per_second_target", LINKS_PER_SECOND);
    figures.record("links_per_second_at_1000000", 1.0 / median(large));
    figures.ratio(median(growth), Target::AtMost(GROWTH));
    Ok(figures)
}

/// Puts so many people into a store, all of them to be planned.
fn fill(store: &dyn Store, layouts: &Layouts, people: u64) -> Result<()> {
    for first in (0..people).step_by(1000) {
        let mut changes = Changes::default();
        let last = people.min(first + 1000);
        for company in people::companies(first)..people::companies(last) {
            people::put_company(&mut changes, layouts, company);
        }
        for person in first..last {
            people::put_person(&mut changes, layouts, person, people);
        }
        block_on(store.commit(changes))?;
    }
    Ok(())
}

/// Seconds per link of the pure function alone.
fn plan_links(spec: &Spec, store: &MemoryStore) -> Result<f64> {
    let entity = spec.entity(PERSON).context("the specification has people")?;
    let mappings = FieldMappings::new(entity);
    let first = people::companies(FEW);
    let mut seconds = 0.0;
    let mut planned_writes = 0;
    for chunk in (first..first + FEW).step_by(CHUNK as usize) {
        let ids: Vec<LinkId> = (chunk..chunk + CHUNK).map(|number| LinkId(number + 1)).collect();
        let views = block_on(store.links(&ids))?;
        let references = block_on(References::fetch(store, &mappings, &views, None))?;
        let along = WentAlong::default();
        let (references, along) = (&references, &along);
        let answers = &MergeAnswers::default();
        let (mappings, now_ms, hold) = (&mappings, 0, None);
        let context = PlanContext { mappings, references, along, now_ms, hold, answers };
        let (planned, Spent { cpu, .. }) = spend(|| {
            let plans = (0..CYCLES).flat_map(|_| &views).map(|view| plan_link(&context, view));
            plans.map(|plan| plan.writes.len() as u64).sum::<u64>()
        });
        seconds += cpu.as_secs_f64();
        planned_writes += planned;
    }
    ensure!(planned_writes == CYCLES * operations(FEW), "{planned_writes} planned writes");
    Ok(seconds / (FEW * CYCLES) as f64)
}

/// Seconds per link of whole cycles, of all threads.
fn cycles(spec: &Spec, store: &dyn Store, people: u64, cycles: u64) -> Result<f64> {
    let seen = Seen::default();
    let engine = Engine {
        spec,
        systems: &Still,
        transforms: TransformCalls::new(&Still),
        store,
        clock: &HandClock::at(1_700_000_000_000),
        observer: &seen,
        options: CycleOptions { apply: false, ..CycleOptions::default() },
    };
    let (done, Spent { all, .. }) = spend(|| -> Result<()> {
        for _ in 0..cycles {
            let report = block_on(run_cycle(&engine))?.report;
            ensure!(report.failures.is_empty(), "{:?}", report.failures);
        }
        Ok(())
    });
    done?;
    ensure!(seen.links.load(Ordering::Relaxed) == people * cycles, "not every link was planned");
    let planned = seen.operations.load(Ordering::Relaxed);
    ensure!(planned == operations(people) * cycles, "{planned} operations were planned");
    Ok(all.as_secs_f64() / (people * cycles) as f64)
}

/// Number of operations in a right plan: one for an edit, one for a creation, and one for a title
/// that a rule decides.
fn operations(people: u64) -> u64 {
    (0..people).filter(|person| people::story(*person) != Story::Idle).count() as u64
}

/// Counts what was planned.
#[derive(Debug, Default)]
struct Seen {
    links: AtomicU64,
    operations: AtomicU64,
}

impl CycleObserver for Seen {
    fn event(&self, event: &CycleEvent<'_>) {
        if let CycleEvent::Planned { links, operations, .. } = event {
            self.links.fetch_add(*links, Ordering::Relaxed);
            self.operations.fetch_add(*operations, Ordering::Relaxed);
        }
    }
}

/// Systems where nothing happens, at a time that stands still.
#[derive(Debug, Clone, Copy)]
struct Still;

/// Error of a call that no dry run makes to systems where nothing happens.
fn unused(what: &str) -> PluginError {
    let plugin = Generation { plugin: "still".into(), version: "1".into(), digest: "0".into() };
    PluginError::Unsupported { plugin, what: what.to_owned() }
}

#[async_trait]
impl Systems for Still {
    async fn open(&self, _: &str) -> Result<Box<dyn Connector>, PluginError> {
        Ok(Box::new(Quiet(Generation {
            plugin: "still".into(),
            version: "1".into(),
            digest: "0".into(),
        })))
    }
}

#[async_trait]
impl Transforms for Still {
    async fn run(&self, _: TransformCall<'_>) -> Result<Batch, PluginError> {
        Err(unused("transform"))
    }
}

/// A connector to a system in which nothing has changed.
struct Quiet(Generation);

#[async_trait]
impl Connector for Quiet {
    fn generation(&self) -> &Generation {
        &self.0
    }

    async fn check(&self) -> Result<Account, PluginError> {
        Err(unused("check"))
    }

    async fn discover(&self, _: &[String]) -> Result<Vec<Schema>, PluginError> {
        Err(unused("discover"))
    }

    async fn read_page(&self, request: &PageRequest) -> Result<Page, PluginError> {
        let batch = Batch { columns: request.columns.clone(), rows: Vec::new() };
        Ok(Page { batch, ..Page::default() })
    }

    async fn read_records(&self, _: &str, _: &[String], _: &[String]) -> Result<Page, PluginError> {
        Err(unused("read-records"))
    }

    async fn find(
        &self,
        _: &str,
        _: &[String],
        _: &str,
        _: &[Value],
    ) -> Result<Batch, PluginError> {
        Err(unused("find"))
    }

    async fn perform(&self, _: EffectCall<'_>) -> Result<Vec<Outcome>, PluginError> {
        Err(unused("perform"))
    }
}
