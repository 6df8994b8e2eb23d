//! References that were emptied because what they referred to is gone (`RULES.md` V2).
//!
//! A system takes a record that is deleted out of the references to it. Nobody edited these: they
//! follow from the deletion. While the deletion waits, or the others are left, nothing is carried
//! over, and what referred to the record does so again where it is restored or made again. Once
//! every record of what was referred to is gone, the references go with it.

use std::sync::Arc;

use smol_str::ToSmolStr as _;

use super::Work;
use crate::canonical::is_same;
use crate::reason::Reason;
use crate::references::{is_many, link_ids};
use crate::spec::FieldSpec;
use crate::state::{LinkId, RecordKey};
use crate::value::{Cell, SmolStr, Value};

/// What a reference that a system emptied counts as.
struct Bereft {
    base: Cell,
    /// The record that is gone, where the reference waits for what becomes of that.
    waits_for: Option<RecordKey>,
}

impl Work<'_> {
    /// Sets references that systems emptied apart from those that people emptied.
    pub(super) fn follow_deletions(&mut self) {
        let lanes = self.context.lanes;
        for index in 0..self.active.len() {
            for &position in lanes.references() {
                let Some(field) = lanes.entity.fields.get(position) else { continue };
                let Some(bereft) = self.bereft(index, position, field) else { continue };
                let record = self.active.get(index).map(|active| active.record);
                let record = record.and_then(|record| self.records.get_mut(record));
                let Some(record) = record.map(Arc::make_mut) else { continue };
                let key = record.key.clone();
                if let Some(state) = record.fields.get_mut(position) {
                    state.base = bereft.base;
                    state.lost = None;
                    if bereft.waits_for.is_some() {
                        state.agreed = None;
                    }
                }
                if let Some(gone) = bereft.waits_for {
                    self.note(Some(key), Some(&field.name), Reason::FollowsDeletion(gone));
                }
            }
        }
    }

    fn bereft(&self, active: usize, position: usize, field: &FieldSpec) -> Option<Bereft> {
        let references = self.context.references;
        let active = self.active.get(active)?;
        let lane = self.context.lanes.lane(active.member, position)?;
        let target = lane.target(&field.kind).filter(|_| lane.mapping.direction.reads())?;
        let record = self.records.get(active.record)?;
        let state = record.fields.get(position)?;
        let truth = &self.plan.link.truth.get(position)?.value;
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
            return Some(Bereft { base: cell_of(&base), waits_for: gone.cloned() });
        }
        // What it waited for is gone everywhere: now the references to that go, too.
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
        Some(Bereft { base: cell_of(&base), waits_for: None })
    }
}

/// Links as a canonical reference.
fn cell_of(links: &[LinkId]) -> Cell {
    let mut names: Vec<SmolStr> = links.iter().map(|link| link.0.to_smolstr()).collect();
    names.sort_unstable();
    Some(if names.is_empty() { Value::Null } else { Value::References(names) })
}
