//! Requests for single records and lists of them (H-record-1, H-list-1 to H-list-5).
//!
//! These read the store itself, not the search index: complete, in order of id, without lag.
//! Associations in a create are checked before the record is made.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::account::HubSpot;
use super::errors::ApiError;
use super::kinds::{KindPair, ObjectKind};
use super::links::WantedLink;
use super::reply::{HandlerResult, HubSpotReply, body, is_true, limit};
use super::route::LIST_CAP;
use super::view::{LinkType, NamedId, PageAnswer, Paging, Projection};
use crate::http::{SimAnswer, SimRequest};

/// A record to create or, without associations, the change of one; `properties` must be there and
/// unknown members are refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewObject {
    pub properties: Map<String, Value>,
    #[serde(default)]
    pub associations: Vec<NewLink>,
    #[serde(default)]
    pub object_write_trace_id: Option<String>,
}

/// An association in the body of a create.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    to: NamedId,
    types: Vec<LinkType>,
}

/// An association to make, checked: the pair, the other end and its types.
pub(super) type CheckedLink = (KindPair, u64, WantedLink);

impl HubSpot {
    pub(super) fn list(&mut self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let projection = self.projection(kind, request)?;
        let lowered = projection.has_histories() && self.faults.hubspot.history_lowers_page_cap;
        let cap = if lowered { LIST_CAP / 2 } else { LIST_CAP };
        let asked = limit(request.query("limit"), 10, cap)?;
        let limit = self.shortened(asked);
        let after = match request.query("after") {
            None => 0,
            Some(text) => text.parse().map_err(|_| ApiError::invalid("Invalid paging cursor"))?,
        };
        let archived = is_true(request.query("archived"));
        let now_ms = self.clock.now_ms();
        let table = self.store.table(kind);
        let mut rows = table
            .into_iter()
            .flat_map(|table| table.after(after))
            .filter_map(|record| self.store.shown(kind, record.row.id, now_ms))
            .filter(|record| record.archived_ms.is_some() == archived);
        let page: Vec<_> = rows.by_ref().take(limit).collect();
        let last = page.last().map(|record| record.row.id);
        let paging = last.filter(|_| rows.next().is_some()).map(|id| {
            let link = format!("{}{}?limit={asked}&after={id}", self.base_url, request.path);
            Paging::next(id, Some(link))
        });
        let results: Vec<_> =
            page.into_iter().map(|record| projection.show(&self.store, record)).collect();
        let rows = results.len();
        let page = PageAnswer { total: None, results, paging };
        Ok(HubSpotReply { answer: SimAnswer::json(StatusCode::OK, &page), rows })
    }

    pub(super) fn get(&self, kind: ObjectKind, id: &str, request: &SimRequest) -> HandlerResult {
        let projection = self.projection(kind, request)?;
        let id_property = request.query("idProperty");
        self.check_id_property(kind, id_property)?;
        let now_ms = self.clock.now_ms();
        let record = if is_true(request.query("archived")) {
            let id = id.parse().ok();
            id.and_then(|id| self.store.shown(kind, id, now_ms))
        } else {
            self.store.shown_as(kind, id, id_property, now_ms)
        };
        let record = record.ok_or_else(|| ApiError::not_found("resource not found"))?;
        let answer = SimAnswer::json(StatusCode::OK, &projection.show(&self.store, record));
        Ok(HubSpotReply { answer, rows: 1 })
    }

    pub(super) fn create_one(&mut self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let new: NewObject = body(request)?;
        let links = self.check_links(kind, &new.associations)?;
        let id = self
            .store
            .create(kind, &new.properties, self.author())
            .map_err(|refusal| refusal.single(kind))?;
        self.make_links(id, &links);
        self.shown(StatusCode::CREATED, kind, id, &new.properties)
    }

