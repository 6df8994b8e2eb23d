//! The manifest: what a plugin says of itself, typed and checked.
//!
//! Authors write `plugin.toml`; the builder embeds the same keys as JSON in the custom section
//! `renkei:manifest`. Both forms are read into one raw shape that refuses unknown keys (`raw.rs`)
//! and then checked (`check.rs`), so whoever holds a [`Manifest`] need not doubt it: names are well
//! formed, defaults fit their kind, base URLs stand on the allow-list. A manifest only asks. What a
//! plugin may do is the manifest *and* the host's grants.

mod check;
mod origin;
mod raw;

#[cfg(test)]
mod tests;

pub use origin::AllowedOrigin;

pub(crate) use check::{ID_FORM, is_id};

use raw::RawManifest;

/// The custom section of a component that holds its manifest as JSON.
pub const SECTION: &str = "renkei:manifest";

/// The contract that this host binds, as `contract` in a manifest names it (package
/// `renkei:plugin@0.1.0`).
pub const CONTRACT: &str = "0.1";

/// What a plugin says of itself.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// `[a-z][a-z0-9-]{1,40}`, unique among a host's plugins.
    pub id: String,
    /// For people.
    pub title: String,
    /// Who made it; same form as `id`.
    pub publisher: String,
    /// A semantic version.
    pub version: String,
    /// What it is, with what only that kind has.
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

/// What a connector needs from the host and offers to it.
#[derive(Debug, Clone)]
pub struct ConnectorManifest {
    /// At least one; slots are unique.
    pub connections: Vec<Connection>,
    /// Call quotas that the host keeps per system; a name may have several windows.
    pub quotas: Vec<Quota>,
    /// The most requests in flight per system.
    pub concurrent_requests: u32,
    /// Which answers are worth repeating.
    pub retry: Retry,
    /// At least one; names are unique.
    pub objects: Vec<ManifestObject>,
    /// The configuration schema.
    pub settings: Vec<Setting>,
    /// Secrets beyond those of the connections, usable through `signing` only.
    pub secrets: Vec<Secret>,
    /// The simulator that `renkei plugin test` tries it on where none is named; same form as an id.
    pub simulator: Option<String>,
}

/// One way out: a base URL with credentials that the host adds.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The name by which the guest sends, such as `primary`.
    pub slot: String,
    /// In the one spelling of URLs, without a trailing `/`. `None`: the system's configuration must
    /// give it.
    pub base_url: Option<String>,
    /// The field of the token answer that replaces the base URL; the new one is checked against
    /// `allow` too.
    pub base_url_field: Option<String>,
    /// Where requests may go, at least one entry.
    pub allow: Vec<AllowedOrigin>,
    /// By which methods; all of them where the manifest does not say.
    pub methods: Vec<Method>,
    /// Beginnings of paths, such as `/crm/v3`: a request's path is one of them or lies below it.
    /// `/` where the manifest does not say.
    pub paths: Vec<String>,
    /// Ways to authenticate, at least one, in order of preference.
    pub auth: Vec<AuthMethod>,
    /// The token endpoint below the configured base URL; present when `auth` has an OAuth2 way.
    pub token_path: Option<String>,
    /// How the client authenticates at the token endpoint.
    pub token_style: TokenStyle,
    /// Statuses that mean refused credentials: renew once and repeat.
    pub refused_status: Vec<u16>,
}

/// A method by which a connector may send (`http.method` of the contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Reads without the body.
    Head,
    /// Does what the path says.
    Post,
    /// Puts a whole thing there.
    Put,
    /// Changes parts of a thing.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// How requests of a connection are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMethod {
    /// A fixed token as `authorization: Bearer`.
    Bearer,
    /// A fixed secret in the header that the configuration names.
    Header,
    /// OAuth2 refresh token, rotated when the answer has a new one.
    Oauth2RefreshToken,
    /// OAuth2 client credentials.
    Oauth2ClientCredentials,
}

impl AuthMethod {
    /// As a manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Header => "header",
            Self::Oauth2RefreshToken => "oauth2-refresh-token",
            Self::Oauth2ClientCredentials => "oauth2-client-credentials",
        }
    }
}

/// How client id and secret are sent to a token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenStyle {
    /// As fields of the form body.
    #[default]
    Form,
    /// As HTTP basic authentication.
    Basic,
}

impl TokenStyle {
    /// As a manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Basic => "basic",
        }
    }
}

