//! Which limits the configuration may move, and how far.
//!
//! A limit below its smallest value makes every plugin fail, one above its largest does not protect
//! the host any more (or does not fit the pool of instances); both are mistakes that are told
//! before anything starts. The number of instances, tables and memories of a component, the stacks
//! and the log are not movable: nothing real needs more.

use super::Limits;

/// One limit that can be set.
#[derive(Debug, Clone, Copy)]
pub struct Knob {
    /// Its key in the configuration, unit included.
    pub key: &'static str,
    /// The smallest value.
    pub min: u64,
    /// The largest value.
    pub max: u64,
    /// Whether a transform has it too.
    pub transform: bool,
    set: fn(&mut Limits, u64),
}

fn size(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// All limits that can be set.
pub const KNOBS: &[Knob] = &[
    Knob {
        key: "memory_mb",
        min: 1,
        max: 2_048,
        transform: true,
        set: |limits, mb| limits.memory_bytes = size(mb << 20),
    },
    Knob {
        key: "table_elements",
        min: 100,
        max: 100_000,
        transform: true,
        set: |limits, value| limits.table_elements = size(value),
    },
    Knob {
        key: "run_ms",
        min: 10,
        max: 600_000,
        transform: true,
        set: |limits, ms| limits.run_ms = ms,
    },
    Knob {
        key: "run_us_per_row",
        min: 0,
        max: 1_000_000,
        transform: true,
        set: |limits, us| limits.run_us_per_row = us,
    },
    Knob {
        key: "call_ms",
        min: 100,
        max: 3_600_000,
        transform: true,
        set: |limits, ms| limits.call_ms = ms,
    },
    Knob {
        key: "crossing_kb",
        min: 64,
        max: 262_144,
        transform: true,
        set: |limits, kb| limits.crossing_bytes = size(kb << 10),
    },
    Knob {
        key: "handles",
        min: 10,
        max: 100_000,
        transform: true,
        set: |limits, value| limits.handles = size(value),
    },
    Knob {
        key: "wait_ms",
        min: 0,
        max: 3_600_000,
        transform: false,
        set: |limits, ms| limits.wait_ms = ms,
    },
    Knob {
        key: "requests",
        min: 1,
        max: 100_000,
        transform: false,
        set: |limits, value| limits.requests = u32::try_from(value).unwrap_or(u32::MAX),
    },
];

/// Checked changes of limits, to be applied to the defaults of a kind.
#[derive(Debug, Clone, Default)]
pub struct LimitChanges(Vec<(Knob, u64)>);

/// Why a limit cannot be set so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitRefused {
    /// There is no such limit, or it cannot be moved.
    #[error("`{key}` is no limit that can be set; these can: {}", known())]
    Unknown {
        /// What was asked for.
        key: String,
    },
    /// The value is out of bounds.
    #[error("`{key}` is {value}; it takes {min} to {max}")]
    OutOfBounds {
        /// The limit.
        key: &'static str,
        /// What was asked for.
        value: u64,
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
}

fn known() -> String {
    KNOBS.iter().map(|knob| knob.key).collect::<Vec<_>>().join(", ")
}

impl LimitChanges {
    /// Adds one change; see [`KNOBS`] for what can be set.
    pub fn set(&mut self, key: &str, value: u64) -> Result<(), LimitRefused> {
        let knob = KNOBS.iter().find(|knob| knob.key == key);
        let knob = *knob.ok_or_else(|| LimitRefused::Unknown { key: key.to_owned() })?;
        let Knob { key, min, max, .. } = knob;
        if !(min..=max).contains(&value) {
            return Err(LimitRefused::OutOfBounds { key, value, min, max });
        }
        self.0.push((knob, value));
        Ok(())
    }

    /// `limits` with these changes.
    pub fn apply(&self, limits: &Limits) -> Limits {
        let mut limits = limits.clone();
        for (knob, value) in &self.0 {
            (knob.set)(&mut limits, *value);
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_sets_its_limit() {
        for knob in KNOBS {
            let mut changes = LimitChanges::default();
            changes.set(knob.key, knob.min).unwrap();
            let low = changes.apply(&Limits::connector());
            changes.set(knob.key, knob.max).unwrap();
            let high = changes.apply(&Limits::connector());
            assert_ne!(low, high, "{} sets nothing", knob.key);
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_said() {
        let mut changes = LimitChanges::default();
        let refused = changes.set("memory_mb", 4_096).unwrap_err().to_string();
        assert_eq!(refused, "`memory_mb` is 4096; it takes 1 to 2048");
        let refused = changes.set("memory", 1).unwrap_err().to_string();
        assert!(refused.starts_with("`memory` is no limit that can be set; these can: memory_mb"));
        assert_eq!(changes.apply(&Limits::transform()), Limits::transform());
    }
}
