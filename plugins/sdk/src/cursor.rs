//! Cursors as JSON, so that a later version of the plugin can read what an earlier one wrote.
//!
//! The host keeps cursors for months. Give new fields a serde default, and answer a cursor that is
//! too old to understand with `cursor-lost`, which costs a backfill and loses nothing.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// The bytes that go into `page.cursor`.
///
/// # Errors
/// `bug` where the type has no JSON form (a map with keys that are not text).
pub fn encode<T: Serialize>(cursor: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(cursor).map_err(|_| Error::bug("a cursor has no JSON form"))
}

/// The cursor in `request.cursor`; the default where the scan begins.
///
/// # Errors
/// `cursor-lost` where the bytes are not such a cursor.
pub fn decode<T: DeserializeOwned + Default>(bytes: Option<&[u8]>) -> Result<T, Error> {
    let Some(bytes) = bytes else { return Ok(T::default()) };
    serde_json::from_slice(bytes).map_err(|fault| {
        Error::cursor_lost("cursor-unreadable", format!("column {}", fault.column()))
    })
}
