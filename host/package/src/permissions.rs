//! A permission: one thing that a plugin may do, with one stable text.
//!
//! A manifest only asks. An admin compares, allows and denies the texts, they stand in stored files
//! and JSON, and a signature can cover them. So a text is printed and parsed here and nowhere else,
//! no two permissions have the same text, and a text that is not exactly what this module prints is
//! no permission.
//!
//! A new version must not send a slot's credentials elsewhere unasked. So each thing that decides
//! where they go is a permission of that slot: hosts, base URL, token endpoint, the field that
//! replaces the base URL, ways to authenticate, places of fixed credentials, the page of a login.
//! A change of any of them asks for something new.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::manifest::{
    AllowedOrigin, AuthMethod, CredentialPlace, Method, ObjectAction, TokenStyle, is_id,
};

mod manifest;

#[cfg(test)]
mod tests;

/// One thing that a plugin may do.
///
/// ```
/// use renkei_package::{ObjectAction, Permission};
///
/// let create: Permission = "write:contacts:create".parse()?;
/// assert_eq!(create, Permission::write("contacts", ObjectAction::Create));
/// assert!("host:https://api.example.com".parse::<Permission>().is_err(), "no slot");
/// # Ok::<(), renkei_package::PermissionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Permission {
    /// Send through a slot: `slot:primary`.
    Slot {
        /// Name of the slot.
        slot: String,
    },
    /// Send to a host: `host:primary:https://api.example.com`.
    Host {
        /// Name of the slot.
        slot: String,
        /// Scheme, host and port, or every host below a domain.
        origin: AllowedOrigin,
    },
    /// Send by a method: `method:primary:GET`.
    Method {
        /// Name of the slot.
        slot: String,
        /// The method of HTTP.
        method: Method,
    },
    /// Send to a path or below it: `path:primary:/crm/v3`.
    Path {
        /// Name of the slot.
        slot: String,
        /// The beginning of the paths.
        prefix: String,
    },
    /// Append paths to a base URL: `base:primary:https://api.example.com`.
    BaseUrl {
        /// Name of the slot.
        slot: String,
        /// The base URL without a trailing `/`.
        url: String,
    },
    /// Authenticate in a way: `auth:primary:bearer`.
    Auth {
        /// Name of the slot.
        slot: String,
        /// The way to authenticate.
        method: AuthMethod,
    },
    /// Have tokens from an endpoint: `token:primary:form:/oauth/token`. Style and path are one
    /// permission, because together they say what is sent where.
    Token {
        /// Name of the slot.
        slot: String,
        /// The place of client id and secret in the request.
        style: TokenStyle,
        /// The endpoint: a path below the base URL, or a URL of another host.
        url: String,
    },
    /// Carry a fixed credential in a place of each request:
    /// `credential:primary:header:x-api-key:api_key`.
    Credential {
        /// Name of the slot.
        slot: String,
        /// The part of the request.
        place: CredentialPlace,
        /// The name of the header, parameter or field.
        field: String,
        /// The name by which the configuration gives the credential.
        name: String,
    },
    /// Send an admin to a page to consent: `login:primary:/oauth/authorize`.
    Login {
        /// Name of the slot.
        slot: String,
        /// The page: a path below the base URL, or a URL of another host.
        url: String,
    },
    /// Let a field of the token answer replace the base URL: `token-base:primary:instance_url`.
    TokenBase {
        /// Name of the slot.
        slot: String,
        /// Name of the field.
        field: String,
    },
    /// Verify with a secret: `secret:client_secret`.
    Secret {
        /// Name of the secret.
        name: String,
    },
    /// Read an object: `read:contacts`. [`Permission::read`] makes it.
    Read {
        /// The vendor's name of the object, never `*`.
        object: String,
    },
    /// Read the objects that the manifest does not list, as an account's own: `read:*`.
    ReadUnlisted,
    /// Do an action to records of an object: `write:contacts:create`.
    Write {
        /// The vendor's name of the object.
        object: String,
        /// The action.
        action: ObjectAction,
    },
    /// Do every action to records of the objects that the manifest does not list: `write:*`.
    WriteUnlisted,
}

/// A text that is no permission.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no permission")]
pub struct PermissionError {
    /// The text.
    pub text: String,
}

/// The object of [`Permission::ReadUnlisted`] and [`Permission::WriteUnlisted`].
const UNLISTED: &str = "*";

impl Permission {
    /// The permission to read an object.
    pub fn read(object: &str) -> Self {
        match object {
            UNLISTED => Self::ReadUnlisted,
            _ => Self::Read { object: object.to_owned() },
        }
    }

    /// The permission to do an action to records of an object.
    pub fn write(object: &str, action: ObjectAction) -> Self {
        Self::Write { object: object.to_owned(), action }
    }

