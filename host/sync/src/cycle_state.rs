//! The state of one cycle, dropped at its end: counts, pauses, approvals, the preview.

use std::collections::{BTreeMap, BTreeSet};

use crate::cascades::Cascades;
use crate::cycle_failure::{CycleFailure, CycleStep};
use crate::cycle_plan::{CyclePlan, HeldLink, PlannedDeletions};
use crate::engine::{CycleCounters, CycleError, Engine};
use crate::plan::references::PromisedRecords;
use crate::read::ingest::IngestError;
use renkei_model::effect::EffectKind;
use renkei_model::plugin::PluginError;
use renkei_model::review;
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{
    EntityPlan, GuardCounts, LinkId, OutboxEntry, RecordKey, Review, Stream, hour_of,
};

mod held_writes;

/// The longest pause that a cycle makes for a system that asks for time; longer ones wait for the
/// next cycle.
const PAUSE_MS_MAX: u64 = 60_000;

/// By link and system, a record without a link about which a person is asked whether it belongs to
/// the link. No record is created there before the answer (`RULES.md` P13, V15).
pub(crate) type ContestedPlaces = BTreeMap<(LinkId, String), RecordKey>;

/// Denied permissions by system, object and kind of effect, each with the host's error.
pub(crate) type DeniedPermissions = BTreeMap<(String, String, EffectKind), PluginError>;

/// The pause before a link is planned again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkPause {
    /// So many ms, which the system needs.
    Ms(u64),
    /// For the rest of the cycle: the next one reads what this one cannot know.
    Cycle,
}

/// The state of one cycle.
pub(crate) struct CycleState<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) counters: CycleCounters<'a>,
    /// Links that are not planned again before a pause.
    deferred: BTreeSet<LinkId>,
    pause_ms: u64,
    /// Links that are not planned again in this cycle.
    until_next_cycle: BTreeSet<LinkId>,
    /// By entity with a guard on creations.
    create_allowances: BTreeMap<String, CreateAllowance>,
    /// By entity, deletions that a person has approved.
    approved: BTreeMap<String, BTreeSet<RecordKey>>,
    /// Entities whose deletions were put off until the rest of the cycle has been planned.
    postponed: BTreeSet<String>,
    /// Questions about deletions whose cascaded deletions are counted.
    counted_cascades: BTreeSet<String>,
    /// Records that were read by their ids because a reference lost them.
    lost_records: BTreeSet<RecordKey>,
    /// Objects that systems delete together with another, as far as their schemas were read.
    pub(crate) cascades: Cascades,
    /// Intents and attempts that were sent and not answered before this cycle read anything.
    pub(crate) unanswered: BTreeSet<(String, u32)>,
    /// Streams that were read in this cycle, from the beginning of a scan to its end.
    pub(super) current: BTreeSet<Stream>,
    /// By entity, places that stay empty until a person has said who belongs there.
    contested: BTreeMap<String, ContestedPlaces>,
    /// Permissions that an admin denied.
    pub(super) denied: DeniedPermissions,
    /// Entities whose first sync waits: they are neither planned nor written.
    waiting: BTreeSet<String>,
    pub(crate) plan: CyclePlan,
    /// In a dry run, the records that it makes of what others refer to.
    pub(crate) promised: PromisedRecords,
    /// Lines of the plan so far: of what it holds back, and of other remarks.
    listed: (usize, usize),
}

/// The creations that a guard still allows in this cycle.
struct CreateAllowance {
    remaining: u64,
    /// The question by whose approval they may be made.
    approved: Option<Review>,
    /// By link, how many creations wait, and true where the guard holds any of them.
    waiting: BTreeMap<LinkId, (u64, bool)>,
}

impl<'a> CycleState<'a> {
    pub(super) fn new(engine: &'a Engine<'a>) -> Self {
        Self {
            engine,
            counters: CycleCounters::new(engine.observer),
            deferred: BTreeSet::new(),
            pause_ms: 0,
            until_next_cycle: BTreeSet::new(),
            create_allowances: BTreeMap::new(),
            approved: BTreeMap::new(),
            postponed: BTreeSet::new(),
            counted_cascades: BTreeSet::new(),
            lost_records: BTreeSet::new(),
            cascades: engine.options.cascades.clone(),
            unanswered: BTreeSet::new(),
            current: BTreeSet::new(),
            contested: BTreeMap::new(),
            denied: DeniedPermissions::new(),
            waiting: BTreeSet::new(),
            plan: CyclePlan::default(),
            promised: PromisedRecords::new(),
            listed: (0, 0),
        }
    }

