//! Credentials of a connection: the ways to authenticate, and fixed ones that go with every request
//! to a place that the manifest declares.
//!
//! The host writes them, so a plugin never sees one. The place is a permission of the slot: a later
//! version cannot move a key from a header into a URL unasked.

use serde::{Deserialize, Serialize};
use strum::EnumCount;

/// A way to authenticate the requests of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumCount, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthMethod {
    /// A fixed token in `authorization`.
    Bearer,
    /// A user name and a password (RFC 7617).
    Basic,
    /// A fixed secret in the header that the configuration names.
    Header,
    /// Only the fixed credentials that the manifest declares.
    Fixed,
    /// OAuth2 refresh token, rotated when the answer has a new one.
    Oauth2RefreshToken,
    /// OAuth2 client credentials.
    Oauth2ClientCredentials,
}

impl AuthMethod {
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Bearer,
        Self::Basic,
        Self::Header,
        Self::Fixed,
        Self::Oauth2RefreshToken,
        Self::Oauth2ClientCredentials,
    ];

    /// As a manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::Header => "header",
            Self::Fixed => "fixed",
            Self::Oauth2RefreshToken => "oauth2-refresh-token",
            Self::Oauth2ClientCredentials => "oauth2-client-credentials",
        }
    }

    /// True where tokens come from an endpoint.
    pub fn needs_token_endpoint(self) -> bool {
        matches!(self, Self::Oauth2RefreshToken | Self::Oauth2ClientCredentials)
    }

    /// True where the host writes `authorization` whatever the configuration says.
    pub(super) fn writes_authorization(self) -> bool {
        !matches!(self, Self::Header | Self::Fixed)
    }
}

/// The part of a request that carries a fixed credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumCount, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialPlace {
    /// A header.
    Header,
    /// A parameter of the query.
    Query,
    /// A field of the body: of a form, or of the outermost JSON object.
    Body,
}

impl CredentialPlace {
    /// All of them.
    pub const ALL: [Self; Self::COUNT] = [Self::Header, Self::Query, Self::Body];

    /// As a manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

/// A secret of the configuration that the host writes into every request of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedCredential {
    /// The name by which the configuration gives it.
    pub name: String,
    /// The part of the request.
    pub place: CredentialPlace,
    /// The name of the header (in lower case), parameter or field.
    pub field: String,
    /// The text before the secret, with its space, such as `Token `.
    pub prefix: String,
    /// For people.
    pub help: String,
}
