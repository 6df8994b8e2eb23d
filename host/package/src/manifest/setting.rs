//! One configurable item: a connector's setting or a function's parameter.

use serde::{Deserialize, Serialize};

/// One configurable item: a connector's setting or a function's parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `[a-z][a-z0-9_]{0,40}`.
    pub name: String,
    /// The values that it takes.
    pub kind: SettingKind,
    /// A configuration without it is refused; never set together with `default`.
    pub required: bool,
    /// Of the kind that `kind` says.
    pub default: Option<SettingValue>,
    /// For people.
    pub help: String,
}

/// The values that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SettingKind {
    Text,
    Integer,
    Boolean,
}

/// A value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SettingValue {
    Boolean(bool),
    Integer(i64),
    Text(String),
}

impl SettingValue {
    /// The kind that it is of.
    pub fn kind(&self) -> SettingKind {
        match self {
            Self::Boolean(_) => SettingKind::Boolean,
            Self::Integer(_) => SettingKind::Integer,
            Self::Text(_) => SettingKind::Text,
        }
    }
}
