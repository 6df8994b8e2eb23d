//! The sync engine: observe, merge, plan, apply.
//!
//! Pure: no wasmtime, no I/O, no clock, no randomness of its own. What it needs from outside stands in [`ports`]; the
//! runtime, the store and the tests implement them.

pub mod value;

pub mod record;

pub mod plugin;

pub mod ports;
