//! Linking: which records of different systems are the same thing.

pub(crate) mod linker;
pub mod matching;
pub(crate) mod pending_creates;
pub(crate) mod stamp;
pub(crate) mod successors;
