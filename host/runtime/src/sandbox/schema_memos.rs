//! The memos that a connector leaves with the schemas of objects, so that a job need not ask the
//! system for them again (`wit/v0.2/connector.wit`, `schema.memo`).
//!
//! They live as long as the generation that wrote them: another version may read them otherwise. A
//! process that starts has none until it has read the schema, as every command does that reads
//! records.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The memos of one generation, by system and object.
#[derive(Debug, Default)]
pub(crate) struct SchemaMemos(Mutex<BTreeMap<(String, String), Vec<u8>>>);

impl SchemaMemos {
    /// Keeps the memo of an object in place of an earlier one.
    pub(crate) fn keep(&self, system: &str, object: &str, memo: Option<Vec<u8>>) {
        let place = (system.to_owned(), object.to_owned());
        let mut memos = self.memos();
        match memo {
            Some(memo) => drop(memos.insert(place, memo)),
            None => drop(memos.remove(&place)),
        }
    }

    /// The memo of an object.
    pub(crate) fn memo(&self, system: &str, object: &str) -> Option<Vec<u8>> {
        self.memos().get(&(system.to_owned(), object.to_owned())).cloned()
    }

    fn memos(&self) -> MutexGuard<'_, BTreeMap<(String, String), Vec<u8>>> {
        // Each entry is whole, whatever happened to another holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
