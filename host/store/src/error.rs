//! SQLite's errors as the port's: the failure, the file, and the next step.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use renkei_model::store::port::StoreError;
use rusqlite::{ErrorCode, ffi};

/// A store that cannot be opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the lock.
    #[error("{}: the database is in use by {holder}", .dir.display())]
    InUse {
        /// The store's directory.
        dir: PathBuf,
        /// The process, as far as known.
        holder: String,
    },
    /// There is nothing to read.
    #[error("{}: no database there", .dir.display())]
    Missing {
        /// The store's directory.
        dir: PathBuf,
    },
    /// Written by a newer Renkei.
    #[error("{}: of layout {found}, this Renkei knows {known}", .path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its layout.
        found: usize,
        /// The newest known layout.
        known: usize,
    },
    /// Written by an older Renkei, and opened for reading only.
    #[error("{}: of an older layout", .path.display())]
    Older {
        /// The database.
        path: PathBuf,
    },
    /// A database of another program.
    #[error("{}: not a store of Renkei", .path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// A database without content: a full disk or a copy that was cut off has emptied it.
    #[error("{}: empty, its content is lost", .path.display())]
    Empty {
        /// The database.
        path: PathBuf,
    },
    /// The log is there without its database.
    #[error("{}: gone, but its log renkei.db-wal is there", .path.display())]
    Vanished {
        /// The database.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error("{}: damaged ({reason})", .path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// The finding of the check.
        reason: String,
    },
    /// The counters are damaged, and cannot be emptied while another process has them open.
    #[error("{}: damaged, and another process has it open", .path.display())]
    DamagedInUse {
        /// The database.
        path: PathBuf,
    },
    /// The files of an older Renkei are still in use.
    #[error("{}: an older Renkei counts its calls there", .path.display())]
    OlderRuns {
        /// The mark of its process.
        path: PathBuf,
    },
    /// A file or a directory is at the path of the backup.
    #[error("{}: there already", .path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// A backup of another database than the one that the configuration used.
    #[error("{}: a backup of another database", .path.display())]
    OtherIdentity {
        /// The backup.
        path: PathBuf,
    },
    /// The disk has no room to create or migrate the store.
    #[error("{}: the disk is full", .path.display())]
    Full {
        /// The database.
        path: PathBuf,
    },
    /// The directory or a file in it cannot be used.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Any other error of SQLite.
    #[error("{}: {source}", .path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// The file or directory that it is about; its text begins with it.
    pub fn place(&self) -> &Path {
        match self {
            Self::InUse { dir, .. } | Self::Missing { dir } => dir,
            Self::Newer { path, .. }
            | Self::Older { path }
            | Self::Foreign { path }
            | Self::Empty { path }
            | Self::Vanished { path }
            | Self::Corrupt { path, .. }
            | Self::DamagedInUse { path }
            | Self::OlderRuns { path }
            | Self::Exists { path }
            | Self::OtherIdentity { path }
            | Self::Full { path }
            | Self::Io { path, .. }
            | Self::Sqlite { path, .. } => path,
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::InUse { .. } => "stop it or choose another directory",
            Self::Missing { .. } => "run `renkei sync` first",
            Self::Newer { .. } => "update Renkei",
            Self::Older { .. } => "run `renkei sync` once to bring it up to date",
            Self::Foreign { .. } => "choose another directory or file",
            Self::Empty { .. } => "put a backup of it in its place, or move it away to start anew",
            Self::Vanished { .. } => {
                "put both back from a backup, or move the log away to start anew"
            }
            Self::Corrupt { .. } => "put a backup of it in its place",
            Self::Exists { .. } => "give the backup another name",
            Self::OtherIdentity { .. } => {
                "to go on with it all the same, remove store.id beside renkei.toml and run again"
            }
            Self::Full { .. } => "free some room and run again",
            Self::DamagedInUse { .. } | Self::OlderRuns { .. } => "stop that process and run again",
            Self::Io { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied => {
                    "let the user who runs Renkei read and write it, or run as its owner"
                }
                ErrorKind::ReadOnlyFilesystem => "put the data on a file system for writing",
                ErrorKind::StorageFull => "free some room and run again",
                _ => return None,
            },
            Self::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(ErrorCode::SystemIoFailure) => "see whether its disk is full or failing",
                Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                    "let the user who runs Renkei read and write it, or run as its owner"
                }
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    "another process has it: run the command again"
                }
                _ => return None,
            },
        })
    }
}

/// The port's error for an error of SQLite in the file at `path`.
pub(crate) fn store_error(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.display();
    match kind(error) {
        Kind::Full => StoreError::Full(path.to_string()),
        Kind::Corrupt => StoreError::Corrupt(format!("{path}: {error}")),
        Kind::Other => StoreError::Failed(format!("{path}: {error}")),
    }
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

/// The kind of an error, by the reaction of the caller.
pub(crate) enum Kind {
    /// The disk is full: the admin makes room.
    Full,
    /// The file is damaged: the admin restores a backup.
    Corrupt,
    /// Any other error, which its message explains.
    Other,
}

pub(crate) fn kind(error: &rusqlite::Error) -> Kind {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..) => Kind::Corrupt,
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Kind::Full,
            // The index of a log grows without a word of the disk.
            _ if extended_code(error) == Some(ffi::SQLITE_IOERR_SHMSIZE) => Kind::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Kind::Corrupt,
            _ => Kind::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_of_a_log_that_cannot_grow_is_a_full_disk() {
        let failure = |code| rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        for code in [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_SHMSIZE] {
            assert!(matches!(kind(&failure(code)), Kind::Full), "{code}");
        }
        assert!(matches!(kind(&failure(ffi::SQLITE_IOERR_READ)), Kind::Other));
    }
}
