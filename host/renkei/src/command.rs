//! One file per command, in the groups of `renkei --help` and by name within each.

pub(crate) mod demo;
pub(crate) mod sim;

pub(crate) mod check;
pub(crate) mod describe;
pub(crate) mod init;
pub(crate) mod plan;

pub(crate) mod serve;
pub(crate) mod sync;

pub(crate) mod decide;
pub(crate) mod status;
pub(crate) mod why;

pub(crate) mod account;
pub(crate) mod auth;
pub(crate) mod backup;
pub(crate) mod restore;

pub(crate) mod plugin;
