//! Doubles that tests of several crates share: a clock that tests move, a captured log, and the
//! manifest texts of one connector and one transform.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed double is a failed test")]

mod clock;
mod log;
pub mod manifest;

pub use clock::HandClock;
pub use log::CapturedLog;
