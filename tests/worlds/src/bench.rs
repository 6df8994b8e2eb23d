//! A workbench: a world, a specification and a store, with cycles that run without a runtime.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::executor::block_on;
use renkei_sync::cycle::{CycleResult, run_cycle};
use renkei_sync::engine::{CycleError, CycleOptions, CycleReport, Engine, SilentObserver};
use renkei_sync::model::plugin::{Generation, PluginError, StopCause};
use renkei_sync::model::record::{Batch, Row};
use renkei_sync::model::spec::days::Days;
use renkei_sync::model::spec::{
    Clear, ColumnRules, DeleteGuard, Direction, EntitySpec, FieldIndex, FieldKind, FieldSpec,
    FirstLink, MappingGroup, MatchKey, MemberSpec, OnCascade, OnDelete, OnMerge, Spec, ValueTable,
    Via, Winner,
};
use renkei_sync::model::state::Review;
use renkei_sync::model::value::Value;
use renkei_sync::ports::{TransformCall, Transforms, Way};
use renkei_sync::read::accounts::{OwnAccounts, VerifiedAccounts};
use renkei_sync::read::transforms::TransformCalls;
use renkei_sync::store::codec::Layouts;
use renkei_sync::store::port::{ReviewFilter, ReviewQuery, Store};

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
    pub fn settle(&self) {
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
        let query = ReviewQuery { stand: ReviewFilter::Stopping, ..ReviewQuery::default() };
        block_on(self.store.reviews(&query)).unwrap()
    }
}

/// A value with this part makes the whole batch fail.
pub const BAD: &str = "bad";

/// The transforms of the tests: `full_name` is `family given`, `digits` of a phone are a key.
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

// A few words to write specifications with.

pub fn field(name: &str, kind: FieldKind, winner: Winner) -> FieldSpec {
    FieldSpec { name: name.to_owned(), kind, winner, clear: Clear::Propagate }
}

pub fn direct(field: usize, column: &str, direction: Direction) -> MappingGroup {
    MappingGroup {
        fields: vec![FieldIndex(field)],
        columns: vec![column.to_owned()],
        direction,
        via: Via::Direct,
        target: None,
        required: false,
        rules: ColumnRules::default(),
    }
}

pub fn reference(field: usize, column: &str, target: &str, required: bool) -> MappingGroup {
    let target = Some(target.to_owned());
    MappingGroup { target, required, ..direct(field, column, Direction::Both) }
}

pub fn table(
    field: usize,
    column: &str,
    pairs: &[(&str, &str)],
    back: &[(&str, &str)],
) -> MappingGroup {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    let table = ValueTable { read: owned(pairs), write: owned(back) };
    MappingGroup { via: Via::Table(table), ..direct(field, column, Direction::Both) }
}

pub fn member(system: &str, object: &str, groups: Vec<MappingGroup>) -> MemberSpec {
    MemberSpec {
        system: system.to_owned(),
        object: object.to_owned(),
        create: true,
        groups,
        stops_create: Vec::new(),
        mergeable: true,
        constants: Vec::new(),
        copies: Vec::new(),
        days: Days::default(),
        digest: "1".to_owned(),
        read_rows: 2,
        write_rows: 1000,
        stamp: Some("stamp".to_owned()),
    }
}

pub fn entity(name: &str, fields: Vec<FieldSpec>, members: Vec<MemberSpec>) -> EntitySpec {
    EntitySpec {
        name: name.to_owned(),
        members,
        fields,
        match_keys: Vec::new(),
        first_link: FirstLink::Prefer("a".to_owned()),
        on_delete: OnDelete::Archive,
        on_merge: OnMerge::Review,
        delete_guard: DeleteGuard::default(),
        on_cascade: OnCascade::Ask,
        create_guard: None,
        sweep_ms: None,
    }
}

pub fn match_key(name: &str, fields: &[usize], unique: bool) -> MatchKey {
    MatchKey {
        name: name.to_owned(),
        fields: fields.iter().map(|field| FieldIndex(*field)).collect(),
        transform: None,
        unique,
    }
}
