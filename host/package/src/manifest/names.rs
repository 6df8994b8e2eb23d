//! The rules for names and texts of a manifest, and the errors that name a key.
//!
//! An admin approves a plugin by the names that are shown. So a name holds no character that is not
//! seen, that reorders others, or that makes two names look the same.

use std::collections::HashSet;
use std::fmt::Debug;

use super::error::ManifestError;
use crate::invisible_chars::{is_invisible, misleads_in_names};

/// The result of checking one value.
pub(super) type Result<T> = std::result::Result<T, ManifestError>;

/// The longest name or title, bytes.
const NAME_BYTES_MAX: usize = 100;

/// Accepts the names of plugins, publishers, slots, quotas and functions.
pub(super) fn check_id(key: &str, name: &str) -> Result<()> {
    if is_id(name) { Ok(()) } else { reject_value(key, name, ID_FORM) }
}

/// The form that [`is_id`] accepts, in words.
pub(crate) const ID_FORM: &str = "2 to 41 of a-z, 0-9 and `-`, the first one a letter";

/// True for a name that a plugin may have.
pub(crate) fn is_id(name: &str) -> bool {
    name.len() >= 2 && is_name(name, b'-')
}

/// Accepts the names of settings, parameters and secrets: keys of the configuration, with `_`.
pub(super) fn check_key(key: &str, name: &str) -> Result<()> {
    let expected = "1 to 41 of a-z, 0-9 and `_`, the first one a letter";
    if is_name(name, b'_') { Ok(()) } else { reject_value(key, name, expected) }
}

fn is_name(name: &str, joint: u8) -> bool {
    name.len() <= 41
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == joint)
}

/// Accepts a title that reorders or hides no other text on its line.
pub(super) fn check_title(key: &str, title: &str) -> Result<()> {
    check_text(key, title)?;
    match title.chars().find(|&c| is_invisible(c)) {
        Some(_) => {
            let expected = "a title without direction marks and invisible characters";
            reject(key, &format!("\"{}\"", escape_misleading(title)), expected)
        }
        None => Ok(()),
    }
}

fn check_text(key: &str, text: &str) -> Result<()> {
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if fits { Ok(()) } else { reject_value(key, text, "1 to 100 bytes without control characters") }
}

/// Accepts the vendor's names of objects, columns and fields: nearly any text whose characters an
/// admin can all see.
pub(super) fn check_name(key: &str, name: &str) -> Result<()> {
    check_text(key, name)?;
    if name.trim() != name {
        return reject_value(key, name, "a name without a space before or after it");
    }
    match name.chars().find(|&c| misleads_in_names(c)) {
        Some(c) => {
            let expected =
                format!("a name without invisible characters such as `{}`", c.escape_unicode());
            reject(key, &format!("\"{}\"", escape_misleading(name)), &expected)
        }
        None => Ok(()),
    }
}

/// The name with misleading characters escaped.
fn escape_misleading(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars() {
        if misleads_in_names(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Refuses a value that the key does not take.
pub(super) fn reject_value<T>(
    key: &str,
    found: &(impl Debug + ?Sized),
    expected: &str,
) -> Result<T> {
    reject(key, &format!("{found:?}"), expected)
}

/// Refuses a key for what `found` says of its value.
pub(super) fn reject<T>(key: &str, found: &str, expected: &str) -> Result<T> {
    let (key, found, expected) = (key.to_owned(), found.to_owned(), expected.to_owned());
    Err(ManifestError::Value { key, found, expected })
}

/// Checks each item of a list; the key of an item has its place in the list.
pub(super) fn check_each<R, T>(
    key: &str,
    items: &[R],
    check: impl Fn(&str, &R) -> Result<T>,
) -> Result<Vec<T>> {
    items.iter().enumerate().map(|(i, item)| check(&format!("{key}[{i}]"), item)).collect()
}

/// Accepts a list in which no name stands twice.
pub(super) fn require_unique<'a>(
    key: &str,
    part: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return reject_value(key, name, &format!("each {part} only once"));
        }
    }
    Ok(())
}
