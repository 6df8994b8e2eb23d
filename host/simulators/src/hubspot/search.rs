//! Search: the index that lags, filters, one sort, 200 rows a page, 10,000 rows at all
//! (H-search-1 to H-search-10).
//!
//! A request is checked whole before anything is read. Candidates come from the narrowest index
//! that its filters allow; `total` counts every match even beyond the 10,000 that can be paged to.

pub(super) mod body;
mod filter;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::Value;

use self::body::{GroupBody, SearchBody, cursor};
use self::filter::{CheckedFilter, FilterGroup};
use super::account::HubSpot;
use super::errors::ApiError;
use super::kinds::{KindPair, ObjectKind};
use super::reply::{self, HandlerResult, HubSpotReply};
use super::route::SEARCH_CAP;
use super::schema::{PropertySchema, ValueType};
use super::stamp;
use super::table::{HubSpotRow, SearchIndex};
use super::view::{PageAnswer, Paging, Projection};
use crate::faults::Faults;
use crate::http::{SimAnswer, SimRequest};

/// No page starts at or beyond this row.
const RESULTS_MAX: usize = 10_000;
const QUERY_LEN_MAX: usize = 3_000;
const GROUPS_MAX: usize = 5;
const GROUP_LEN_MAX: usize = 6;
const FILTERS_MAX: usize = 18;
const DEFAULT_LIMIT: usize = 10;

/// Properties that `query` looks into.
const QUERIED: [&str; 8] =
    ["email", "firstname", "lastname", "phone", "company", "name", "domain", "dealname"];

/// A checked search.
struct CheckedSearch {
    groups: Vec<FilterGroup>,
    sort: Option<SearchSort>,
    query: Vec<String>,
    limit: usize,
    after: usize,
}

struct SearchSort {
    name: Arc<str>,
    value_type: ValueType,
    descending: bool,
}

impl HubSpot {
    pub(super) fn search(&mut self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let mut asked: SearchBody = reply::body(request)?;
        if !asked.filters.is_empty() {
            let filters = std::mem::take(&mut asked.filters);
            asked.filter_groups.push(GroupBody { filters });
        }
        self.check_associated(kind, &mut asked)?;
        let names = asked.properties.clone();
        let schema = self.store.schema(kind);
        let schema = schema.ok_or_else(|| ApiError::unknown_kind(kind.plural()))?;
        let search = CheckedSearch::check(asked, kind, schema, &self.faults)?;
        let limit = self.shortened(search.limit);
        let mut rows = self.found(&search, kind);
        if search.after > 0 && self.counters.drift.hits(self.faults.hubspot.drift_every) {
            // What the vendor computes moves a row that an earlier page showed.
            if let Some(first) = rows.first().map(|row| row.id) {
                self.store.recalculate(kind, first, self.clock.now_ms());
                rows = self.found(&search, kind);
            }
        }
        let total = rows.len();
        let end = (search.after + limit).min(total).min(RESULTS_MAX);
        let projection = Projection::new(&self.store, kind, &names, &[]);
        let shown = rows.get(search.after.min(end)..end).unwrap_or_default();
        let results: Vec<_> = shown.iter().map(|row| projection.show_row(row)).collect();
        let paging = (end < total).then(|| Paging::next(end, None));
        let rows = results.len();
        let page = PageAnswer { total: Some(total), results, paging };
        Ok(HubSpotReply { answer: SimAnswer::json(StatusCode::OK, &page), rows })
    }
}

impl HubSpot {
    /// Turns filters on `associations.{type}` into filters on the ids that are associated.
    fn check_associated(&self, kind: ObjectKind, asked: &mut SearchBody) -> Result<(), ApiError> {
        let filters = asked.filter_groups.iter_mut().flat_map(|group| &mut group.filters);
        for filter in filters {
            let Some(name) = filter.associated().map(str::to_owned) else { continue };
            let to = ObjectKind::parse(&name).ok_or_else(|| ApiError::unknown_kind(&name))?;
            let pair = KindPair::between(to, kind)
                .ok_or_else(|| ApiError::invalid(format!("No associations to {name}")))?;
            let named = filter.named_ids().into_iter().filter_map(|id| id.parse().ok());
            let found: BTreeSet<u64> = named
                .flat_map(|id: u64| self.store.associations.list_partners((to, id), pair.to))
                .map(|(id, _)| id)
                .collect();
            filter.become_ids(&found)?;
        }
        Ok(())
    }

    /// The rows that a search finds now, without those that sharing hides.
    fn found(&self, search: &CheckedSearch, kind: ObjectKind) -> Vec<Arc<HubSpotRow>> {
        let table = self.store.table(kind);
        let mut rows = table.map(|table| search.rows(table.index(), kind)).unwrap_or_default();
        if !self.faults.hidden_records.is_empty() {
            rows.retain(|row| !self.store.hides(row.id));
        }
        rows
    }
}

