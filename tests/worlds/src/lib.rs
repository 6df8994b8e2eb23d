//! Systems in memory that are as unpleasant as the real ones, and a workbench that runs the
//! engine's real cycles on them.
//!
//! A library for tests and measurements only: a step that cannot be done is a failed test.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a step that cannot be done is a failed test with a line number"
)]

pub mod bench;
pub mod contest;
pub mod histories;
pub mod mirror;
pub mod world;
