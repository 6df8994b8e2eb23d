//! Work on any of our SQLite files: connecting, checking, making a new one.
//!
//! A new file is made whole beside its place and then moved there, so a crash leaves none or a
//! whole one. Its draft has `.new` after its name. The files that a crash leaves of a draft hold
//! nothing.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::{self, Kind, OpenError};

/// The files that SQLite keeps beside a database, by what follows its name.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];
/// The page size, bytes: large enough that most records stay on one page.
const PAGE_BYTES: u32 = 8192;
/// The time that a statement waits for another process, such as `renkei status`, to release the
/// file.
pub(crate) const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements that a connection keeps: more than this crate has.
const STATEMENTS: usize = 64;

/// The path of a file with `suffix` after its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Device and inode of a database, its log and the log's index. SQLite does not notice when
/// somebody removes or replaces one of them: what it then writes, nobody else reads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FileIdentities([Option<(u64, u64)>; 3]);

impl FileIdentities {
    pub(crate) fn read(path: &Path) -> Self {
        let identity = |suffix: &str| {
            let found = fs::metadata(with_suffix(path, suffix)).ok()?;
            Some((found.dev(), found.ino()))
        };
        Self(["", "-wal", "-shm"].map(identity))
    }

    /// True if none of these files was removed or replaced since; one that was not there may be
    /// new.
    pub(crate) fn still_are(&self, now: &Self) -> bool {
        let mut both = self.0.iter().zip(&now.0);
        both.all(|(known, now)| known.is_none() || known == now)
    }
}

/// Refuses a database that is no regular file, or has none beside it: SQLite waits at a pipe.
pub(crate) fn require_files(path: &Path) -> Result<(), OpenError> {
    require_file(path)?;
    BESIDE.iter().try_for_each(|suffix| require_file(&with_suffix(path, suffix)))
}

/// Refuses a path that exists and is no regular file, and a link to a file that is not there: the
/// file may be on a volume that is not mounted, and a new one would hide it.
pub(crate) fn require_file(path: &Path) -> Result<(), OpenError> {
    let (kind, fault) = match fs::metadata(path) {
        Ok(found) if !found.is_file() => (ErrorKind::InvalidInput, "not a regular file"),
        Err(error) if error.kind() == ErrorKind::NotFound && path.is_symlink() => {
            (ErrorKind::NotFound, "a link to a file that is not there")
        }
        _ => return Ok(()),
    };
    Err(OpenError::Io { path: path.to_owned(), source: std::io::Error::new(kind, fault) })
}

/// True if there is a file at `path`; an empty one is an error, because it has lost its content.
pub(crate) fn has_content(path: &Path) -> Result<bool, OpenError> {
    match fs::metadata(path) {
        Ok(found) if found.len() == 0 => Err(OpenError::Empty { path: path.to_owned() }),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

pub(crate) fn connect_to_write(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| configure_connection(connection, -16_384))
        .map_err(|error| open_error(path, error))
}

pub(crate) fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    configure_connection(Connection::open_with_flags(path, flags)?, -8_192)
}

/// Sets the pragmas of every connection; a negative cache size is in KiB.
fn configure_connection(connection: Connection, cache_kib: i64) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A query plan must not depend on bound values (`RULES.md` Q3). Without this, SQLite compiles a
    // statement again at each binding if its plan could use a partial index.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", cache_kib)?;
    Ok(connection)
}

/// Sets the pragmas of a connection that writes to a log (WAL). The page size only counts for a
/// file without tables.
pub(crate) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Makes the database at `path`, readable for its owner only; `fill` gives it its content. It
/// replaces one that is there, and what that or a removed one has beside it. The caller has a lock.
pub(crate) fn make(
    path: &Path,
    fill: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
) -> Result<(), OpenError> {
    let draft = draft_of(path);
    let io = |source| OpenError::Io { path: draft.clone(), source };
    let sqlite = |error| open_error(&draft, error);
    remove_draft(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    drop(renkei_files::open(&options, &draft).map_err(io)?);
    let mut connection = connect_to_write(&draft)?;
    fill(&mut connection).map_err(sqlite)?;
    // The last to close folds a log in and removes it.
    connection.close().map_err(|(_, error)| sqlite(error))?;
    remove(BESIDE.map(|suffix| with_suffix(path, suffix)))?;
    renkei_files::publish(&draft, path).map_err(io)
}

/// The path of a new database until it is whole.
pub(crate) fn draft_of(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

/// Removes the files that a crash has left of a new database.
pub(crate) fn remove_draft(path: &Path) -> Result<(), OpenError> {
    let draft = draft_of(path);
    remove(BESIDE.map(|suffix| with_suffix(&draft, suffix)))?;
    remove([draft])
}

fn remove<const COUNT: usize>(paths: [PathBuf; COUNT]) -> Result<(), OpenError> {
    for path in paths {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(OpenError::Io { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a file that is cut off in the middle of a page. SQLite reads the rest of the page as
/// zeros.
pub(crate) fn require_whole_pages(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let page_bytes: i64 = connection
        .pragma_query_value(None, "page_size", |row| row.get(0))
        .map_err(|error| open_error(path, error))?;
    let length = fs::metadata(path).map(|found| found.len());
    let length = length.map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    if length % page_bytes.unsigned_abs().max(1) != 0 {
        let reason = "cut off in the middle of a page".to_owned();
        return Err(OpenError::Corrupt { path: path.to_owned(), reason });
    }
    Ok(())
}

/// Runs a check of SQLite's, `quick_check` or `integrity_check`; the first finding is an error.
pub(crate) fn run_check(
    connection: &Connection,
    check: &str,
    path: &Path,
) -> Result<(), OpenError> {
    let verdict: String = connection
        .query_row(&format!("PRAGMA {check}(1)"), [], |row| row.get(0))
        .map_err(|error| open_error(path, error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenError::Corrupt { path: path.to_owned(), reason: verdict })
}

pub(crate) fn open_error(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error::kind(&source) {
        Kind::Full => OpenError::Full { path },
        Kind::Corrupt => OpenError::Corrupt { path, reason: source.to_string() },
        Kind::Other => OpenError::Sqlite { path, source },
    }
}
