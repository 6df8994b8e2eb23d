//! The engine's nouns: what a mapping says, what a plugin says, and what is remembered.

pub mod cascades;
pub mod first_sync;
pub mod plugin;
pub mod preview;
pub mod reason;
pub mod record;
pub mod review;
pub mod spec;
pub mod state;
pub mod value;
