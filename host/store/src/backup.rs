//! Backups: a copy of the database beside a working engine, and a restore.
//!
//! A copy is one consistent state, checked before it gets its name, and readable for its owner
//! only. A restored database is marked ([`renkei_model::store::port::Store::restored_ms`]): the
//! next cycles read everything again before they write (RULES.md P14). The replaced database is
//! kept aside.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use renkei_model::store::port::Restored;
use rusqlite::{Connection, params};

use crate::database_file::{
    configure, connect_to_read, connect_to_write, draft_of, has_content, open_error, remove_draft,
    require_file, run_check,
};
use crate::error::OpenError;
use crate::identity;
use crate::lock::Lock;
use crate::migrate::STORE;
use crate::open::{BESIDE, FILE, is_there};
use crate::store::SqliteStore;

/// The content of a database, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The store's identity, the same in all its backups.
    pub identity: String,
    /// Links that are kept in step.
    pub links: u64,
    /// Records that stand in their systems (status `live`).
    pub records: u64,
}

impl SqliteStore {
    /// Writes a copy of the database in `dir` to the new file `to`, also while an engine works on
    /// it.
    ///
    /// # Errors
    /// Any [`OpenError`]; nothing is at `to` then.
    pub fn back_up(dir: &Path, to: &Path) -> Result<Contents, OpenError> {
        let path = dir.join(FILE);
        if !is_there(dir)? {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        let connection = open_copy(&path)?;
        if fs::symlink_metadata(to).is_ok() {
            return Err(OpenError::Exists { path: to.to_owned() });
        }
        let part = part_of(to);
        let contents = copy(&connection, &part).inspect_err(|_| drop(fs::remove_file(&part)))?;
        let io = |source| OpenError::Io { path: to.to_owned(), source };
        renkei_files::publish(&part, to).map_err(io)?;
        Ok(contents)
    }

    /// The path of a copy while it grows, before it gets its name.
    pub fn part_of(to: &Path) -> PathBuf {
        part_of(to)
    }

    /// Puts the backup `from` in the place of the database in `dir`. With an `identity`, only a
    /// backup of the database with that identity is taken. Returns its contents and the path of the
    /// replaced database.
    ///
    /// # Errors
    /// Any [`OpenError`]; [`OpenError::InUse`] while an engine works on it. The database is as it
    /// was.
    pub fn restore(
        dir: &Path,
        from: &Path,
        identity: Option<&str>,
        now_ms: i64,
    ) -> Result<(Contents, Option<PathBuf>), OpenError> {
        let io = |source| OpenError::Io { path: dir.to_owned(), source };
        require_file(from)?;
        match fs::metadata(from) {
            Ok(_) => has_content(from)?,
            Err(source) => return Err(OpenError::Io { path: from.to_owned(), source }),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        let _lock = Lock::acquire(dir, FILE)?;
        let connection = open_copy(from)?;
        run_check(&connection, "quick_check", from)?;
        let place = dir.join(FILE);
        remove_draft(&place)?;
        let draft = draft_of(&place);
        let contents = copy(&connection, &draft)?;
        if identity.is_some_and(|identity| identity != contents.identity) {
            remove_draft(&place)?;
            return Err(OpenError::OtherIdentity { path: from.to_owned() });
        }
        mark_restored(&draft, now_ms)?;
        let aside = set_aside(dir, now_ms)?;
        renkei_files::publish(&draft, &place).map_err(io)?;
        Ok((contents, aside))
    }

    /// Declares another account for a system of the database in `dir` from now on, and returns the
    /// former one. The state of the system's records is forgotten; the links keep the records of
    /// the other systems (RULES.md V4). Where it is that account already, nothing changes.
    ///
    /// # Errors
    /// Any [`OpenError`]; [`OpenError::InUse`] while an engine works on it.
    pub fn move_account(dir: &Path, system: &str, id: &str) -> Result<Option<String>, OpenError> {
        if !is_there(dir)? {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        let _lock = Lock::acquire(dir, FILE)?;
        let path = dir.join(FILE);
        let sqlite = |error| open_error(&path, error);
        let mut connection = connect_to_write(&path)?;
        STORE.require(&connection, &path)?;
        configure(&connection).map_err(sqlite)?;
        STORE.migrate(&mut connection).map_err(sqlite)?;
        let transaction = connection.transaction().map_err(sqlite)?;
        let before = identity::account(&transaction, system).map_err(sqlite)?;
        if before.as_deref() != Some(id) {
            forget_system(&transaction, system).map_err(sqlite)?;
            identity::put_account(&transaction, system, id).map_err(sqlite)?;
        }
        transaction.commit().map_err(sqlite)?;
        connection.close().map_err(|(_, error)| sqlite(error))?;
        Ok(before)
    }
}

fn part_of(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    to.with_file_name(name)
}

/// Opens a database to be copied.
fn open_copy(path: &Path) -> Result<Connection, OpenError> {
    let connection = connect_to_read(path).map_err(|error| open_error(path, error))?;
    STORE.require(&connection, path)?;
    Ok(connection)
}

/// Copies to a new file, durable and checked.
fn copy(connection: &Connection, to: &Path) -> Result<Contents, OpenError> {
    let io = |source| OpenError::Io { path: to.to_owned(), source };
    let sqlite = |error| open_error(to, error);
    match fs::remove_file(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    // The copy holds customers' data, so the mode is set before the content.
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(io)?;
    let copied = connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]);
    // What cannot be read is the database that is copied; a full disk is that of the copy.
    copied.map_err(|error| match open_error(to, error) {
        OpenError::Corrupt { reason, .. } => {
            let path = connection.path().map_or_else(|| to.to_owned(), PathBuf::from);
            OpenError::Corrupt { path, reason }
        }
        other => other,
    })?;
    File::open(to).and_then(|file| file.sync_all()).map_err(io)?;
    let copied = connect_to_read(to).map_err(sqlite)?;
    run_check(&copied, "quick_check", to)?;
    let count = |query| copied.query_row(query, [], |row| crate::column::unsigned(row, 0));
    let identity = copied.query_row("SELECT identity FROM store", [], |row| row.get(0));
    Ok(Contents {
        identity: identity.map_err(sqlite)?,
        links: count("SELECT count(*) FROM link WHERE status = 'active'").map_err(sqlite)?,
        records: count("SELECT count(*) FROM record WHERE status = 'live'").map_err(sqlite)?,
    })
}

fn mark_restored(draft: &Path, now_ms: i64) -> Result<(), OpenError> {
    let sqlite = |error| open_error(draft, error);
    let mut connection = connect_to_write(draft)?;
    configure(&connection).map_err(sqlite)?;
    STORE.migrate(&mut connection).map_err(sqlite)?;
    let transaction = connection.transaction().map_err(sqlite)?;
    // A backup of a restored database is marked anew.
    identity::put_restored(&transaction, Restored::ReadAgain).map_err(sqlite)?;
    identity::put_restored(&transaction, Restored::Noticed(now_ms)).map_err(sqlite)?;
    transaction.commit().map_err(sqlite)?;
    // The last connection to close folds the log in and removes it.
    connection.close().map_err(|(_, error)| sqlite(error))?;
    let io = |source| OpenError::Io { path: draft.to_owned(), source };
    File::open(draft).and_then(|file| file.sync_all()).map_err(io)
}

/// Moves the database and the files that SQLite keeps beside it into a directory of its own.
fn set_aside(dir: &Path, now_ms: i64) -> Result<Option<PathBuf>, OpenError> {
    let there: Vec<&str> = BESIDE.into_iter().filter(|name| dir.join(name).exists()).collect();
    if there.is_empty() {
        return Ok(None);
    }
    let aside = dir.join(format!("replaced-{now_ms}"));
    let io = |source| OpenError::Io { path: aside.clone(), source };
    DirBuilder::new().mode(0o700).create(&aside).map_err(io)?;
    for name in there {
        fs::rename(dir.join(name), aside.join(name)).map_err(io)?;
    }
    renkei_files::sync_folder(&aside).map_err(io)?;
    Ok(Some(aside))
}

/// Forgets a system's state. A link without records of other systems ends; the others need a plan.
fn forget_system(connection: &Connection, system: &str) -> rusqlite::Result<()> {
    for statement in [
        "UPDATE link SET status = 'ended' WHERE status = 'active'
           AND number IN (SELECT link FROM record WHERE system = ?1)
           AND number NOT IN
               (SELECT link FROM record WHERE system <> ?1 AND link IS NOT NULL)",
        "INSERT OR IGNORE INTO dirty (link, entity)
         SELECT number, entity FROM link WHERE status = 'active'
           AND number IN (SELECT link FROM record WHERE system = ?1)",
        "DELETE FROM match_key WHERE record IN (SELECT number FROM record WHERE system = ?1)",
        "DELETE FROM doubt WHERE record IN (SELECT number FROM record WHERE system = ?1)",
        "DELETE FROM swept WHERE record IN (SELECT number FROM record WHERE system = ?1)",
        "DELETE FROM record WHERE system = ?1",
        "DELETE FROM alias WHERE system = ?1",
        "DELETE FROM cursor WHERE system = ?1",
        "DELETE FROM sweep WHERE system = ?1",
        "DELETE FROM outbox WHERE system = ?1",
    ] {
        connection.execute(statement, params![system])?;
    }
    Ok(())
}
