//! The org's objects and fields: what describe tells and what the write rules check.
//!
//! Each field has the type, length, flags and picklist a Developer Edition org shows, plus the
//! custom external id `Renkei_Id__c`. A field's position in its object is its slot in every row,
//! and the first seven slots are the system fields of every object, in the order of the `SLOT_*`
//! constants. Objects and fields that a feature brings always have their slots; the knobs say
//! whether the client sees them ([`Schema::apply`]).

mod activity;
mod business;
mod features;
mod people;

use std::collections::HashMap;

pub(crate) use business::STAGES;
pub(crate) use features::TYPED;

use crate::faults::Faults;
use crate::rules::{OptionState, Overlay, Rule};

pub(crate) const SLOT_ID: usize = 0;
pub(crate) const SLOT_DELETED: usize = 1;
pub(crate) const SLOT_CREATED: usize = 2;
pub(crate) const SLOT_CREATED_BY: usize = 3;
pub(crate) const SLOT_MODIFIED: usize = 4;
pub(crate) const SLOT_MODIFIED_BY: usize = 5;
pub(crate) const SLOT_STAMP: usize = 6;

/// The wire types in use (S-describe-2), with the facts that belong to one type only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Id,
    /// Text of at most so many characters.
    Text(usize),
    /// Long text: stored, but neither filtered nor sorted.
    LongText(usize),
    Street,
    Email,
    Phone(usize),
    Url,
    Picklist(&'static [&'static str]),
    /// Only values of the list (or null) are taken.
    Restricted(&'static [&'static str]),
    /// Several values of the list in one text, `A;B`.
    Multi(&'static [&'static str]),
    /// Objects it may point to and the relationship's name.
    Reference(&'static [&'static str], &'static str),
    Bool,
    Int,
    Currency,
    Percent,
    Date,
    Time,
    /// Composed of the five slots before it: street, city, state, postal code, country.
    Address,
}

impl Kind {
    /// The longest text the field takes, in characters; 0 where it is no text.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Id | Self::Reference(..) => 18,
            Self::Text(len) | Self::LongText(len) | Self::Phone(len) => len,
            Self::Street | Self::Url | Self::Picklist(_) | Self::Restricted(_) => 255,
            Self::Multi(_) => 4_099,
            Self::Email => 80,
            _ => 0,
        }
    }

    /// Whether SOQL may use it in WHERE and ORDER BY.
    pub(crate) fn filterable(self) -> bool {
        !matches!(self, Self::LongText(_) | Self::Address)
    }
}

/// One field of one object. Built by the functions below, as a table reads.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    /// Must be given on create and may never be null.
    pub(crate) required: bool,
    pub(crate) nillable: bool,
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    /// Key of `PATCH /sobjects/X/{field}/{value}` (`idLookup`).
    pub(crate) lookup: bool,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    pub(crate) name_field: bool,
    /// Parts of the name and of addresses point at their whole.
    pub(crate) compound: Option<&'static str>,
    /// Value taken on create where none is given.
    pub(crate) default: Option<&'static str>,
    /// Kept in rows but shown by no describe and reachable by no query.
    pub(crate) hidden: bool,
}

/// A nillable field that clients may write.
pub(crate) const fn field(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field {
        name,
        label,
        kind,
        required: false,
        nillable: true,
        createable: true,
        updateable: true,
        lookup: false,
        external_id: false,
        unique: false,
        name_field: false,
        compound: None,
        default: None,
        hidden: false,
    }
}

/// A field that only the platform writes.
pub(crate) const fn system(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field { createable: false, updateable: false, ..field(name, label, kind) }
}

impl Field {
    pub(crate) const fn required(self) -> Self {
        Self { required: true, nillable: false, ..self }
    }

    /// Never null, but filled in by the platform where the client gives nothing.
    pub(crate) const fn defaulted(self, value: &'static str) -> Self {
        Self { nillable: false, default: Some(value), ..self }
    }

    pub(crate) const fn lookup(self) -> Self {
        Self { lookup: true, ..self }
    }

    pub(crate) const fn create_only(self) -> Self {
        Self { updateable: false, ..self }
    }

    pub(crate) const fn part_of(self, whole: &'static str) -> Self {
        Self { compound: Some(whole), ..self }
    }

    const fn names(self) -> Self {
        Self { name_field: true, ..self }
    }

    const fn hide(self) -> Self {
        Self { hidden: true, ..self }
    }

    pub(crate) fn custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    /// Whether rows are indexed by this field's text.
    pub(crate) fn indexed(&self) -> bool {
        self.lookup || self.unique || matches!(self.kind, Kind::Reference(to, _) if to != ["User"])
    }

    /// Objects pointed to and relationship name, where this is a reference.
    pub(crate) fn reference(&self) -> Option<(&'static [&'static str], &'static str)> {
        match self.kind {
            Kind::Reference(to, relationship) => Some((to, relationship)),
            _ => None,
        }
    }
}

