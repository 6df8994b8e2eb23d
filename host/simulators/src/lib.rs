//! Simulated CRMs: a state machine per vendor, and a loopback server that speaks its wire shape.
//!
//! Written from the vendors' wire facts only, never from a connector, so that both can be wrong
//! independently.
//! Every unpleasant fact of a vendor is either plain behaviour or a switch in [`faults::Faults`].
//! [`vendors`] names the vendors, in one table.
//! The parts: [`clock`] owns time, [`world`] the seeded data both vendors start from, [`rules`]
//! the rules of administrators, [`ledger`] counts calls, [`quota`] keeps windows, [`control`]
//! is the `/_sim/` API for tests and the demo, [`http`] is a request and an answer,
//! [`simulator`] answers without a socket, [`serve`] owns the sockets.

pub mod clock;
pub mod world;

pub mod faults;
pub mod ledger;
pub mod quota;
pub mod rules;

mod consent;
pub mod control;
pub mod http;
pub mod serve;
pub mod simulator;

#[cfg(feature = "hubspot")]
pub mod hubspot;
#[cfg(feature = "salesforce")]
pub mod salesforce;
pub mod vendors;