impl CheckedSearch {
    fn check(
        asked: SearchBody,
        kind: ObjectKind,
        schema: &PropertySchema,
        faults: &Faults,
    ) -> Result<Self, ApiError> {
        let count: usize = asked.filter_groups.iter().map(|group| group.filters.len()).sum();
        let too_wide = asked.filter_groups.iter().any(|g| g.filters.len() > GROUP_LEN_MAX);
        if asked.filter_groups.len() > GROUPS_MAX || too_wide || count > FILTERS_MAX {
            let message = format!(
                "at most {GROUPS_MAX} groups of {GROUP_LEN_MAX} filters, {FILTERS_MAX} in all"
            );
            return Err(ApiError::invalid(message));
        }
        let query = asked.query.unwrap_or_default();
        if query.chars().count() > QUERY_LEN_MAX {
            return Err(ApiError::invalid(format!("query is longer than {QUERY_LEN_MAX}")));
        }
        let limit = match &asked.limit {
            None => DEFAULT_LIMIT,
            // A text will do, as clients send one.
            Some(limit) => cursor(limit).unwrap_or_default(),
        };
        if !(1..=SEARCH_CAP).contains(&limit) {
            return Err(ApiError::invalid(format!("limit must be between 1 and {SEARCH_CAP}")));
        }
        let after = match &asked.after {
            None => 0,
            Some(after) => cursor(after).ok_or_else(|| ApiError::invalid("invalid after"))?,
        };
        if after >= RESULTS_MAX {
            let message = "There was a problem with the request. Paging past 10,000 results is \
                           not supported.";
            return Err(ApiError::invalid(message));
        }
        let mut groups = Vec::new();
        for group in &asked.filter_groups {
            let filters: Result<Vec<CheckedFilter>, ApiError> = group
                .filters
                .iter()
                .map(|f| CheckedFilter::check(f, kind, schema, faults))
                .collect();
            groups.push(FilterGroup::new(filters?));
        }
        let sort = SearchSort::check(&asked.sorts, schema)?;
        let query = query.to_lowercase().split_whitespace().map(str::to_owned).collect();
        Ok(Self { groups, sort, query, limit, after })
    }

    /// All matching rows in the order asked for, by id where nothing is asked.
    fn rows(&self, index: &SearchIndex, kind: ObjectKind) -> Vec<Arc<HubSpotRow>> {
        let matches = |row: &&Arc<HubSpotRow>| {
            (self.groups.is_empty() || self.groups.iter().any(|group| group.matches(row)))
                && self.answers_query(row)
        };
        let keyed = match self.groups.as_slice() {
            [group] => group.key().and_then(|(name, values)| index.keyed(name, values)),
            _ => None,
        };
        let window =
            self.groups.iter().map(FilterGroup::window).reduce(|one, other| one.around(other));
        let mut rows: Vec<Arc<HubSpotRow>> = match (keyed, window) {
            (Some(rows), _) => rows.into_iter().filter(matches).map(Arc::clone).collect(),
            (None, Some(window)) if window.is_narrow() => {
                let mut rows: Vec<_> = index
                    .modified(window.from_ms, window.to_ms)
                    .filter(matches)
                    .map(Arc::clone)
                    .collect();
                rows.sort_unstable_by_key(|row| row.id);
                rows
            }
            (None, window) => {
                let least_id = window.map_or(0, |window| window.least_id);
                index.by_id(least_id).filter(matches).map(Arc::clone).collect()
            }
        };
        match &self.sort {
            // Rows are in order of id already.
            Some(sort) if &*sort.name == "hs_object_id" && !sort.descending => {}
            Some(sort) => rows.sort_by(|one, other| sort.compare(one, other, kind)),
            None => {}
        }
        rows
    }

    fn answers_query(&self, row: &HubSpotRow) -> bool {
        self.query.iter().all(|word| {
            let mut texts = QUERIED.iter().filter_map(|name| row.value(name));
            texts.any(|text| text.to_lowercase().contains(word.as_str()))
        })
    }
}

impl SearchSort {
    /// One sort only: `{propertyName, direction}`, or a bare name with `-` for descending.
    fn check(sorts: &[Value], schema: &PropertySchema) -> Result<Option<Self>, ApiError> {
        let sort = match sorts {
            [] => return Ok(None),
            [sort] => sort,
            _ => return Err(ApiError::invalid("Only one sort is supported")),
        };
        let (name, descending) = match sort {
            Value::String(name) => (name.trim_start_matches('-'), name.starts_with('-')),
            sort => {
                let text = |key: &str| sort.get(key).and_then(Value::as_str).unwrap_or_default();
                (text("propertyName"), text("direction") == "DESCENDING")
            }
        };
        let property = schema
            .get(name)
            .ok_or_else(|| ApiError::invalid(format!("Cannot sort by unknown property {name}")))?;
        let (name, value_type) = (Arc::clone(&property.name), property.value_type);
        Ok(Some(Self { name, value_type, descending }))
    }

    fn compare(&self, one: &HubSpotRow, other: &HubSpotRow, kind: ObjectKind) -> Ordering {
        let order = if &*self.name == kind.modified_property() {
            one.modified_ms.cmp(&other.modified_ms)
        } else if &*self.name == kind.created_property() {
            one.created_ms.cmp(&other.created_ms)
        } else {
            let (one, other) = (one.value(&self.name), other.value(&self.name));
            match self.value_type {
                ValueType::Number => {
                    let number = |text: Option<&str>| text?.parse::<f64>().ok();
                    number(one).partial_cmp(&number(other)).unwrap_or(Ordering::Equal)
                }
                ValueType::Date | ValueType::DateTime => {
                    one.and_then(stamp::parse).cmp(&other.and_then(stamp::parse))
                }
                _ => one.map(str::to_lowercase).cmp(&other.map(str::to_lowercase)),
            }
        };
        let order = if self.descending { order.reverse() } else { order };
        order.then(one.id.cmp(&other.id))
    }
}
