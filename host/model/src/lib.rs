//! The words that engine, store and runtime share: data and ports, without a decision and without
//! I/O.
//!
//! ```text
//! spec     entities, members, fields             record   rows, pages and writes of a plugin
//! state    links, records, fields as stored      plugin   generations, schemas, errors of a plugin
//! effect   kinds of operations, their traits     reason   why a value was written or not
//! ports    systems, transforms, clock, counts    store    port of the database, memory store
//! ```
//!
//! It is a crate of its own so that a change of the engine compiles the engine alone, and so that
//! whoever implements a port does not depend on the engine.

pub mod canonical;
pub mod cascades;
pub mod cycle_plan;
pub mod effect;
pub mod first_sync;
pub mod index;
pub mod plugin;
pub mod ports;
pub mod reason;
pub mod record;
pub mod review;
pub mod spec;
pub mod state;
pub mod store;
pub mod times;
pub mod value;
