//! Requests about associations.
//!
//! Ids are numbers in the v4 answers. A batch read reports a record without associations as an
//! error. Whether a change of an association restamps the records at both ends is a switch.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::{check_size, reply};
use super::errors::ApiError;
use super::kinds::{Kind, Pair};
use super::route::{LINK_CAP, LinkCall};
use super::view::{Batch, LinkType, Named, id_text};
use super::{HubSpot, Outcome, Reply, body};
use crate::serve::{Answer, Request};

/// Most associations in one page.
const PAGE_CAP: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    #[serde(deserialize_with = "id_text")]
    id: String,
    #[serde(default)]
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    from: Named,
    to: Named,
    #[serde(default)]
    types: Vec<LinkType>,
    /// The name of the type, in the v3 form.
    #[serde(default, rename = "type")]
    _named: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unlink {
    from: Named,
    to: Targets,
    /// The name of the type, in the v3 form.
    #[serde(default, rename = "type")]
    _named: Option<String>,
}

/// v4 unlinks several at once, v3 one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Targets {
    Several(Vec<Named>),
    One(Named),
}

impl HubSpot {
    pub(super) fn links(
        &mut self,
        from: Kind,
        to: Kind,
        call: &LinkCall,
        request: &Request,
    ) -> Outcome {
        let pair = Pair::between(from, to).ok_or_else(|| {
            let message = format!("No association between {} and {}", from.plural(), to.plural());
            ApiError::invalid(message)
        })?;
        match call {
            LinkCall::Of(id) => self.links_of(pair, id, request),
            LinkCall::BatchRead => self.read_links(pair, request, true),
            LinkCall::BatchReadV3 => self.read_links(pair, request, false),
            LinkCall::BatchCreate => self.create_links(pair, request, Form::Typed),
            LinkCall::BatchCreateV3 => self.create_links(pair, request, Form::V3),
            LinkCall::BatchDefault => self.create_links(pair, request, Form::Default),
            LinkCall::BatchArchive => self.remove_links(pair, request),
            LinkCall::BatchLabelsArchive => self.remove_labels(pair, request),
            LinkCall::Put(id, other) => {
                let types: Vec<LinkType> = body(request)?;
                self.put_link(pair, id, other, &types, StatusCode::CREATED)
            }
            LinkCall::PutDefault(id, other) => self.put_link(pair, id, other, &[], StatusCode::OK),
            LinkCall::Delete(id, other) => {
                self.unlink(pair, id, other);
                Ok(Reply { answer: Answer::empty(StatusCode::NO_CONTENT), rows: 1 })
            }
        }
    }

    /// Associates two records by all types that are asked for.
    pub(super) fn link_as(&mut self, pair: Pair, from: u64, to: u64, wanted: &Wanted) {
        self.link(pair, from, to, wanted.primary);
        for types in &wanted.labels {
            self.store.associations.label(pair, (from, to), *types, true);
        }
    }

    /// Associates two records and restamps them.
    pub(super) fn link(&mut self, pair: Pair, from: u64, to: u64, primary: bool) {
        if self.store.associations.link(pair, from, to, primary) {
            self.touch_ends(pair, from, to);
        }
    }

    fn unlink(&mut self, pair: Pair, from: &str, to: &str) {
        let ids = (self.store.find(pair.from, from, None), self.store.find(pair.to, to, None));
        if let (Some(from), Some(to)) = ids
            && self.store.associations.unlink(pair, from, to)
        {
            self.touch_ends(pair, from, to);
        }
    }

    pub(super) fn touch_ends(&mut self, pair: Pair, from: u64, to: u64) {
        if !self.faults.links_restamp {
            return;
        }
        let now_ms = self.clock.now_ms();
        self.store.touch(pair.from, from, pair.to.is_activity(), now_ms);
        self.store.touch(pair.to, to, pair.from.is_activity(), now_ms);
    }

    fn links_of(&self, pair: Pair, id: &str, request: &Request) -> Outcome {
        let found = self.store.find(pair.from, id, None);
        let id = found.ok_or_else(|| ApiError::not_found("resource not found"))?;
        let limit = super::objects::limit(request.query("limit"), PAGE_CAP, PAGE_CAP)?;
        let after = request.query("after").and_then(|after| after.parse().ok());
        let (results, next) = self.page_of_links(pair, id, after, limit);
        let mut answer = json!({"results": results});
        add_paging(&mut answer, next);
        Ok(Reply { answer: Answer::json(StatusCode::OK, &answer), rows: 1 })
    }

