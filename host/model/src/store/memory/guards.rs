//! Counts of active links, and the counts for the guards.

use super::State;
use crate::state::{GuardCounts, LinkStatus};

impl State {
    pub(super) fn active_links(&self, entity: &str) -> u64 {
        let links = self.links.values();
        let active =
            links.filter(|link| link.entity == entity && link.status == LinkStatus::Active);
        active.count() as u64
    }

    pub(super) fn guard_counts(&self, entity: &str, first_hour: i64) -> GuardCounts {
        let hours = self.guards.iter();
        let hours = hours.filter(|((name, hour), _)| name == entity && *hour >= first_hour);
        let mut counts = GuardCounts::default();
        hours.for_each(|(_, hour)| counts.add(*hour));
        counts
    }
}
