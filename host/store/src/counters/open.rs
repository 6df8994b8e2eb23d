//! Opening the counters: lock, layout, check, mark of this process.
//!
//! A file that is gone or has no bytes is made anew, whole. Any other file without an origin was
//! damaged and emptied, or was cut off while that was done: its counts were lost.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use renkei_model::ports::Clock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use crate::column;
use crate::counters::marks::{self, ProcessMark};
use crate::error::OpenError;
use crate::migrate::{Layout, LayoutSteps};
pub(super) use crate::open::open_error;
use crate::open::{BUSY, configure, connect_to_write, require_file};

/// The name of the database in the data directory.
pub(super) const FILE: &str = "counters.db";

/// The layout of the counters (`RNKC`).
const COUNTERS: LayoutSteps = LayoutSteps {
    application_id: 0x524e_4b43,
    steps: &[include_str!("../../migrations/counters/001_start.sql")],
};

/// Opens the counters at `path`, making or emptying the file where that is needed, with a mark for
/// this process unless it has one with the number `own`.
pub(super) fn connect(
    folder: &Path,
    path: &Path,
    own: Option<u64>,
    clock: &dyn Clock,
) -> io::Result<(Connection, Option<ProcessMark>)> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // One at a time makes, checks or empties the file, and no mark is swept before it is locked.
    let _lock = lock(folder)?;
    require_file(path).map_err(io::Error::other)?;
    let is_new = fs::metadata(path).map_or(true, |found| found.len() == 0);
    if is_new {
        make(folder, path)?;
    }
    let connection = match prepare(path, Some(clock.now_ms())) {
        Err(OpenError::Corrupt { .. }) => {
            empty(path)?;
            prepare(path, Some(clock.now_ms()))
        }
        other => other,
    };
    let connection = connection.map_err(io::Error::other)?;
    let living = marks::sweep(folder)?;
    let number = last_number(&connection, living, own.is_none());
    let number = number.map_err(|error| io::Error::other(open_error(path, error)))?;
    let mark = if own.is_none() { Some(ProcessMark::make(folder, number)?) } else { None };
    Ok((connection, mark))
}

/// Makes a new file whole under another name, so that one that was cut off is never taken for one
/// whose counts were lost. What a removed file has left beside it goes.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    let draft = path.with_extension("db.new");
    for base in [&draft, path] {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = base.as_os_str().to_owned();
            name.push(suffix);
            match fs::remove_file(&name) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    drop(renkei_files::open(&options, &draft)?);
    // Closing the only connection moves its log into the file.
    prepare(&draft, None)
        .map_err(io::Error::other)?
        .close()
        .map_err(|(_, error)| io::Error::other(open_error(path, error)))?;
    fs::rename(&draft, path)?;
    renkei_files::sync_folder(folder)
}

/// The lock on opening, which goes when it is dropped.
fn lock(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = renkei_files::open(&options, &folder.join("counters.lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// A connection to a file that is whole and of the known layout; `lost_ms` is the origin of a file
/// that has none.
fn prepare(path: &Path, lost_ms: Option<i64>) -> Result<Connection, OpenError> {
    let sqlite = |error| open_error(path, error);
    let mut connection = connect_to_write(path)?;
    match COUNTERS.layout(&connection).map_err(sqlite)? {
        Layout::Older | Layout::Current => {}
        Layout::Foreign if is_empty(&connection).map_err(sqlite)? => {}
        Layout::Newer(found) => {
            let (path, known) = (path.to_owned(), COUNTERS.steps.len());
            return Err(OpenError::Newer { path, found, known });
        }
        Layout::Foreign => return Err(OpenError::Foreign { path: path.to_owned() }),
    }
    check(&connection, path)?;
    configure(&connection).map_err(sqlite)?;
    COUNTERS.migrate(&mut connection).map_err(sqlite)?;
    connection
        .execute("INSERT OR IGNORE INTO origin (only, lost_ms) VALUES (1, ?1)", [lost_ms])
        .map_err(sqlite)?;
    // From here on a commit waits for the disk only where it must (`flush`).
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(sqlite)?;
    Ok(connection)
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0)
}

/// Checks the whole file, which is small, with its indexes.
fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| open_error(path, error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(OpenError::Corrupt { path: path.to_owned(), reason: verdict })
}

/// Empties a damaged file in place, so that processes that have it open go on with it. Where even
/// its first page is unreadable, SQLite empties it only when nobody has it open.
fn empty(path: &Path) -> io::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let emptied = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.busy_timeout(BUSY)?;
        // The mode of the log is kept only by a connection that has tried to read.
        connection.prepare("SELECT 1 FROM sqlite_schema").map(drop).ok();
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
        connection.execute_batch("VACUUM")
    });
    emptied.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => {
            io::Error::other(OpenError::DamagedInUse { path: path.to_owned() })
        }
        _ => io::Error::other(open_error(path, error)),
    })
}

/// The last number that a process was given: no less than those of all that live, and one more
/// where this process needs one.
fn last_number(connection: &Connection, living: u64, needs_one: bool) -> rusqlite::Result<u64> {
    connection.query_row(
        "UPDATE origin SET processes = max(processes, ?1) + ?2 RETURNING processes",
        params![column::number(living), needs_one],
        |row| column::unsigned(row, 0),
    )
}