    /// Associations of a record from the id `after` on, and the cursor of the next page.
    fn page_of_links(
        &self,
        pair: Pair,
        id: u64,
        after: Option<u64>,
        limit: usize,
    ) -> (Vec<Value>, Option<u64>) {
        let all = self.store.associations.of((pair.from, id), pair.to);
        let mut rest = all.filter(|(other, _)| after.is_none_or(|after| *other > after));
        let mut last = None;
        let mut results = Vec::new();
        for (other, types) in rest.by_ref().take(limit) {
            last = Some(other);
            let labels = &self.store.labels;
            let types: Vec<Value> = types.iter().map(|id| labels.shown(pair, *id)).collect();
            results.push(json!({"toObjectId": other, "associationTypes": types}));
        }
        (results, last.filter(|_| rest.next().is_some()))
    }

    fn read_links(&self, pair: Pair, request: &Request, v4: bool) -> Outcome {
        let Inputs { inputs }: Inputs<Start> = body(request)?;
        check_size(inputs.len(), LINK_CAP)?;
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for Start { id, after } in &inputs {
            let after = after.as_ref().and_then(|after| after.parse().ok());
            let found = self.store.find(pair.from, id, None);
            let (links, next) = match found {
                Some(found) => self.page_of_links(pair, found, after, PAGE_CAP),
                None => (Vec::new(), None),
            };
            if links.is_empty() {
                errors.push(no_associations(pair, id));
                continue;
            }
            let to = if v4 { links } else { self.links_v3(pair, &links) };
            let mut result = json!({"from": {"id": id}, "to": to});
            add_paging(&mut result, next);
            results.push(result);
        }
        let batch = Batch::new(results, errors, self.clock.now_ms());
        Ok(reply(StatusCode::OK, &batch, inputs.len()))
    }

    fn create_links(&mut self, pair: Pair, request: &Request, form: Form) -> Outcome {
        let Inputs { inputs }: Inputs<Link> = body(request)?;
        check_size(inputs.len(), LINK_CAP)?;
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for link in &inputs {
            match self.checked_link(pair, &link.from.id, &link.to.id, &link.types) {
                Ok((from, to, wanted)) => {
                    let primary = wanted.primary || form == Form::V3;
                    self.link_as(pair, from, to, &Wanted { primary, ..wanted });
                    results.extend(form.results(pair, from, to));
                }
                Err(error) => errors.push(error),
            }
        }
        let status = if form == Form::Default { StatusCode::OK } else { StatusCode::CREATED };
        let rows = inputs.len() - errors.len();
        Ok(reply(status, &Batch::new(results, errors, self.clock.now_ms()), rows))
    }

    fn put_link(
        &mut self,
        pair: Pair,
        from: &str,
        to: &str,
        types: &[LinkType],
        status: StatusCode,
    ) -> Outcome {
        let (from, to, wanted) = self.checked_link(pair, from, to, types)?;
        if status == StatusCode::CREATED {
            // The set that is given takes the place of the labels there (unverified).
            let old = self.store.associations.types((pair.from, from), (pair.to, to));
            let old = old.iter().filter_map(|id| self.store.labels.back_of(pair, *id));
            for types in old.collect::<Vec<_>>() {
                self.store.associations.label(pair, (from, to), types, false);
            }
        }
        self.link_as(pair, from, to, &wanted);
        let answer = if status == StatusCode::OK {
            let results = Form::Default.results(pair, from, to);
            Answer::json(status, &Batch::new(results, Vec::new(), self.clock.now_ms()))
        } else {
            let results = Form::Typed.results(pair, from, to);
            Answer::json(status, &results.first())
        };
        Ok(Reply { answer, rows: 1 })
    }

    /// Which types an association is to have.
    pub(super) fn wanted(&self, pair: Pair, types: &[LinkType]) -> Result<Wanted, ApiError> {
        let mut wanted = Wanted::default();
        for LinkType { association_category, association_type_id } in types {
            let id = *association_type_id;
            if let Some(label) = self.store.labels.back_of(pair, id) {
                wanted.labels.push(label);
            } else if pair.primary == Some(id) {
                wanted.primary = true;
            } else if pair.plain != id {
                let message = format!(
                    "{association_category} association type {id} does not connect {} and {}",
                    pair.from.plural(),
                    pair.to.plural()
                );
                return Err(ApiError::invalid(message));
            }
        }
        Ok(wanted)
    }

    /// Ids of both ends and the types that are asked for.
    fn checked_link(
        &self,
        pair: Pair,
        from: &str,
        to: &str,
        types: &[LinkType],
    ) -> Result<(u64, u64, Wanted), ApiError> {
        let identify = |kind: Kind, id: &str| {
            self.store.find(kind, id, None).ok_or_else(|| {
                ApiError::invalid(format!("{} with id {id} does not exist", kind.singular()))
                    .with_sub_category("crm.associations.INVALID_IDENTIFIER")
                    .with("id", vec![id.to_owned()])
            })
        };
        if from == to {
            let message = format!("Object {from} cannot be associated to itself ({to})");
            return Err(ApiError::invalid(message));
        }
        let wanted = self.wanted(pair, types)?;
        Ok((identify(pair.from, from)?, identify(pair.to, to)?, wanted))
    }

