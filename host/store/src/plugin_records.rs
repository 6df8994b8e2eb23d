//! The states of plugins that all processes of a data directory share, in a SQLite file of their
//! own, `plugins.db`: one row per plugin.
//!
//! It is no part of the store: a restored backup must not bring old grants back, and an admin
//! changes it also beside an engine. It has a rollback journal and no log, so all that is committed
//! is in one file. Each change opens the file anew, so one that somebody removed or replaced is
//! noticed, and returns when it is on the disk. A damaged file is an error and never an empty
//! state: holds and grants would be lost.

mod old_file;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use renkei_model::ports::{
    PluginRecords, PluginRecordsError, PluginTexts, PluginTextsChange, TextsById,
};
use rusqlite::{Connection, ffi};

use crate::database_file::{
    self, connect_to_read, connect_to_write, has_content, open_error, require_files,
    require_whole_pages, run_check, with_suffix,
};
use crate::error::OpenError;
use crate::lock::lock_opening;
use crate::migrate::LayoutSteps;

/// The name of the database in the data directory.
const FILE: &str = "plugins.db";

/// The layout of the states of plugins (`RNKP`).
const PLUGINS: LayoutSteps = LayoutSteps {
    application_id: 0x524e_4b50,
    steps: &[include_str!("../migrations/plugins/001_start.sql")],
};

/// The states of the plugins of a data directory.
pub struct PluginDatabase {
    folder: PathBuf,
    path: PathBuf,
}

impl PluginDatabase {
    /// The states in the data directory `folder`. Opens nothing yet.
    pub fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), path: folder.join(FILE) }
    }

    /// True if the database is there.
    fn is_there(&self) -> Result<bool, OpenError> {
        require_files(&self.path)?;
        has_content(&self.path)
    }

    fn read_texts(&self) -> Result<PluginTexts, OpenError> {
        if !self.is_there()? {
            if let Some(old) = old_file::read(&self.folder)? {
                return Ok(old);
            }
            // Another process may have taken it over meanwhile.
            if !self.is_there()? {
                return Ok(self.name(TextsById::new(), true));
            }
        }
        let mut connection = connect_to_look(&self.path)?;
        let transaction = connection.transaction().map_err(|error| self.error(error))?;
        PLUGINS.require_current(&transaction, &self.path)?;
        self.check(&transaction)?;
        self.texts(&transaction)
    }

    /// The texts, and a connection in a transaction that keeps other writers out. The file is made
    /// if it is not there. The caller has the lock on opening.
    fn begin(&self) -> Result<(Connection, PluginTexts), OpenError> {
        let mut is_new = false;
        if !self.is_there()? {
            let old = old_file::read(&self.folder)?;
            is_new = old.is_none();
            self.make(&old.map(|old| old.by_id).unwrap_or_default())?;
        }
        let mut connection = connect_to_write(&self.path)?;
        let transaction = connection.transaction().map_err(|error| self.error(error))?;
        PLUGINS.require(&transaction, &self.path)?;
        self.check(&transaction)?;
        drop(transaction);
        // What an older Renkei left is in the file now.
        old_file::remove(&self.folder);
        PLUGINS
            .migrate(&mut connection)
            .and_then(|()| wait_for_the_disk(&connection))
            .and_then(|()| connection.execute_batch("BEGIN IMMEDIATE"))
            .map_err(|error| self.error(error))?;
        let texts = self.texts(&connection)?;
        Ok((connection, PluginTexts { is_new, ..texts }))
    }

    /// Makes the file, with these texts.
    fn make(&self, texts: &TextsById) -> Result<(), OpenError> {
        database_file::make(&self.path, |connection| {
            connection.pragma_update(None, "journal_mode", "DELETE")?;
            wait_for_the_disk(connection)?;
            PLUGINS.migrate(connection)?;
            upsert_texts(connection, texts)
        })
    }

    /// Checks the whole file, which is small, with its indexes. In a transaction: nobody writes.
    fn check(&self, transaction: &Connection) -> Result<(), OpenError> {
        require_whole_pages(transaction, &self.path)?;
        run_check(transaction, "integrity_check", &self.path)
    }

    fn texts(&self, connection: &Connection) -> Result<PluginTexts, OpenError> {
        let by_id = select_texts(connection).map_err(|error| self.error(error))?;
        Ok(self.name(by_id, false))
    }

    fn name(&self, by_id: TextsById, is_new: bool) -> PluginTexts {
        PluginTexts { file: self.path.clone(), is_new, by_id }
    }

    fn error(&self, error: rusqlite::Error) -> OpenError {
        open_error(&self.path, error)
    }
}

impl PluginRecords for PluginDatabase {
    fn read(&self) -> Result<PluginTexts, PluginRecordsError> {
        Ok(self.read_texts()?)
    }

    fn update(&self, change: &mut PluginTextsChange<'_>) -> Result<(), PluginRecordsError> {
        let io = |path: &Path, source| OpenError::Io { path: path.to_owned(), source };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|source| io(&self.folder, source))?;
        // One at a time makes or replaces the file.
        let lock_path = with_suffix(&self.path, ".lock");
        let lock = lock_opening(&lock_path).map_err(|source| io(&lock_path, source))?;
        let (connection, texts) = match self.begin() {
            Err(OpenError::Corrupt { .. } | OpenError::Empty { .. }) => {
                let changed = change(None)?;
                if !changed.is_empty() {
                    self.make(&changed)?;
                }
                return Ok(());
            }
            other => other?,
        };
        // The transaction keeps others out now, and they do not wait for it for ever.
        drop(lock);
        let changed = change(Some(&texts))?;
        let kept =
            upsert_texts(&connection, &changed).and_then(|()| connection.execute_batch("COMMIT"));
        Ok(kept.map_err(|error| self.error(error))?)
    }
}

impl From<OpenError> for PluginRecordsError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Corrupt { path, reason } => Self::Damaged { file: path, reason },
            OpenError::Empty { path } => Self::Damaged { file: path, reason: "empty".to_owned() },
            other => {
                let (file, hint, text) = (other.place(), other.hint(), other.to_string());
                let told = text.strip_prefix(&format!("{}: ", file.display()));
                let message = told.unwrap_or(&text).to_owned();
                Self::Failed { file: Some(file.to_owned()), message, hint }
            }
        }
    }
}

/// A connection that reads. A commit that a crash has cut off is first taken back, as by any other
/// process that comes next, and only a connection that writes can do that.
fn connect_to_look(path: &Path) -> Result<Connection, OpenError> {
    let is_cut_off = |error: &rusqlite::Error| {
        let code = error.sqlite_error().map(|error| error.extended_code);
        code == Some(ffi::SQLITE_READONLY_ROLLBACK)
    };
    let opened = connect_to_read(path)
        .and_then(|connection| PLUGINS.layout(&connection).map(|_| connection));
    match opened {
        Err(error) if is_cut_off(&error) => connect_to_write(path),
        other => other.map_err(|error| open_error(path, error)),
    }
}

/// A commit returns when it is on the disk and its journal is gone from there.
fn wait_for_the_disk(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "EXTRA")
}

fn select_texts(connection: &Connection) -> rusqlite::Result<TextsById> {
    let mut statement = connection.prepare("SELECT id, state FROM plugin")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn upsert_texts(connection: &Connection, texts: &TextsById) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare(
        "INSERT INTO plugin (id, state) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state",
    )?;
    texts.iter().try_for_each(|text| upsert.execute(text).map(drop))
}

#[cfg(test)]
mod tests;
