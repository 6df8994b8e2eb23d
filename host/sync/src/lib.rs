//! The sync engine: observe, merge, plan, apply.
//!
//! Pure: no wasmtime, no I/O, no clock, no randomness of its own. What it needs from outside stands
//! in [`ports`] and [`store`]; the runtime, the store and the tests implement them.

// What is kept in step and what is remembered of it.
pub mod plugin;
pub mod reason;
pub mod record;
pub mod spec;
pub mod state;
pub mod value;

// What is needed from outside; the plainest store.
pub mod codec;
pub mod memory;
pub mod ports;
pub mod store;

// One field: what is equal, who wins, what becomes of it.
pub mod canonical;
pub mod merge;
pub mod policy;
pub mod references;

// A mapping, inwards and outwards.
pub mod keys;
pub mod lanes;
pub mod lens;
pub mod read;
pub mod render;

// Reading: what changed, and what a cursor missed.
mod absorb;
pub mod accounts;
pub mod engine;
pub mod forms;
mod observe;
mod order;
mod sweep;
pub mod unreadable;

// Which records are the same thing.
mod link;
pub mod matching;
mod moves;
mod stamp;
mod withhold;

// What should be written, and may it be.
pub mod cascades;
pub mod check;
pub mod first_sync;
pub mod guards;
pub mod plan;
mod plan_entity;
pub mod plan_link;
pub mod review;

// Writing, and what became of it.
mod apply;
mod failing;
mod merges;
mod outcome;
mod recover;
pub mod unanswered;

// The whole, and what people ask and answer.
pub mod cycle;
pub mod resolve;
pub mod standstill;
pub mod why;
