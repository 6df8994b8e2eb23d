//! People who work in two simulated CRMs while a program keeps them in step, and a judge with its
//! own ledger of who typed what.
//!
//! Nothing here knows the program: [`program::Program`] is what a user can do with it. The black
//! box (`main.rs`) is the real program in processes of its own; `tests/whole` is the engine in one
//! process, with every fault at a call by number.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value never panics, and a panic here is a failed trial"
)]

mod forms;
pub mod history;
pub mod judge;
pub mod ledger;
mod merges;
mod owners;
pub mod people;
pub mod play;
pub mod program;
pub mod shrink;
pub mod systems;
