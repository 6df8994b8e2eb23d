//! What the engine keeps: the port, how values become bytes, and the store in memory.

pub mod codec;
pub mod memory;
pub mod port;
