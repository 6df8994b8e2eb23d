//! Writes of a plan that must not be sent now. They are taken out of the plan, with a note, and the
//! link stays dirty.

use std::collections::BTreeSet;

use super::CycleState;
use crate::journal::JournalNote;
use crate::plan::one_link::{LinkPlan, PlannedWrite};
use renkei_model::effect::EffectKind;
use renkei_model::reason::Reason;
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{LinkId, LinkView, RecordKey, RecordStatus};

/// The cause that keeps a write from being sent now.
enum WriteObstacle {
    /// An admin denied the permission that it needs.
    Denied(JournalNote),
    /// An object that it depends on could not be read, which is reported by itself.
    StoppedObject,
    /// A reading or a question that must come first.
    Undecided(Reason),
    /// The guard allows no more creations.
    CreateGuard { limit: u64 },
}

impl WriteObstacle {
    fn note(self) -> Option<JournalNote> {
        let reason = match self {
            Self::Denied(note) => return Some(note),
            Self::StoppedObject => return None,
            Self::Undecided(reason) => reason,
            Self::CreateGuard { limit } => Reason::AboveCreateGuard(limit),
        };
        Some(JournalNote { record: None, field: None, reason })
    }
}

/// True for a write that nothing later in the cycle mends if it rests on an old reading.
fn is_final(kind: EffectKind) -> bool {
    kind.makes_record() || kind.removes_record()
}

/// The readings of a link that its creates and removals rest on.
struct LinkReadings<'a> {
    /// The systems that were read up to now.
    current: BTreeSet<&'a str>,
    /// The system of a live record that was not read up to now.
    behind: Option<&'a str>,
    /// The system of a live record that somebody may have edited.
    unclear: Option<&'a str>,
}

impl<'a> LinkReadings<'a> {
    fn new(current: BTreeSet<&'a str>, view: &'a LinkView, unclear: &BTreeSet<RecordKey>) -> Self {
        let live = || view.records.iter().filter(|record| record.status == RecordStatus::Live);
        let mut systems = live().map(|record| record.key.system.as_str());
        let behind = systems.find(|system| !current.contains(system));
        let unclear = live().find(|record| unclear.contains(&record.key));
        let unclear = unclear.map(|record| record.key.system.as_str());
        Self { current, behind, unclear }
    }

    /// The system that must be read before this write is sent. A create and a removal need the
    /// system of every live record and their own read up to now, a removal no unclear record.
    fn missing_for(&self, entity: &'a EntitySpec, planned_write: &PlannedWrite) -> Option<&'a str> {
        let kind = planned_write.effect.kind();
        if !is_final(kind) {
            return None;
        }
        let target = entity[planned_write.member].system.as_str();
        let target = Some(target).filter(|system| !self.current.contains(system));
        let unclear = self.unclear.filter(|_| kind.removes_record());
        self.behind.or(target).or(unclear)
    }
}

impl CycleState<'_> {
    /// Takes writes out of a plan that must not be sent now. All writes wait for an object that
    /// could not be read; creations and removals for systems that are not read up to now. Removals
    /// wait while a record of the link is `unclear`. Creations wait where a record may be there
    /// already (`RULES.md` P13, V15), and above the guard.
    pub(crate) fn hold_writes(
        &mut self,
        entity: &EntitySpec,
        plan: &mut LinkPlan,
        view: &LinkView,
        unclear: &BTreeSet<RecordKey>,
    ) {
        let link = plan.link.id;
        if let Some(allowance) = self.create_allowances.get_mut(&entity.name) {
            allowance.waiting.remove(&link);
        }
        let any_final = plan.writes.iter().any(|write| is_final(write.effect.kind()));
        let current = if any_final { self.current_systems(entity) } else { BTreeSet::new() };
        let readings = LinkReadings::new(current, view, unclear);
        for planned_write in std::mem::take(&mut plan.writes) {
            let Some(obstacle) = self.find_obstacle(entity, link, &planned_write, &readings) else {
                plan.writes.push(planned_write);
                continue;
            };
            plan.held = true;
            if planned_write.effect.kind().makes_record() {
                let held_by_guard = matches!(obstacle, WriteObstacle::CreateGuard { .. });
                self.count_waiting_creation(entity, link, held_by_guard);
            }
            plan.notes.extend(obstacle.note());
        }
    }

