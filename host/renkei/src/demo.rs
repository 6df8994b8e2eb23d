//! The parts of `renkei demo`: its set-up, its people, its judge. `command/demo.rs` plays them.

pub(crate) mod edits;
pub(crate) mod known;
pub(crate) mod setup;
pub(crate) mod simulators;
pub(crate) mod story;
pub(crate) mod verify;
