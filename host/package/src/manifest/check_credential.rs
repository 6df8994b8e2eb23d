//! Checks what a manifest says of credentials: fixed ones, prefixes, and the places of tokens and
//! logins.

use url::Url;

use super::names::{Result, check_each, check_key, reject, reject_value, require_unique};
use super::raw::{RawConnection, RawCredential};
use super::{AuthMethod, CredentialPlace, FixedCredential};

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
