//! Servers that tests script: an HTTP server, one that writes raw bytes, and a name server.

#![expect(clippy::unwrap_used, reason = "a server that fails is a failed test")]

mod names;
mod raw;
mod server;

pub use names::NameServer;
pub use raw::{Fields, RawAnswer, RawServer};
pub use server::{Reply, SeenRequest, Server, reply, token};
