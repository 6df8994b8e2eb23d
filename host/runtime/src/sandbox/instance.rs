//! One guest: its state, the calls into it, and what it may call.

mod call_timer;
mod guest_log;
mod guest_runner;
mod guest_state;
mod imports;
mod lines;
mod signing;
mod stopped;
mod wasi;
mod wasi_environment;

pub(crate) use guest_runner::GuestRunner;
pub(crate) use guest_state::GuestState;
pub(crate) use stopped::{GuestStop, operating_system_refusal};
pub(crate) use wasi::link as link_wasi;
