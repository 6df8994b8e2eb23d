//! The end of a guest that was stopped: a limit by name where it was one, else the trap in plain
//! words.
//!
//! wasmtime has types for traps and for our own limits, and only words for some of its own; those
//! words are known here and nowhere else, and the hostile suite fails when a new version changes
//! them.

use wasmtime::{PoolConcurrencyLimitError, Trap};

use renkei_model::plugin::{Generation, PluginError};

use super::wasi_environment::GuestExit;
use crate::sandbox::limits::{Cap, GuestLimits, LimitReached, StopCause};
use renkei_egress::escape::words;

/// The end of a guest that was stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GuestStop {
    #[error(transparent)]
    Limit(#[from] LimitReached),
    #[error("it trapped: {0}")]
    Trap(String),
    /// It ended itself, or asked for what no plugin gets.
    #[error("{0}")]
    Ended(String),
    #[error("the host panicked underneath it, which is a fault of Renkei")]
    HostPanic,
}

impl GuestStop {
    /// Reads the end from a failed call. Traps name no values; other errors are wasmtime's own
    /// words on malformed answers.
    pub(crate) fn from_error(error: &wasmtime::Error, limits: &GuestLimits) -> Self {
        if let Some(limit) = error.downcast_ref::<LimitReached>() {
            return Self::Limit(*limit);
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return Self::Limit(LimitReached::new(Cap::Places, 0u64));
        }
        if let Some(ended) = error.downcast_ref::<GuestExit>() {
            return Self::Ended(words(&ended.to_string()));
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Self::Limit(LimitReached::new(Cap::Stack, 0u64)),
            Some(Trap::UnreachableCodeReached) => Self::Trap("a panic in the plugin".to_owned()),
            Some(trap) => Self::Trap(trap.to_string()),
            None => Self::by_words(&error.root_cause().to_string(), limits),
        }
    }

    fn by_words(reason: &str, limits: &GuestLimits) -> Self {
        for (sign, cap, limit) in [
            ("too much data is being copied", Cap::Crossing, limits.call_payload_bytes),
            ("store handle limit exceeded", Cap::Handles, limits.handles),
            ("resource limit exceeded", Cap::Instances, 0),
        ] {
            if reason.contains(sign) {
                return Self::Limit(LimitReached::new(cap, limit));
            }
        }
        Self::Trap(words(reason))
    }

    /// The same, with what the guest itself said of its panic.
    pub(crate) fn with_panic(self, panic: Option<&str>) -> Self {
        match (self, panic) {
            (Self::Trap(trap), Some(panic)) => Self::Trap(format!("{trap}: {panic}")),
            (other, _) => other,
        }
    }

    pub(crate) fn cause(&self) -> StopCause {
        match self {
            Self::Limit(reached) => StopCause::Limit(reached.cap),
            Self::Trap(_) | Self::Ended(_) => StopCause::Trap,
            Self::HostPanic => StopCause::HostPanic,
        }
    }

    /// The error of a call that ended so.
    pub(crate) fn to_error(&self, plugin: &Generation) -> PluginError {
        let (plugin, cause) = (plugin.clone(), self.cause());
        PluginError::Broken { plugin, cause, reason: self.to_string() }
    }
}
