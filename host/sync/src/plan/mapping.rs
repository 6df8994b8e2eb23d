//! The table of an entity's field mappings, by member and field, made once per plan.

use std::sync::Arc;

use renkei_model::index::{
    ActiveIndex, FieldIndex, Indexed, MemberIndex, PerField, PerMember, RecordIndex,
};
use renkei_model::spec::{EntitySpec, FieldKind, MappingGroup, MemberSpec, Via};
use renkei_model::state::{RecordState, RecordStatus};

/// An entity with the mapping of each field in each member.
#[derive(Debug)]
pub struct FieldMappings<'a> {
    /// The entity.
    pub entity: &'a EntitySpec,
    table: PerMember<PerField<Option<FieldMapping<'a>>>>,
    /// Positions of the fields that refer to other entities.
    references: Vec<FieldIndex>,
}

/// The mapping of one field in one member.
#[derive(Debug, Clone, Copy)]
pub struct FieldMapping<'a> {
    /// The group of columns that carries the field.
    pub group: &'a MappingGroup,
    /// The smallest difference between moments that the column keeps, ms.
    pub unit_ms: i64,
}

impl<'a> FieldMappings<'a> {
    /// Builds the table.
    pub fn new(entity: &'a EntitySpec) -> Self {
        let mapping = |member: &'a MemberSpec, field| {
            let group = member.groups.iter().find(|group| group.fields.contains(&field))?;
            let unit_ms = match (&group.via, group.columns.as_slice()) {
                (Via::Direct, [column]) => member.days.unit_ms(column),
                _ => 1,
            };
            Some(FieldMapping { group, unit_ms })
        };
        let row = |member| PerField::from_fn(entity, |field, _| mapping(member, field));
        let fields = entity.indexed_fields();
        let references = fields.filter(|(_, f)| matches!(f.kind, FieldKind::Reference { .. }));
        let references = references.map(|(position, _)| position).collect();
        Self { entity, table: PerMember::from_fn(entity, row), references }
    }

    /// Positions of the fields that refer to other entities.
    pub fn references(&self) -> &[FieldIndex] {
        &self.references
    }

    /// A field's mapping in a member.
    pub fn mapping(&self, member: MemberIndex, field: FieldIndex) -> Option<FieldMapping<'a>> {
        self.table[member][field]
    }

    /// The member that a record belongs to.
    pub fn member_of(&self, record: &RecordState) -> Option<MemberIndex> {
        self.entity.member(&record.key.system, &record.key.object).map(|(position, _)| position)
    }

    /// Positions of the live records and their members, one per system.
    pub fn active(
        &self,
        records: &Indexed<RecordIndex, Arc<RecordState>>,
    ) -> Indexed<ActiveIndex, ActiveMember> {
        let mut active: Vec<ActiveMember> = Vec::with_capacity(records.len());
        for (position, record) in records.iter() {
            let taken =
                |other: &ActiveMember| records[other.record].key.system == record.key.system;
            if record.status == RecordStatus::Live
                && !active.iter().any(taken)
                && let Some(member) = self.member_of(record)
            {
                active.push(ActiveMember { record: position, member });
            }
        }
        active.into()
    }
}

/// A live record that is read and written for its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveMember {
    /// Its position among the link's records.
    pub record: RecordIndex,
    /// Its member's position in the entity.
    pub member: MemberIndex,
}

impl<'a> FieldMapping<'a> {
    /// True where it carries values and not references.
    pub fn is_plain(&self) -> bool {
        self.group.target.is_none()
    }

    /// The object whose ids the column holds, if the field is a reference.
    pub fn target(&self, kind: &FieldKind) -> Option<&'a str> {
        match kind {
            FieldKind::Reference { .. } => self.group.target.as_deref(),
            _ => None,
        }
    }
}
