//! Salesforce: the Platform REST API of one org.
//!
//! Facts of the wire, such as S-query-3, stand in `plugins/connectors/salesforce/API.md`.
//!
//! `org` is the state machine and the way of a request through it; `store` holds the rows and
//! `write` every rule about them; `soql` finds rows. One file per resource family: `sobjects`,
//! `collections`, `composite`, `query`, `bulk`, `replication`, `login`. `control` holds the acts of
//! people in the user interface. All of it is pure but for `serve`.

mod auth;
mod bulk;
mod collections;
mod composite;
mod control;
mod cursors;
mod describe;
mod error;
pub mod faults;
mod ids;
mod json;
mod lifecycle;
mod login;
mod org;
mod query;
mod replication;
mod reply;
mod schema;
mod seed;
mod sobjects;
mod soql;
mod store;
mod value;
mod write;

use std::io;

use tokio::net::TcpListener;

use crate::serve::{RunningSimulator, start};
use crate::simulator::{SimOptions, SimulatedSystem};

/// Serves an org on the listener, filled from the options' seed.
///
/// The credentials are `client_id`, `client_secret`, `refresh_token`, `username`, `password`,
/// `login_url` and `token_url`.
///
/// # Errors
/// The listener has no local address.
pub fn serve(listener: TcpListener, options: SimOptions) -> io::Result<RunningSimulator> {
    start(listener, |base_url| simulator(&options, base_url))
}

/// An org without a socket, filled from the options' seed; `base_url` appears in its answers.
pub fn simulator(options: &SimOptions, base_url: &str) -> SimulatedSystem {
    let org = org::Org::new(options, base_url);
    let credentials = org.credentials();
    SimulatedSystem::new(org, credentials)
}

#[cfg(test)]
mod tests;
