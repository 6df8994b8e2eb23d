//! The org's objects and fields: what describe tells and what the write rules check.
//!
//! Each field has the type, length, flags and picklist a Developer Edition org shows, plus the
//! custom external id `Renkei_Id__c`. A field's position in its object is its slot in every row,
//! and the first seven slots are the system fields of every object, in the order of the `SLOT_*`
//! constants. Objects and fields that a feature brings always have their slots; the knobs say
//! whether the client sees them ([`OrgSchema::apply`]).

mod activity;
mod business;
mod features;
pub(super) mod field;
mod object;
mod optional;
mod people;

pub(crate) use business::STAGES;
pub(crate) use features::TYPED;
pub(crate) use field::{OrgField, OrgFieldKind};
pub(crate) use object::{
    OrgObject, SLOT_CREATED, SLOT_CREATED_BY, SLOT_DELETED, SLOT_ID, SLOT_MODIFIED,
    SLOT_MODIFIED_BY, SLOT_STAMP,
};

use crate::faults::Faults;

/// Number of an object in the org, in the order of describe global.
pub(crate) type TableNumber = usize;

/// A reference of a child object to its parent, named as sub-selects name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChildRelationship {
    pub(crate) table: TableNumber,
    pub(crate) slot: usize,
    pub(crate) relationship: &'static str,
}

/// Every object of the org.
#[derive(Debug, Clone)]
pub(crate) struct OrgSchema {
    objects: Vec<OrgObject>,
}

impl OrgSchema {
    /// The objects every simulated org has.
    pub(crate) fn standard() -> Self {
        let mut objects = vec![
            business::account(),
            activity::campaign(),
            activity::campaign_member(),
            people::contact(),
            people::lead(),
            business::opportunity(),
            business::opportunity_stage(),
            activity::task(),
            activity::user(),
            optional::organization(),
            optional::record_type(),
            optional::project(),
        ];
        objects.sort_by_key(|object| object.name);
        Self { objects }
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = (TableNumber, &OrgObject)> {
        self.objects.iter().enumerate()
    }

    /// Takes over the administrator's rules and the features of the org.
    pub(crate) fn apply(&mut self, knobs: &Faults) {
        for object in &mut self.objects {
            object.apply(knobs);
        }
    }

    /// An object that the client sees.
    pub(crate) fn table(&self, name: &str) -> Option<TableNumber> {
        let table = self.any_table(name)?;
        self.object(table).filter(|object| !object.absent).map(|_| table)
    }

    /// An object by its name, whether or not the client sees it.
    pub(crate) fn any_table(&self, name: &str) -> Option<TableNumber> {
        self.objects.iter().position(|object| object.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn object(&self, table: TableNumber) -> Option<&OrgObject> {
        self.objects.get(table)
    }

    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<TableNumber> {
        self.objects.iter().position(|object| object.prefix == prefix)
    }

    /// The child relationships of an object, as describe and sub-selects name them.
    pub(crate) fn children(&self, parent: &str) -> Vec<ChildRelationship> {
        let mut found = Vec::new();
        for (table, object) in self.objects() {
            for (slot, field) in object.visible() {
                let Some((to, _)) = field.reference() else { continue };
                let relationship = child_relationship(object, field.name);
                if let Some(relationship) = relationship.filter(|_| to.contains(&parent)) {
                    found.push(ChildRelationship { table, slot, relationship });
                }
            }
        }
        found
    }
}

/// Name under which a parent lists the rows that point to it by `field`; those to users have none.
fn child_relationship(object: &OrgObject, field: &str) -> Option<&'static str> {
    match (object.name, field) {
        ("Contact", "AccountId") => Some("Contacts"),
        ("Opportunity", "AccountId") => Some("Opportunities"),
        ("Opportunity", "CampaignId") => Some("Opportunities"),
        ("Account", "ParentId") => Some("ChildAccounts"),
        ("Campaign", "ParentId") => Some("ChildCampaigns"),
        ("CampaignMember", _) => Some("CampaignMembers"),
        ("Task", "WhoId" | "WhatId") => Some("Tasks"),
        ("Project__c", "Account__c") => Some("Projects__r"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_are_unique_and_case_insensitive() {
        for (_, object) in OrgSchema::standard().objects() {
            let hidden = object.fields.iter().filter(|f| f.hidden).count();
            assert_eq!(object.by_name.len() + hidden, object.fields.len(), "{}", object.name);
        }
        let schema = OrgSchema::standard();
        let contact = schema.object(schema.table("contact").unwrap()).unwrap();
        assert_eq!(contact.slot("lastname"), contact.slot("LastName"));
        assert_eq!(contact.slot("systemMODSTAMP"), Some(SLOT_STAMP));
    }

    #[test]
    fn references_point_at_objects_of_the_org() {
        let schema = OrgSchema::standard();
        assert!(schema.table("Project__c").is_some(), "before the knobs everything is there");
        for (_, object) in schema.objects() {
            for (to, _) in object.fields.iter().filter_map(OrgField::reference) {
                for name in to {
                    assert!(schema.table(name).is_some(), "{}: {name}", object.name);
                }
            }
        }
    }
}
