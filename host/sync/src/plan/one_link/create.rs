//! Plans creates: for each system without a record of the link, the cells of a new one.

use super::{LinkPlanner, MissingRequirement, PlannedWrite, is_filled};
use crate::plan::references::link_ids;
use renkei_model::effect::Effect;
use renkei_model::index::MemberIndex;
use renkei_model::reason::Reason;
use renkei_model::spec::{CopiedColumn, FieldKind, MappingGroup, MemberSpec};
use renkei_model::state::{FailureClass, FieldWrite, RecordStatus};
use renkei_model::value::Cell;

impl LinkPlanner<'_> {
    pub(super) fn plan_creates(&mut self) {
        if self.active.is_empty() {
            return;
        }
        let entity = self.context.mappings.entity;
        for (position, member) in entity.indexed_members() {
            let stops = member.stops_create.first();
            if !(member.create || stops.is_some())
                || self.has_record_in(&member.system)
                || self.has_unmapped_in(&member.system)
            {
                continue;
            }
            if let Some(column) = stops {
                self.stands_still(position, member, column);
            } else if let Some(planned_write) = self.create(position, member) {
                self.plan.writes.push(planned_write);
            }
        }
    }

    /// Notes and lists that no record is made, because a column that it needs stands still.
    fn stands_still(&mut self, position: MemberIndex, member: &MemberSpec, column: &str) {
        let (object, column) = (format!("{}.{}", member.system, member.object), column.to_owned());
        let reason = Reason::StandsStill { object, column: column.clone() };
        self.note(None, None, reason.clone());
        let column = Some(column);
        self.plan.lacking.push(MissingRequirement {
            member: position,
            field: None,
            column,
            reason,
        });
    }

    /// A live record, one that may take its place or come back, or one that is just moving to
    /// another id.
    fn has_record_in(&self, system: &str) -> bool {
        let active = self.active.values().map(|active| &self.records[active.record]);
        let kept = self.records.values().filter(|record| {
            matches!(record.status, RecordStatus::Surplus | RecordStatus::Missing)
                || record.status.successor().is_some()
        });
        active.chain(kept).any(|record| record.key.system == system)
    }

    /// A live record of an object that the mapping does not have, or no longer: the link has a
    /// record there all the same (`RULES.md` V15).
    fn has_unmapped_in(&mut self, system: &str) -> bool {
        let mappings = self.context.mappings;
        let unmapped = self.records.values().find(|record| {
            record.status == RecordStatus::Live
                && record.key.system == system
                && mappings.member_of(record).is_none()
        });
        let unmapped = unmapped.map(|record| record.key.clone());
        let is_there = unmapped.is_some();
        if let Some(key) = unmapped {
            self.note(None, None, Reason::HasUnmapped(key));
        }
        is_there
    }

    fn create(&mut self, position: MemberIndex, member: &MemberSpec) -> Option<PlannedWrite> {
        let mut groups = Vec::new();
        let mut fields = Vec::new();
        for (index, group) in member.indexed_groups() {
            if !group.direction.writes() {
                continue;
            }
            if self.is_outside_table(group) {
                return None;
            }
            match self.new_cells(position, member, group) {
                Some((cells, writes)) => {
                    groups.push((index, cells));
                    fields.extend(writes);
                }
                None if group.required && !has_default(member, group) => {
                    self.note_missing(position, group);
                    return None;
                }
                None => {}
            }
        }
        if groups.is_empty() {
            return None;
        }
        Some(PlannedWrite {
            link: self.plan.link.id,
            member: position,
            effect: Effect::Create,
            if_version: None,
            if_modified_ms: None,
            groups,
            fields,
            reason: self.create_reason.clone(),
            raw: Vec::new(),
            copies: self.copies(member),
        })
    }

    /// The cells that a new record copies from the records that it refers to.
    fn copies(&self, member: &MemberSpec) -> Vec<(String, Cell)> {
        let copy = |copy: &CopiedColumn| {
            let link = link_ids(&self.truth(copy.reference)).next()?;
            let cell = self.context.references.copied(link, copy.field)?;
            Some((copy.column.clone(), cell.clone()))
        };
        member.copies.iter().filter_map(copy).collect()
    }

    /// True where a field has no value because a record holds one that stands in no table. The new
    /// record waits until it is mapped or changes (`RULES.md` V17).
    fn is_outside_table(&mut self, group: &MappingGroup) -> bool {
        let entity = self.context.mappings.entity;
        let active = self.active.values().map(|active| &self.records[active.record]);
        let failures = active.flat_map(|record| &record.failures);
        let mut unmapped = failures.filter(|one| one.class == FailureClass::Unmapped);
        let outside = unmapped.find_map(|failure| {
            let (index, _) = entity.field(failure.field.as_ref()?)?;
            let waits = group.fields.contains(&index) && !is_filled(&self.truth(index));
            let column = failure.problems.first()?.field.clone().unwrap_or_default();
            let reason = Reason::Unmapped { column, items: Vec::new() };
            waits.then(|| (failure.record(), failure.field.clone(), reason))
        });
        let is_outside = outside.is_some();
        if let Some((record, field, reason)) = outside {
            self.note(record, field.as_deref(), reason);
        }
        is_outside
    }

    /// The cells of one group of a new record; none where no field has a value or one is frozen.
    fn new_cells(
        &mut self,
        member: MemberIndex,
        spec: &MemberSpec,
        group: &MappingGroup,
    ) -> Option<(Vec<Cell>, Vec<FieldWrite>)> {
        let mut cells = Vec::with_capacity(group.fields.len());
        let mut writes = Vec::with_capacity(group.fields.len());
        for &index in &group.fields {
            let field = &self.context.mappings.entity[index];
            let mapping = self.context.mappings.mapping(member, index)?;
            if self.is_frozen(index) {
                return None;
            }
            let truth = self.truth(index);
            let outward = self.outward(field, mapping, &spec.system, &truth, &None);
            writes.push(FieldWrite {
                field: field.name.clone(),
                before: None,
                after: outward.written,
                reason: self.create_reason.clone(),
                removes: Vec::new(),
            });
            cells.push(outward.remote);
        }
        cells.iter().any(is_filled).then_some((cells, writes))
    }

    fn note_missing(&mut self, member: MemberIndex, group: &MappingGroup) {
        for &index in &group.fields {
            let field = &self.context.mappings.entity[index];
            let reason = Reason::RequiredMissing { field: field.name.clone() };
            self.note(None, Some(&field.name), reason.clone());
            // A field that waits for its parent or for an answer is listed as that.
            let truth = self.truth(index);
            let names_nothing = matches!(field.kind, FieldKind::Reference { .. })
                && self.context.references.is_same_by_now(&truth, &None);
            if (names_nothing || !is_filled(&truth)) && !self.is_frozen(index) {
                self.plan.lacking.push(MissingRequirement {
                    member,
                    field: Some(field.name.clone()),
                    column: None,
                    reason,
                });
            }
        }
    }
}

/// True where a new record gets defaults in all columns of a group.
fn has_default(member: &MemberSpec, group: &MappingGroup) -> bool {
    let given = |column: &String| member.constants.iter().any(|(name, _)| name == column);
    group.columns.iter().all(given)
}
