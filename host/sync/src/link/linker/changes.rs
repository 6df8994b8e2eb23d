//! The changes of one linked chunk: records with their links, links that had ended reopened,
//! waiting links woken. A record whose place in its link is taken becomes surplus: a person is
//! asked about it, and its opt-out counts (`RULES.md` P5, V15).

use std::collections::BTreeMap;

use super::{Linker, replaced};
use crate::journal::{JournalNote, journal_of};
use crate::plan::merge::consent;
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::state::{
    Awaited, Link, LinkId, LinkStatus, RecordKey, RecordState, RecordStatus,
};
use renkei_model::store::fetch::{links_for, records_for};
use renkei_model::store::port::{Changes, StoreError};

impl Linker<'_> {
    /// The changes of this chunk.
    pub(super) async fn finish(mut self) -> Result<Changes, StoreError> {
        let store = self.engine.store;
        let joined: Vec<LinkId> = self.joined.iter().copied().collect();
        // The first record of a system keeps the place.
        let mut places = BTreeMap::new();
        for (link, record) in store.members(&joined).await? {
            places.entry((link, record.system.clone())).or_insert(record);
        }
        let mut links: BTreeMap<LinkId, Link> = std::mem::take(&mut self.changes.links)
            .into_iter()
            .map(|link| (link.id, Link { restored: self.recalled.contains(&link.id), ..link }))
            .collect();
        let views = links_for(store, self.entity, &joined).await?;
        let keys: Vec<RecordKey> = self.known.linked.keys().cloned().collect();
        let mut records = records_for(store, self.entity, &keys).await?;
        records.sort_by_key(|record| self.chosen.iter().position(|one| *one == record.key));
        for mut record in records {
            let Some(&id) = self.known.linked.get(&record.key) else { continue };
            self.give_link(&mut record, id);
            let place = places.entry((id, record.key.system.clone()));
            let active = place.or_insert_with(|| record.key.clone()).clone();
            if active == record.key {
                self.unanswered.weigh_lookalike(&mut record, id);
            } else {
                let known = || views.iter().find(|view| view.link.id == id);
                let link = links.remove(&id).or_else(|| Some(Link::clone(&known()?.link)));
                links.extend(link.map(|link| (id, self.make_surplus(&mut record, active, link))));
            }
            self.changes.records.push(record);
        }
        for view in views.into_iter().filter(|view| view.link.status == LinkStatus::Ended) {
            let link = links.entry(view.link.id).or_insert_with(|| Link::clone(&view.link));
            link.status = LinkStatus::Active;
            self.changes.records.extend(replaced(view.records));
        }
        self.changes.links = links.into_values().collect();
        self.add_waiting_links(keys).await?;
        Ok(self.changes)
    }

    /// Gives a record its link, without agreements.
    fn give_link(&self, record: &mut RecordState, link: LinkId) {
        record.link = Some(link);
        // The new link does not know the agreements with an earlier link.
        for state in record.fields.values_mut() {
            (state.base, state.agreed, state.bereft) = (None, None, None);
        }
        // The stamp has done its work.
        let stamp = self.entity.member(&record.key.system, &record.key.object);
        let stamp = stamp.and_then(|(_, member)| member.stamp.as_ref());
        record.raw.retain(|(column, _)| Some(column) != stamp);
    }

    /// Makes a record surplus beside the active one, and asks about it.
    fn make_surplus(
        &mut self,
        record: &mut RecordState,
        active: RecordKey,
        mut link: Link,
    ) -> Link {
        record.status = RecordStatus::Surplus;
        consent::carry(self.entity, &mut link, record);
        let reason = Reason::SurplusOf(active.clone());
        let note = JournalNote { record: Some(record.key.clone()), field: None, reason };
        self.changes.journal.extend(journal_of(&self.entity.name, link.id, self.now_ms, [note]));
        let pair = (active, record.key.clone());
        let question = review::of_surplus(self.entity, &link, pair, self.now_ms);
        self.changes.reviews.push(question);
        link
    }

    /// Adds the links that wait for the records of this chunk.
    async fn add_waiting_links(&mut self, keys: Vec<RecordKey>) -> Result<(), StoreError> {
        let mut awaited: Vec<Awaited> = keys.into_iter().map(Awaited::Linked).collect();
        awaited.extend(self.known.linked.iter().map(|(record, link)| Awaited::Member {
            link: *link,
            system: record.system.clone(),
            object: record.object.clone(),
        }));
        if !awaited.is_empty() {
            self.changes.dirty.extend(self.engine.store.links_waiting_for(&awaited).await?);
        }
        Ok(())
    }
}
