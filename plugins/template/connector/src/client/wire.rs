//! The API on the wire. It is made up:
//!
//! | request | answer |
//! |---|---|
//! | `GET /me` | [`Me`] |
//! | `GET /fields` | list of [`FieldInfo`] |
//! | `GET /contacts?since=MS&after=ID&limit=N` | [`Listing`] in the order of `changed` and `id` |
//! | `POST /contacts/read` `{"ids": [..]}` | [`Listing`] |
//! | `POST /contacts/find` `{"field": "email", "values": [..]}` | [`Listing`] |
//! | `POST /contacts/write` list of [`Change`], 50 at most | list of [`Changed`], in order |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// The account behind the token.
#[derive(Debug, Deserialize)]
pub struct Me {
    pub id: String,
    pub name: String,
}

/// One field that contacts have.
#[derive(Debug, Deserialize)]
pub struct FieldInfo {
    pub name: String,
    pub label: String,
    #[serde(default)]
    pub unique: bool,
}

/// Some contacts.
#[derive(Debug, Deserialize)]
pub struct Listing {
    pub items: Vec<Contact>,
    /// Whether there are more behind the last item.
    #[serde(default)]
    pub more: bool,
    /// The server's clock, ms.
    pub now: i64,
}

/// One contact, or what is left of it.
#[derive(Debug, Deserialize)]
pub struct Contact {
    pub id: String,
    /// When it last changed, ms.
    pub changed: i64,
    #[serde(default)]
    pub deleted: bool,
    /// Text or null by name.
    #[serde(default)]
    pub fields: Map<String, Json>,
}

/// One thing to do. Doing it again with the same key does nothing and answers the same.
#[derive(Debug, Serialize)]
pub struct Change {
    pub key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    pub fields: Map<String, Json>,
}

/// What became of it.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Changed {
    Created { id: String },
    Updated { id: String },
    Deleted { id: String },
    Gone,
    Exists { id: String },
    Invalid { code: String, message: String, field: Option<String> },
}
