//! A fraction of the default limits. Under it a plugin may answer the same or be stopped with a
//! typed error; it may never answer something else.

use renkei_runtime::{GuestLimits, TICK_MS};

use crate::report::{CheckResult, NotPassed};

/// The default memory is divided by this.
const MEMORY_PART: usize = 16;
/// The default time is divided by this.
const TIME_PART: u64 = 100;

/// The default time of a transform is multiplied by this in the ordinary run, which is about its
/// answers and may share the processors with a build.
const TIME_TIMES: u64 = 4;

/// A transform's limits with time to spare.
pub(crate) fn patient(limits: GuestLimits) -> GuestLimits {
    GuestLimits {
        run_ms: limits.run_ms * TIME_TIMES,
        run_us_per_row: limits.run_us_per_row * TIME_TIMES,
        ..limits
    }
}

/// A fraction of these limits.
pub(crate) fn small(limits: GuestLimits) -> GuestLimits {
    GuestLimits {
        memory_bytes: limits.memory_bytes / MEMORY_PART,
        run_ms: (limits.run_ms / TIME_PART).max(TICK_MS),
        run_us_per_row: limits.run_us_per_row / TIME_PART,
        requests: limits.requests / 1_000,
        ..limits
    }
}

/// Judges an answer under small limits by the answer under ordinary ones.
pub(crate) fn judge<T: PartialEq>(
    ordinary: &T,
    small: Result<T, String>,
    after: Result<T, String>,
) -> CheckResult {
    if let Err(reason) = &after {
        return Err(NotPassed::failed(format!(
            "afterwards the plugin did not answer any more: {reason}"
        )));
    }
    if after.as_ref() != Ok(ordinary) {
        return Err(NotPassed::failed("afterwards the plugin answered something else than before"));
    }
    match small {
        Ok(answer) if answer == *ordinary => Ok("the same answer".to_owned()),
        Ok(_) => Err(NotPassed::failed("with small limits the plugin answered something else")),
        Err(reason) => Ok(format!("stopped: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_limits_are_a_fraction() {
        let all = GuestLimits::transform();
        let part = small(all.clone());
        assert_eq!(part.memory_bytes * MEMORY_PART, all.memory_bytes);
        assert!(part.run_ms < all.run_ms && part.run_ms >= TICK_MS);
    }

    #[test]
    fn same_answer_or_typed_error_passes_under_small_limits() {
        assert!(judge(&1, Ok(1), Ok(1)).is_ok());
        assert!(judge(&1, Err("memory".to_owned()), Ok(1)).is_ok());
    }

    #[test]
    fn other_answer_fails_under_small_limits() {
        assert!(matches!(judge(&1, Ok(2), Ok(1)), Err(NotPassed::Failed(_))));
        assert!(matches!(judge(&1, Ok(1), Ok(2)), Err(NotPassed::Failed(_))));
        assert!(matches!(judge(&1, Ok(1), Err("gone".to_owned())), Err(NotPassed::Failed(_))));
    }
}
