//! From SQLite's errors to the port's: what failed, in which file, and what to do next.

use std::path::Path;

use renkei_sync::store::port::StoreError;
use rusqlite::ErrorCode;

/// The port's error for one of SQLite's in the file at `path`.
pub(crate) fn store_error(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.display();
    match kind(error) {
        Kind::Full => StoreError::Full(format!("{path}; free some room and run again")),
        Kind::Corrupt => {
            StoreError::Corrupt(format!("{path}: {error}; put a backup of it in its place"))
        }
        Kind::Other => StoreError::Failed(format!("{path}: {error}")),
    }
}

/// What the caller can do about an error.
pub(crate) enum Kind {
    /// Free some room.
    Full,
    /// Restore a backup.
    Corrupt,
    /// Look at the message.
    Other,
}

pub(crate) fn kind(error: &rusqlite::Error) -> Kind {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => Kind::Corrupt,
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Kind::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Kind::Corrupt,
            _ => Kind::Other,
        },
    }
}
