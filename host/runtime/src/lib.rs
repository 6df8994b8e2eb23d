//! to be replaced
mod bindings;
pub(crate) mod limits;
pub(crate) mod engine;
pub(crate) mod plugin;
pub(crate) mod instance;
pub(crate) mod connector;
pub(crate) mod transform;
pub(crate) mod convert;
pub(crate) mod system;
pub(crate) mod egress;
