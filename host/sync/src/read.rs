//! Reading: changes since the cursor, changes that a cursor missed, and the fields of each row.

pub mod fields;
pub mod forms;
pub(crate) mod ingest;
pub mod keys;
pub(crate) mod missing;
pub(crate) mod observe;
pub(crate) mod order;
pub(crate) mod sweep;
pub mod transforms;
pub mod unreadable;
