//! The manifest: a plugin's own description, typed and checked.
//!
//! Authors write `plugin.toml`; the builder embeds the same keys as JSON in the custom section
//! `renkei:manifest`. `raw.rs` reads both forms and refuses unknown keys, `check.rs` checks every
//! value. So a [`Manifest`] needs no second look: names are well formed, defaults fit their kind,
//! base URLs stand on the allowlist. A manifest only asks; the host decides what the plugin may do
//! (`permissions.rs`).

mod connector;
mod credential;
mod error;
mod names;
mod origin;
mod raw;
mod setting;
mod transform;

mod check;
mod check_credential;
mod read;

#[cfg(test)]
mod tests;

pub use connector::{
    Connection, ConnectorManifest, ManifestObject, Method, ObjectAction, PRIMARY_SLOT, Quota,
    Retry, Secret, TokenStyle,
};
pub use credential::{AuthMethod, CredentialPlace, FixedCredential};
pub use error::ManifestError;
pub use origin::AllowedOrigin;
pub use setting::{Setting, SettingKind, SettingValue};
pub use transform::{Function, FunctionShape, MERGE_INPUT, MERGE_OUTPUT, TransformManifest};

pub(crate) use names::{ID_FORM, is_id};

use raw::RawManifest;

/// The custom section of a component that holds its manifest as JSON.
pub const SECTION: &str = "renkei:manifest";

/// The contract that this host binds, as `contract` in a manifest names it (package
/// `renkei:plugin@0.2.0`).
pub const CONTRACT: &str = "0.2";

/// A plugin's own description.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// `[a-z][a-z0-9-]{1,40}`, unique among a host's plugins.
    pub id: String,
    /// For people.
    pub title: String,
    /// Name of the publisher; same form as `id`.
    pub publisher: String,
    /// A semantic version.
    pub version: String,
    /// The kind of plugin, with the part that only that kind has.
    pub kind: ManifestKind,
    raw: RawManifest,
}

/// The two kinds of plugin.
#[derive(Debug, Clone)]
pub enum ManifestKind {
    /// Speaks to one CRM; world `connector-plugin`.
    Connector(ConnectorManifest),
    /// Pure functions; world `transform-plugin`.
    Transform(TransformManifest),
}

impl ManifestKind {
    /// `connector` or `transform`, as the manifest's `kind` has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connector(_) => "connector",
            Self::Transform(_) => "transform",
        }
    }
}

impl Manifest {
    /// The part that only a connector has; none in a transform.
    pub fn connector(&self) -> Option<&ConnectorManifest> {
        match &self.kind {
            ManifestKind::Connector(connector) => Some(connector),
            ManifestKind::Transform(_) => None,
        }
    }

    /// The form that is embedded: one JSON object with the keys of `plugin.toml`, `version` always
    /// among them.
    pub fn to_json(&self) -> serde_json::Value {
        // A tree of strings, numbers and lists: there is nothing in it that could fail to become
        // JSON.
        serde_json::to_value(&self.raw).unwrap_or_default()
    }
}
