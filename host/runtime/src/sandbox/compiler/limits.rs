//! The limits of checking and compiling one plugin.

use std::time::Duration;

/// The limits of compiling one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space of the child, bytes.
    pub memory_bytes: u64,
    /// Processor time of the child over all its threads, s.
    pub cpu_seconds: u64,
    /// The time that the parent waits.
    pub deadline: Duration,
}

impl CompileLimits {
    /// Bounds of `memory_mb` and `seconds` in the configuration.
    pub const MEMORY_MB: (u64, u64) = (256, 16_384);
    /// Bounds of `seconds` in the configuration.
    pub const SECONDS: (u64, u64) = (1, 3_600);

    /// Limits with so many seconds of processor time, and five times as long by the clock: the
    /// processor may be busy with others.
    pub fn new(memory_bytes: u64, cpu_seconds: u64) -> Self {
        let deadline = Duration::from_secs(cpu_seconds.saturating_mul(5));
        Self { memory_bytes, cpu_seconds, deadline }
    }
}

impl Default for CompileLimits {
    /// 2 GiB and 60 s of processor time: an 18 MB Python guest fits.
    fn default() -> Self {
        Self::new(2 << 30, 60)
    }
}