    /// A dry run of the same moment on a dry engine: it knows what was read and what has stopped.
    pub(crate) fn for_preview<'b>(&self, dry: &'b Engine<'b>) -> CycleState<'b> {
        CycleState {
            counters: self.counters.for_preview(dry.observer),
            cascades: self.cascades.clone(),
            current: self.current.clone(),
            contested: self.contested.clone(),
            denied: self.denied.clone(),
            ..CycleState::new(dry)
        }
    }

    /// Keeps the contested places of an entity until it is linked again.
    pub(crate) fn note_contested_places(&mut self, entity: &str, contested: ContestedPlaces) {
        self.contested.insert(entity.to_owned(), contested);
    }

    /// Leaves an entity alone in this cycle.
    pub(crate) fn wait(&mut self, entity: &str) {
        self.waiting.insert(entity.to_owned());
    }

    pub(crate) fn is_waiting(&self, entity: &str) -> bool {
        self.waiting.contains(entity)
    }

    /// True where a person has approved all of these deletions in this cycle.
    pub(crate) fn are_approved(&self, entity: &str, records: &BTreeSet<RecordKey>) -> bool {
        self.approved.get(entity).is_some_and(|approved| records.is_subset(approved))
    }

    /// Puts off an entity's deletions that take others along until all else was planned once. True
    /// where they are put off, once per cycle; a dry run plans only once and says false.
    pub(crate) fn postpone_deletions(&mut self, entity: &str) -> bool {
        self.engine.options.apply && self.postponed.insert(entity.to_owned())
    }

    pub(crate) fn approve(&mut self, entity: &str, records: &BTreeSet<RecordKey>) {
        let approved = self.approved.entry(entity.to_owned()).or_default();
        approved.extend(records.iter().cloned());
    }

    /// Notes that the cascaded deletions of a question are counted; true the first time in a cycle.
    pub(crate) fn note_cascade_counted(&mut self, question: &str) -> bool {
        self.counted_cascades.insert(question.to_owned())
    }

    /// Notes that a record that a reference lost is read by its id; true the first time in a cycle.
    pub(crate) fn note_lost_record(&mut self, record: &RecordKey) -> bool {
        self.lost_records.insert(record.clone())
    }

    /// Asks a system what a deletion of this object takes along, unless that is known.
    pub(crate) async fn fetch_cascades(
        &mut self,
        system: &str,
        object: &str,
    ) -> Result<(), PluginError> {
        if self.cascades.knows(system, object) {
            return Ok(());
        }
        let connector = self.engine.systems.open(system).await?;
        for schema in connector.discover(&[object.to_owned()]).await? {
            self.cascades.add_schema(system, &schema);
        }
        Ok(())
    }

    /// Creations that a person approved beyond what the guard allows; with the first of them the
    /// question is over.
    pub(crate) fn note_approved(
        &self,
        entity: &EntitySpec,
        planned: &[OutboxEntry],
        guards: &mut Vec<(String, i64, GuardCounts)>,
        reviews: &mut Vec<Review>,
    ) {
        let creations = planned.iter().filter(|entry| entry.effect.kind().makes_record()).count();
        let approved = self
            .create_allowances
            .get(&entity.name)
            .and_then(|allowance| allowance.approved.as_ref());
        let Some(question) = approved.filter(|_| creations > 0) else { return };
        let now_ms = self.engine.clock.now_ms();
        let counts = GuardCounts { may_create: creations as u64, ..GuardCounts::default() };
        guards.push((entity.name.clone(), hour_of(now_ms), counts));
        reviews.push(review::closed(question, now_ms));
    }

    pub(crate) fn is_deferred(&self, link: LinkId) -> bool {
        self.deferred.contains(&link) || self.until_next_cycle.contains(&link)
    }

    /// Puts a link off until the system has had its time, or until the next cycle has read.
    pub(crate) fn defer(&mut self, link: LinkId, pause: LinkPause) {
        match pause {
            LinkPause::Ms(after_ms) => {
                self.deferred.insert(link);
                self.pause_ms = self.pause_ms.max(after_ms);
            }
            LinkPause::Cycle => drop(self.until_next_cycle.insert(link)),
        }
    }

