//! One object: its fields, the slots of its rows, and what the administrator made of it.

use std::collections::HashMap;

use super::features::{lacks_field, lacks_object};
use super::field::{OrgField, OrgFieldKind, system};
use crate::faults::Faults;
use crate::rules::{FieldConstraint, FieldOverlay, OptionState};

pub(crate) const SLOT_ID: usize = 0;
pub(crate) const SLOT_DELETED: usize = 1;
pub(crate) const SLOT_CREATED: usize = 2;
pub(crate) const SLOT_CREATED_BY: usize = 3;
pub(crate) const SLOT_MODIFIED: usize = 4;
pub(crate) const SLOT_MODIFIED_BY: usize = 5;
pub(crate) const SLOT_STAMP: usize = 6;

/// One object with its fields, system fields first.
#[derive(Debug, Clone)]
pub(crate) struct OrgObject {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) prefix: &'static str,
    /// Clients may create, update and delete rows.
    pub(crate) writable: bool,
    /// Reachable by getUpdated and getDeleted.
    pub(crate) replicateable: bool,
    pub(crate) fields: Vec<OrgField>,
    /// The client cannot see the object at all.
    pub(crate) absent: bool,
    pub(super) by_name: HashMap<String, usize>,
    pub(super) overlays: Vec<FieldOverlay>,
    pub(super) shown: Vec<bool>,
}

impl OrgObject {
    pub(super) fn new(
        name: &'static str,
        label: &'static str,
        plural: &'static str,
        prefix: &'static str,
        own: impl IntoIterator<Item = OrgField>,
    ) -> Self {
        let user = |name, label, rel| system(name, label, OrgFieldKind::Reference(&["User"], rel));
        let mut fields = vec![
            OrgField { nillable: false, ..system("Id", "Record ID", OrgFieldKind::Id) }.lookup(),
            system("IsDeleted", "Deleted", OrgFieldKind::Bool).defaulted("false"),
            system("CreatedDate", "Created Date", OrgFieldKind::Time).defaulted(""),
            user("CreatedById", "Created By ID", "CreatedBy").defaulted(""),
            system("LastModifiedDate", "Last Modified Date", OrgFieldKind::Time).defaulted(""),
            user("LastModifiedById", "Last Modified By ID", "LastModifiedBy").defaulted(""),
            system("SystemModstamp", "System Modstamp", OrgFieldKind::Time).defaulted(""),
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
    pub(super) fn setup(mut self) -> Self {
        self.writable = false;
        self.replicateable = false;
        if let Some(deleted) = self.fields.get_mut(SLOT_DELETED) {
            *deleted = deleted.clone().hide();
        }
        self.index();
        self
    }

    fn index(&mut self) {
        self.overlays.resize(self.fields.len(), FieldOverlay::default());
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
    pub(super) fn apply(&mut self, knobs: &Faults) {
        self.absent =
            lacks_object(knobs, self.name) || Faults::names(&knobs.forbidden_objects, &[self.name]);
        let (rules, options) = (&knobs.rules, &knobs.options);
        let names = [self.name];
        let overlays =
            self.fields.iter().map(|f| FieldOverlay::collect(rules, options, &names, f.name));
        self.overlays = overlays.collect();
        let shown = self.fields.iter().zip(&self.overlays).map(|(field, overlay)| {
            !field.hidden
                && !overlay.has(&FieldConstraint::Hidden)
                && !lacks_field(knobs, self.name, field.name)
        });
        self.shown = shown.collect();
        self.name_fields();
    }

    /// The rules about a field.
    pub(crate) fn overlay(&self, slot: usize) -> &FieldOverlay {
        static NONE: FieldOverlay = FieldOverlay { rules: Vec::new(), options: Vec::new() };
        self.overlays.get(slot).unwrap_or(&NONE)
    }

    /// True if two records may not share a value of a field.
    pub(crate) fn is_unique(&self, slot: usize) -> bool {
        self.fields.get(slot).is_some_and(|field| field.unique)
            || self.overlay(slot).has(&FieldConstraint::Unique)
    }

    /// True if a field may never be empty.
    pub(crate) fn is_required(&self, slot: usize) -> bool {
        self.fields.get(slot).is_some_and(|field| field.required)
            || self.overlay(slot).has(&FieldConstraint::Required)
    }

    /// A field by its name, whether or not the client sees it.
    pub(crate) fn any_field(&self, name: &str) -> Option<(usize, &OrgField)> {
        let mut fields = self.fields.iter().enumerate();
        fields.find(|(_, field)| field.name.eq_ignore_ascii_case(name))
    }

    /// The values that a picklist offers, with whether each is active and its label.
    pub(crate) fn options(&self, slot: usize) -> Vec<(String, bool, String)> {
        let values = match self.fields.get(slot).map(|field| field.kind) {
            Some(
                OrgFieldKind::Picklist(values)
                | OrgFieldKind::Restricted(values)
                | OrgFieldKind::Multi(values),
            ) => values,
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

    pub(crate) fn field(&self, name: &str) -> Option<(usize, &OrgField)> {
        let slot = self.slot(name)?;
        Some((slot, self.fields.get(slot)?))
    }

    pub(crate) fn visible(&self) -> impl Iterator<Item = (usize, &OrgField)> {
        let shown = |slot: usize| self.shown.get(slot).copied().unwrap_or_default();
        self.fields.iter().enumerate().filter(move |(slot, _)| shown(*slot))
    }

    /// The reference field whose relationship is called `name`, such as `Account`.
    pub(crate) fn relationship(&self, name: &str) -> Option<(usize, &OrgField)> {
        self.visible().find(|(_, field)| {
            field.reference().is_some_and(|(_, rel)| rel.eq_ignore_ascii_case(name))
        })
    }
}
