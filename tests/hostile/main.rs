//! The hostile-plugin suite: a plugin that misbehaves gets a typed error and an audit line, takes a
//! bounded amount of memory, and harms neither the host nor its neighbours.
//!
//! A test binary of its own: cases run one at a time ([`stand`]), so that the memory of the process
//! is the case's, and files are compiled by a child as in the program. README.md lists the modules
//! and the hostile cases that stand elsewhere. `host/runtime/SECURITY.md` lists each threat with
//! the rule and the tests that answer it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is test code; clippy's own exception covers only the test functions"
)]

mod stand;

mod cpu_memory;
mod host_calls;
mod load;
mod strangers;
