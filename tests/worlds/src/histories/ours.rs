//! Our engine as a driver of histories.

use std::collections::BTreeMap;

use futures::executor::block_on;
use renkei_model::spec::{FieldIndex, Spec};
use renkei_model::state::{
    Failure, JournalEntry, LinkId, RecordKey, Review, ReviewStatus, ReviewSubject, Stream,
};
use renkei_model::store::port::{JournalQuery, Store as _};
use renkei_model::value::{Cell, SmolStr, Value};
use renkei_sync::answers::why::{Explanation, WhySubject, why};
use renkei_sync::cycle_plan::HeldLink;

use super::play::{Cycled, Driver, plain};
use crate::bench::Bench;
use crate::mirror::MirrorStore;
use crate::world::{Place, Shared};

/// Lines of one link that are told.
const LINES_MAX: usize = 1_000;

/// The engine on the store in memory.
pub struct Ours {
    bench: Bench,
    /// The specification with every column there.
    whole: Spec,
    copy: Option<MirrorStore>,
    /// Reviews that people could read before a copy replaced the database.
    told: Vec<Review>,
}

impl Ours {
    pub fn new(shared: Shared, spec: Spec) -> Self {
        let mut bench = Bench::in_memory(crate::world::World::default(), spec.clone());
        bench.shared = shared;
        Self { bench, whole: spec, copy: None, told: Vec::new() }
    }

    /// Fits the specification to what the systems have, as every command of the program does: a
    /// column that vanished stands still, and a mapping that never served is refused as a whole
    /// (`host/sync/RULES.md` V13). Whether it goes on.
    fn fit(&mut self) -> bool {
        self.bench.spec = self.whole.clone();
        let world = self.bench.shared.world();
        let entities = self.whole.entities().iter();
        let keys: BTreeMap<&str, Vec<FieldIndex>> = entities
            .map(|entity| {
                let fields = entity.match_keys.iter().flat_map(|key| key.fields.iter().copied());
                (entity.name.as_str(), fields.collect())
            })
            .collect();
        for (entity, member) in self.bench.spec.members_mut() {
            let (system, object) = (member.system.clone(), member.object.clone());
            let table = world.tables.get(&(system.clone(), object.clone()));
            let mapped = member.read_columns();
            let vanished = table.map(|table| &table.knobs.vanished).into_iter().flatten();
            let vanished: Vec<String> =
                vanished.filter(|one| mapped.contains(one)).cloned().collect();
            if vanished.is_empty() {
                continue;
            }
            let cursor = block_on(self.bench.store.cursor(&Stream { system, object })).unwrap();
            if !cursor.is_some_and(|cursor| member.has_served(&cursor.digest)) {
                return false;
            }
            member.stop_columns(&vanished, &keys[entity]);
        }
        true
    }

    fn why(&self, at: &Place, id: &str, column: &str) -> Option<Explanation> {
        let (system, object, id) = (at.0.clone(), at.1.clone(), id.to_owned());
        let subject = WhySubject::Record(RecordKey { system, object, id });
        block_on(why(&self.bench.store, &self.bench.spec, &subject, Some(column))).unwrap()
    }

    /// True if one of these links has or had a record of the first of these ids, which are those of
    /// one system; no two systems of a world share an id.
    fn stand_for(&self, links: &[SmolStr], ids: &[SmolStr]) -> bool {
        let links: Vec<LinkId> =
            links.iter().filter_map(|link| link.parse().ok().map(LinkId)).collect();
        let views = block_on(self.bench.store.links(&links)).unwrap();
        let mut records = views.iter().flat_map(|view| &view.records);
        ids.first().is_some_and(|id| records.any(|record| record.key.id == id.as_str()))
    }

    /// Writes that a plan made now would hold back, and why.
    pub fn held_back(&mut self) -> Vec<String> {
        self.bench.options.apply = false;
        let plan = self.bench.try_cycle().map(|result| result.plan);
        self.bench.options.apply = true;
        let held = plan.map(|plan| plan.held).unwrap_or_default();
        let tell = |held: HeldLink| format!("held back: {held:?}");
        held.into_iter().map(tell).collect()
    }

