//! The columns of a member: those that are read, and the field of each.

use std::collections::BTreeSet;

use super::{EntitySpec, FieldIndex, MappingGroup, MemberSpec, Via};
use crate::value::Cell;

impl MemberSpec {
    /// Every column that is read, each once, in the order of the groups.
    pub fn read_columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        let mapped = self.groups.iter().flat_map(|group| &group.columns);
        for column in mapped.chain(&self.stamp) {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        columns
    }

    /// The column of a field and the constant that a new record gets there without a value.
    pub fn default_of(&self, field: FieldIndex) -> Option<(&str, &Cell)> {
        let column = self.group_of(field)?.columns.first()?;
        let default = self.constants.iter().find(|(name, _)| name == column);
        default.map(|(name, cell)| (name.as_str(), cell))
    }

    /// The group in which a field stands.
    pub fn group_of(&self, field: FieldIndex) -> Option<&MappingGroup> {
        self.groups.iter().find(|group| group.fields.contains(&field))
    }
}

impl EntitySpec {
    /// The canonical values that every table which writes the field has; `None` where no table
    /// writes it.
    pub fn writable_values(&self, field: FieldIndex) -> Option<BTreeSet<&str>> {
        let groups = self.members.iter().filter_map(|member| member.group_of(field));
        let tables = groups.filter(|group| group.direction.writes()).filter_map(|group| {
            let Via::Table(table) = &group.via else { return None };
            Some(table.write.keys().map(String::as_str).collect::<BTreeSet<_>>())
        });
        tables.reduce(|all, table| all.intersection(&table).copied().collect())
    }
}
