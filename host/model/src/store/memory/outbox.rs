//! The outbox of the store in memory: in the order of first insertion, found by intent and by link.

use std::collections::{BTreeMap, HashMap};

use crate::state::{LinkId, OutboxEntry};

/// Operations in the order of first insertion, with indexes by intent and by link.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    next: u64,
    entries: BTreeMap<u64, OutboxEntry>,
    by_intent: HashMap<String, u64>,
    /// The number of entries of each link; links without any are left out.
    by_link: HashMap<LinkId, usize>,
}

impl Outbox {
    /// Inserts or replaces by intent; a replaced entry keeps its place.
    pub(super) fn replace(&mut self, entry: OutboxEntry) {
        let place = self.by_intent.get(&entry.intent).copied().unwrap_or(self.next);
        if place == self.next {
            self.next += 1;
            self.by_intent.insert(entry.intent.clone(), place);
        }
        *self.by_link.entry(entry.link).or_default() += 1;
        if let Some(former) = self.entries.insert(place, entry) {
            self.let_go(former.link);
        }
    }

    pub(super) fn remove(&mut self, intent: &str) {
        let place = self.by_intent.remove(intent);
        if let Some(entry) = place.and_then(|place| self.entries.remove(&place)) {
            self.let_go(entry.link);
        }
    }

    fn let_go(&mut self, link: LinkId) {
        if let Some(count) = self.by_link.get_mut(&link) {
            *count -= 1;
            if *count == 0 {
                self.by_link.remove(&link);
            }
        }
    }

    pub(super) fn is_busy(&self, link: LinkId) -> bool {
        self.by_link.contains_key(&link)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &OutboxEntry> {
        self.entries.values()
    }
}