    /// Every review, in short.
    pub fn reviews(&self) -> Vec<String> {
        let tell = |review: Review| {
            let Review { id, link, status, choice, subject, .. } = review;
            format!("review {id} of {link:?}, {status:?}, {choice:?}: {subject:?}")
        };
        self.bench.reviews().into_iter().map(tell).collect()
    }

    /// Every line of every link's journal, by time.
    pub fn journal(&self) -> Vec<(i64, String)> {
        let store = &self.bench.store;
        let last = block_on(store.last_link()).unwrap();
        let lines = (1..=last.0).flat_map(|number| {
            let link = Some(LinkId(number));
            let query = JournalQuery { link, record: None, limit: LINES_MAX };
            block_on(store.journal(&query)).unwrap()
        });
        let tell = |line: JournalEntry| {
            let record = line.record.map(|record| record.to_string()).unwrap_or_default();
            let field = line.field.unwrap_or_default();
            let link = line.link.unwrap_or_default().0;
            (line.at_ms, format!("  link {link} {record} {field}: {}", line.reason))
        };
        lines.map(tell).collect()
    }
}

fn is_open(review: &Review) -> bool {
    matches!(review.status, ReviewStatus::Open | ReviewStatus::Chosen)
}

impl Driver for Ours {
    fn cycle(&mut self) -> Cycled {
        if !self.fit() {
            return Cycled { wrote: false, failed: true };
        }
        match self.bench.try_cycle() {
            Ok(result) => Cycled {
                wrote: !result.report.written.is_empty(),
                failed: !result.report.failures.is_empty(),
            },
            Err(error) => panic!("a cycle failed: {error}"),
        }
    }

    fn crash(&mut self, commits: u64) {
        if !self.fit() {
            return;
        }
        self.bench.store.stop_after(commits);
        // Whether the cycle got that far is no matter.
        drop(self.bench.try_cycle());
        self.bench.store = self.bench.store.copy();
    }

    fn back_up(&mut self) {
        self.copy = Some(self.bench.store.copy());
    }

    fn restore(&mut self) -> bool {
        let Some(copy) = &self.copy else { return false };
        self.told.extend(self.bench.reviews());
        self.bench.store = copy.copy();
        true
    }

    fn answer(&mut self) -> bool {
        self.bench.answer_uncertain_creates()
    }

    fn explains(&self, at: &Place, id: &str, column: &str) -> bool {
        self.why(at, id, column).is_some_and(|why| {
            why.reviews.iter().any(is_open) || !why.failures.is_empty() || !why.waits.is_empty()
        })
    }

    fn blames_whole(&self, at: &Place, id: &str, column: &str) -> bool {
        self.why(at, id, column).is_some_and(|why| {
            let of_field = |failure: &Failure| failure.field.is_some();
            !why.reviews.iter().any(is_open)
                && why.waits.is_empty()
                && !why.failures.iter().any(of_field)
        })
    }

    fn remembers(&self, column: &str, value: &Value) -> bool {
        let said = plain(column, value);
        let same = |told: &Value| plain(column, told) == said;
        let has = |told: &Cell| match (told, value) {
            (Some(Value::References(links)), Value::References(ids)) => self.stand_for(links, ids),
            (told, _) => told.as_ref().is_some_and(same),
        };
        let now = self.bench.reviews();
        now.iter().chain(&self.told).any(|review| match &review.subject {
            ReviewSubject::Conflict { field, values, .. } => {
                field == column && values.iter().any(|(_, told)| has(told))
            }
            ReviewSubject::Oscillation { field, values } => {
                field == column && values.iter().any(has)
            }
            _ => false,
        })
    }

    fn trace(&self) -> String {
        format!("{:?}", self.bench.reviews())
    }
}
