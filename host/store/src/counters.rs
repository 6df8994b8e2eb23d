//! The counters that all processes of a data directory share, in a SQLite file of their own,
//! `counters.db`: the calls of each account, for the way out (`host/egress`, `SECURITY.md` E10).
//!
//! It is no part of the store: a restored backup must not bring old counts back, and every command
//! writes it, also beside an engine. Each change is one immediate transaction. A commit outlasts
//! the process at once; one that must outlast a power cut is followed by a flush of the log.
//! A damaged file is emptied in place, and says from then on that its counts were lost.

mod marks;
mod old_files;
mod open;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use renkei_model::ports::{CallRecord, CallRecords, Clock, RecordChange, RecordContent};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::counters::marks::ProcessMark;
use crate::counters::old_files::OldRecord;
use crate::database_file::{FileIdentities, open_error};
use crate::error::{self, Kind, OpenError};

/// The counters of a data directory. Opened when first needed, and kept open.
pub struct CounterDatabase {
    folder: PathBuf,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    open: Mutex<OpenCounters>,
}

/// The connection and the mark of this process. Dropped in this order: what has no mark is dead.
#[derive(Default)]
struct OpenCounters {
    connection: Option<Connection>,
    mark: Option<ProcessMark>,
    /// The files that the connection has open.
    files: FileIdentities,
}

/// The row that a change leaves.
struct ChangedRow {
    version: Option<i64>,
    /// It must outlast a power cut.
    is_durable: bool,
    /// The record came from the file of an older Renkei.
    is_taken_over: bool,
}

impl CounterDatabase {
    /// The counters in the data directory `folder`. Opens nothing yet.
    pub fn in_folder(folder: &Path, clock: Arc<dyn Clock>) -> Self {
        let path = folder.join(open::FILE);
        Self { folder: folder.to_owned(), path, clock, open: Mutex::default() }
    }

    /// The open counters; the file is made if it is not there.
    fn connected(&self) -> io::Result<MutexGuard<'_, OpenCounters>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.connection.is_some() && open.files != FileIdentities::read(&self.path) {
            // Somebody has removed or replaced one: its counts are known to nobody else.
            open.connection = None;
        }
        if open.connection.is_none() {
            let own = open.mark.as_ref().map(ProcessMark::number);
            let opened = open::connect(&self.folder, &self.path, own, self.clock.as_ref());
            let (connection, mark) = opened.map_err(|error| self.named(error))?;
            open.connection = Some(connection);
            open.files = FileIdentities::read(&self.path);
            open.mark = mark.or(open.mark.take());
        }
        Ok(open)
    }

    fn change_row(
        &self,
        open: &mut OpenCounters,
        (account, known): (&str, Option<i64>),
        change: &mut RecordChange<'_>,
    ) -> Result<ChangedRow, RowError> {
        let OpenCounters { connection: Some(connection), mark: Some(mark), .. } = open else {
            return Err(RowError::Io(io::Error::other("the counters are not open")));
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let is_alive = |process| marks::is_alive(&self.folder, process);
        let (process, file) = (mark.number(), self.path.as_path());
        let mut show = |content| change(CallRecord { content, process, is_alive: &is_alive, file });
        let mut select =
            transaction.prepare_cached("SELECT version, windows FROM calls WHERE account = ?1")?;
        let mut rows = select.query([account])?;
        let (mut version, mut is_taken_over) = (None, false);
        let written = if let Some(row) = rows.next()? {
            let found = row.get(0)?;
            version = Some(found);
            let text = || row.get_ref(1).map(|text| text.as_str().ok());
            show(match known {
                Some(known) if known == found => RecordContent::Known,
                _ => match text()? {
                    Some(text) => RecordContent::Text(text),
                    None => RecordContent::Lost(self.clock.now_ms()),
                },
            })
        } else {
            let old = old_files::read(&self.folder, account).map_err(RowError::Io)?;
            is_taken_over = old.is_some();
            show(match &old {
                Some(OldRecord::Text(text)) => RecordContent::Text(text),
                Some(OldRecord::Damaged) => RecordContent::Lost(self.clock.now_ms()),
                // The row was there before.
                None if known.is_some() => RecordContent::Lost(self.clock.now_ms()),
                None => lost_ms(&transaction)?.map_or(RecordContent::Nothing, RecordContent::Lost),
            })
        };
        drop(rows);
        drop(select);
        let Some(written) = written else {
            return Ok(ChangedRow { version, is_durable: false, is_taken_over: false });
        };
        let version = write_row(&transaction, account, &written.text)?;
        transaction.commit()?;
        let is_durable = written.is_durable || is_taken_over;
        Ok(ChangedRow { version: Some(version), is_durable, is_taken_over })
    }

    fn io_error(&self, error: RowError) -> io::Error {
        match error {
            RowError::Io(error) => self.named(error),
            RowError::Sqlite(error) => io::Error::other(open_error(&self.path, error)),
        }
    }

    /// The error with the file that it is about.
    fn named(&self, error: io::Error) -> io::Error {
        if error.get_ref().is_some_and(|inner| inner.is::<OpenError>()) {
            return error;
        }
        let kind = error.kind();
        io::Error::new(kind, OpenError::Io { path: self.path.clone(), source: error })
    }
}

