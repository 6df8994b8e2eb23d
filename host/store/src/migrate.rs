//! The layout of the file, step by step.
//!
//! `user_version` counts the steps that were taken. A step and its number are one transaction, so a
//! store is never between two layouts. A file with more steps than this program knows is refused.

use std::path::Path;

use rusqlite::Connection;

use crate::column;
use crate::database_file::open_error;
use crate::error::OpenError;

/// The layout of one kind of file: its owner's mark and the steps to it.
pub(crate) struct LayoutSteps {
    /// The `application_id` of such a file.
    pub(crate) application_id: i32,
    /// The steps in order. A released step is never edited; each change is a new file.
    pub(crate) steps: &'static [&'static str],
}

/// The layout of the store (`RNKI`).
pub(crate) const STORE: LayoutSteps = LayoutSteps {
    application_id: 0x524e_4b49,
    steps: &[
        include_str!("../migrations/001_start.sql"),
        include_str!("../migrations/002_sweep.sql"),
        include_str!("../migrations/003_doubt.sql"),
        include_str!("../migrations/004_guard.sql"),
        include_str!("../migrations/005_begun.sql"),
        include_str!("../migrations/006_short.sql"),
        include_str!("../migrations/007_meanings.sql"),
        include_str!("../migrations/008_bare.sql"),
        include_str!("../migrations/009_subject.sql"),
    ],
};

/// The layout of a file relative to this program's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A database of another program, or without an owner.
    Foreign,
    /// A layout with fewer steps than this program knows.
    Older,
    /// The layout that this program reads.
    Current,
    /// Written by a newer Renkei with this many steps.
    Newer(usize),
}

impl LayoutSteps {
    /// The layout of a file; reads only.
    pub(crate) fn layout(&self, connection: &Connection) -> rusqlite::Result<Layout> {
        let steps = steps_taken(connection)?;
        let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        Ok(match steps {
            _ if owner != self.application_id => Layout::Foreign,
            taken if taken > self.steps.len() => Layout::Newer(taken),
            taken if taken < self.steps.len() => Layout::Older,
            _ => Layout::Current,
        })
    }

    /// Refuses a file of another program or of a newer Renkei; reads only.
    pub(crate) fn require(&self, connection: &Connection, path: &Path) -> Result<(), OpenError> {
        match self.layout(connection).map_err(|error| open_error(path, error))? {
            Layout::Older | Layout::Current => Ok(()),
            other => Err(self.refusal(path, &other)),
        }
    }

    /// As [`LayoutSteps::require`], and refuses an older layout.
    pub(crate) fn require_current(
        &self,
        connection: &Connection,
        path: &Path,
    ) -> Result<(), OpenError> {
        match self.layout(connection).map_err(|error| open_error(path, error))? {
            Layout::Current => Ok(()),
            other => Err(self.refusal(path, &other)),
        }
    }

    fn refusal(&self, path: &Path, layout: &Layout) -> OpenError {
        let path = path.to_owned();
        match layout {
            Layout::Newer(found) => {
                OpenError::Newer { path, found: *found, known: self.steps.len() }
            }
            Layout::Foreign => OpenError::Foreign { path },
            Layout::Older | Layout::Current => OpenError::Older { path },
        }
    }

    /// Takes the missing steps, each in a transaction of its own.
    pub(crate) fn migrate(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let taken = steps_taken(connection)?;
        for (number, step) in self.steps.iter().enumerate().skip(taken) {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", self.application_id)?;
            transaction.pragma_update(None, "user_version", column::length(number + 1))?;
            transaction.commit()?;
        }
        Ok(())
    }
}

fn steps_taken(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
