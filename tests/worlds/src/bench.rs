//! A workbench: a world, a specification and a store, with cycles that run without a runtime.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::executor::block_on;
use renkei_model::plugin::{Generation, PluginError, StopCause};
use renkei_model::ports::{TransformCall, Transforms, Way};
use renkei_model::record::{Batch, Row};
use renkei_model::spec::Spec;
use renkei_model::state::{Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_model::store::port::{ReviewFilter, ReviewQuery, Store};
use renkei_model::value::Value;
use renkei_store::Layouts;
use renkei_sync::accounts::{OwnAccounts, VerifiedAccounts};
use renkei_sync::answers::resolve::resolve;
use renkei_sync::cycle::{CycleResult, run_cycle};
use renkei_sync::engine::{CycleError, CycleOptions, CycleReport, Engine, SilentObserver};
use renkei_sync::read::transforms::TransformCalls;

pub use renkei_test_support::spec::{direct, entity, field, match_key, member, reference, table};

use crate::mirror::MirrorStore;
use crate::world::{Shared, World};

pub struct Bench {
    pub shared: Shared,
    pub spec: Spec,
    pub store: MirrorStore,
    pub options: CycleOptions,
    pub verified: VerifiedAccounts,
    /// Calls of transforms so far.
    pub transform_calls: AtomicU64,
}

impl Bench {
    /// On both stores.
    pub fn new(world: World, spec: Spec) -> Self {
        let store = MirrorStore::mirrored(Layouts::from_spec(&spec));
        Self { store, ..Self::in_memory(world, spec) }
    }

    /// On the store in memory alone, which is fast.
    pub fn in_memory(world: World, spec: Spec) -> Self {
        let (shared, store) = (Shared::new(world), MirrorStore::plain());
        let (options, transform_calls) = (CycleOptions::default(), AtomicU64::new(0));
        let verified = VerifiedAccounts::default();
        Self { shared, spec, store, options, verified, transform_calls }
    }

    /// A person answers each review about a create without an answer, and links what it made if it
    /// made something. True if there was such a review.
    pub fn answer_uncertain_creates(&self) -> bool {
        let open = self.open_reviews();
        let uncertain = open.iter().filter_map(|review| match &review.subject {
            ReviewSubject::Uncertain { intent, .. } if review.status == ReviewStatus::Open => {
                Some((review, intent))
            }
            _ => None,
        });
        let mut answered = false;
        for (review, intent) in uncertain {
            answered = true;
            let made = self.shared.world().made_by(intent);
            let choice = made.map_or(ReviewChoice::Separate, ReviewChoice::LinkWith);
            block_on(resolve(&self.store, &self.spec, &review.id, choice, 1)).unwrap();
        }
        answered
    }

    pub fn try_cycle(&self) -> Result<CycleResult, CycleError> {
        let names = Names { calls: &self.transform_calls };
        let systems = OwnAccounts {
            systems: &self.shared,
            spec: &self.spec,
            store: &self.store,
            verified: &self.verified,
        };
        let engine = Engine {
            spec: &self.spec,
            systems: &systems,
            transforms: TransformCalls::new(&names),
            store: &self.store,
            clock: &self.shared,
            observer: &SilentObserver,
            options: self.options.clone(),
        };
        block_on(run_cycle(&engine))
    }

    pub fn cycle(&self) -> CycleReport {
        let report = self.try_cycle().unwrap().report;
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        report
    }

    /// Cycles until one writes nothing.
    pub fn run_to_rest(&self) {
        for _ in 0..12 {
            if self.cycle().written.is_empty() {
                return;
            }
        }
        panic!("still writing after 12 cycles");
    }

    pub fn reviews(&self) -> Vec<Review> {
        block_on(self.store.reviews(&ReviewQuery::default())).unwrap()
    }

    pub fn open_reviews(&self) -> Vec<Review> {
        let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
        block_on(self.store.reviews(&query)).unwrap()
    }
}

/// A value with this part makes the whole batch fail.
pub const BAD: &str = "bad";

/// The transforms of the tests: `full_name` is `family given`, `digits` of a phone are a key,
/// `longer` merges two texts.
struct Names<'a> {
    calls: &'a AtomicU64,
}

impl Names<'_> {
    /// A plugin fails as a whole: no row of the batch comes through.
    fn fault(&self, plugin: &str, input: &Batch) -> Option<PluginError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let cells = input.rows.iter().flat_map(|row| &row.cells).flatten();
        let has_bad = cells.filter_map(Value::as_text).any(|text| text.contains(BAD));
        if !has_bad && plugin != "broken" {
            return None;
        }
        let (plugin, version, digest) = (plugin.into(), "1".into(), "0".into());
        let plugin = Generation { plugin, version, digest };
        Some(PluginError::Broken { plugin, cause: StopCause::Trap, reason: "trap".into() })
    }
}

fn map(batch: &Batch, columns: &[&str], row: impl Fn(&Row) -> Vec<Option<Value>>) -> Batch {
    let rows = batch.rows.iter().map(|input| Row { cells: row(input), ..Row::default() });
    Batch { columns: columns.iter().map(|name| (*name).into()).collect(), rows: rows.collect() }
}

fn text(row: &Row, index: usize) -> String {
    row.cells[index].as_ref().and_then(Value::as_text).unwrap_or_default().to_owned()
}

#[async_trait]
impl Transforms for Names<'_> {
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
        if let Some(fault) = self.fault(call.plugin, call.input) {
            return Err(fault);
        }
        Ok(match (call.plugin, call.way) {
            ("digits", _) => map(call.input, &["key"], |row| {
                let kept: String = text(row, 0).chars().filter(char::is_ascii_digit).collect();
                vec![Some(Value::Text(kept.into()))]
            }),
            ("longer", _) => map(call.input, &["merged"], |row| {
                let (left, right) = (text(row, 1), text(row, 2));
                let longer = std::cmp::max_by_key(left, right, |one| (one.len(), one.clone()));
                vec![Some(Value::Text(longer.into()))]
            }),
            (_, Way::Forward) => map(call.input, &["family_name", "given_name"], |row| {
                let full = text(row, 0);
                let (family, given) = full.split_once(' ').unwrap_or((&full, ""));
                vec![Some(family.into()), Some(given.into())]
            }),
            (_, Way::Backward) => map(call.input, &["full_name"], |row| {
                let full = format!("{} {}", text(row, 0), text(row, 1));
                vec![Some(Value::Text(full.trim().into()))]
            }),
        })
    }
}
