//! The limits that the configuration may set, and their bounds.
//!
//! A limit below its smallest value makes every plugin fail, one above its largest does not protect
//! the host any more (or does not fit the pool of instances); both are mistakes that are told
//! before anything starts. The number of instances, tables and memories of a component, the stacks
//! and the log are not movable: nothing real needs more.

use super::GuestLimits;

/// One limit that can be set.
#[derive(Debug, Clone, Copy)]
pub struct LimitKey {
    /// Its key in the configuration, unit included.
    pub key: &'static str,
    /// The smallest value.
    pub min: u64,
    /// The largest value.
    pub max: u64,
    /// True where a transform has it too.
    pub transform: bool,
    set: fn(&mut GuestLimits, u64),
}

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// All limits that can be set.
pub const LIMIT_KEYS: &[LimitKey] = &[
    LimitKey {
        key: "memory_mb",
        min: 1,
        max: 2_048,
        transform: true,
        set: |limits, mb| limits.memory_bytes = size(mb << 20),
    },
    LimitKey {
        key: "table_elements",
        min: 100,
        max: 100_000,
        transform: true,
        set: |limits, value| limits.table_elements = size(value),
    },
    LimitKey {
        key: "run_ms",
        min: 10,
        max: 600_000,
        transform: true,
        set: |limits, ms| limits.run_ms = ms,
    },
    LimitKey {
        key: "run_us_per_row",
        min: 0,
        max: 1_000_000,
        transform: true,
        set: |limits, us| limits.run_us_per_row = us,
    },
    LimitKey {
        key: "call_ms",
        min: 100,
        max: 3_600_000,
        transform: true,
        set: |limits, ms| limits.call_ms = ms,
    },
    LimitKey {
        key: "call_payload_kb",
        min: 64,
        max: 262_144,
        transform: true,
        set: |limits, kb| limits.call_payload_bytes = size(kb << 10),
    },
    LimitKey {
        key: "handles",
        min: 10,
        max: 100_000,
        transform: true,
        set: |limits, value| limits.handles = size(value),
    },
    LimitKey {
        key: "wait_ms",
        min: 0,
        max: 3_600_000,
        transform: false,
        set: |limits, ms| limits.wait_ms = ms,
    },
    LimitKey {
        key: "requests",
        min: 1,
        max: 100_000,
        transform: false,
        set: |limits, value| limits.requests = u32::try_from(value).unwrap_or(u32::MAX),
    },
];

/// Checked changes of limits, to be applied to the defaults of a kind.
#[derive(Debug, Clone, Default)]
pub struct LimitChanges(Vec<(LimitKey, u64)>);

/// The reason why a limit cannot be set so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitRefused {
    /// There is no such limit, or it cannot be moved.
    #[error("`{key}` is no limit that can be set")]
    Unknown {
        /// The value that was asked for.
        key: String,
    },
    /// The value is out of bounds.
    #[error("`{key}` is {value}")]
    OutOfBounds {
        /// The limit.
        key: &'static str,
        /// The value that was asked for.
        value: u64,
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
}

impl LimitRefused {
    /// The next step.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { .. } => format!("the limits are {}", known()),
            Self::OutOfBounds { key, min, max, .. } => format!("`{key}` takes {min} to {max}"),
        }
    }
}

fn known() -> String {
    LIMIT_KEYS.iter().map(|limit_key| limit_key.key).collect::<Vec<_>>().join(", ")
}

impl LimitChanges {
    /// Adds one change; see [`LIMIT_KEYS`] for what can be set.
    pub fn set(&mut self, key: &str, value: u64) -> Result<(), LimitRefused> {
        let limit_key = LIMIT_KEYS.iter().find(|limit_key| limit_key.key == key);
        let limit_key = *limit_key.ok_or_else(|| LimitRefused::Unknown { key: key.to_owned() })?;
        let LimitKey { key, min, max, .. } = limit_key;
        if !(min..=max).contains(&value) {
            return Err(LimitRefused::OutOfBounds { key, value, min, max });
        }
        self.0.push((limit_key, value));
        Ok(())
    }

    /// `limits` with these changes.
    pub fn apply(&self, limits: &GuestLimits) -> GuestLimits {
        let mut limits = limits.clone();
        for (limit_key, value) in &self.0 {
            (limit_key.set)(&mut limits, *value);
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_sets_its_limit() {
        for limit_key in LIMIT_KEYS {
            let mut changes = LimitChanges::default();
            changes.set(limit_key.key, limit_key.min).unwrap();
            let low = changes.apply(&GuestLimits::connector());
            changes.set(limit_key.key, limit_key.max).unwrap();
            let high = changes.apply(&GuestLimits::connector());
            assert_ne!(low, high, "{} sets nothing", limit_key.key);
        }
    }

    #[test]
    fn value_out_of_bounds_is_an_error() {
        let mut changes = LimitChanges::default();
        let refused = changes.set("memory_mb", 4_096).unwrap_err();
        assert_eq!(refused.to_string(), "`memory_mb` is 4096");
        assert_eq!(refused.hint(), "`memory_mb` takes 1 to 2048");
        let refused = changes.set("memory", 1).unwrap_err();
        assert_eq!(refused.to_string(), "`memory` is no limit that can be set");
        assert!(refused.hint().starts_with("the limits are memory_mb, "));
        assert_eq!(changes.apply(&GuestLimits::transform()), GuestLimits::transform());
    }
}
