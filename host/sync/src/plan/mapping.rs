//! An entity made ready for planning: which member maps which field, and which way.

use std::sync::Arc;

use crate::model::spec::{EntitySpec, FieldIndex, FieldKind, MappingGroup, MemberSpec};
use crate::model::state::{RecordState, Status};

/// An entity with a table of its lanes.
#[derive(Debug)]
pub struct Lanes<'a> {
    /// The entity.
    pub entity: &'a EntitySpec,
    /// Per member, per field.
    table: Vec<Vec<Option<Lane<'a>>>>,
    /// Positions of the fields that refer to other entities.
    references: Vec<usize>,
}

/// How a field travels between one member and the hub.
#[derive(Debug, Clone, Copy)]
pub struct Lane<'a> {
    /// The group's position in the member.
    pub group: usize,
    /// The group.
    pub mapping: &'a MappingGroup,
}

impl<'a> Lanes<'a> {
    /// Builds the table.
    pub fn new(entity: &'a EntitySpec) -> Self {
        let lane = |member: &'a MemberSpec, field| {
            let mut groups = member.groups.iter().enumerate();
            let (group, mapping) = groups.find(|(_, group)| group.fields.contains(&field))?;
            Some(Lane { group, mapping })
        };
        let row = |member| {
            (0..entity.fields.len()).map(|field| lane(member, FieldIndex(field))).collect()
        };
        let fields = entity.fields.iter().enumerate();
        let references = fields.filter(|(_, f)| matches!(f.kind, FieldKind::Reference { .. }));
        let references = references.map(|(position, _)| position).collect();
        Self { entity, table: entity.members.iter().map(row).collect(), references }
    }

    /// Positions of the fields that refer to other entities.
    pub fn references(&self) -> &[usize] {
        &self.references
    }

    /// The lane of a field in a member.
    pub fn lane(&self, member: usize, field: usize) -> Option<Lane<'a>> {
        self.table.get(member)?.get(field).copied().flatten()
    }

    /// The member that a record belongs to.
    pub fn member_of(&self, record: &RecordState) -> Option<usize> {
        self.entity.member(&record.key.system, &record.key.object).map(|(position, _)| position)
    }

    /// Positions of the live records and their members, one per system.
    pub fn active(&self, records: &[Arc<RecordState>]) -> Vec<Active> {
        let mut active: Vec<Active> = Vec::with_capacity(records.len());
        for (position, record) in records.iter().enumerate() {
            let taken = |other: &Active| {
                records.get(other.record).is_some_and(|r| r.key.system == record.key.system)
            };
            if record.status == Status::Live
                && !active.iter().any(taken)
                && let Some(member) = self.member_of(record)
            {
                active.push(Active { record: position, member });
            }
        }
        active
    }
}

/// A live record that is read and written for its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    /// Its position among the link's records.
    pub record: usize,
    /// Its member's position in the entity.
    pub member: usize,
}

impl<'a> Lane<'a> {
    /// Whether it carries values of its own and not references.
    pub fn is_plain(&self) -> bool {
        self.mapping.target.is_none()
    }

    /// The object whose ids the column holds, if the field is a reference.
    pub fn target(&self, kind: &FieldKind) -> Option<&'a str> {
        match kind {
            FieldKind::Reference { .. } => self.mapping.target.as_deref(),
            _ => None,
        }
    }
}
