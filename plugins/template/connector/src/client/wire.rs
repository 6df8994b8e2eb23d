//! The JSON shapes of the API's requests and answers (`API.md`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The account behind the token.
#[derive(Debug, Deserialize)]
pub(crate) struct Me {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// One field that contacts have.
#[derive(Debug, Deserialize)]
pub(crate) struct FieldInfo {
    pub(crate) name: String,
    pub(crate) label: String,
    #[serde(default)]
    pub(crate) unique: bool,
}

/// Some contacts.
#[derive(Debug, Deserialize)]
pub(crate) struct Listing {
    pub(crate) items: Vec<Contact>,
    /// There are more behind the last item.
    #[serde(default)]
    pub(crate) more: bool,
    /// The server's clock, ms.
    pub(crate) now: i64,
}

/// One contact, or what is left of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: String,
    /// The time of the last change, ms.
    pub(crate) changed: i64,
    #[serde(default)]
    pub(crate) deleted: bool,
    /// Text or null by name.
    #[serde(default)]
    pub(crate) fields: Map<String, Json>,
}

/// One thing to do. Doing it again with the same key does nothing and answers the same.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    pub(crate) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) delete: bool,
    pub(crate) fields: Map<String, Json>,
}

/// The result of one change.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub(crate) enum Changed {
    Created { id: String },
    Updated { id: String },
    Deleted { id: String },
    Gone,
    Exists { id: String },
    Invalid { code: String, message: String, field: Option<String> },
}
