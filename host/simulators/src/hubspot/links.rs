//! Requests about associations.
//!
//! Ids are numbers in the v4 answers. A batch read reports a record without associations as an
//! error. Whether a change of an association restamps the records at both ends is a switch.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::HubSpot;
use super::errors::ApiError;
use super::kinds::{KindPair, ObjectKind};
use super::reply::{HandlerResult, HubSpotReply, body, check_size, limit, reply};
use super::route::{LINK_CAP, LinkCall};
use super::view::{BatchAnswer, LinkType, NamedId, id_text};
use crate::http::{SimAnswer, SimRequest};

/// Most associations in one page.
const PAGE_CAP: usize = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkInputs<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkStart {
    #[serde(deserialize_with = "id_text")]
    id: String,
    #[serde(default)]
    after: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkInput {
    from: NamedId,
    to: NamedId,
    #[serde(default)]
    types: Vec<LinkType>,
    /// The name of the type, in the v3 form.
    #[serde(default, rename = "type")]
    _named: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnlinkInput {
    from: NamedId,
    to: UnlinkTargets,
    /// The name of the type, in the v3 form.
    #[serde(default, rename = "type")]
    _named: Option<String>,
}

/// v4 unlinks several at once, v3 one.
#[derive(Deserialize)]
#[serde(untagged)]
enum UnlinkTargets {
    Several(Vec<NamedId>),
    One(NamedId),
}

impl HubSpot {
    pub(super) fn links(
        &mut self,
        from: ObjectKind,
        to: ObjectKind,
        call: &LinkCall,
        request: &SimRequest,
    ) -> HandlerResult {
        let pair = KindPair::between(from, to).ok_or_else(|| {
            let message = format!("No association between {} and {}", from.plural(), to.plural());
            ApiError::invalid(message)
        })?;
        match call {
            LinkCall::Of(id) => self.links_of(pair, id, request),
            LinkCall::BatchRead => self.read_links(pair, request, true),
            LinkCall::BatchReadV3 => self.read_links(pair, request, false),
            LinkCall::BatchCreate => self.create_links(pair, request, LinkForm::Typed),
            LinkCall::BatchCreateV3 => self.create_links(pair, request, LinkForm::V3),
            LinkCall::BatchDefault => self.create_links(pair, request, LinkForm::Default),
            LinkCall::BatchArchive => self.remove_links(pair, request),
            LinkCall::BatchLabelsArchive => self.remove_labels(pair, request),
            LinkCall::Put(id, other) => {
                let types: Vec<LinkType> = body(request)?;
                self.put_link(pair, id, other, &types, StatusCode::CREATED)
            }
            LinkCall::PutDefault(id, other) => self.put_link(pair, id, other, &[], StatusCode::OK),
            LinkCall::Delete(id, other) => {
                self.unlink(pair, id, other);
                Ok(HubSpotReply { answer: SimAnswer::empty(StatusCode::NO_CONTENT), rows: 1 })
            }
        }
    }

    /// Associates two records by all types that are asked for.
    pub(super) fn link_as(&mut self, pair: KindPair, from: u64, to: u64, wanted: &WantedLink) {
        self.link(pair, from, to, wanted.primary);
        for types in &wanted.labels {
            self.store.associations.label(pair, (from, to), *types, true);
        }
    }

    /// Associates two records and restamps them.
    pub(super) fn link(&mut self, pair: KindPair, from: u64, to: u64, primary: bool) {
        if self.store.associations.link(pair, from, to, primary) {
            self.touch_ends(pair, from, to);
        }
    }

    fn unlink(&mut self, pair: KindPair, from: &str, to: &str) {
        let ids = (self.store.find(pair.from, from, None), self.store.find(pair.to, to, None));
        if let (Some(from), Some(to)) = ids
            && self.store.associations.unlink(pair, from, to)
        {
            self.touch_ends(pair, from, to);
        }
    }

    pub(super) fn touch_ends(&mut self, pair: KindPair, from: u64, to: u64) {
        if !self.faults.hubspot.links_restamp {
            return;
        }
        let now_ms = self.clock.now_ms();
        self.store.touch(pair.from, from, pair.to.is_activity(), now_ms);
        self.store.touch(pair.to, to, pair.from.is_activity(), now_ms);
    }

    fn links_of(&self, pair: KindPair, id: &str, request: &SimRequest) -> HandlerResult {
        let found = self.store.find(pair.from, id, None);
        let id = found.ok_or_else(|| ApiError::not_found("resource not found"))?;
        let limit = limit(request.query("limit"), PAGE_CAP, PAGE_CAP)?;
        let after = request.query("after").and_then(|after| after.parse().ok());
        let (results, next) = self.page_of_links(pair, id, after, limit);
        let mut answer = json!({"results": results});
        add_paging(&mut answer, next);
        Ok(HubSpotReply { answer: SimAnswer::json(StatusCode::OK, &answer), rows: 1 })
    }

    /// Associations of a record from the id `after` on, and the cursor of the next page.
    fn page_of_links(
        &self,
        pair: KindPair,
        id: u64,
        after: Option<u64>,
        limit: usize,
    ) -> (Vec<Value>, Option<u64>) {
        let all = self.store.associations.list_partners((pair.from, id), pair.to);
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

    fn read_links(&self, pair: KindPair, request: &SimRequest, v4: bool) -> HandlerResult {
        let LinkInputs { inputs }: LinkInputs<LinkStart> = body(request)?;
        check_size(inputs.len(), LINK_CAP)?;
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for LinkStart { id, after } in &inputs {
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
        let batch = BatchAnswer::new(results, errors, self.clock.now_ms());
        Ok(reply(StatusCode::OK, &batch, inputs.len()))
    }

    fn create_links(
        &mut self,
        pair: KindPair,
        request: &SimRequest,
        form: LinkForm,
    ) -> HandlerResult {
        let LinkInputs { inputs }: LinkInputs<LinkInput> = body(request)?;
        check_size(inputs.len(), LINK_CAP)?;
        let mut results = Vec::new();
        let mut errors = Vec::new();
        for link in &inputs {
            match self.checked_link(pair, &link.from.id, &link.to.id, &link.types) {
                Ok((from, to, wanted)) => {
                    let primary = wanted.primary || form == LinkForm::V3;
                    self.link_as(pair, from, to, &WantedLink { primary, ..wanted });
                    results.extend(form.results(pair, from, to));
                }
                Err(error) => errors.push(error),
            }
        }
        let status = if form == LinkForm::Default { StatusCode::OK } else { StatusCode::CREATED };
        let rows = inputs.len() - errors.len();
        Ok(reply(status, &BatchAnswer::new(results, errors, self.clock.now_ms()), rows))
    }

    fn put_link(
        &mut self,
        pair: KindPair,
        from: &str,
        to: &str,
        types: &[LinkType],
        status: StatusCode,
    ) -> HandlerResult {
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
            let results = LinkForm::Default.results(pair, from, to);
            SimAnswer::json(status, &BatchAnswer::new(results, Vec::new(), self.clock.now_ms()))
        } else {
            let results = LinkForm::Typed.results(pair, from, to);
            SimAnswer::json(status, &results.first())
        };
        Ok(HubSpotReply { answer, rows: 1 })
    }

    /// Types that an association gets.
    pub(super) fn wanted(
        &self,
        pair: KindPair,
        types: &[LinkType],
    ) -> Result<WantedLink, ApiError> {
        let mut wanted = WantedLink::default();
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
        pair: KindPair,
        from: &str,
        to: &str,
        types: &[LinkType],
    ) -> Result<(u64, u64, WantedLink), ApiError> {
        let identify = |kind: ObjectKind, id: &str| {
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

    fn remove_labels(&mut self, pair: KindPair, request: &SimRequest) -> HandlerResult {
        let LinkInputs { inputs }: LinkInputs<LinkInput> = body(request)?;
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
        Ok(HubSpotReply { answer: SimAnswer::empty(StatusCode::NO_CONTENT), rows: inputs.len() })
    }

    fn remove_links(&mut self, pair: KindPair, request: &SimRequest) -> HandlerResult {
        let LinkInputs { inputs }: LinkInputs<UnlinkInput> = body(request)?;
        check_size(inputs.len(), LINK_CAP)?;
        for UnlinkInput { from, to, .. } in &inputs {
            let targets = match to {
                UnlinkTargets::Several(several) => several.as_slice(),
                UnlinkTargets::One(one) => std::slice::from_ref(one),
            };
            for target in targets {
                self.unlink(pair, &from.id, &target.id);
            }
        }
        Ok(HubSpotReply { answer: SimAnswer::empty(StatusCode::NO_CONTENT), rows: inputs.len() })
    }

    /// The v3 form of what v4 lists: one entry per type, ids as strings.
    fn links_v3(&self, pair: KindPair, links: &[Value]) -> Vec<Value> {
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
pub(super) struct WantedLink {
    pub primary: bool,
    /// Each label's type there and back.
    pub labels: Vec<(u32, u32)>,
}

/// Form of a request that creates associations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LinkForm {
    Typed,
    Default,
    V3,
}

impl LinkForm {
    /// Entries of the answer for one association that was made.
    fn results(self, pair: KindPair, from: u64, to: u64) -> Vec<Value> {
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

fn no_associations(pair: KindPair, id: &str) -> ApiError {
    let (from, to) = (pair.from.singular(), pair.to.singular());
    ApiError::not_found(format!("No {to} is associated with {from} {id}."))
        .with_sub_category("crm.associations.NO_ASSOCIATIONS_FOUND")
        .with("fromObjectId", vec![id.to_owned()])
        .with("fromObjectType", vec![from.to_owned()])
        .with("toObjectType", vec![to.to_owned()])
}
