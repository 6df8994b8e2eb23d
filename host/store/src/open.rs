//! Opening a store: lock, checks, migrations, threads. The calls block; a command makes one at its
//! start.
//!
//! A new store is made whole beside its place and then moved there. So a file at the place that is
//! no store has lost something: it is refused, never filled. A file that is foreign, empty, damaged
//! or written by a newer Renkei is not changed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use renkei_model::store::codec::Layouts;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::error::{self, Kind};
use crate::lock::Lock;
use crate::migrate::{Layout, STORE};
use crate::readers::Readers;
use crate::store::SqliteStore;
use crate::writer::Writer;

/// The database's name in its directory.
pub(crate) const FILE: &str = "renkei.db";
/// The log that SQLite keeps beside a database: commits that are not folded in.
const LOG: &str = "renkei.db-wal";
/// A database with the log and the index that SQLite keeps beside it.
pub(crate) const BESIDE: [&str; 3] = [FILE, LOG, "renkei.db-shm"];
/// A new database until it is whole. The files that a crash leaves of it hold nothing.
pub(crate) const DRAFT: [&str; 4] =
    ["renkei.db.new", "renkei.db.new-wal", "renkei.db.new-shm", "renkei.db.new-journal"];
/// The page size, bytes: large enough that most records stay on one page.
const PAGE_BYTES: u32 = 8192;
/// Connections that read, each with a thread.
const READERS: usize = 2;
/// The time that a statement waits for another process, such as `renkei status`, to release the
/// file.
pub(crate) const BUSY: Duration = Duration::from_secs(5);
/// Prepared statements that a connection keeps: more than this crate has.
const STATEMENTS: usize = 64;

impl SqliteStore {
    /// Opens the store in `dir` for one engine, making it if there is none. `layouts` are those of
    /// the specification that the engine runs.
    ///
    /// # Errors
    /// Any [`OpenError`]; a second open of the same directory, by any process, is
    /// [`OpenError::InUse`].
    pub fn open(dir: &Path, layouts: Layouts) -> Result<Self, OpenError> {
        Self::open_with(dir, layouts, |_| Ok(()))
    }

    /// As [`SqliteStore::open`]; `prepare` may set further pragmas on the writing connection.
    pub(crate) fn open_with(
        dir: &Path,
        layouts: Layouts,
        prepare: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io { path: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let lock = Lock::acquire(dir)?;
        let path = dir.join(FILE);
        let sqlite = |error| open_error(&path, error);
        if !is_there(dir)? {
            create(dir)?;
        }
        let mut connection = connect_to_write(&path)?;
        match STORE.layout(&connection).map_err(sqlite)? {
            Layout::Older | Layout::Current => {}
            other => return Err(refusal(&path, &other)),
        }
        check(&connection, dir, &path)?;
        configure(&connection).map_err(sqlite)?;
        STORE.migrate(&mut connection).map_err(sqlite)?;
        prepare(&connection).map_err(sqlite)?;
        let mut store = Self::reading(&path, Arc::new(layouts))?;
        store.writer = Some(Writer::start(connection, &path, Arc::clone(&store.layouts))?);
        store.lock = Some(lock);
        Ok(store)
    }

    /// True if there is a database in `dir`. Opens nothing.
    ///
    /// # Errors
    /// [`OpenError::Empty`], [`OpenError::Vanished`], [`OpenError::Io`].
    pub fn is_in(dir: &Path) -> Result<bool, OpenError> {
        is_there(dir)
    }

    /// Opens the store in `dir` for queries only, also while an engine works on it. Commits are
    /// refused.
    ///
    /// # Errors
    /// Any [`OpenError`]; a directory without a store is [`OpenError::Missing`].
    pub fn read_only(dir: &Path, layouts: Layouts) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        if !is_there(dir)? {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        let connection = connect_to_read(&path).map_err(|error| open_error(&path, error))?;
        match STORE.layout(&connection).map_err(|error| open_error(&path, error))? {
            Layout::Current => Self::reading(&path, Arc::new(layouts)),
            other => Err(refusal(&path, &other)),
        }
    }

    /// A copy of the store in `dir` for plans (an empty one if there is none), whose commits never
    /// reach it. It stands in a temporary directory and goes when it is dropped. Works while an
    /// engine uses `dir`.
    ///
    /// # Errors
    /// Any [`OpenError`].
    pub fn scratch(dir: &Path, layouts: Layouts) -> Result<Self, OpenError> {
        let mut scratch = tempfile::Builder::new();
        scratch.prefix("renkei-scratch-");
        // The directory holds customers' data; after a kill it stays behind.
        #[cfg(unix)]
        scratch.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let scratch = scratch.tempdir();
        let scratch =
            scratch.map_err(|source| OpenError::Io { path: std::env::temp_dir(), source })?;
        let path = dir.join(FILE);
        if is_there(dir)? {
            let sqlite = |error| open_error(&path, error);
            let connection = connect_to_read(&path).map_err(sqlite)?;
            if let other @ (Layout::Newer(_) | Layout::Foreign) =
                STORE.layout(&connection).map_err(sqlite)?
            {
                return Err(refusal(&path, &other));
            }
            let copy = scratch.path().join(FILE);
            connection
                .execute("VACUUM INTO ?1", [copy.to_string_lossy()])
                .map_err(|error| open_error(&copy, error))?;
        }
        let mut store = Self::open(scratch.path(), layouts)?;
        store.scratch = Some(scratch);
        Ok(store)
    }

    fn reading(path: &Path, layouts: Arc<Layouts>) -> Result<Self, OpenError> {
        let sqlite = |error| open_error(path, error);
        let mut connections = Vec::new();
        for _ in 0..READERS {
            connections.push(connect_to_read(path).map_err(sqlite)?);
        }
        // SQLite's randomness also makes the identity of a new database.
        let (identity, epoch) = match connections.first() {
            Some(connection) => connection
                .query_row("SELECT identity, lower(hex(randomblob(6))) FROM store", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .map_err(sqlite)?,
            None => Default::default(),
        };
        let readers = Readers::start(connections, path)?;
        Ok(Self { identity, epoch, layouts, writer: None, readers, lock: None, scratch: None })
    }
}

/// True if there is a database in `dir`. An empty file is an error, and so is a log without its
/// database. Taken as new, both would link everything anew, and SQLite would drop the log or fold
/// it into the new database.
pub(crate) fn is_there(dir: &Path) -> Result<bool, OpenError> {
    let path = dir.join(FILE);
    // SQLite waits at a pipe.
    for path in BESIDE.map(|name| dir.join(name)) {
        require_file(&path)?;
    }
    match fs::metadata(&path) {
        Ok(found) if found.len() == 0 => Err(OpenError::Empty { path }),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if has_log(dir) {
                Err(OpenError::Vanished { path })
            } else {
                Ok(false)
            }
        }
        Err(source) => Err(OpenError::Io { path, source }),
    }
}

/// Refuses a path that exists and is no regular file.
pub(crate) fn require_file(path: &Path) -> Result<(), OpenError> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let source = std::io::Error::new(ErrorKind::InvalidInput, "not a regular file");
        return Err(OpenError::Io { path: path.to_owned(), source });
    }
    Ok(())
}