/// The external id that the mapping stamps on records it creates: unique, 80 characters.
const RENKEI_ID: Field = Field {
    external_id: true,
    unique: true,
    ..field("Renkei_Id__c", "Renkei Id", Kind::Text(80)).lookup()
};

const OWNER: Field =
    field("OwnerId", "Owner ID", Kind::Reference(&["User"], "Owner")).defaulted("");
const DESCRIPTION: Field = field("Description", "Description", Kind::LongText(32_000));

/// One object with its fields, system fields first.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) prefix: &'static str,
    /// Clients may create, update and delete rows.
    pub(crate) writable: bool,
    /// Reachable by getUpdated and getDeleted.
    pub(crate) replicateable: bool,
    pub(crate) fields: Vec<Field>,
    /// The client cannot see the object at all.
    pub(crate) absent: bool,
    by_name: HashMap<String, usize>,
    overlays: Vec<Overlay>,
    shown: Vec<bool>,
}

impl Object {
    fn new(
        name: &'static str,
        label: &'static str,
        plural: &'static str,
        prefix: &'static str,
        own: impl IntoIterator<Item = Field>,
    ) -> Self {
        let user = |name, label, rel| system(name, label, Kind::Reference(&["User"], rel));
        let mut fields = vec![
            Field { nillable: false, ..system("Id", "Record ID", Kind::Id) }.lookup(),
            system("IsDeleted", "Deleted", Kind::Bool).defaulted("false"),
            system("CreatedDate", "Created Date", Kind::Time).defaulted(""),
            user("CreatedById", "Created By ID", "CreatedBy").defaulted(""),
            system("LastModifiedDate", "Last Modified Date", Kind::Time).defaulted(""),
            user("LastModifiedById", "Last Modified By ID", "LastModifiedBy").defaulted(""),
            system("SystemModstamp", "System Modstamp", Kind::Time).defaulted(""),
        ];
        fields.extend(own);
        let mut object = Self {
            name,
            label,
            plural,
            prefix,
            writable: true,
            replicateable: true,
            fields,
            absent: false,
            by_name: HashMap::new(),
            overlays: Vec::new(),
            shown: Vec::new(),
        };
        object.index();
        object
    }

    /// An object that only administrators change: no deletions, nothing to replicate.
    fn setup(mut self) -> Self {
        self.writable = false;
        self.replicateable = false;
        if let Some(deleted) = self.fields.get_mut(SLOT_DELETED) {
            *deleted = deleted.clone().hide();
        }
        self.index();
        self
    }

    fn index(&mut self) {
        self.overlays.resize(self.fields.len(), Overlay::default());
        self.shown = self.fields.iter().map(|field| !field.hidden).collect();
        self.name_fields();
    }

    fn name_fields(&mut self) {
        let visible = self.fields.iter().zip(&self.shown).enumerate();
        let visible = visible.filter(|(_, (_, shown))| **shown);
        self.by_name =
            visible.map(|(slot, (field, _))| (field.name.to_ascii_lowercase(), slot)).collect();
    }

    /// Takes over the administrator's rules and the features of the org.
    fn apply(&mut self, knobs: &Faults) {
        self.absent = features::lacks_object(knobs, self.name)
            || Faults::names(&knobs.forbidden_objects, &[self.name]);
        let (rules, options) = (&knobs.rules, &knobs.options);
        let names = [self.name];
        let overlays = self.fields.iter().map(|f| Overlay::collect(rules, options, &names, f.name));
        self.overlays = overlays.collect();
        let shown = self.fields.iter().zip(&self.overlays).map(|(field, overlay)| {
            !field.hidden
                && !overlay.has(&Rule::Hidden)
                && !features::lacks_field(knobs, self.name, field.name)
        });
        self.shown = shown.collect();
        self.name_fields();
    }

    /// The rules about a field.
    pub(crate) fn overlay(&self, slot: usize) -> &Overlay {
        static NONE: Overlay = Overlay { rules: Vec::new(), options: Vec::new() };
        self.overlays.get(slot).unwrap_or(&NONE)
    }

    /// Whether two records may not share a value of a field.
    pub(crate) fn is_unique(&self, slot: usize) -> bool {
        self.fields.get(slot).is_some_and(|field| field.unique)
            || self.overlay(slot).has(&Rule::Unique)
    }

    /// Whether a field may never be empty.
    pub(crate) fn is_required(&self, slot: usize) -> bool {
        self.fields.get(slot).is_some_and(|field| field.required)
            || self.overlay(slot).has(&Rule::Required)
    }

    /// A field by its name, whether or not the client sees it.
    pub(crate) fn any_field(&self, name: &str) -> Option<(usize, &Field)> {
        let mut fields = self.fields.iter().enumerate();
        fields.find(|(_, field)| field.name.eq_ignore_ascii_case(name))
    }

