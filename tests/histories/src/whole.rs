//! The whole engine in one process: its cycles, its store, the connectors and transforms compiled
//! natively, and the simulators called without sockets, on one virtual clock.
//!
//! The histories, their people and their judge are those of the black box (`tests/blackbox`). What
//! it adds is the moment: a crash, a trap or a person's act at a call by number, before or after
//! its effect, and a run that repeats exactly, which a hash over every request and answer proves.
//! The host's own work (limits, quotas, the admin socket, locks) is not here but in the black box.

mod connectors;
mod program;
mod run;
mod specification;
mod transforms;
mod wire;

pub(crate) use run::{run, tell_in_full, tell_shortest};
