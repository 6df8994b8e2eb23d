//! The engine's storage: the port, the encoding of values, and the store in memory.

pub mod fetch;
pub mod memory;
pub mod port;
