//! The JSON shapes of HubSpot's answers (`API.md`, H-record-1, H-list-4, H-link-3).
//!
//! Every item may be missing, so every item has a default. Ids are text in v3 and numbers in v4
//! and in webhooks (H-record-3); both become text here.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use crate::error::ApiError;

/// The answer of lists, searches and batches.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
pub(crate) struct Results<T> {
    #[serde(default = "Vec::new")]
    pub(crate) results: Vec<T>,
    #[serde(default)]
    pub(crate) paging: Option<Paging>,
    #[serde(default)]
    pub(crate) errors: Vec<ApiError>,
}

/// The beginning of the next page; missing on the last page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Paging {
    pub(crate) next: Option<NextPage>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NextPage {
    pub(crate) after: String,
}

impl<T> Results<T> {
    /// The token of the next page.
    pub(crate) fn after(&self) -> Option<&str> {
        Some(self.paging.as_ref()?.next.as_ref()?.after.as_str())
    }
}

/// One CRM record.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Record {
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    /// Values are text or null whatever the property's type is.
    pub(crate) properties: BTreeMap<String, Option<String>>,
    pub(crate) updated_at: Option<String>,
    pub(crate) archived_at: Option<String>,
    pub(crate) associations: BTreeMap<String, AssociationList>,
    /// Only in the answer of an upsert.
    pub(crate) new: Option<bool>,
    pub(crate) object_write_trace_id: Option<String>,
}

impl Record {
    /// The associations with an object, which a list may name with spaces (`line items`).
    pub(crate) fn listed(&self, object: &str) -> Option<&AssociationList> {
        let list = self.associations.get(object);
        list.or_else(|| self.associations.get(&object.replace('_', " ")))
    }

    /// The time of the last change, ms, as HubSpot says.
    pub(crate) fn modified_ms(&self) -> Option<i64> {
        self.updated_at.as_deref().and_then(renkei_sdk::time::parse)
    }

    /// The text of a property, nothing if it is null, empty or not there.
    pub(crate) fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property)?.as_deref().filter(|text| !text.is_empty())
    }
}

/// Associations of a record in a v3 list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AssociationList {
    pub(crate) results: Vec<AssociatedId>,
    pub(crate) paging: Option<Paging>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AssociatedId {
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
    /// Such as `contact_to_company` (primary) or `contact_to_company_unlabeled`.
    #[serde(rename = "type")]
    pub(crate) label: String,
}

/// Associations of one record in a v4 batch read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AssociationsOf {
    pub(crate) from: ObjectId,
    pub(crate) to: Vec<AssociatedObject>,
    pub(crate) paging: Option<Paging>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ObjectId {
    #[serde(deserialize_with = "id")]
    pub(crate) id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AssociatedObject {
    #[serde(deserialize_with = "id")]
    pub(crate) to_object_id: String,
    pub(crate) association_types: Vec<AssociationType>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AssociationType {
    pub(crate) type_id: u32,
}

/// A pair that a v4 batch create made.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AssociatedPair {
    #[serde(deserialize_with = "id")]
    pub(crate) from_object_id: String,
    #[serde(deserialize_with = "id")]
    pub(crate) to_object_id: String,
}

/// Reads an id that is text or a number; null is no id.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    deserializer.deserialize_any(IdVisitor)
}

/// An untagged enum would do, but it buffers every value and makes the guest larger.
struct IdVisitor;

impl Visitor<'_> for IdVisitor {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an id")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_u64<E>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok(String::new())
    }
}
