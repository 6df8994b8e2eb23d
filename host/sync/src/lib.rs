//! The sync engine: observe, merge, plan, apply.
//!
//! Pure: no wasmtime, no I/O, no clock, no randomness of its own. What it needs from outside stands
//! in [`ports`] and [`store`]; the runtime, the store and the tests implement them.

pub mod value;

pub mod record;

pub mod spec;

pub mod state;

pub mod reason;

pub mod plugin;

pub mod ports;

pub mod store;

pub mod codec;

pub mod memory;

pub mod canonical;

pub mod policy;

pub mod merge;

pub mod lanes;

pub mod references;

pub mod review;

pub mod plan;

pub mod plan_link;

pub mod lens;

pub mod render;

pub mod engine;

pub mod read;

pub mod keys;

mod absorb;

mod observe;

mod sweep;

pub mod matching;

pub mod unanswered;

mod withhold;

mod link;

mod moves;

mod merges;

mod recover;

mod guards;

mod plan_entity;

pub mod check;

mod apply;

mod outcome;

pub mod cycle;

pub mod resolve;

pub mod why;