    /// Sleeps for the longest pause that a system asked for, at most [`PAUSE_MS_MAX`]. The number
    /// of links that go on afterwards.
    pub(super) async fn pause(&mut self) -> u64 {
        if self.deferred.is_empty() || self.pause_ms > PAUSE_MS_MAX {
            return 0;
        }
        self.engine.clock.sleep_ms(self.pause_ms).await;
        self.pause_ms = 0;
        std::mem::take(&mut self.deferred).len() as u64
    }

    /// True where the number of creations of this entity in this cycle is set already.
    pub(crate) fn has_create_allowance(&self, entity: &str) -> bool {
        self.create_allowances.contains_key(entity)
    }

    /// Lets so many records of an entity be created in this cycle, perhaps by an approval.
    pub(crate) fn allow_creations(&mut self, entity: &str, count: u64, approved: Option<Review>) {
        let allowance = CreateAllowance { remaining: count, approved, waiting: BTreeMap::new() };
        self.create_allowances.insert(entity.to_owned(), allowance);
    }

    /// The number of waiting creations of a guarded entity, and whether the guard holds any of
    /// them.
    pub(crate) fn creations_waiting(&self, entity: &str) -> Option<(u64, bool)> {
        let waiting = &self.create_allowances.get(entity)?.waiting;
        let count = waiting.values().map(|(count, _)| count).sum();
        Some((count, waiting.values().any(|(_, held_by_guard)| *held_by_guard)))
    }

    /// The systems of which all that plays an entity was read up to now: a scan that an earlier
    /// cycle began says nothing of what came since (`RULES.md` P13).
    pub(crate) fn current_systems<'e>(&self, entity: &'e EntitySpec) -> BTreeSet<&'e str> {
        let is_current = |member: &MemberSpec| {
            let (system, object) = (member.system.clone(), member.object.clone());
            self.current.contains(&Stream { system, object })
        };
        let behind: BTreeSet<&str> = entity
            .members
            .iter()
            .filter(|member| !is_current(member))
            .map(|member| member.system.as_str())
            .collect();
        let all = entity.members.iter().map(|member| member.system.as_str());
        all.filter(|system| !behind.contains(system)).collect()
    }

    /// A plugin's failure stops its object for this cycle; a failure of the store stops all.
    pub(crate) fn record_failure(
        &self,
        member: &MemberSpec,
        error: IngestError,
    ) -> Result<(), CycleError> {
        match error {
            IngestError::Store(error) => Err(error.into()),
            IngestError::Plugin(error) => {
                self.counters.failed(&CycleFailure::of_object(member, CycleStep::Settle, &error));
                Ok(())
            }
        }
    }

    /// Keeps what a plan says of the deletions of an entity.
    pub(crate) fn show(&mut self, deletions: PlannedDeletions) {
        self.plan.deletions.retain(|known| known.entity != deletions.entity);
        self.plan.deletions.push(deletions);
    }

    /// Keeps which records of an entity a dry run makes, for the entities that refer to it.
    pub(crate) fn promise(
        &mut self,
        entity: &EntitySpec,
        before: PromisedRecords,
        mut made: PromisedRecords,
    ) {
        self.promised = before;
        let all = self.engine.spec.entities();
        let mut referred = all.iter().flat_map(EntitySpec::references);
        if self.engine.options.apply || !referred.any(|name| name == entity.name) {
            return;
        }
        for MemberSpec { system, object, .. } in &entity.members {
            let place = (system.clone(), object.clone());
            let links = made.remove(&place).unwrap_or_default();
            self.promised.insert(place, links);
        }
    }

    /// Keeps what a dry run shows; `counts` are those of the links.
    pub(crate) fn preview(
        &mut self,
        counts: EntityPlan,
        operations: Vec<OutboxEntry>,
        held: Vec<HeldLink>,
    ) {
        self.plan.count(counts, &operations);
        let room = self.engine.options.plan_operations.saturating_sub(self.plan.operations.len());
        self.plan.omitted += operations.len().saturating_sub(room) as u64;
        self.plan.operations.extend(operations.into_iter().take(room));
        for held in held {
            // Remarks of a plan do not take the room of lines about what it holds back.
            let holds_back = held.reason.holds_back();
            let listed = if holds_back { &mut self.listed.0 } else { &mut self.listed.1 };
            if *listed < self.engine.options.plan_operations {
                *listed += 1;
                self.plan.held.push(held);
            } else {
                self.plan.held_omitted += u64::from(holds_back);
            }
        }
    }
}
