//! References that were emptied because what they referred to is gone, or name another record
//! because that one was merged with it (`RULES.md` V2).
//!
//! A system takes a record that is deleted out of the references to it. Nobody edited these: they
//! follow from the deletion. While the deletion waits, or the others are left, nothing is carried
//! over. References to the record come back where it is restored or made again. Once every record
//! of what was referred to is gone, the references go with it. Where a person names another record
//! meanwhile, that is the only edit, whichever system took what out.

use std::sync::Arc;

use smol_str::ToSmolStr as _;

use super::{LinkPlanner, PlanContext};
use crate::plan::mapping::ActiveMember;
use crate::plan::references::{is_many, link_ids};
use renkei_model::canonical::is_same;
use renkei_model::index::{ActiveIndex, FieldIndex, RecordIndex};
use renkei_model::reason::Reason;
use renkei_model::spec::FieldSpec;
use renkei_model::state::{LinkId, RecordKey};
use renkei_model::value::{Cell, SmolStr, Value};

/// The state of a reference that a system emptied because its target is gone.
struct LostReference {
    base: Cell,
    /// The truth, if the member had it.
    had: Option<Value>,
    /// The record that is gone, where the reference waits for what becomes of that.
    waits_for: Option<RecordKey>,
}

impl LinkPlanner<'_> {
    /// A reference to a link that was united with another names that one by now: nobody has edited
    /// it.
    pub(super) fn follow_merges(&mut self) {
        let references = self.context.references;
        for &position in self.context.mappings.references() {
            let shown: Vec<(RecordIndex, Cell)> = self.shown(position).collect();
            let truth = &self.plan.link.truth[position];
            let is_old =
                |cell: &Cell, now: &&Cell| cell != *now && references.is_renamed(cell, now);
            let now = shown.iter().map(|(_, seen)| seen).find(|seen| is_old(&truth.value, seen));
            if let Some(now) = now {
                Arc::make_mut(&mut self.plan.link).truth[position].value.clone_from(now);
            }
            for (record, seen) in &shown {
                let record = &mut self.records[*record];
                let state = &record.fields[position];
                let by_now =
                    |cell: &Cell| now.into_iter().chain([seen]).find(|now| is_old(cell, now));
                let (base, agreed) = (by_now(&state.base), by_now(&state.agreed));
                let bereft = by_now(&state.bereft.as_deref().cloned());
                let is_other = base.is_some() || agreed.is_some() || bereft.is_some();
                if is_other {
                    let state = &mut Arc::make_mut(record).fields[position];
                    state.base = base.cloned().unwrap_or_else(|| state.base.take());
                    state.agreed = agreed.cloned().unwrap_or_else(|| state.agreed.take());
                    let bereft = bereft.cloned().flatten().map(Box::new);
                    state.bereft = bereft.or_else(|| state.bereft.take());
                }
            }
        }
    }

    /// The references that the active records hold, by position, where something was taken out of
    /// one of them; else nothing.
    fn shown(&self, position: FieldIndex) -> impl Iterator<Item = (RecordIndex, Cell)> {
        let mappings = self.context.mappings;
        let kind = &mappings.entity[position].kind;
        let state = move |active: &ActiveMember| &self.records[active.record].fields[position];
        let mut states = self.active.values().map(state);
        let is_due = states.any(|state| state.lost.is_some());
        self.active.values().filter(move |_| is_due).filter_map(move |active| {
            let target = mappings.mapping(active.member, position)?.target(kind)?;
            let record = self.record(*active);
            let seen = &record.fields[position].seen;
            let references = self.context.references;
            let inward = references.inward(is_many(kind), &record.key.system, target, seen);
            Some((active.record, inward.cell))
        })
    }

    /// Sets references that systems emptied apart from those that people emptied.
    pub(super) fn follow_deletions(&mut self) {
        let mappings = self.context.mappings;
        for index in self.active.positions() {
            for &position in mappings.references() {
                let field = &mappings.entity[position];
                let Some(lost) = self.find_lost_reference(index, position, field) else { continue };
                let record = Arc::make_mut(&mut self.records[self.active[index].record]);
                let key = record.key.clone();
                let state = &mut record.fields[position];
                state.base = lost.base;
                state.lost = None;
                if lost.waits_for.is_some() {
                    state.agreed = None;
                    state.bereft = lost.had.map(Box::new).or(state.bereft.take());
                }
                if let Some(gone) = lost.waits_for {
                    self.note(Some(key), Some(&field.name), Reason::FollowsDeletion(gone));
                }
            }
        }
    }

    fn find_lost_reference(
        &self,
        active: ActiveIndex,
        position: FieldIndex,
        field: &FieldSpec,
    ) -> Option<LostReference> {
        let references = self.context.references;
        let active = self.active[active];
        let mapping = self.context.mappings.mapping(active.member, position)?;
        let target = mapping.target(&field.kind).filter(|_| mapping.group.direction.reads())?;
        let record = self.record(active);
        let state = &record.fields[position];
        let truth = &self.plan.link.truth[position].value;
        // Most references are in step.
        if state.base.is_none() || state.lost.is_none() && state.base == *truth {
            return None;
        }
        let many = is_many(&field.kind);
        let system = &record.key.system;
        let seen = references.inward(many, system, target, &state.seen).cell?;
        let seen: Vec<LinkId> = link_ids(&Some(seen)).collect();
        let mut base: Vec<LinkId> = link_ids(&state.base).collect();
        if !many && !seen.is_empty() {
            return None;
        }
        let key = |id: &SmolStr| RecordKey {
            system: system.clone(),
            object: target.to_owned(),
            id: id.to_string(),
        };
        let lost: Vec<RecordKey> = state.lost.iter().flatten().map(key).collect();
        let gone = lost.iter().find(|record| references.is_gone(record));
        let by_people: Vec<LinkId> = lost
            .iter()
            .filter(|record| !references.is_gone(record))
            .filter_map(|record| references.link_of(record))
            .collect();
        let follows = |link: &LinkId| {
            !seen.contains(link) && !by_people.contains(link) && !references.is_over(*link)
        };
        if gone.is_some() && base.iter().any(follows) {
            base.retain(|link| !follows(link));
            let has = |cell: &Cell| is_same(&field.kind, cell, truth);
            let had = if has(&state.agreed) || has(&state.base) { truth.clone() } else { None };
            return Some(LostReference { base: cell_of(&base), had, waits_for: gone.cloned() });
        }
        // Its target is gone everywhere: the references to that go too, unless a person has named
        // something else somewhere.
        if !many && self.is_set_anew(position, field) {
            let is_left = gone.is_some() && base.iter().all(|link| references.is_over(*link));
            let nothing = LostReference { base: cell_of(&[]), had: None, waits_for: None };
            return is_left.then_some(nothing);
        }
        if state.lost.is_some() || is_same(&field.kind, &state.agreed, truth) {
            return None;
        }
        let over = |link: &LinkId| {
            references.is_over(*link) && !seen.contains(link) && !base.contains(link)
        };
        let over: Vec<LinkId> = link_ids(truth).filter(over).collect();
        if over.is_empty() {
            return None;
        }
        base.extend(over);
        Some(LostReference { base: cell_of(&base), had: None, waits_for: None })
    }

    /// True where a person has named a record in a single reference since it was in step.
    fn is_set_anew(&self, position: FieldIndex, field: &FieldSpec) -> bool {
        let PlanContext { mappings, references, .. } = self.context;
        self.active.values().any(|active| {
            let mapping = mappings.mapping(active.member, position);
            let mapping = mapping.filter(|mapping| mapping.group.direction.reads());
            let target = mapping.and_then(|mapping| mapping.target(&field.kind));
            let record = self.record(*active);
            let state = &record.fields[position];
            target.is_some_and(|target| {
                let system = &record.key.system;
                let seen = references.inward(false, system, target, &state.seen).cell;
                state.base.is_some() && seen != state.base && link_ids(&seen).next().is_some()
            })
        })
    }
}

/// Links as a canonical reference.
fn cell_of(links: &[LinkId]) -> Cell {
    let mut names: Vec<SmolStr> = links.iter().map(|link| link.0.to_smolstr()).collect();
    names.sort_unstable();
    Some(if names.is_empty() { Value::Null } else { Value::References(names) })
}
