//! The engine's store in one SQLite file.
//!
//! [`SqliteStore`] implements [`renkei_model::store::port::Store`]. One thread owns the
//! only connection that writes, and makes one transaction of all commits that wait for it. Readers
//! have connections and threads of their own, so that no query waits for a commit or blocks an
//! asynchronous worker. A commit returns only when it is on the disk (WAL, `synchronous=FULL`).
//!
//! Reading order: `open` (lock, checks, migrations), `store` (the port), `writer` and `readers`
//! (the threads), then one file per family of tables with its SQL. The code below the threads
//! speaks `rusqlite::Error`; `error` turns it into the port's errors at the edge, with the file and
//! the next step. The folder's README follows one commit. `counters` and `plugin_records` are files
//! of their own.

mod open;
pub use error::OpenError;

mod backup;
pub use backup::Contents;

mod counters;
pub use counters::CounterDatabase;

mod plugin_records;
pub use plugin_records::PluginDatabase;

mod database_file;

mod lock;

mod migrate;

mod store;
pub use store::SqliteStore;

mod writer;

mod readers;

mod error;
mod failures;
mod guards;

mod codec;
pub use codec::Layouts;

mod column;

mod cursors;
mod doubts;

mod identity;

mod records;

mod keys;

mod links;

mod outbox;

mod reviews;

mod journal;

mod counts;

mod sweeps;

#[cfg(test)]
mod tests;
