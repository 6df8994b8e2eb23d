//! What a cycle knows while it runs and forgets afterwards: counts, pauses, approvals, the preview.

use std::collections::{BTreeMap, BTreeSet};

use crate::absorb::AbsorbError;
use crate::engine::{CycleError, Engine, Tally};
use crate::guards;
use crate::plan::{Held, Plan};
use crate::plan_link::{Draft, LinkPlan, Note};
use crate::reason::Reason;
use crate::record::Action;
use crate::spec::{EntitySpec, MemberSpec};
use crate::state::{LinkId, LinkView, OutboxEntry, Status, Stream};

/// The longest pause that a cycle makes for a system that asks for time; longer ones wait for the
/// next cycle.
const PAUSE_MS_MAX: u64 = 60_000;

/// What a cycle knows while it runs and forgets afterwards.
pub(crate) struct Cycle<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) tally: Tally<'a>,
    /// Links that are not planned again before a pause.
    deferred: BTreeSet<LinkId>,
    pause_ms: u64,
    /// By entity with a guard on creations.
    room: BTreeMap<String, Room>,
    /// Entities whose deletions a person has approved.
    approved: BTreeSet<String>,
    /// Intents and attempts that were sent and not answered before this cycle read anything.
    pub(crate) unanswered: BTreeSet<(String, u32)>,
    /// Streams that were read in this cycle, from the beginning of a scan to its end.
    pub(super) current: BTreeSet<Stream>,
    pub(super) plan: Plan,
}

/// What a guard still allows.
struct Room {
    left: u64,
    /// Whether the question about more is open.
    asked: bool,
}

impl<'a> Cycle<'a> {
    pub(super) fn new(engine: &'a Engine<'a>) -> Self {
        Self {
            engine,
            tally: Tally::new(engine.observer),
            deferred: BTreeSet::new(),
            pause_ms: 0,
            room: BTreeMap::new(),
            approved: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            current: BTreeSet::new(),
            plan: Plan::default(),
        }
    }

    /// Whether deletions above the guard go on in this cycle.
    pub(crate) fn may_delete(&self, entity: &str) -> bool {
        self.approved.contains(entity)
    }

    pub(crate) fn allow_deletions(&mut self, entity: &str) {
        self.approved.insert(entity.to_owned());
    }

    pub(crate) fn is_deferred(&self, link: LinkId) -> bool {
        self.deferred.contains(&link)
    }

    /// Puts a link off until the system has had its time.
    pub(crate) fn defer(&mut self, link: LinkId, after_ms: u64) {
        self.deferred.insert(link);
        self.pause_ms = self.pause_ms.max(after_ms);
    }

    /// Waits for systems that asked for time; how many links go on afterwards.
    pub(super) async fn pause(&mut self) -> u64 {
        if self.deferred.is_empty() || self.pause_ms > PAUSE_MS_MAX {
            return 0;
        }
        self.engine.clock.sleep_ms(self.pause_ms).await;
        self.pause_ms = 0;
        std::mem::take(&mut self.deferred).len() as u64
    }

    /// Whether it is settled how many records of an entity may be created in this cycle.
    pub(crate) fn is_guarded(&self, entity: &str) -> bool {
        self.room.contains_key(entity)
    }

    /// Lets so many records of an entity be created in this cycle; whether a person is asked about
    /// more already.
    pub(crate) fn guard(&mut self, entity: &str, left: u64, asked: bool) {
        self.room.insert(entity.to_owned(), Room { left, asked });
    }

    /// The systems of which all that plays an entity was read up to now: a scan that an earlier
    /// cycle began says nothing of what came since (RULES.md P13).
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

    /// Takes out of a plan what must not be sent now: writes to an object that could not be read,
    /// creations while a system of the link or the target is not read up to now, and creations
    /// above the guard, about which a person is asked.
    pub(crate) fn hold_back(&mut self, entity: &EntitySpec, plan: &mut LinkPlan, view: &LinkView) {
        let creates = plan.drafts.iter().any(|draft| draft.action == Action::Create);
        let current = if creates { self.current_systems(entity) } else { BTreeSet::new() };
        let live = view.records.iter().filter(|record| record.status == Status::Live);
        let is_behind = |system: &&str| !current.contains(system);
        let behind = live.map(|record| record.key.system.as_str()).find(is_behind);
        for draft in std::mem::take(&mut plan.drafts) {
            if !self.may_write(entity, &draft) {
                plan.held = true;
                continue;
            }
            let target = entity.members.get(draft.member);
            let target = target.map(|member| member.system.as_str());
            if draft.action == Action::Create
                && let Some(system) = behind.or(target.filter(is_behind))
            {
                let reason = Reason::NotRead(system.to_owned());
                plan.notes.push(Note { record: None, field: None, reason });
                plan.held = true;
                continue;
            }
            if draft.action == Action::Create && !self.may_create(entity, plan) {
                plan.held = true;
                continue;
            }
            plan.drafts.push(draft);
        }
    }

    /// Whether what a write depends on was read: its object; for a new record every object of the
    /// entity in that system, where it may stand already.
    fn may_write(&self, entity: &EntitySpec, draft: &Draft) -> bool {
        let Some(member) = entity.members.get(draft.member) else { return false };
        let is_there = |other: &&MemberSpec| {
            other.system == member.system
                && (draft.action == Action::Create || other.object == member.object)
        };
        let mut objects = entity.members.iter().filter(is_there);
        !objects.any(|other| self.tally.has_stopped(&other.system, &other.object))
    }

    /// Takes one of the creations that the guard allows; where there is none left, a person is
    /// asked.
    fn may_create(&mut self, entity: &EntitySpec, plan: &mut LinkPlan) -> bool {
        let Some(limit) = entity.create_guard else { return true };
        let Some(room) = self.room.get_mut(&entity.name) else { return true };
        if let Some(left) = room.left.checked_sub(1) {
            room.left = left;
            return true;
        }
        plan.notes.push(Note { record: None, field: None, reason: Reason::CreateCap(limit) });
        if !std::mem::replace(&mut room.asked, true) {
            let now_ms = self.engine.clock.now_ms();
            plan.reviews.push(guards::creations_question(entity, limit, now_ms));
        }
        false
    }

    /// A plugin's failure stops its object for this cycle; a failure of the store stops all.
    pub(crate) fn absorbed(
        &self,
        member: &MemberSpec,
        error: AbsorbError,
    ) -> Result<(), CycleError> {
        match error {
            AbsorbError::Store(error) => Err(error.into()),
            AbsorbError::Plugin(error) => {
                self.tally.object_failed(member, "settle", &error);
                Ok(())
            }
        }
    }

    /// Keeps what a dry run shows.
    pub(crate) fn preview(&mut self, operations: Vec<OutboxEntry>, held: Vec<Held>) {
        let room = self.engine.options.plan_operations.saturating_sub(self.plan.operations.len());
        self.plan.omitted += operations.len().saturating_sub(room) as u64;
        self.plan.operations.extend(operations.into_iter().take(room));
        self.plan.held.extend(held);
    }
}
