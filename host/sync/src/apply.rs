//! Applying: sending what was planned, and what follows from the answers. Nothing here decides what
//! to write.

pub mod evidence;
pub(crate) mod recover;
pub(crate) mod refused_columns;
pub(crate) mod send;
pub(crate) mod settle;
pub(crate) mod settle_merge;
pub(crate) mod settled;
