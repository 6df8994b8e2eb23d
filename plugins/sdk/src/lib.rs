//! What a Renkei plugin is written with.
//!
//! A plugin is one WebAssembly component: a connector (one CRM) or a transform (pure functions over batches). This crate
//! is the contract `wit/v1` in Rust, with the types as generated and short ways to make and read them.
//! Features: `connector` and `transform` bring the world's trait and macro, `testing` the host for native tests.
#![warn(missing_docs)]

#[doc(hidden)]
pub mod bindings;

pub mod batch;
mod problem;
mod value;

#[cfg(feature = "connector")]
pub mod connector;
#[cfg(feature = "connector")]
mod schema;
#[cfg(feature = "transform")]
pub mod transform;

pub mod cursor;
pub mod http;
pub mod log;
pub mod signing;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod testing;
pub mod time;

pub use bindings::imports::renkei::plugin::types::{
    Batch, Error, Problem, Removal, Row, Tombstone, Value,
};
#[cfg(feature = "connector")]
pub use connector::{
    Account, Action, Activity, Applied, Connector, Field, Hint, Hook, Operation, Outcome, Page,
    PageRequest, Reply, Scan, Schema, WriteRequest,
};
pub use problem::Remedy;
#[cfg(feature = "connector")]
pub use schema::Kind;
#[cfg(feature = "transform")]
pub use transform::Transform;
pub use value::{Attributes, Cell, Facts};
