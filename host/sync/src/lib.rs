//! The sync engine: read, link, plan, apply.
//!
//! Pure: no wasmtime, no I/O, no clock, no randomness of its own. The traits of
//! [`renkei_model::ports`] and [`renkei_model::store::port`] give it all of that; the runtime, the
//! store and the tests implement them. The data is in [`renkei_model`] too.
//!
//! ```text
//! cycle    one cycle, from recovery to sweep        engine   inputs, events and report of it
//! read     pages of changes -> observations         link     records that are the same thing
//! plan     observations -> planned operations       apply    planned operations -> outcomes
//! answers  reasons of values; decisions of people
//! unanswered operations: what became of them       journal  remarks about links
//! accounts the accounts that a store belongs to: no other is opened
//! ```

pub mod accounts;
pub mod answers;
pub mod apply;
pub mod cascades;
pub mod cycle;
pub mod cycle_failure;
pub mod cycle_plan;
mod cycle_state;
pub mod engine;
pub mod first_sync_waits;
pub mod journal;
pub mod link;
pub mod plan;
pub mod read;
pub mod unanswered;
