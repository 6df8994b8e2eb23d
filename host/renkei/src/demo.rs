//! The parts of `renkei demo`: its set-up, its people, its judge. `command/demo.rs` plays them.

pub(crate) mod edits;
pub(crate) mod fields;
pub(crate) mod setup;
pub(crate) mod simulators;
pub(crate) mod store_facts;
pub(crate) mod story;
pub(crate) mod verify;
