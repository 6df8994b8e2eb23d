//! Counts of deletions and creations for the guards, by the hour, so that a day is always the last
//! 24 hours, whatever cycles it covers (RULES.md P14).

/// Hours of a day.
const DAY_HOURS: i64 = 24;
const HOUR_MS: i64 = 3_600_000;

/// Counts of one hour or, summed up, of the last 24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GuardCounts {
    /// Records that were archived, and those that went along with them.
    pub deleted: u64,
    /// Records that were created.
    pub created: u64,
    /// Deletions beyond the guard that a person approved.
    pub may_delete: u64,
    /// Creations beyond the guard that a person approved.
    pub may_create: u64,
}

impl GuardCounts {
    /// True if nothing is counted.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the counts of other hours.
    pub fn add(&mut self, other: Self) {
        self.deleted = self.deleted.saturating_add(other.deleted);
        self.created = self.created.saturating_add(other.created);
        self.may_delete = self.may_delete.saturating_add(other.may_delete);
        self.may_create = self.may_create.saturating_add(other.may_create);
    }

    /// Deletions that a guard of this limit still allows.
    pub fn deletions_left(&self, limit: u64) -> u64 {
        limit.saturating_add(self.may_delete).saturating_sub(self.deleted)
    }

    /// Creations that a guard of this limit still allows.
    pub fn creations_left(&self, limit: u64) -> u64 {
        limit.saturating_add(self.may_create).saturating_sub(self.created)
    }
}

/// The number of the hour that a moment is in.
pub fn hour_of(now_ms: i64) -> i64 {
    now_ms.div_euclid(HOUR_MS)
}

/// The first hour of the 24 that end at a moment.
pub fn first_hour_of(now_ms: i64) -> i64 {
    hour_of(now_ms).saturating_sub(DAY_HOURS - 1)
}
