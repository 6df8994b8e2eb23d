//! The failures of the store in memory: found by looking at every link and record.

use super::State;
use crate::state::{Failing, Failure, LinkId, LinkStatus, newest};

impl State {
    /// Failures of links by number, then of records by key.
    pub(super) fn failures(&self, since_ms: i64, limit: usize) -> Vec<Failing> {
        let fails = |failures: &[Failure]| newest(failures).is_some_and(|(ms, _)| ms >= since_ms);
        let mut found = Vec::new();
        for link in self.links.values().filter(|link| fails(&link.failures)).take(limit) {
            found.extend(listed(&link.entity, Some(link.id), &link.failures, since_ms));
        }
        for record in self.records.values().filter(|record| fails(&record.failures)).take(limit) {
            found.extend(listed(&record.entity, record.link, &record.failures, since_ms));
        }
        found
    }

    pub(super) fn failing_links(&self, until_ms: i64, limit: usize) -> Vec<LinkId> {
        let links = self.links.values().filter(|link| {
            link.status == LinkStatus::Active
                && newest(&link.failures).is_some_and(|(ms, _)| ms <= until_ms)
        });
        links.take(limit).map(|link| link.id).collect()
    }

    pub(super) fn count_failures(&self) -> u64 {
        let links = self.links.values().map(|link| &link.failures);
        let records = self.records.values().map(|record| &record.failures);
        links.chain(records).filter_map(|failures| newest(failures)).map(|(_, count)| count).sum()
    }
}

/// The listed failures at or after this time, each with its entity and link.
fn listed<'a>(
    entity: &'a str,
    link: Option<LinkId>,
    failures: &'a [Failure],
    since_ms: i64,
) -> impl Iterator<Item = Failing> + 'a {
    let recent = failures.iter().filter(move |one| one.is_listed() && one.last_ms >= since_ms);
    recent.map(move |failure| Failing { entity: entity.to_owned(), link, failure: failure.clone() })
}
