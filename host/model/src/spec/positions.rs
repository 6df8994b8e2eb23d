//! The entity as the list of its fields and members, and lists with one entry for each of them.

use std::ops::Index;

use super::{EntitySpec, FieldKind, FieldSpec, MappingGroup, MemberSpec, SpecError};
use crate::index::{
    FieldIndex, GroupIndex, MemberIndex, PerField, PerMember, Position as _, entry,
};

impl Index<FieldIndex> for EntitySpec {
    type Output = FieldSpec;

    fn index(&self, field: FieldIndex) -> &FieldSpec {
        entry(&self.fields, field)
    }
}

impl Index<MemberIndex> for EntitySpec {
    type Output = MemberSpec;

    fn index(&self, member: MemberIndex) -> &MemberSpec {
        entry(&self.members, member)
    }
}

impl Index<GroupIndex> for MemberSpec {
    type Output = MappingGroup;

    fn index(&self, group: GroupIndex) -> &MappingGroup {
        entry(&self.groups, group)
    }
}

impl EntitySpec {
    /// The fields with their positions.
    pub fn indexed_fields(&self) -> impl Iterator<Item = (FieldIndex, &FieldSpec)> {
        self.fields.iter().enumerate().map(|(number, field)| (FieldIndex(number), field))
    }

    /// The members with their positions.
    pub fn indexed_members(&self) -> impl Iterator<Item = (MemberIndex, &MemberSpec)> {
        self.members.iter().enumerate().map(|(number, member)| (MemberIndex(number), member))
    }

    /// Checks that every position in the mapping is one of a field that is there.
    pub(super) fn check_positions(&self, all: &[Self]) -> Result<(), SpecError> {
        let groups = self.members.iter().flat_map(|member| &member.groups);
        let keys = self.match_keys.iter().flat_map(|key| &key.fields);
        let own = groups.flat_map(|group| &group.fields).chain(keys);
        let copies = self.members.iter().flat_map(|member| &member.copies);
        let own = own.copied().chain(copies.clone().map(|copy| copy.reference));
        check_fields(self, own)?;
        for copy in copies {
            if let FieldKind::Reference { entity, .. } = &self[copy.reference].kind
                && let Some(other) = all.iter().find(|other| other.name == *entity)
            {
                check_fields(other, [copy.field])?;
            }
        }
        Ok(())
    }
}

fn check_fields(
    entity: &EntitySpec,
    fields: impl IntoIterator<Item = FieldIndex>,
) -> Result<(), SpecError> {
    let count = entity.fields.len();
    match fields.into_iter().find(|field| field.number() >= count) {
        None => Ok(()),
        Some(FieldIndex(position)) => {
            Err(SpecError::NoSuchField { entity: entity.name.clone(), position, count })
        }
    }
}

impl MemberSpec {
    /// The groups with their positions.
    pub fn indexed_groups(&self) -> impl Iterator<Item = (GroupIndex, &MappingGroup)> {
        self.groups.iter().enumerate().map(|(number, group)| (GroupIndex(number), group))
    }
}

impl<T> PerField<T> {
    /// One entry per field of the entity, made by a function.
    pub fn from_fn<'a>(
        entity: &'a EntitySpec,
        mut make: impl FnMut(FieldIndex, &'a FieldSpec) -> T,
    ) -> Self {
        Self::from_items(entity.indexed_fields().map(|(index, field)| make(index, field)).collect())
    }

    /// The same entry for each field of the entity.
    pub fn filled(entity: &EntitySpec, item: T) -> Self
    where
        T: Clone,
    {
        Self::from_items(vec![item; entity.fields.len()])
    }

    /// True if every field of the entity has an entry.
    pub fn covers(&self, entity: &EntitySpec) -> bool {
        self.len() >= entity.fields.len()
    }

    /// Adds defaults, so that every field of the entity has an entry. A record may have been stored
    /// for another entity; what it holds besides stays.
    pub fn cover(&mut self, entity: &EntitySpec)
    where
        T: Default,
    {
        if !self.covers(entity) {
            self.items_mut().resize_with(entity.fields.len(), T::default);
        }
    }
}

impl<T> PerMember<T> {
    /// One entry per member of the entity, made by a function.
    pub fn from_fn<'a>(entity: &'a EntitySpec, make: impl FnMut(&'a MemberSpec) -> T) -> Self {
        Self::from_items(entity.members.iter().map(make).collect())
    }
}
