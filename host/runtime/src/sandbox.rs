//! Holds one generation of a plugin in wasmtime: checks, compiles, links and runs its code under
//! limits.

pub(crate) mod bindings;
pub(crate) mod cache;
pub(crate) mod call_failure;
pub(crate) mod compiler;
pub(crate) mod connector;
pub(crate) mod convert;
pub(crate) mod engine;
pub(crate) mod generation;
pub(crate) mod instance;
pub(crate) mod instance_permits;
pub(crate) mod limits;
pub(crate) mod loader;
pub(crate) mod plugin_bytes;
pub(crate) mod probe;
pub(crate) mod schema_memos;
pub(crate) mod settings;
pub(crate) mod transform;
