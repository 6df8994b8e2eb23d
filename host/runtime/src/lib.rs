//! Runs plugins: WebAssembly components under limits, with one guarded way out, replaced while they
//! serve.
//!
//! ```text
//! plugin folder -> reload -> sandbox::loader (check, compile, link, probe)
//!                                    |
//!                                    v
//!                      lifecycle::registry (id -> generation that serves)
//!                                    |
//!   Systems::open ------> lifecycle::supervised -> sandbox::connector (an instance per job)
//!   Transforms::run ----> sandbox::transform (an instance per call)
//!                                    |
//!                                    +-> sandbox::instance (limits, log, signing) -> renkei-egress
//! ```
//!
//! Invariants: no byte of a secret enters a guest; a guest can stop itself but not the program or
//! its neighbours; one unit of work runs under one generation; a bad file never disturbs what
//! serves.

#![expect(
    clippy::result_large_err,
    reason = "a PluginError names its generation; it ends a call and is never in a hot loop"
)]

mod lifecycle;
mod reload;
mod runtime;
mod sandbox;

#[cfg(test)]
mod tests;

pub use lifecycle::admin::{
    AdminError, GrantsReport, GrantsWaiting, PluginAnswer, PluginReport, PluginRequest,
};
pub use lifecycle::event::ReloadEvent;
pub use lifecycle::preview::{
    FieldChange, Preview, PreviewExample, PreviewFailures, PreviewVersion,
};
pub use lifecycle::view::{KnownVersion, PluginFile, WaitingVersion};
pub use renkei_egress::{
    AuthOptions, Login, LoginError, NoTokens, PausedSystem, RefusalCounts, RefusalReason,
    SystemAuth, SystemConfig, TokenStore, TokenStoreError, Traffic, paused_systems,
};
pub use runtime::{Runtime, RuntimeError, RuntimeOptions};
pub use sandbox::compiler::{
    COMPILER_ARGUMENT, CompileLimits, Compiler, PackageReadError, compile_as_child, read_package,
};
pub use sandbox::engine::{EngineError, Pooling};
pub use sandbox::instance_permits::InstanceCounts;
pub use sandbox::limits::{
    Cap, CountedCause, GuestLimits, LIMIT_KEYS, LimitChanges, LimitKey, LimitReached, LimitRefused,
    StopCause, StopCount, TICK_MS,
};