    fn remove_labels(&mut self, pair: Pair, request: &Request) -> Outcome {
        let Inputs { inputs }: Inputs<Link> = body(request)?;
        check_size(inputs.len(), LINK_CAP)?;
        for link in &inputs {
            let (from, to, wanted) =
                self.checked_link(pair, &link.from.id, &link.to.id, &link.types)?;
            // Without its plain type an association is gone whole.
            if link.types.iter().any(|link| link.association_type_id == pair.plain) {
                self.unlink(pair, &link.from.id, &link.to.id);
                continue;
            }
            for types in wanted.labels {
                self.store.associations.label(pair, (from, to), types, false);
            }
            if wanted.primary {
                self.store.associations.demote_one(pair, from, to);
            }
            self.touch_ends(pair, from, to);
        }
        Ok(Reply { answer: Answer::empty(StatusCode::NO_CONTENT), rows: inputs.len() })
    }

    fn remove_links(&mut self, pair: Pair, request: &Request) -> Outcome {
        let Inputs { inputs }: Inputs<Unlink> = body(request)?;
        check_size(inputs.len(), LINK_CAP)?;
        for Unlink { from, to, .. } in &inputs {
            let targets = match to {
                Targets::Several(several) => several.as_slice(),
                Targets::One(one) => std::slice::from_ref(one),
            };
            for target in targets {
                self.unlink(pair, &from.id, &target.id);
            }
        }
        Ok(Reply { answer: Answer::empty(StatusCode::NO_CONTENT), rows: inputs.len() })
    }

    /// The v3 form of what v4 lists: one entry per type, ids as strings.
    fn links_v3(&self, pair: Pair, links: &[Value]) -> Vec<Value> {
        let mut all = Vec::new();
        for link in links {
            let id = link.get("toObjectId").map(Value::to_string);
            let types = link.get("associationTypes").and_then(Value::as_array);
            for link_type in types.into_iter().flatten() {
                let type_id = link_type.get("typeId").and_then(Value::as_u64);
                let type_id = type_id.and_then(|id| u32::try_from(id).ok()).unwrap_or(pair.plain);
                all.push(json!({"id": id, "type": self.store.labels.type_name(pair, type_id)}));
            }
        }
        all
    }
}

/// Types that an association is to have beside the plain one.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub primary: bool,
    /// Each label's type there and back.
    pub labels: Vec<(u32, u32)>,
}

/// Which of the three create requests is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Typed,
    Default,
    V3,
}

impl Form {
    /// What the answer lists for one association that was made.
    fn results(self, pair: Pair, from: u64, to: u64) -> Vec<Value> {
        let back = pair.reversed().unwrap_or(pair);
        match self {
            Self::Typed => vec![json!({
                "fromObjectTypeId": pair.from.type_id(),
                "fromObjectId": from,
                "toObjectTypeId": pair.to.type_id(),
                "toObjectId": to,
                "labels": [],
            })],
            Self::Default => [(pair, from, to), (back, to, from)]
                .map(|(pair, from, to)| {
                    json!({
                        "from": {"id": from.to_string()},
                        "to": {"id": to.to_string()},
                        "associationSpec": {
                            "associationCategory": "HUBSPOT_DEFINED",
                            "associationTypeId": pair.plain,
                        },
                    })
                })
                .into(),
            Self::V3 => [(pair, from, to), (back, to, from)]
                .map(|(pair, from, to)| {
                    json!({
                        "from": {"id": from.to_string()},
                        "to": {"id": to.to_string()},
                        "type": pair.type_name(pair.primary.unwrap_or(pair.plain)),
                    })
                })
                .into(),
        }
    }
}

fn add_paging(answer: &mut Value, next: Option<u64>) {
    if let (Some(next), Some(fields)) = (next, answer.as_object_mut()) {
        fields.insert("paging".to_owned(), json!({"next": {"after": next.to_string()}}));
    }
}

fn no_associations(pair: Pair, id: &str) -> ApiError {
    let (from, to) = (pair.from.singular(), pair.to.singular());
    ApiError::not_found(format!("No {to} is associated with {from} {id}."))
        .with_sub_category("crm.associations.NO_ASSOCIATIONS_FOUND")
        .with("fromObjectId", vec![id.to_owned()])
        .with("fromObjectType", vec![from.to_owned()])
        .with("toObjectType", vec![to.to_owned()])
}