    /// The values that a picklist offers, with whether each is active and its label.
    pub(crate) fn options(&self, slot: usize) -> Vec<(String, bool, String)> {
        let values = match self.fields.get(slot).map(|field| field.kind) {
            Some(Kind::Picklist(values) | Kind::Restricted(values) | Kind::Multi(values)) => values,
            _ => &[],
        };
        let overlay = self.overlay(slot);
        let listed = values.iter().filter(|v| overlay.state(v) != OptionState::Removed);
        listed
            .map(|value| {
                let change = overlay.option(value);
                let name = change.and_then(|one| one.renamed_to.clone());
                let name = name.unwrap_or_else(|| (*value).to_owned());
                let label = change.and_then(|one| one.label.clone());
                let active = overlay.state(value) == OptionState::Active;
                (name.clone(), active, label.unwrap_or(name))
            })
            .collect()
    }

    /// Slot of a visible field; names are case-insensitive on the wire.
    pub(crate) fn slot(&self, name: &str) -> Option<usize> {
        self.by_name.get(&name.to_ascii_lowercase()).copied()
    }

    pub(crate) fn field(&self, name: &str) -> Option<(usize, &Field)> {
        let slot = self.slot(name)?;
        Some((slot, self.fields.get(slot)?))
    }

    pub(crate) fn visible(&self) -> impl Iterator<Item = (usize, &Field)> {
        let shown = |slot: usize| self.shown.get(slot).copied().unwrap_or_default();
        self.fields.iter().enumerate().filter(move |(slot, _)| shown(*slot))
    }

    /// The reference field whose relationship is called `name`, such as `Account`.
    pub(crate) fn relationship(&self, name: &str) -> Option<(usize, &Field)> {
        self.visible().find(|(_, field)| {
            field.reference().is_some_and(|(_, rel)| rel.eq_ignore_ascii_case(name))
        })
    }
}

/// Number of an object in the org, in the order of describe global.
pub(crate) type Table = usize;

/// A reference of a child object to its parent, named as sub-selects name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child {
    pub(crate) table: Table,
    pub(crate) slot: usize,
    pub(crate) relationship: &'static str,
}

/// Every object of the org.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    objects: Vec<Object>,
}

impl Schema {
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
            features::organization(),
            features::record_type(),
            features::project(),
        ];
        objects.sort_by_key(|object| object.name);
        Self { objects }
    }

    pub(crate) fn objects(&self) -> impl Iterator<Item = (Table, &Object)> {
        self.objects.iter().enumerate()
    }

    /// Takes over the administrator's rules and the features of the org.
    pub(crate) fn apply(&mut self, knobs: &Faults) {
        for object in &mut self.objects {
            object.apply(knobs);
        }
    }

    /// An object that the client sees.
    pub(crate) fn table(&self, name: &str) -> Option<Table> {
        let table = self.any_table(name)?;
        self.object(table).filter(|object| !object.absent).map(|_| table)
    }

    /// An object by its name, whether or not the client sees it.
    pub(crate) fn any_table(&self, name: &str) -> Option<Table> {
        self.objects.iter().position(|object| object.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn object(&self, table: Table) -> Option<&Object> {
        self.objects.get(table)
    }

    pub(crate) fn by_prefix(&self, prefix: &str) -> Option<Table> {
        self.objects.iter().position(|object| object.prefix == prefix)
    }

    /// The child relationships of an object, as describe and sub-selects name them.
    pub(crate) fn children(&self, parent: &str) -> Vec<Child> {
        let mut found = Vec::new();
        for (table, object) in self.objects() {
            for (slot, field) in object.visible() {
                let Some((to, _)) = field.reference() else { continue };
                let relationship = child_relationship(object, field.name);
                if let Some(relationship) = relationship.filter(|_| to.contains(&parent)) {
                    found.push(Child { table, slot, relationship });
                }
            }
        }
        found
    }
}

/// How the parent calls the rows that point to it by `field`; lookups to users have no such name.
fn child_relationship(object: &Object, field: &str) -> Option<&'static str> {
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
        for (_, object) in Schema::standard().objects() {
            let hidden = object.fields.iter().filter(|f| f.hidden).count();
            assert_eq!(object.by_name.len() + hidden, object.fields.len(), "{}", object.name);
        }
        let schema = Schema::standard();
        let contact = schema.object(schema.table("contact").unwrap()).unwrap();
        assert_eq!(contact.slot("lastname"), contact.slot("LastName"));
        assert_eq!(contact.slot("systemMODSTAMP"), Some(SLOT_STAMP));
    }

    #[test]
    fn references_point_at_objects_of_the_org() {
        let schema = Schema::standard();
        assert!(schema.table("Project__c").is_some(), "before the knobs everything is there");
        for (_, object) in schema.objects() {
            for (to, _) in object.fields.iter().filter_map(Field::reference) {
                for name in to {
                    assert!(schema.table(name).is_some(), "{}: {name}", object.name);
                }
            }
        }
    }
}
