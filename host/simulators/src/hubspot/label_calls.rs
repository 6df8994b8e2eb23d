//! Requests that list, make and delete labels of associations, and people who label them.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::HubSpot;
use super::errors::ApiError;
use super::kinds::{KindPair, ObjectKind};
use super::reply::{HandlerResult, HubSpotReply, body};
use super::route::LabelCall;
use crate::control::ControlError;
use crate::http::{SimAnswer, SimRequest};

/// Labels of one pair of types, at most.
const LABELS_MAX: usize = 50;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewLabel {
    label: String,
    name: String,
    #[serde(default)]
    inverse_label: Option<String>,
}

impl HubSpot {
    /// Requests about the labels of a pair of types.
    pub(super) fn labels(
        &mut self,
        from: ObjectKind,
        to: ObjectKind,
        call: &LabelCall,
        request: &SimRequest,
    ) -> HandlerResult {
        let pair = KindPair::between(from, to);
        let pair = pair.ok_or_else(|| ApiError::invalid("These types cannot be associated"))?;
        match call {
            LabelCall::List => {
                let ids = pair.primary.into_iter().chain([pair.plain]);
                let ids: Vec<u32> = ids.chain(self.store.labels.types(pair)).collect();
                self.label_list(pair, &ids)
            }
            LabelCall::Create => {
                let NewLabel { label, name, inverse_label } = body(request)?;
                let labels = &mut self.store.labels;
                if labels.has_name(pair, &name) {
                    let message = format!("A label named {name} exists");
                    return Err(ApiError::new(StatusCode::CONFLICT, "CONFLICT", message));
                }
                if labels.types(pair).count() >= LABELS_MAX {
                    return Err(ApiError::invalid(format!("More than {LABELS_MAX} labels")));
                }
                let (there, back) = labels.add(pair, name, label, inverse_label);
                let ids = if back == there { vec![there] } else { vec![there, back] };
                self.label_list(pair, &ids)
            }
            LabelCall::Delete(id) => {
                let id: u32 = id.parse().map_err(|_| ApiError::not_found("no such label"))?;
                self.store.labels.remove(id);
                Ok(HubSpotReply { answer: SimAnswer::empty(StatusCode::NO_CONTENT), rows: 0 })
            }
        }
    }

    fn label_list(&self, pair: KindPair, ids: &[u32]) -> HandlerResult {
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
        let answer = SimAnswer::json(StatusCode::OK, &json!({"results": results}));
        Ok(HubSpotReply { answer, rows: 0 })
    }

    /// A person adds a label to an association, or takes it away.
    pub(super) fn change_label(
        &mut self,
        pair: KindPair,
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
