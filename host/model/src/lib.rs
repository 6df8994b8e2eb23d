//! The data and the ports that engine, store and runtime share. No decision about a sync, no I/O.
//!
//! ```text
//! spec      entities, members, fields            record    rows, pages and writes of the contract
//! index     positions of fields and members      plugin    generations, schemas, errors of plugins
//! value     values of fields                     canonical which values are the same
//! state     links, records, fields as stored     effect    kinds of operations, their traits
//! reason    why a value was written or not       review    questions, made from their subjects
//! ports     systems, transforms, clock, counts   store     port of the database, memory store
//! times     times in words
//! ```
//!
//! It is a crate of its own so that a change of the engine compiles the engine alone, and so that
//! whoever implements a port does not depend on the engine.

pub mod canonical;
pub mod effect;
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