    /// The slot that it is about; none for objects and secrets.
    pub fn slot(&self) -> Option<&str> {
        match self {
            Self::Slot { slot }
            | Self::Host { slot, .. }
            | Self::Method { slot, .. }
            | Self::Path { slot, .. }
            | Self::BaseUrl { slot, .. }
            | Self::Auth { slot, .. }
            | Self::Token { slot, .. }
            | Self::Credential { slot, .. }
            | Self::Login { slot, .. }
            | Self::TokenBase { slot, .. } => Some(slot),
            Self::Secret { .. }
            | Self::Read { .. }
            | Self::ReadUnlisted
            | Self::Write { .. }
            | Self::WriteUnlisted => None,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot { slot } => write!(f, "slot:{slot}"),
            Self::Host { slot, origin } => write!(f, "host:{slot}:{origin}"),
            Self::Method { slot, method } => write!(f, "method:{slot}:{}", method.as_str()),
            Self::Path { slot, prefix } => write!(f, "path:{slot}:{prefix}"),
            Self::BaseUrl { slot, url } => write!(f, "base:{slot}:{url}"),
            Self::Auth { slot, method } => write!(f, "auth:{slot}:{}", method.as_str()),
            Self::Token { slot, style, url } => write!(f, "token:{slot}:{}:{url}", style.as_str()),
            Self::Credential { slot, place, field, name } => {
                write!(f, "credential:{slot}:{}:{field}:{name}", place.as_str())
            }
            Self::Login { slot, url } => write!(f, "login:{slot}:{url}"),
            Self::TokenBase { slot, field } => write!(f, "token-base:{slot}:{field}"),
            Self::Secret { name } => write!(f, "secret:{name}"),
            Self::Read { object } => write!(f, "read:{object}"),
            Self::ReadUnlisted => write!(f, "read:{UNLISTED}"),
            Self::Write { object, action } => write!(f, "write:{object}:{}", action.as_str()),
            Self::WriteUnlisted => write!(f, "write:{UNLISTED}"),
        }
    }
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        // A text with a second spelling would be a second permission to whoever compares texts.
        let exact = parse(text).filter(|permission| permission.to_string() == text);
        exact.ok_or_else(|| PermissionError { text: text.to_owned() })
    }
}

fn parse(text: &str) -> Option<Permission> {
    let (kind, rest) = text.split_once(':').filter(|(_, rest)| !rest.is_empty())?;
    match kind {
        "slot" => return Some(Permission::Slot { slot: slot_name(rest)? }),
        "secret" => return Some(Permission::Secret { name: rest.to_owned() }),
        "read" => return Some(Permission::read(rest)),
        "write" if rest == UNLISTED => return Some(Permission::WriteUnlisted),
        "write" => {
            let (object, action) = rest.rsplit_once(':').filter(|(name, _)| !name.is_empty())?;
            let action = by_name(&ObjectAction::ALL, ObjectAction::as_str, action)?;
            return Some(Permission::write(object, action));
        }
        _ => {}
    }
    let (slot, rest) = rest.split_once(':').filter(|(_, rest)| !rest.is_empty())?;
    let slot = slot_name(slot)?;
    let text = rest.to_owned();
    Some(match kind {
        "host" => Permission::Host { slot, origin: AllowedOrigin::parse(rest).ok()? },
        "method" => {
            Permission::Method { slot, method: by_name(&Method::ALL, Method::as_str, rest)? }
        }
        "path" => Permission::Path { slot, prefix: text },
        "base" => Permission::BaseUrl { slot, url: text },
        "auth" => {
            let method = by_name(&AuthMethod::ALL, AuthMethod::as_str, rest)?;
            Permission::Auth { slot, method }
        }
        "token" => {
            let (style, url) = rest.split_once(':')?;
            let style = by_name(&TokenStyle::ALL, TokenStyle::as_str, style)?;
            Permission::Token { slot, style, url: url.to_owned() }
        }
        "credential" => {
            let (place, rest) = rest.split_once(':')?;
            let (field, name) = rest.split_once(':')?;
            let place = by_name(&CredentialPlace::ALL, CredentialPlace::as_str, place)?;
            Permission::Credential { slot, place, field: field.to_owned(), name: name.to_owned() }
        }
        "login" => Permission::Login { slot, url: text },
        "token-base" => Permission::TokenBase { slot, field: text },
        _ => return None,
    })
}

fn slot_name(text: &str) -> Option<String> {
    is_id(text).then(|| text.to_owned())
}

fn by_name<T: Copy>(all: &[T], name_of: fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|one| name_of(*one) == text)
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.to_string()
    }
}

impl TryFrom<String> for Permission {
    type Error = PermissionError;

    fn try_from(text: String) -> Result<Self, PermissionError> {
        text.parse()
    }
}

/// Permissions are ordered by their texts, as every list of them shows them.
impl Ord for Permission {
    fn cmp(&self, other: &Self) -> Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl PartialOrd for Permission {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
