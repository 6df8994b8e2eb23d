//! Labels of associations: HubSpot's own and those that an account defines.
//!
//! A label is one more type of an association, with a number for each direction. A paired label
//! reads differently from its other end.

use serde_json::{Value, json};

use super::kinds::{KindPair, ObjectKind};

/// One label with its types in both directions.
#[derive(Clone, Debug)]
struct AssociationLabel {
    from: ObjectKind,
    to: ObjectKind,
    there: u32,
    back: u32,
    name: String,
    label: String,
    inverse: String,
    own: bool,
}

/// All labels of an account.
#[derive(Debug)]
pub(super) struct AssociationLabels {
    all: Vec<AssociationLabel>,
    next: u32,
}

impl AssociationLabels {
    /// The labels that every account has: a company is the parent of another.
    pub(super) fn new() -> Self {
        let parent = AssociationLabel {
            from: ObjectKind::Company,
            to: ObjectKind::Company,
            there: 13,
            back: 14,
            name: "parent_to_child_company".to_owned(),
            label: "Parent Company".to_owned(),
            inverse: "Child Company".to_owned(),
            own: true,
        };
        // Far from the numbers of HubSpot's own types, which share one space here.
        Self { all: vec![parent], next: 10_001 }
    }

    /// Every label of a pair as (type there, type back, label there), seen from its first type.
    fn list_labels(
        &self,
        pair: KindPair,
    ) -> impl Iterator<Item = (u32, u32, &str, &AssociationLabel)> {
        self.all.iter().flat_map(move |one| {
            let there = (one.from, one.to) == (pair.from, pair.to);
            let back = (one.to, one.from) == (pair.from, pair.to) && one.there != one.back;
            let there = there.then_some((one.there, one.back, one.label.as_str(), one));
            let back = back.then_some((one.back, one.there, one.inverse.as_str(), one));
            [there, back].into_iter().flatten()
        })
    }

    /// The types of all labels of a pair, seen from its first type.
    pub(super) fn types(&self, pair: KindPair) -> impl Iterator<Item = u32> {
        self.list_labels(pair).map(|(there, ..)| there)
    }

    /// True where a label of the pair has this name.
    pub(super) fn has_name(&self, pair: KindPair, name: &str) -> bool {
        self.list_labels(pair).any(|(.., one)| one.name == name)
    }

    /// Adds a label of the account; returns its type there and back.
    pub(super) fn add(
        &mut self,
        pair: KindPair,
        name: String,
        label: String,
        inverse: Option<String>,
    ) -> (u32, u32) {
        let inverse = inverse.unwrap_or_else(|| label.clone());
        let there = self.next;
        let (from, to) = (pair.from, pair.to);
        let back = if inverse == label && from == to { there } else { there + 1 };
        self.next += 2;
        self.all.push(AssociationLabel { from, to, there, back, name, label, inverse, own: false });
        (there, back)
    }

    /// Removes a label of the account by either of its types; HubSpot's own stay.
    pub(super) fn remove(&mut self, type_id: u32) {
        self.all.retain(|one| one.own || (one.there != type_id && one.back != type_id));
    }

    /// The type of the other direction, where `type_id` is a label of this pair.
    pub(super) fn back_of(&self, pair: KindPair, type_id: u32) -> Option<(u32, u32)> {
        let mut labels = self.list_labels(pair);
        labels.find(|(there, ..)| *there == type_id).map(|(there, back, ..)| (there, back))
    }

    /// Both types of the label that people call `text`.
    pub(super) fn called(&self, pair: KindPair, text: &str) -> Option<(u32, u32)> {
        let mut labels = self.list_labels(pair);
        let found = labels.find(|(.., label, one)| *label == text || one.name == text);
        found.map(|(there, back, ..)| (there, back))
    }

    /// Category and label of a type.
    pub(super) fn shown(&self, pair: KindPair, type_id: u32) -> Value {
        let label = self.list_labels(pair).find(|(there, ..)| *there == type_id);
        let (category, label) = match label {
            Some((.., one)) if !one.own => ("USER_DEFINED", Some(self.text(pair, type_id))),
            Some(_) => ("HUBSPOT_DEFINED", Some(self.text(pair, type_id))),
            None if pair.primary == Some(type_id) => ("HUBSPOT_DEFINED", Some("Primary")),
            None => ("HUBSPOT_DEFINED", None),
        };
        json!({"category": category, "typeId": type_id, "label": label})
    }

    fn text(&self, pair: KindPair, type_id: u32) -> &str {
        self.list_labels(pair)
            .find(|(there, ..)| *there == type_id)
            .map_or("", |(_, _, label, _)| label)
    }

    /// The name of a type in `associations` of an object answer.
    pub(super) fn type_name(&self, pair: KindPair, type_id: u32) -> String {
        let label = self.list_labels(pair).find(|(there, ..)| *there == type_id);
        label.map_or_else(|| pair.type_name(type_id), |(.., one)| one.name.clone())
    }
}
