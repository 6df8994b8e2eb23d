//! The wire form of a record, serialised without an intermediate tree.
//!
//! Only system properties and the requested ones come back; a requested name that does not exist
//! is dropped silently, a value that is not set is null (H-record-4, H-record-7).

use std::sync::Arc;

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::errors::ApiError;
use super::kinds::{KindPair, ObjectKind};
use super::portal::portal_id;
use super::stamp;
use super::store::HubSpotStore;
use super::table::{HubSpotRecord, HubSpotRow, ValueChange};
use crate::control::Origin;

/// Properties, histories and associations of a record that a request names.
#[derive(Debug)]
pub(super) struct Projection {
    kind: ObjectKind,
    names: Vec<Arc<str>>,
    histories: Vec<Arc<str>>,
    pairs: Vec<KindPair>,
    portal_id: u64,
}

impl Projection {
    /// Keeps the known ones of the requested names; no name at all asks for the defaults.
    pub(super) fn new(
        store: &HubSpotStore,
        kind: ObjectKind,
        properties: &[String],
        histories: &[String],
    ) -> Self {
        let known = |name: &str| {
            let property = store.schema(kind).and_then(|schema| schema.get(name))?;
            Some(Arc::clone(&property.name))
        };
        let defaults = if properties.is_empty() { defaults(kind) } else { &[] };
        let system = ["hs_object_id", kind.created_property(), kind.modified_property()];
        let requested = properties.iter().chain(histories).map(String::as_str);
        let mut names: Vec<Arc<str>> =
            requested.chain(defaults.iter().copied()).chain(system).filter_map(known).collect();
        names.sort_unstable();
        names.dedup();
        let histories = histories.iter().filter_map(|name| known(name)).collect();
        Self { kind, names, histories, pairs: Vec::new(), portal_id: portal_id(&store.knobs) }
    }

    /// Adds the associations that a list or a single read asks for.
    ///
    /// # Errors
    /// A name that is no object type, or one that cannot be associated.
    pub(super) fn with_associations(mut self, kinds: &[String]) -> Result<Self, ApiError> {
        for name in kinds {
            let to = ObjectKind::parse(name).ok_or_else(|| ApiError::unknown_kind(name))?;
            let pair = KindPair::between(self.kind, to)
                .ok_or_else(|| ApiError::invalid(format!("No associations to {name}")))?;
            self.pairs.push(pair);
        }
        Ok(self)
    }

    /// True if value histories are asked for.
    pub(super) fn has_histories(&self) -> bool {
        !self.histories.is_empty()
    }

    /// A stored record in wire form.
    pub(super) fn show<'a>(
        &'a self,
        store: &'a HubSpotStore,
        record: &'a HubSpotRecord,
    ) -> ShownRecord<'a> {
        ShownRecord {
            projection: self,
            row: &record.row,
            archived_ms: record.archived_ms,
            changes: Some(&record.history),
            associations: self.associations(store, record.row.id),
            new: None,
        }
    }

    /// A row of the search index in wire form.
    pub(super) fn show_row<'a>(&'a self, row: &'a HubSpotRow) -> ShownRecord<'a> {
        ShownRecord {
            projection: self,
            row,
            archived_ms: None,
            changes: None,
            associations: None,
            new: None,
        }
    }

    fn associations(&self, store: &HubSpotStore, id: u64) -> Option<Value> {
        let mut all = serde_json::Map::new();
        for pair in &self.pairs {
            let results: Vec<Value> = store
                .associations
                .list_partners((self.kind, id), pair.to)
                .flat_map(|(other, types)| {
                    types.iter().map(move |type_id| {
                        let name = store.labels.type_name(*pair, *type_id);
                        json!({"id": other.to_string(), "type": name})
                    })
                })
                .collect();
            if !results.is_empty() {
                all.insert(pair.to.plural().to_owned(), json!({"results": results}));
            }
        }
        (!all.is_empty()).then_some(Value::Object(all))
    }

    fn history(&self, row: &HubSpotRow, changes: &[ValueChange]) -> Value {
        let mut all = serde_json::Map::new();
        for name in &self.histories {
            let mut versions: Vec<Value> = changes
                .iter()
                .rev()
                .filter(|change| change.name == *name)
                .map(|change| version(&change.value, change.at_ms, change.by))
                .collect();
            if versions.is_empty()
                && let Some(value) = row.value(name)
            {
                versions.push(version(value, row.created_ms, Origin::Human));
            }
            all.insert(name.to_string(), Value::Array(versions));
        }
        Value::Object(all)
    }
}

