//! One commit to the store in memory, applied in the order of the port's fields.

use std::sync::Arc;

use super::State;
use crate::state::{Link, LinkStatus};
use crate::store::port::{Changes, Restored};

impl State {
    pub(super) fn apply(&mut self, changes: Changes) {
        self.cursors.extend(changes.cursors);
        for link in changes.links {
            self.links.insert(link.id, Arc::new(link));
        }
        for record in changes.records {
            self.put_record(record);
        }
        self.sweeps.extend(changes.sweeps);
        for (record, round) in changes.swept {
            if self.records.contains_key(&record) {
                self.swept.insert(record, round);
            }
        }
        for (record, keys) in changes.match_keys {
            self.put_match_keys(record, keys);
        }
        for (record, doubt) in changes.doubts {
            let doubt = doubt.filter(|_| self.records.contains_key(&record));
            self.doubts.replace(record, doubt);
        }
        self.aliases.retain(|key, _| !changes.unaliased.contains(key));
        self.aliases.extend(changes.aliases);
        for link in &changes.clean {
            self.dirty.remove(link);
        }
        self.dirty.extend(changes.dirty);
        let is_dirty = |link: &Link| {
            link.status == LinkStatus::Active && changes.dirty_entities.contains(&link.entity)
        };
        let of_entities = self.links.values().filter(|link| is_dirty(link));
        self.dirty.extend(of_entities.map(|link| link.id));
        for (link, awaited) in changes.waits {
            if awaited.is_empty() {
                self.waits.remove(&link);
            } else {
                self.waits.insert(link, awaited);
            }
        }
        for entry in changes.outbox {
            self.outbox.replace(entry);
        }
        for intent in &changes.outbox_done {
            self.outbox.remove(intent);
        }
        for (entity, hour, counts) in changes.guards {
            self.guards.entry((entity, hour)).or_default().add(counts);
        }
        for (entity, covered) in changes.begun {
            match covered {
                Some(covered) => self.begun.insert(entity, covered),
                None => self.begun.remove(&entity),
            };
        }
        for review in changes.reviews {
            self.put_review(review);
        }
        self.journal.extend(changes.journal);
        self.accounts.extend(changes.accounts);
        self.epochs.extend(changes.epoch);
        match changes.restored {
            Some(Restored::Noticed(at_ms)) if self.restored_ms.is_none() => self.restore(at_ms),
            Some(Restored::Noticed(_)) | None => {}
            Some(Restored::ReadAgain) => self.restored_ms = None,
        }
    }
}
