//! Test support that several crates share: a clock that tests move, a captured log, the manifest
//! texts of one connector and one transform, and the promises that judges of histories watch.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed double is a failed test")]

mod clock;
mod log;
pub mod manifest;
mod promise;

pub use clock::HandClock;
pub use log::CapturedLog;
pub use promise::Promise;
