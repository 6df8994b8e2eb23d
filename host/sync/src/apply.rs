//! Applying: sends planned operations and settles their outcomes. Nothing here decides what is
//! written.

pub(crate) mod effects;
pub(crate) mod recover;
pub(crate) mod refusals;
pub(crate) mod send;
pub(crate) mod settle;
pub(crate) mod settle_merge;
pub(crate) mod settled;
