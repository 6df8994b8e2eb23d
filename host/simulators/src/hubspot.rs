//! HubSpot CRM: a state machine in the vendor's wire shape.
//!
//! [`account`] is the state machine and the way of a request through it: token, route, quota,
//! faults, then the handler of its area. Handlers change the [`store`] only after every check has
//! passed. [`human`] holds the acts of people in HubSpot's user interface.

mod account;
mod auth;
pub mod faults;
mod limits;
mod portal;
mod reply;
mod route;

mod kinds;
mod schema;
mod stamp;
mod table;

mod associations;
mod store;

mod batch;
mod errors;
mod label_calls;
mod labels;
mod links;
mod merge;
mod metadata;
mod objects;
mod search;
mod view;

mod human;
mod seed;
pub mod webhooks;

use std::io;

use tokio::net::TcpListener;

pub use self::account::HubSpot;
pub use self::portal::PORTAL_ID;

use crate::serve::{RunningSimulator, start};
use crate::simulator::{SimOptions, SimulatedSystem};
use crate::world::SampleWorld;

/// Serves a seeded account; [`auth`] lists the credentials.
///
/// # Errors
/// The listener has no local address.
pub fn serve(listener: TcpListener, options: SimOptions) -> io::Result<RunningSimulator> {
    start(listener, |base_url| simulator(&options, base_url))
}

/// A seeded account without a socket; `base_url` appears in paging links.
pub fn simulator(options: &SimOptions, base_url: &str) -> SimulatedSystem {
    let SimOptions { seed, people, clock, faults } = options.clone();
    let world = SampleWorld::generate(seed, people);
    let hubspot = HubSpot::new(&world, seed, clock, faults, base_url);
    let credentials = hubspot.auth.credentials();
    SimulatedSystem::new(hubspot, credentials)
}

#[cfg(test)]
mod tests;