    pub(super) fn update_one(
        &mut self,
        kind: ObjectKind,
        id: &str,
        request: &SimRequest,
    ) -> HandlerResult {
        let change: NewObject = body(request)?;
        let id_property = request.query("idProperty");
        self.check_id_property(kind, id_property)?;
        let id = self
            .store
            .find(kind, id, id_property)
            .ok_or_else(|| ApiError::not_found("resource not found"))?;
        self.store
            .update(kind, id, &change.properties, self.author())
            .map_err(|refusal| refusal.single(kind))?;
        self.shown(StatusCode::OK, kind, id, &change.properties)
    }

    /// 204 whatever the id, unless the switch says otherwise; a merged-away id archives nothing.
    pub(super) fn archive_one(&mut self, kind: ObjectKind, id: &str) -> HandlerResult {
        let number: u64 = id.parse().unwrap_or_default();
        let known = self.store.table(kind).is_some_and(|table| table.resolve(number).is_some());
        if !known && self.faults.hubspot.archive_unknown_is_404 {
            return Err(ApiError::not_found("resource not found"));
        }
        self.store.archive(kind, number, self.clock.now_ms());
        Ok(HubSpotReply { answer: SimAnswer::empty(StatusCode::NO_CONTENT), rows: 1 })
    }

    /// Answers with a record as a write of `written` leaves it.
    pub(super) fn shown(
        &self,
        status: StatusCode,
        kind: ObjectKind,
        id: u64,
        written: &Map<String, Value>,
    ) -> HandlerResult {
        let names: Vec<String> = written.keys().cloned().collect();
        let projection = Projection::new(&self.store, kind, &names, &[]);
        let record = self.store.live(kind, id);
        let record = record.ok_or_else(|| ApiError::not_found("resource not found"))?;
        let answer = SimAnswer::json(status, &projection.show(&self.store, record));
        Ok(HubSpotReply { answer, rows: 1 })
    }

    /// Checks associations of a record that does not exist yet.
    pub(super) fn check_links(
        &self,
        from: ObjectKind,
        links: &[NewLink],
    ) -> Result<Vec<CheckedLink>, ApiError> {
        let mut checked = Vec::new();
        for link in links {
            let target = self.pair_for(from, &link.types).and_then(|pair| {
                let wanted = self.wanted(pair, &link.types).ok()?;
                Some((pair, self.store.find(pair.to, &link.to.id, None)?, wanted))
            });
            let Some(target) = target else {
                let message = format!("Cannot associate with {}", link.to.id);
                return Err(ApiError::invalid(message)
                    .with_sub_category("crm.associations.INVALID_IDENTIFIER"));
            };
            checked.push(target);
        }
        Ok(checked)
    }

    /// Associates a new record.
    pub(super) fn make_links(&mut self, id: u64, links: &[CheckedLink]) {
        for (pair, other, wanted) in links {
            self.link_as(*pair, id, *other, wanted);
        }
    }

    /// The pair that association types belong to.
    fn pair_for(&self, from: ObjectKind, types: &[LinkType]) -> Option<KindPair> {
        let first = types.first()?.association_type_id;
        let pairs = ObjectKind::ALL.iter().filter_map(|(to, ..)| KindPair::between(from, *to));
        let labels = &self.store.labels;
        pairs
            .into_iter()
            .find(|pair| pair.has_type(first) || labels.back_of(*pair, first).is_some())
    }

    fn projection(&self, kind: ObjectKind, request: &SimRequest) -> Result<Projection, ApiError> {
        let properties = listed(request, "properties");
        let histories = listed(request, "propertiesWithHistory");
        Projection::new(&self.store, kind, &properties, &histories)
            .with_associations(&listed(request, "associations"))
    }

    pub(super) fn check_id_property(
        &self,
        kind: ObjectKind,
        id_property: Option<&str>,
    ) -> Result<(), ApiError> {
        match id_property {
            Some(property) if !self.store.identifies(kind, property) => {
                let message = format!("Property {property} is not a unique identifier");
                Err(ApiError::invalid(message))
            }
            _ => Ok(()),
        }
    }
}

/// The values of a parameter that may be repeated or hold commas.
fn listed(request: &SimRequest, name: &str) -> Vec<String> {
    let values = request.parameters.iter().filter(|(key, _)| key == name);
    let parts = values.flat_map(|(_, value)| value.split(','));
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
