//! The engine's storage: the port, fetching for an entity, and the store in memory.

pub mod fetch;
pub mod memory;
pub mod port;
