//! Derived state: views of links, numbers for `status`, and the marks of a restored database.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::State;
use crate::state::{LinkId, LinkStatus, LinkView, OutboxState, RecordStatus, ReviewStatus};
use crate::store::port::{EntityCounts, StoreCounts};

impl State {
    pub(super) fn counts(&self) -> StoreCounts {
        let outbox = |wanted| self.outbox.iter().filter(|e| e.state == wanted).count() as u64;
        let open = self.reviews.values().filter(|review| review.status == ReviewStatus::Open);
        StoreCounts {
            entities: self.entity_counts().into_values().collect(),
            planned: outbox(OutboxState::Planned),
            sent: outbox(OutboxState::Sent),
            waiting: self.waits.len() as u64,
            reviews_open: open.count() as u64,
            failures: self.count_failures(),
            journal: self.journal.len() as u64,
            sweeps: self.sweeps.iter().map(|(s, sweep)| (s.clone(), sweep.clone())).collect(),
        }
    }

    pub(super) fn view(&self, id: LinkId) -> Option<LinkView> {
        let reviews = self.reviews_by_link.get(&id).into_iter().flatten();
        let reviews = reviews
            .filter_map(|id| self.reviews.get(id))
            .filter(|review| matches!(review.status, ReviewStatus::Open | ReviewStatus::Chosen));
        Some(LinkView {
            link: Arc::clone(self.links.get(&id)?),
            records: self.records_of(id).to_vec(),
            reviews: reviews.cloned().collect(),
            busy: self.outbox.is_busy(id),
        })
    }

    pub(super) fn is_pending_deletion(&self, id: LinkId, entity: &str) -> bool {
        let active = self
            .links
            .get(&id)
            .is_some_and(|link| link.entity == entity && link.status == LinkStatus::Active);
        active && self.records_of(id).iter().any(|record| record.status.is_removed())
    }

    pub(super) fn entity_counts(&self) -> BTreeMap<String, EntityCounts> {
        let mut entities: BTreeMap<String, EntityCounts> = BTreeMap::new();
        let mut records: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
        for link in self.links.values().filter(|link| link.status == LinkStatus::Active) {
            let counts = entities.entry(link.entity.clone()).or_default();
            counts.links += 1;
            counts.dirty += u64::from(self.dirty.contains(&link.id));
        }
        for record in self.records.values().filter(|record| record.status == RecordStatus::Live) {
            let counts = entities.entry(record.entity.clone()).or_default();
            counts.unlinked += u64::from(record.link.is_none());
            let key = &record.key;
            *records.entry((&record.entity, &key.system, &key.object)).or_default() += 1;
        }
        for ((entity, system, object), count) in records {
            if let Some(counts) = entities.get_mut(entity) {
                counts.records.push((system.to_owned(), object.to_owned(), count));
            }
        }
        for (name, counts) in &mut entities {
            counts.entity.clone_from(name);
        }
        entities
    }

    pub(super) fn restore(&mut self, at_ms: i64) {
        self.restored_ms = Some(at_ms);
        for link in self.links.values_mut().filter(|link| link.status == LinkStatus::Active) {
            Arc::make_mut(link).restored = true;
            self.dirty.insert(link.id);
        }
    }
}
