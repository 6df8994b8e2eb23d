//! The sync engine: read, link, plan, apply.
//!
//! Pure: no wasmtime, no I/O, no clock, no randomness of its own. The traits of [`ports`] and
//! [`store::port`] give it all of that; the runtime, the store and the tests implement them.
//!
//! ```text
//! cycle    one cycle, from recovery to sweep        engine   what it works with and reports
//! model    what is kept in step and remembered      store    how that is kept
//! read     what changed -> observations             link     which records are the same thing
//! plan     observations -> what to write            apply    what to write -> outcomes
//! answers  why a value is there; what a person decided
//! ```

pub mod answers;
pub mod apply;
pub mod cycle;
mod cycle_state;
pub mod engine;
pub mod link;
pub mod model;
pub mod plan;
pub mod ports;
pub mod read;
pub mod store;
