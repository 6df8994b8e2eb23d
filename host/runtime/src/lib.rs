//! Runs plugins: WebAssembly components under limits, with one guarded way out, replaced while they
//! serve.
//!
//! ```text
//! plugin folder -> reload -> loader (check, compile, link, probe) -> registry (id -> generation)
//!                                                                       |
//!   Systems::open -> connector::Job (an instance per job) <-------------+
//!   Transforms::run -> transform::call (an instance per call) <---------+
//!                            |
//!                            +-> instance (limits, log, signing) -> egress (the way out)
//! ```
//!
//! Invariants: no byte of a secret enters a guest; a guest can stop itself but not the program or
//! its neighbours; one unit of work runs under one generation; a bad file never disturbs what
//! serves.

#![expect(
    clippy::result_large_err,
    reason = "a PluginError names its generation; it ends a call and is never in a hot loop"
)]

mod cache;
mod compiler;
mod engine;
mod limits;
mod places;
mod text;

mod fault;
mod loader;
mod plugin;
mod preview;
mod probe;
mod recent;
mod registry;
mod reload;

mod connector;
mod instance;
mod settings;
mod transform;
mod watched;

mod bindings;
mod convert;

mod egress;
mod system;

mod resting;
mod runtime;

#[cfg(test)]
mod stage;
#[cfg(test)]
mod tests;

pub use compiler::{
    COMPILER_ARGUMENT, CompileLimits, Compiler, ReadError, compile_as_child, read_package,
};
pub use egress::refusal::{Reason, Refused};
pub use egress::traffic::Traffic;
pub use engine::{EngineError, Pooling};
pub use limits::{
    Cap, Cause, KNOBS, Knob, LimitChanges, LimitReached, LimitRefused, Limits, StopCause,
    StopCount, TICK_MS,
};
pub use places::InstanceCounts;
pub use preview::{Example, FieldChange, Preview, PreviewFailures, PreviewVersion};
pub use reload::admin::{
    AdminError, Answer, GrantsReport, GrantsWaiting, PausedSystem, PluginReport, Request,
};
pub use reload::book::BookError;
pub use reload::event::ReloadEvent;
pub use reload::view::{KnownVersion, PluginFile, Waiting};
pub use resting::paused_systems;
pub use runtime::{Options, Runtime, RuntimeError};
pub use system::{Auth, NoTokens, SystemConfig, TokenStore, TokenStoreError};
