//! Plans updates: only fields that are due, only in members that the mapping writes.

use super::{LinkPlanner, PlannedWrite, UnreadField};
use crate::plan::mapping::ActiveMember;
use crate::read::unreadable::was_not_answered;
use renkei_model::canonical::is_changed;
use renkei_model::effect::Effect;
use renkei_model::index::{ActiveIndex, FieldIndex};
use renkei_model::reason::Reason;
use renkei_model::spec::MappingGroup;
use renkei_model::state::FieldWrite;
use renkei_model::value::Cell;

impl LinkPlanner<'_> {
    /// Notes fields that are due and cannot be read: a refusal there stays a failure (`RULES.md`
    /// V5, V13).
    pub(super) fn note_unread(&mut self) {
        if self.plan.link.failures.is_empty() {
            return;
        }
        let mappings = self.context.mappings;
        for active in self.active.values() {
            let record = &self.records[active.record];
            for (position, field) in mappings.entity.indexed_fields() {
                let state = &record.fields[position];
                let mapping = mappings.mapping(active.member, position);
                let direction = mapping.map(|mapping| mapping.group.direction);
                let is_both = direction.is_some_and(|way| way.reads() && way.writes());
                let truth = self.truth(position);
                let is_due = truth.is_some() && state.agreed != truth && state.base != truth;
                if is_both && is_due && state.seen.is_none() {
                    let not_answered = was_not_answered(&record.failures, &field.name);
                    let (member, field) = (active.member, field.name.clone());
                    self.plan.unread.push(UnreadField { member, field, not_answered });
                }
            }
        }
    }

    pub(super) fn plan_updates(&mut self) {
        if self.merged.is_empty() {
            return;
        }
        for index in self.active.positions() {
            if let Some(planned_write) = self.update(index) {
                self.plan.writes.push(planned_write);
            }
        }
    }

    fn update(&mut self, index: ActiveIndex) -> Option<PlannedWrite> {
        let active = self.active[index];
        let member = &self.context.mappings.entity[active.member];
        let mut groups = Vec::new();
        let mut fields = Vec::new();
        for (position, group) in member.indexed_groups() {
            let due = group.fields.iter().find_map(|field| self.due(index, *field));
            let frozen = group.fields.iter().any(|field| self.is_frozen(*field));
            let Some(reason) = due.filter(|_| !frozen) else { continue };
            if let Some((cells, writes)) = self.group_cells(active, group, &reason) {
                groups.push((position, cells));
                fields.extend(writes);
            }
        }
        let record = self.record(active);
        let reason = fields.first().map(|field| field.reason.clone())?;
        Some(PlannedWrite {
            link: self.plan.link.id,
            member: active.member,
            effect: Effect::Update { id: record.key.id.clone() },
            if_version: record.version.clone(),
            if_modified_ms: record.modified_ms,
            groups,
            fields,
            reason,
            raw: record.raw.clone(),
            copies: Vec::new(),
        })
    }

    /// The reason for which a field is due at a member, if it is.
    fn due(&self, active: ActiveIndex, field: FieldIndex) -> Option<Reason> {
        let outcome = self.outcome(field)?;
        let (member, _) = outcome.members.iter().find(|(_, member)| **member == active)?;
        outcome.merged.results[member].due.clone()
    }

    /// The cells of one group; none where a reference must wait or the columns hold them already.
    fn group_cells(
        &mut self,
        active: ActiveMember,
        group: &MappingGroup,
        reason: &Reason,
    ) -> Option<(Vec<Cell>, Vec<FieldWrite>)> {
        let mut cells = Vec::with_capacity(group.fields.len());
        let mut writes = Vec::with_capacity(group.fields.len());
        let mut news = false;
        for &index in &group.fields {
            let field = &self.context.mappings.entity[index];
            let mapping = self.context.mappings.mapping(active.member, index)?;
            let record = self.record(active);
            let system = record.key.system.clone();
            let state = record.fields[index].clone();
            // The value of a member that is only written may never have been weighed.
            let is_shown = mapping.is_plain() && !mapping.group.direction.reads();
            let before = state.seen.clone().filter(|_| is_shown).or(state.base);
            let truth = self.truth(index);
            let outward = self.outward(field, mapping, &system, &truth, &state.seen);
            if outward.remote.is_none() && truth.is_some() {
                return None;
            }
            news |= is_changed(&field.kind, &state.seen, &outward.remote);
            writes.push(FieldWrite {
                field: field.name.clone(),
                before,
                after: outward.written,
                reason: reason.clone(),
                removes: outward.removes,
            });
            cells.push(outward.remote);
        }
        news.then_some((cells, writes))
    }
}
