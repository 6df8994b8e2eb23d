//! Planning: decides what is written, with a reason, and what waits. Nothing here sends anything.

pub mod cascades;
pub mod check;
pub(crate) mod chunks;
pub mod deletion_hold;
pub mod first_sync;
pub mod guards;
pub mod mapping;
pub mod merge;
pub mod one_link;
pub mod policy;
pub mod references;
pub(crate) mod refused_columns;
pub mod render;