fn version(value: &str, at_ms: i64, by: Origin) -> Value {
    let source = if by == Origin::Human { "CRM_UI" } else { "INTEGRATION" };
    json!({"value": value, "timestamp": stamp::iso(at_ms), "sourceType": source})
}

fn defaults(kind: ObjectKind) -> &'static [&'static str] {
    match kind {
        ObjectKind::Contact => &["email", "firstname", "lastname"],
        ObjectKind::Company => &["domain", "name"],
        ObjectKind::Deal => &["amount", "closedate", "dealname", "dealstage", "pipeline"],
        ObjectKind::Ticket => &["content", "hs_pipeline", "hs_pipeline_stage", "subject"],
        _ => &[],
    }
}

/// A record in wire form.
#[derive(Debug)]
pub(super) struct ShownRecord<'a> {
    projection: &'a Projection,
    row: &'a HubSpotRow,
    archived_ms: Option<i64>,
    changes: Option<&'a [ValueChange]>,
    associations: Option<Value>,
    new: Option<bool>,
}

impl ShownRecord<'_> {
    /// With the `new` that only upsert results carry.
    pub(super) fn with_new(self, new: bool) -> Self {
        Self { new: Some(new), ..self }
    }
}

impl Serialize for ShownRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let row = self.row;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &row.id.to_string())?;
        map.serialize_entry("properties", &ShownValues { names: &self.projection.names, row })?;
        if let (true, Some(changes)) = (self.projection.has_histories(), self.changes) {
            let history = self.projection.history(row, changes);
            map.serialize_entry("propertiesWithHistory", &history)?;
        }
        map.serialize_entry("createdAt", &stamp::iso(row.created_ms))?;
        map.serialize_entry("updatedAt", &stamp::iso(row.modified_ms))?;
        map.serialize_entry("archived", &self.archived_ms.is_some())?;
        if let Some(at_ms) = self.archived_ms {
            map.serialize_entry("archivedAt", &stamp::iso(at_ms))?;
        }
        if let Some(associations) = &self.associations {
            map.serialize_entry("associations", associations)?;
        }
        if let Some(new) = self.new {
            map.serialize_entry("new", &new)?;
        }
        let type_id = self.projection.kind.type_id();
        let portal_id = self.projection.portal_id;
        let url =
            format!("https://app.hubspot.com/contacts/{portal_id}/record/{type_id}/{}", row.id);
        map.serialize_entry("url", &url)?;
        map.end()
    }
}

struct ShownValues<'a> {
    names: &'a [Arc<str>],
    row: &'a HubSpotRow,
}

impl Serialize for ShownValues<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().map(|name| (&**name, self.row.value(name))))
    }
}

/// A page of rows; `paging` is missing on the last one.
#[derive(Debug, Serialize)]
pub(super) struct PageAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<usize>,
    pub results: Vec<ShownRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
}

#[derive(Debug, Serialize)]
pub(super) struct Paging {
    next: NextPage,
}

#[derive(Debug, Serialize)]
struct NextPage {
    after: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

impl Paging {
    /// Start of the next page; a search gives no link.
    pub(super) fn next(after: impl ToString, link: Option<String>) -> Self {
        Self { next: NextPage { after: after.to_string(), link } }
    }
}

/// The answer to a batch request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchAnswer<R> {
    status: &'static str,
    results: Vec<R>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_errors: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ApiError>,
    started_at: String,
    completed_at: String,
}

impl<R> BatchAnswer<R> {
    pub(super) fn new(results: Vec<R>, errors: Vec<ApiError>, now_ms: i64) -> Self {
        Self {
            status: "COMPLETE",
            results,
            num_errors: (!errors.is_empty()).then_some(errors.len()),
            errors,
            started_at: stamp::iso(now_ms),
            completed_at: stamp::iso(now_ms),
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }
}

/// An association to make, as bodies write it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LinkType {
    #[serde(default)]
    pub association_category: String,
    pub association_type_id: u32,
}

/// `{"id": …}`; the id is a string or a number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedId {
    #[serde(deserialize_with = "id_text")]
    pub id: String,
}

/// Reads an id that may be written as a string or a number.
pub(super) fn id_text<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("an id is a string or a number")),
    }
}
