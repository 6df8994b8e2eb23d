//! One plugin file: its manifest and permissions, reading it without running it, building it.
//!
//! A plugin is a WebAssembly component of one of the two worlds in `wit/v0.2` with its manifest in
//! a custom section. [`Package::read`] turns any bytes into a checked package or one clear error:
//! it never runs, compiles or trusts them. No wasmtime here, so that the builder, `renkei plugin
//! inspect` and tests stay light.

mod invisible_chars;
pub use invisible_chars::is_invisible;

mod manifest;
pub use manifest::*;

mod permissions;
pub use permissions::{Permission, PermissionError};

mod wasi;

mod world;
pub use world::WIT;

mod package;
pub use package::*;

mod builder;
pub use builder::*;

mod new_plugin;
pub use new_plugin::*;
