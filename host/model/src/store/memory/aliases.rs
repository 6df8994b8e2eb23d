//! Ids that stand for other records, and links that became others.

use super::State;
use crate::state::{LinkId, LinkStatus, RecordKey};

/// More hops than any chain of merges has.
const ALIAS_HOPS_MAX: usize = 100;

impl State {
    pub(super) fn final_alias(&self, key: &RecordKey) -> Option<RecordKey> {
        let mut found = self.aliases.get(key)?;
        for _ in 0..ALIAS_HOPS_MAX {
            match self.aliases.get(found) {
                Some(next) if next != key => found = next,
                _ => break,
            }
        }
        Some(found.clone())
    }

    pub(super) fn final_link(&self, mut id: LinkId) -> LinkId {
        for _ in 0..ALIAS_HOPS_MAX {
            match self.links.get(&id).map(|link| link.status) {
                Some(LinkStatus::MergedInto(next)) => id = next,
                _ => break,
            }
        }
        id
    }

    /// The link of a record that is there, or of the one that its id stands for.
    pub(super) fn link_of(&self, key: &RecordKey) -> Option<LinkId> {
        let known = self.records.get(key);
        let is_there = known.is_some_and(|record| record.status.is_there());
        let stands_for = if is_there { None } else { self.final_alias(key) };
        let record = match stands_for {
            Some(other) => self.records.get(&other),
            None => known,
        };
        Some(self.final_link(record?.link?))
    }
}
