//! Credentials of a connection: the ways to authenticate, and fixed ones that go with every request
//! to a place that the manifest declares.
//!
//! The host writes them, so a plugin never sees one. The place is a permission of the slot: a later
//! version cannot move a key from a header into a URL unasked.

use serde::{Deserialize, Serialize};
use strum::EnumCount;
use url::Url;

use super::names::{Result, check_each, check_key, reject, reject_value, require_unique};
use super::raw::{RawConnection, RawCredential};

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
    fn writes_authorization(self) -> bool {
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

/// The text before a token in `authorization` where the manifest does not say.
pub(super) const TOKEN_PREFIX: &str = "Bearer ";
const PREFIX_BYTES_MAX: usize = 40;
const FIELD_BYTES_MAX: usize = 60;

/// The fixed credentials of a connection.
pub(super) fn check_credentials(at: &str, raw: &RawConnection) -> Result<Vec<FixedCredential>> {
    let key = format!("{at}.credential");
    require_unique(&key, "name", raw.credential.iter().map(|one| &one.name))?;
    let credentials = check_each(&key, &raw.credential, check_credential)?;
    let places: Vec<String> =
        credentials.iter().map(|one| format!("{}:{}", one.place.as_str(), one.field)).collect();
    require_unique(&key, "place", places.iter())?;
    let authorizes = raw.auth.iter().find(|way| way.writes_authorization());
    match authorizes {
        Some(way) if places.iter().any(|place| place == "header:authorization") => {
            let expected =
                format!("another header: `{}` writes `authorization` already", way.as_str());
            return reject_value(&key, "authorization", &expected);
        }
        _ => {}
    }
    if credentials.is_empty() && raw.auth.contains(&AuthMethod::Fixed) {
        return reject(&key, "missing", "at least one where `auth` has `fixed`");
    }
    Ok(credentials)
}

fn check_credential(at: &str, raw: &RawCredential) -> Result<FixedCredential> {
    check_key(&format!("{at}.name"), &raw.name)?;
    let key = format!("{at}.field");
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let fits = (1..=FIELD_BYTES_MAX).contains(&raw.field.len()) && raw.field.bytes().all(plain);
    if !fits {
        return reject_value(&key, &raw.field, "1 to 60 letters, digits, `-`, `_` and `.`");
    }
    if raw.place == CredentialPlace::Header && raw.field.to_ascii_lowercase() != raw.field {
        return reject_value(&key, &raw.field, "a header's name in lower case");
    }
    Ok(FixedCredential {
        name: raw.name.clone(),
        place: raw.place,
        field: raw.field.clone(),
        prefix: check_prefix(&format!("{at}.prefix"), raw.prefix.as_deref().unwrap_or_default())?,
        help: raw.help.clone(),
    })
}

/// The text before a secret.
pub(super) fn check_prefix(key: &str, prefix: &str) -> Result<String> {
    let plain = prefix.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if plain && prefix.len() <= PREFIX_BYTES_MAX {
        return Ok(prefix.to_owned());
    }
    reject_value(key, prefix, "at most 40 visible letters and signs")
}

/// A place of login or tokens: a path below the base URL, or a URL of another host.
pub(super) fn check_endpoint(key: &str, written: &str) -> Result<()> {
    if written.starts_with('/') && written.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    let expected = "a URL such as `https://login.example.com/token`, or a path below the base URL";
    let Ok(url) = Url::parse(written) else { return reject_value(key, written, expected) };
    let bare = url.username().is_empty() && url.password().is_none();
    let plain = bare && url.query().is_none() && url.fragment().is_none();
    // A URL has many spellings. An admin compares this one, so it is always the parser's.
    if url.scheme() == "https" && plain && url.as_str() == written {
        return Ok(());
    }
    reject_value(key, written, "an `https` URL in its usual spelling, without query and fragment")
}
