//! Opening a store: lock, checks, migrations, threads. The calls block; a command makes one at its
//! start.
//!
//! A new store is made whole beside its place and then moved there. So a file at the place that is
//! no store has lost something: it is refused, never filled. A file that is foreign, empty, damaged
//! or written by a newer Renkei is not changed.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::codec::Layouts;
use rusqlite::Connection;

use crate::database_file::{
    self, configure, connect_to_read, connect_to_write, has_content, open_error, require_files,
    require_whole_pages, run_check,
};
use crate::error::OpenError;
use crate::lock::Lock;
use crate::migrate::STORE;
use crate::readers::Readers;
use crate::store::SqliteStore;
use crate::writer::Writer;

/// The database's name in its directory.
pub(crate) const FILE: &str = "renkei.db";
/// The log that SQLite keeps beside a database: commits that are not folded in.
const LOG: &str = "renkei.db-wal";
/// A database with the log and the index that SQLite keeps beside it.
pub(crate) const BESIDE: [&str; 3] = [FILE, LOG, "renkei.db-shm"];
/// Connections that read, each with a thread.
const READERS: usize = 2;

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
        let lock = Lock::acquire(dir, FILE)?;
        let path = dir.join(FILE);
        let sqlite = |error| open_error(&path, error);
        if !is_there(dir)? {
            create(dir)?;
        }
        let mut connection = connect_to_write(&path)?;
        STORE.require(&connection, &path)?;
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
        STORE.require_current(&connection, &path)?;
        Self::reading(&path, Arc::new(layouts))
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
            let connection = connect_to_read(&path).map_err(|error| open_error(&path, error))?;
            STORE.require(&connection, &path)?;
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
    require_files(&path)?;
    match has_content(&path)? {
        false if has_log(dir) => Err(OpenError::Vanished { path }),
        is_there => Ok(is_there),
    }
}

/// True if commits wait to be folded into the database in `dir`.
fn has_log(dir: &Path) -> bool {
    fs::metadata(dir.join(LOG)).is_ok_and(|log| log.len() > 0)
}

/// Makes a new database. The caller has the lock.
fn create(dir: &Path) -> Result<(), OpenError> {
    database_file::make(&dir.join(FILE), |connection| {
        configure(connection)?;
        STORE.migrate(connection)
    })
}

/// Checks the file's length, then its structure. With a log a cut may be a commit that was being
/// folded in, which SQLite repeats.
fn check(connection: &Connection, dir: &Path, path: &Path) -> Result<(), OpenError> {
    if !has_log(dir) {
        require_whole_pages(connection, path)?;
    }
    run_check(connection, "quick_check", path)
}
