//! The database of a configuration: opened, and recognized the next time.
//!
//! A new database knows no record: all are read and linked anew. So none is made
//! where there was one. `store.id` beside the configuration holds the identity of the database that
//! was used last; when that one is gone (a volume that is not mounted, a deleted file) or another
//! stands in its place, nothing is opened. Removing `store.id` is how to start anew on purpose.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use renkei_model::store::port::Store as _;
use renkei_store::Layouts;
use renkei_store::SqliteStore;

use crate::command_error::CommandError;

/// The fate of what is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseAccess {
    /// It is kept; no other process may do the same at the same time.
    ReadWrite,
    /// It goes to a copy of the database that is thrown away.
    Scratch,
    /// Nothing is committed.
    ReadOnly,
}

/// The reason why a database is refused.
#[derive(Debug, thiserror::Error)]
enum DatabaseIdentityError {
    #[error("the database that this configuration used is gone")]
    Gone,
    #[error("this is not the database that this configuration used")]
    Other,
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
}

impl DatabaseIdentityError {
    /// The failure of a command, about the database in `data` that `id` names.
    fn explain(self, data: &Path, id: &Path) -> CommandError {
        let shown = id.display();
        match self {
            Self::Gone => CommandError::database(self).at(data.display()).hint(format!(
                "mount or restore its directory, or remove {shown} to start anew: all records are \
                 then read and linked again"
            )),
            Self::Other => CommandError::database(self)
                .at(data.display())
                .hint(format!("put that one back, or remove {shown} to go on with this one")),
            Self::Unreadable(_) => CommandError::database(self).at(shown).hint(
                "let the user who runs Renkei read it, or move it away if the database in `data` \
                 is the right one",
            ),
        }
    }
}

/// Opens the database in `data` for the configuration in `dir`.
pub(crate) fn open(
    dir: &Path,
    data: &Path,
    layouts: Layouts,
    access: DatabaseAccess,
) -> Result<SqliteStore, CommandError> {
    let known = require(dir, data)?;
    let store = match access {
        DatabaseAccess::ReadWrite => SqliteStore::open(data, layouts),
        DatabaseAccess::Scratch => SqliteStore::scratch(data, layouts),
        DatabaseAccess::ReadOnly => SqliteStore::read_only(data, layouts),
    };
    let store = store.map_err(CommandError::database)?;
    match known {
        Some(identity) if identity != store.identity() => {
            Err(DatabaseIdentityError::Other.explain(data, &file(dir)))
        }
        None if access == DatabaseAccess::ReadWrite => {
            remember(dir, store.identity());
            Ok(store)
        }
        _ => Ok(store),
    }
}

/// The identity of the database that the configuration used last, if it used one. Refuses when that
/// one is gone, before anything is put where it was.
pub(crate) fn require(dir: &Path, data: &Path) -> Result<Option<String>, CommandError> {
    let Some(known) = known_identity(dir)? else { return Ok(None) };
    if SqliteStore::is_in(data).map_err(CommandError::database)? {
        return Ok(Some(known));
    }
    Err(DatabaseIdentityError::Gone.explain(data, &file(dir)))
}

/// The identity of the database that the configuration used last, whether it is there or not.
pub(crate) fn known_identity(dir: &Path) -> Result<Option<String>, CommandError> {
    let id = file(dir);
    match renkei_files::read_text(&id) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DatabaseIdentityError::Unreadable(source).explain(dir, &id)),
    }
}

/// Without the file a database that is gone later is not missed, and nothing else is worse: a
/// read-only configuration is no reason not to work.
pub(crate) fn remember(dir: &Path, identity: &str) {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    let written =
        renkei_files::open(&options, &file(dir)).and_then(|mut file| writeln!(file, "{identity}"));
    if let Err(error) = written {
        tracing::warn!(%error, "store.id cannot be written; a lost database would not be noticed");
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("store.id")
}