/// True if commits wait to be folded into the database in `dir`.
fn has_log(dir: &Path) -> bool {
    fs::metadata(dir.join(LOG)).is_ok_and(|log| log.len() > 0)
}

/// Makes a new database, whole, and moves it to its place. Readable for its owner only, because it
/// will hold customers' data. The caller has the lock.
fn create(dir: &Path) -> Result<(), OpenError> {
    let [draft, ..] = DRAFT.map(|name| dir.join(name));
    let io = |source| OpenError::Io { path: draft.clone(), source };
    remove_draft(dir)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).map_err(io)?;
    let sqlite = |error| open_error(&draft, error);
    let mut connection = connect_to_write(&draft)?;
    configure(&connection).map_err(sqlite)?;
    STORE.migrate(&mut connection).map_err(sqlite)?;
    // The last to close folds the log in and removes it.
    connection.close().map_err(|(_, error)| sqlite(error))?;
    renkei_files::publish(&draft, &dir.join(FILE)).map_err(io)
}

/// Removes the files that a crash has left of a new database.
pub(crate) fn remove_draft(dir: &Path) -> Result<(), OpenError> {
    for path in DRAFT.map(|name| dir.join(name)) {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                return Err(OpenError::Io { path, source });
            }
            _ => {}
        }
    }
    Ok(())
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

/// Sets the pragmas of the connection that writes. The page size only counts for a file without
/// tables.
pub(crate) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

/// Checks the file's length, then its structure. SQLite reads a cut end of the last page as zeros,
/// so the length is compared here. With a log the cut may be a commit that was being folded in,
/// which SQLite repeats.
fn check(connection: &Connection, dir: &Path, path: &Path) -> Result<(), OpenError> {
    let page_bytes: i64 = connection
        .pragma_query_value(None, "page_size", |row| row.get(0))
        .map_err(|error| open_error(path, error))?;
    let length = fs::metadata(path).map(|found| found.len());
    let length = length.map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    if !has_log(dir) && length % page_bytes.unsigned_abs().max(1) != 0 {
        let reason = "cut off in the middle of a page".to_owned();
        return Err(OpenError::Corrupt { path: path.to_owned(), reason });
    }
    quick_check(connection, path)
}

/// Runs SQLite's `quick_check`; the first finding is an error.
pub(crate) fn quick_check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let verdict: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| open_error(path, error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenError::Corrupt { path: path.to_owned(), reason: verdict })
}

pub(crate) fn refusal(path: &Path, layout: &Layout) -> OpenError {
    let path = path.to_owned();
    match layout {
        Layout::Newer(found) => OpenError::Newer { path, found: *found, known: STORE.steps.len() },
        Layout::Foreign => OpenError::Foreign { path },
        Layout::Older | Layout::Current => OpenError::Older { path },
    }
}

pub(crate) fn open_error(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error::kind(&source) {
        Kind::Full => OpenError::Full { path },
        Kind::Corrupt => OpenError::Corrupt { path, reason: source.to_string() },
        Kind::Other => OpenError::Sqlite { path, source },
    }
}
