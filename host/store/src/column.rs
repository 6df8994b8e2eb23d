//! Engine values in columns: numbers, words and JSON bodies.
//!
//! Bodies are JSON text. Encoding 1,000 records takes a few ms, less than the disk needs for the
//! same commit. In return any SQLite tool can read the file, and serde's field names let old bodies
//! survive new fields.

use renkei_model::state::{LinkId, RecordKey};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A number without a sign as SQLite's signed one; links, versions and limits stay far below 2^63.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A length or a limit; one above the maximum becomes the maximum.
pub(crate) fn length(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A list of numbers, as `json_each` reads it.
pub(crate) fn list(numbers: impl IntoIterator<Item = u64>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|one| number(one).to_string()).collect();
    format!("[{}]", numbers.join(","))
}

/// A count or a version.
pub(crate) fn unsigned(row: &Row<'_>, index: usize) -> Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| Error::IntegralValueOutOfRange(index, value))
}

/// A link's number.
pub(crate) fn link(row: &Row<'_>, index: usize) -> Result<LinkId> {
    unsigned(row, index).map(LinkId)
}

/// A link's number, where there may be none.
pub(crate) fn link_or_none(row: &Row<'_>, index: usize) -> Result<Option<LinkId>> {
    match row.get::<_, Option<i64>>(index)? {
        Some(_) => link(row, index).map(Some),
        None => Ok(None),
    }
}

/// System, object and id in three columns from `index` on.
pub(crate) fn key(row: &Row<'_>, index: usize) -> Result<RecordKey> {
    Ok(RecordKey { system: row.get(index)?, object: row.get(index + 1)?, id: row.get(index + 2)? })
}

/// The JSON text of a body.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(unwritable)
}

/// A body from its JSON text.
pub(crate) fn read_json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<T> {
    serde_json::from_str(text(row, index)?).map_err(|error| unreadable(index, error))
}

/// The text of a column, without a copy.
pub(crate) fn text<'row>(row: &'row Row<'_>, index: usize) -> Result<&'row str> {
    row.get_ref(index)?.as_str().map_err(|error| unreadable(index, error))
}

/// The error of a column whose content no release has written.
pub(crate) fn unreadable(
    index: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}

/// The error of a value that cannot be put into a column.
pub(crate) fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::ToSqlConversionFailure(Box::new(error))
}

/// The error of a word that this program never writes into the column.
pub(crate) fn unknown_word(index: usize, word: &str) -> Error {
    unreadable(index, std::io::Error::other(format!("unknown word {word}")))
}
