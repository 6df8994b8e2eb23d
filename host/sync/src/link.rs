//! Linking: the records of different systems that are the same thing get one link.

pub(crate) mod linker;
pub mod matching;
pub(crate) mod pending_creates;
pub(crate) mod stamp;
pub(crate) mod successors;
