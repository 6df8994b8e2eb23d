//! The engine's nouns: the mapping, the plugins and their data, and the stored state.

pub mod cascades;
pub mod cycle_plan;
pub mod effect;
pub mod first_sync;
pub mod index;
pub mod plugin;
pub mod reason;
pub mod record;
pub mod review;
pub mod spec;
pub mod state;
pub mod value;