    /// The first obstacle to a write. A create without one uses a creation that the guard allows.
    fn find_obstacle<'e>(
        &mut self,
        entity: &'e EntitySpec,
        link: LinkId,
        planned_write: &PlannedWrite,
        readings: &LinkReadings<'e>,
    ) -> Option<WriteObstacle> {
        if let Some(note) = self.denied_permission(entity, planned_write) {
            return Some(WriteObstacle::Denied(note));
        }
        if !self.could_read_objects(entity, planned_write) {
            return Some(WriteObstacle::StoppedObject);
        }
        if let Some(system) = readings.missing_for(entity, planned_write) {
            return Some(WriteObstacle::Undecided(Reason::NotRead(system.to_owned())));
        }
        if !planned_write.effect.kind().makes_record() {
            return None;
        }
        let target = &entity[planned_write.member].system;
        if let Some(record) = self.possible_record(entity, link, target) {
            return Some(WriteObstacle::Undecided(Reason::MayBe(record.clone())));
        }
        let limit = entity.create_guard?;
        (!self.use_creation(entity)).then_some(WriteObstacle::CreateGuard { limit })
    }

    /// The note about a denied permission that the write needs. The write waits and the failure is
    /// reported; nothing else of its object stops (`RULES.md` V18).
    fn denied_permission(
        &self,
        entity: &EntitySpec,
        planned_write: &PlannedWrite,
    ) -> Option<JournalNote> {
        let member = &entity[planned_write.member];
        let place = (member.system.clone(), member.object.clone(), planned_write.effect.kind());
        let error = self.denied.get(&place)?;
        let words = error.not_granted()?.to_owned();
        if self.engine.options.apply {
            self.counters.denied(member, error);
        }
        let record = planned_write.record(member);
        Some(JournalNote { record, field: None, reason: Reason::NotGranted(words) })
    }

    /// True where all objects that the write depends on were read: its own, and for a create
    /// every object of the entity in that system, because the record may be there.
    fn could_read_objects(&self, entity: &EntitySpec, planned_write: &PlannedWrite) -> bool {
        let member = &entity[planned_write.member];
        let is_there = |other: &&MemberSpec| {
            other.system == member.system
                && (planned_write.effect.kind().makes_record() || other.object == member.object)
        };
        let mut objects = entity.members.iter().filter(is_there);
        !objects.any(|other| self.counters.has_stopped(&other.system, &other.object))
    }

    /// The record of this system that may belong to the link, while a person is asked.
    fn possible_record(
        &self,
        entity: &EntitySpec,
        link: LinkId,
        system: &str,
    ) -> Option<&RecordKey> {
        self.contested.get(&entity.name)?.get(&(link, system.to_owned()))
    }

    /// Uses one of the creations that the guard allows in this cycle; false where none remains.
    fn use_creation(&mut self, entity: &EntitySpec) -> bool {
        let Some(allowance) = self.create_allowances.get_mut(&entity.name) else { return true };
        let has_one = allowance.remaining > 0;
        allowance.remaining = allowance.remaining.saturating_sub(1);
        has_one
    }

    /// Counts a creation that waits.
    fn count_waiting_creation(&mut self, entity: &EntitySpec, link: LinkId, held_by_guard: bool) {
        if let Some(allowance) = self.create_allowances.get_mut(&entity.name) {
            let known = allowance.waiting.entry(link).or_default();
            *known = (known.0 + 1, known.1 || held_by_guard);
        }
    }
}
