//! The connector's part of a manifest: connections, quotas, objects, settings, secrets.

use serde::{Deserialize, Serialize};
use strum::EnumCount;

use super::credential::{AuthMethod, FixedCredential};
use super::origin::AllowedOrigin;
use super::setting::Setting;

/// The part of a manifest that only a connector has: what it needs from the host and offers.
#[derive(Debug, Clone)]
pub struct ConnectorManifest {
    /// At least one; slots are unique.
    pub connections: Vec<Connection>,
    /// Call quotas that the host keeps per system; a name may have several windows.
    pub quotas: Vec<Quota>,
    /// The most requests in flight per system.
    pub concurrent_requests: u32,
    /// Answers that are worth repeating.
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

/// The slot whose base URL the configuration of a system may give, and that has its credentials.
pub const PRIMARY_SLOT: &str = "primary";

/// A slot: a base URL with credentials that the host adds to each request.
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
    /// Hosts that requests may go to, at least one entry.
    pub allow: Vec<AllowedOrigin>,
    /// Methods of requests; all of them where the manifest names none.
    pub methods: Vec<Method>,
    /// Beginnings of paths, such as `/crm/v3`: a request's path is one of them or lies below it.
    /// `/` where the manifest names none.
    pub paths: Vec<String>,
    /// Ways to authenticate, at least one, in order of preference.
    pub auth: Vec<AuthMethod>,
    /// Fixed credentials that go with every request, besides those of `auth`.
    pub credentials: Vec<FixedCredential>,
    /// The text before a token in `authorization`, with its space.
    pub token_prefix: String,
    /// The token endpoint: a path below the configured base URL, or a URL of another host; present
    /// when `auth` has an OAuth2 way.
    pub token_url: Option<String>,
    /// The place of client id and secret in a request for a token.
    pub token_style: TokenStyle,
    /// The page where a person consents: a path below the configured base URL, or a URL of another
    /// host.
    pub login_url: Option<String>,
    /// The scopes that a login asks for.
    pub login_scopes: Vec<String>,
    /// Statuses that mean refused credentials: renew once and repeat.
    pub refused_status: Vec<u16>,
}

/// A method by which a connector may send (`http.method` of the contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumCount, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Reads without the body.
    Head,
    /// Does the act that the path names.
    Post,
    /// Replaces a whole resource.
    Put,
    /// Changes parts of a resource.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; Self::COUNT] =
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

/// The place of client id and secret in a request to the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, EnumCount, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenStyle {
    /// As fields of the form body.
    #[default]
    Form,
    /// As HTTP basic authentication.
    Basic,
}

impl TokenStyle {
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Form, Self::Basic];

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
    /// The actions that the host may ask for; empty: it is only read.
    pub actions: Vec<ObjectAction>,
    /// The most rows of a page that the host asks for, at least 1.
    pub read_rows: u32,
    /// The most operations that the host hands over in one write, at least 1; it may have a bound
    /// of its own.
    pub write_rows: u32,
}

/// An action of a connector on records of an object, besides reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumCount, Serialize, Deserialize)]
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

impl ObjectAction {
    /// All of them.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Create, Self::Update, Self::Upsert, Self::Archive, Self::Restore, Self::Merge];

    /// As a manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Archive => "archive",
            Self::Restore => "restore",
            Self::Merge => "merge",
        }
    }

    /// The action that a manifest writes so.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
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
