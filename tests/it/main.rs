//! End to end: the real program, plugins compiled for this run, simulators on loopback, a real
//! database.
//!
//! One binary, one module per promise of the first milestone. What a test judges it reads from the
//! simulators or from what the program prints, never from the store.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "all of this is test code; clippy's own exception covers only the test functions"
)]

mod serving;
mod site;

mod admin;
mod canary;
mod conformance;
mod contained;
mod crash;
mod data;
mod demo;
mod describe;
mod failing;
mod first_sync;
mod help;
mod identity;
mod login;
mod merging;
mod mistakes;
mod quota;
mod reload;
mod serve;
mod stopping;
