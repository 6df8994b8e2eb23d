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

/// The sign of an operating system's error in its text; its number follows.
const OS_ERROR: &str = "(os error ";

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
    /// Its instance could not be made or grow: no fault of the plugin.
    #[error("the operating system refused what it needs: {0}")]
    OperatingSystem(String),
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
        if let Some(refused) = operating_system_refusal(error) {
            return Self::OperatingSystem(refused);
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
            Self::OperatingSystem(_) => StopCause::OperatingSystem,
        }
    }

    /// The error of a call that ended so.
    pub(crate) fn to_error(&self, plugin: &Generation) -> PluginError {
        let (plugin, cause) = (plugin.clone(), self.cause());
        PluginError::Broken { plugin, cause, reason: self.to_string() }
    }
}

/// The words of the operating system's error that is at the root of this one. No function that a
/// guest calls fails so: the imports answer with values or stop the guest themselves.
pub(crate) fn operating_system_refusal(error: &wasmtime::Error) -> Option<String> {
    let root = error.root_cause();
    let text = root.to_string();
    // wasmtime's own system calls fail with types of `rustix`, which say the same words.
    let is_its_own = root.is::<std::io::Error>() || text.ends_with(')') && text.contains(OS_ERROR);
    is_its_own.then(|| words(&text))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn refusal_of_the_operating_system_is_no_fault_of_the_plugin() {
        let limits = GuestLimits::transform();
        let busy = || io::Error::from_raw_os_error(libc::EBUSY);
        for error in [
            wasmtime::Error::from(busy()),
            wasmtime::Error::from(busy()).context("cannot add seals to the memfd"),
            wasmtime::Error::msg(busy().to_string()).context("no place for a memory"),
        ] {
            let stop = GuestStop::from_error(&error, &limits);
            let text = "the operating system refused what it needs: Device or resource busy \
                        (os error 16)";
            assert_eq!((stop.to_string(), stop.cause().is_its_own()), (text.to_owned(), false));
        }
        let trap = wasmtime::Error::from(Trap::MemoryOutOfBounds);
        assert!(GuestStop::from_error(&trap, &limits).cause().is_its_own());
    }
}
