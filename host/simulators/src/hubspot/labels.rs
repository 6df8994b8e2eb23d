//! Labels of associations: HubSpot's own and those that an account defines.
//!
//! A label is one more type of an association, with a number for each direction. A paired label
//! reads differently from its other end. Requests list, make and delete them.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::ApiError;
use super::kinds::{Kind, Pair};
use super::route::LabelCall;
use super::{HubSpot, Outcome, Reply, body};
use crate::control::ControlError;
use crate::serve::{Answer, Request};

/// Labels of one pair of types, at most.
const LABELS_MAX: usize = 50;

/// One label with its types in both directions.
#[derive(Clone, Debug)]
struct Label {
    from: Kind,
    to: Kind,
    there: u32,
    back: u32,
    name: String,
    label: String,
    inverse: String,
    own: bool,
}

/// All labels of an account.
#[derive(Debug)]
pub(super) struct Labels {
    all: Vec<Label>,
    next: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewLabel {
    label: String,
    name: String,
    #[serde(default)]
    inverse_label: Option<String>,
}

impl Labels {
    /// The labels that every account has: a company is the parent of another.
    pub(super) fn new() -> Self {
        let parent = Label {
            from: Kind::Company,
            to: Kind::Company,
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
    fn of(&self, pair: Pair) -> impl Iterator<Item = (u32, u32, &str, &Label)> {
        self.all.iter().flat_map(move |one| {
            let there = (one.from, one.to) == (pair.from, pair.to);
            let back = (one.to, one.from) == (pair.from, pair.to) && one.there != one.back;
            let there = there.then_some((one.there, one.back, one.label.as_str(), one));
            let back = back.then_some((one.back, one.there, one.inverse.as_str(), one));
            [there, back].into_iter().flatten()
        })
    }

    /// The type of the other direction, where `type_id` is a label of this pair.
    pub(super) fn back_of(&self, pair: Pair, type_id: u32) -> Option<(u32, u32)> {
        let mut labels = self.of(pair);
        labels.find(|(there, ..)| *there == type_id).map(|(there, back, ..)| (there, back))
    }

    /// Both types of the label that people call `text`.
    fn called(&self, pair: Pair, text: &str) -> Option<(u32, u32)> {
        let mut labels = self.of(pair);
        let found = labels.find(|(.., label, one)| *label == text || one.name == text);
        found.map(|(there, back, ..)| (there, back))
    }

    /// Category and label of a type.
    pub(super) fn shown(&self, pair: Pair, type_id: u32) -> Value {
        let label = self.of(pair).find(|(there, ..)| *there == type_id);
        let (category, label) = match label {
            Some((.., one)) if !one.own => ("USER_DEFINED", Some(self.text(pair, type_id))),
            Some(_) => ("HUBSPOT_DEFINED", Some(self.text(pair, type_id))),
            None if pair.primary == Some(type_id) => ("HUBSPOT_DEFINED", Some("Primary")),
            None => ("HUBSPOT_DEFINED", None),
        };
        json!({"category": category, "typeId": type_id, "label": label})
    }

    fn text(&self, pair: Pair, type_id: u32) -> &str {
        self.of(pair).find(|(there, ..)| *there == type_id).map_or("", |(_, _, label, _)| label)
    }

    /// The name of a type in `associations` of an object answer.
    pub(super) fn type_name(&self, pair: Pair, type_id: u32) -> String {
        let label = self.of(pair).find(|(there, ..)| *there == type_id);
        label.map_or_else(|| pair.type_name(type_id), |(.., one)| one.name.clone())
    }
}

impl HubSpot {
    /// Requests about the labels of a pair of types.
    pub(super) fn labels(
        &mut self,
        from: Kind,
        to: Kind,
        call: &LabelCall,
        request: &Request,
    ) -> Outcome {
        let pair = Pair::between(from, to);
        let pair = pair.ok_or_else(|| ApiError::invalid("These types cannot be associated"))?;
        match call {
            LabelCall::List => {
                let ids = pair.primary.into_iter().chain([pair.plain]);
                let own = self.store.labels.of(pair).map(|(there, ..)| there);
                let ids: Vec<u32> = ids.chain(own).collect();
                self.label_list(pair, &ids)
            }
            LabelCall::Create => {
                let NewLabel { label, name, inverse_label } = body(request)?;
                let labels = &mut self.store.labels;
                if labels.of(pair).any(|(.., one)| one.name == name) {
                    let message = format!("A label named {name} exists");
                    return Err(ApiError::new(StatusCode::CONFLICT, "CONFLICT", message));
                }
                if labels.of(pair).count() >= LABELS_MAX {
                    return Err(ApiError::invalid(format!("More than {LABELS_MAX} labels")));
                }
                let inverse = inverse_label.unwrap_or_else(|| label.clone());
                let there = labels.next;
                let back = if inverse == label && from == to { there } else { there + 1 };
                labels.next += 2;
                let own = false;
                labels.all.push(Label { from, to, there, back, name, label, inverse, own });
                let ids = if back == there { vec![there] } else { vec![there, back] };
                self.label_list(pair, &ids)
            }
            LabelCall::Delete(id) => {
                let id: u32 = id.parse().map_err(|_| ApiError::not_found("no such label"))?;
                let labels = &mut self.store.labels.all;
                labels.retain(|one| one.own || (one.there != id && one.back != id));
                Ok(Reply { answer: Answer::empty(StatusCode::NO_CONTENT), rows: 0 })
            }
        }
    }

    fn label_list(&self, pair: Pair, ids: &[u32]) -> Outcome {
        let labels = &self.store.labels;
        let shown = |id: &u32| {
            let seen = if labels.back_of(pair, *id).is_none() && !pair.has_type(*id) {
                pair.flip()
            } else {
                pair
            };
            labels.shown(seen, *id)
        };
        let results: Vec<Value> = ids.iter().map(shown).collect();
        let answer = Answer::json(StatusCode::OK, &json!({"results": results}));
        Ok(Reply { answer, rows: 0 })
    }

    /// A person adds a label to an association, or takes it away.
    pub(super) fn change_label(
        &mut self,
        pair: Pair,
        ends: (u64, u64),
        label: &str,
        on: bool,
    ) -> Result<(), ControlError> {
        let types = self.store.labels.called(pair, label);
        let types = types.ok_or_else(|| ControlError::Refused(format!("no label {label}")))?;
        self.store.associations.label(pair, ends, types, on);
        self.touch_ends(pair, ends.0, ends.1);
        Ok(())
    }
}
