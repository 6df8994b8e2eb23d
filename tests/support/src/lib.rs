//! Test support that several crates share: a clock that tests move, a captured log, manifest texts,
//! parts of specifications, the example configuration, and the promises that judges watch.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failed double is a failed test")]

mod clock;
pub mod example;
mod log;
pub mod manifest;
mod promise;
pub mod spec;

pub use clock::HandClock;
pub use log::CapturedLog;
pub use promise::Promise;