/// At most `calls` requests in any window of `per_ms`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// `all` counts every request; any other name counts requests that name it.
    pub name: String,
    /// At least 1.
    pub calls: u32,
    /// Length of the window in ms, at least 1.
    pub per_ms: u64,
}

/// Answers that the host repeats by itself where the request is safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Used-up quota: nothing was done, wait and repeat whatever the method.
    pub quota_status: Vec<u16>,
    /// Trouble at the server: repeat what is safe to repeat.
    pub transient_status: Vec<u16>,
}

/// One kind of record that a connector serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestObject {
    /// The vendor's name of it.
    pub name: String,
    /// Empty: it is only read.
    pub actions: Vec<ObjectAction>,
    /// The most rows of a page that the host asks for, at least 1.
    pub read_rows: u32,
    /// The most operations that the host hands over in one write, at least 1; it may have a bound
    /// of its own.
    pub write_rows: u32,
}

/// What a connector can do to an object besides reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the words of connector.wit")]
pub enum ObjectAction {
    Create,
    Update,
    Upsert,
    Archive,
    Restore,
    Merge,
}

/// One configurable item: a connector's setting or a function's parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `[a-z][a-z0-9_]{0,40}`.
    pub name: String,
    /// What values it takes.
    pub kind: SettingKind,
    /// A configuration without it is refused; never set together with `default`.
    pub required: bool,
    /// Of the kind that `kind` says.
    pub default: Option<SettingValue>,
    /// For people.
    pub help: String,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum SettingKind {
    Text,
    Integer,
    Boolean,
}

/// A value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

/// A secret that the guest may verify with but never see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// The name that `signing.verify` takes.
    pub name: String,
    /// For people.
    pub help: String,
}

/// What a transform offers.
#[derive(Debug, Clone)]
pub struct TransformManifest {
    /// At least one; names are unique.
    pub functions: Vec<Function>,
}

/// One function of a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Such as `full-name`.
    pub name: String,
    /// Which calls it takes.
    pub shape: FunctionShape,
    /// Columns that it reads; empty for a merge.
    pub input: Vec<String>,
    /// Columns that it makes; empty for a merge.
    pub output: Vec<String>,
    /// What a mapping may say to it.
    pub parameters: Vec<Setting>,
    /// For people.
    pub help: String,
}

/// Which calls a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionShape {
    /// `forward` only.
    OneWay,
    /// `forward` and `backward`, which obey the laws of SYNC.md 3.5.
    TwoWay,
    /// `merge` only.
    Merge,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not TOML or not JSON, an unknown key, a missing key or a value of the wrong type; with the
    /// place.
    #[error("{0}")]
    Syntax(String),
    /// A value that the key does not take.
    #[error("`{key}` is {found}; expected {expected}")]
    Value {
        /// Such as `connection[0].base_url`.
        key: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: String,
    },
    /// Written for a contract that this host does not bind.
    #[error(
        "built for contract {found}; this host binds {CONTRACT}: \
         rebuild it with SDK {CONTRACT} or update Renkei"
    )]
    Contract {
        /// What the manifest says.
        found: String,
    },
}

impl Manifest {
    /// Reads an author's `plugin.toml`; `crate_version` stands in for a `version` that it does not
    /// give.
    pub fn from_toml(text: &str, crate_version: Option<&str>) -> Result<Self, ManifestError> {
        Self::check_contract(toml::from_str(text))?;
        let mut raw: RawManifest =
            toml::from_str(text).map_err(|e| ManifestError::Syntax(e.to_string()))?;
        if raw.version.is_none() {
            raw.version = crate_version.map(str::to_owned);
        }
        check::manifest(raw)
    }

    /// Reads the custom section of a component.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::check_contract(serde_json::from_slice(bytes))?;
        let raw: RawManifest =
            serde_json::from_slice(bytes).map_err(|e| ManifestError::Syntax(e.to_string()))?;
        check::manifest(raw)
    }

    /// The form that is embedded: one JSON object with the keys of `plugin.toml`, `version` always
    /// among them.
    pub fn to_json(&self) -> serde_json::Value {
        // A tree of strings, numbers and lists: there is nothing in it that could fail to become
        // JSON.
        serde_json::to_value(&self.raw).unwrap_or_default()
    }

    /// Comes first, because a manifest of another contract may well have keys that this host does
    /// not know.
    fn check_contract<E>(contract: Result<raw::RawContract, E>) -> Result<(), ManifestError> {
        match contract.ok().and_then(|raw| raw.contract) {
            Some(found) if found != CONTRACT => Err(ManifestError::Contract { found }),
            _ => Ok(()),
        }
    }
}
