//! Random histories of people who work in several systems, played and judged.
//!
//! [`command`] holds the commands. The planner's histories run on systems in memory
//! (`tests/worlds`); [`whole`] is the whole engine in one process, with the people and the judge of
//! the black box (`tests/blackbox`).

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "indexing a JSON value never panics, and a mapping that is wrong is a failed trial"
)]

pub mod command;
pub mod whole;
