//! The control socket: how commands reach the `renkei serve` that has the database and the
//! plugins.
//!
//! `control` in the data directory, for this user alone. A connection carries one line of JSON each
//! way, of bounded length; a few connections are served at once. A connection that cannot be taken
//! (no file descriptor is left) is tried again after a pause. Whoever serves takes decisions
//! between two cycles, so that none comes between a cycle's reading and writing, and notes them in
//! a long one; what is wanted of plugins does not touch the database and is done at once, also in a
//! long cycle. The socket is there as long as the lock of the database is held; what a killed
//! process left behind refuses connections and is replaced by the next.

mod client;
mod server;
mod wire;

#[cfg(test)]
mod tests;

pub use client::{request_decision, request_plugins, served_plugins};
pub use server::{ControlSocket, DecisionRequest};
pub use wire::{ControlRequest, ControlResponse, RequestRefusal};