impl CallRecords for CounterDatabase {
    fn has_calls(&self, account: &str) -> io::Result<bool> {
        if old_files::is_there(&self.folder, account) {
            return Ok(true);
        }
        if fs::metadata(&self.path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(false);
        }
        let open = self.connected()?;
        let Some(connection) = &open.connection else { return Ok(false) };
        let found = connection
            .query_row("SELECT 1 FROM calls WHERE account = ?1", [account], |_| Ok(()))
            .optional();
        Ok(found.map_err(|error| self.io_error(error.into()))?.is_some())
    }

    fn update(
        &self,
        account: &str,
        known: Option<i64>,
        change: &mut RecordChange<'_>,
    ) -> io::Result<Option<i64>> {
        let (mut was_shown, mut was_reopened) = (false, false);
        loop {
            let mut open = self.connected()?;
            let mut show = |record: CallRecord<'_>| {
                was_shown = true;
                change(record)
            };
            let row = self.change_row(&mut open, (account, known), &mut show).and_then(|row| {
                if row.is_durable
                    && let Some(connection) = &open.connection
                {
                    flush(connection)?;
                }
                Ok(row)
            });
            match row {
                Ok(row) => {
                    if row.is_taken_over {
                        old_files::remove(&self.folder, account);
                    }
                    return Ok(row.version);
                }
                Err(error) if error.is_damage() => {
                    // The next connection finds the damage and empties the file.
                    open.connection = None;
                    if was_shown || was_reopened {
                        return Err(self.io_error(error));
                    }
                    was_reopened = true;
                }
                Err(error) => return Err(self.io_error(error)),
            }
        }
    }
}

/// The failure of a change of a row.
enum RowError {
    Io(io::Error),
    Sqlite(rusqlite::Error),
}

impl RowError {
    fn is_damage(&self) -> bool {
        matches!(self, Self::Sqlite(error) if matches!(error::kind(error), Kind::Corrupt))
    }
}

impl From<rusqlite::Error> for RowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn lost_ms(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT lost_ms FROM origin")?.query_row([], |row| row.get(0))
}

fn write_row(connection: &Connection, account: &str, windows: &str) -> rusqlite::Result<i64> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO calls (account, version, windows) VALUES (?1, random() / 2, ?2)
         ON CONFLICT (account) DO UPDATE SET version = version + 1, windows = excluded.windows
         RETURNING version",
    )?;
    upsert.query_row([account, windows], |row| row.get(0))
}

/// Makes every commit so far outlast a power cut: a commit that waits for the disk waits
/// for those before it, too.
fn flush(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let mut update = connection.prepare_cached("UPDATE origin SET flushes = flushes + 1")?;
    let flushed = update.execute([]).map(drop);
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    flushed
}

#[cfg(test)]
mod tests;
