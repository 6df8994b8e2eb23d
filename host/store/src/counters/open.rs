//! Opening the counters: lock, layout, check, mark of this process.
//!
//! A file that is gone or has no bytes is made anew, whole. Any other file without an origin was
//! damaged and emptied, or was cut off while that was done: its counts were lost.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use renkei_model::ports::Clock;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, params};

use crate::column;
use crate::counters::marks::{self, ProcessMark};
use crate::database_file::{
    self, BUSY, configure, connect_to_write, open_error, require_files, run_check,
};
use crate::error::OpenError;
use crate::lock::lock_opening;
use crate::migrate::{Layout, LayoutSteps};

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
    let _lock = lock_opening(&folder.join("counters.lock"))?;
    require_files(path).map_err(io::Error::other)?;
    // Made whole, so that one that was cut off is never taken for one whose counts were lost.
    if fs::metadata(path).map_or(true, |found| found.len() == 0) {
        let made = database_file::make(path, |connection| complete(connection, None));
        made.map_err(io::Error::other)?;
    }
    let connection = match prepare(path, clock.now_ms()) {
        Err(OpenError::Corrupt { .. }) => {
            empty(path)?;
            prepare(path, clock.now_ms())
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

/// A connection to a file that is whole and of the known layout; `lost_ms` is the origin of a file
/// that has none.
fn prepare(path: &Path, lost_ms: i64) -> Result<Connection, OpenError> {
    let sqlite = |error| open_error(path, error);
    let mut connection = connect_to_write(path)?;
    if !is_emptied(&connection).map_err(sqlite)? {
        COUNTERS.require(&connection, path)?;
    }
    // The whole file, which is small, with its indexes.
    run_check(&connection, "integrity_check", path)?;
    complete(&mut connection, Some(lost_ms)).map_err(sqlite)?;
    // From here on a commit waits for the disk only where it must (`flush`).
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(sqlite)?;
    Ok(connection)
}

/// Gives a file what it lacks: tables, and an origin with `lost_ms`.
fn complete(connection: &mut Connection, lost_ms: Option<i64>) -> rusqlite::Result<()> {
    configure(connection)?;
    COUNTERS.migrate(connection)?;
    connection
        .execute("INSERT OR IGNORE INTO origin (only, lost_ms) VALUES (1, ?1)", [lost_ms])
        .map(drop)
}

/// True for a file without an owner and without tables.
fn is_emptied(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 && COUNTERS.layout(connection)? == Layout::Foreign)
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
