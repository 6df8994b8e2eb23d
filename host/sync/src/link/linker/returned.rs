//! Records that came back: a person restored a deleted or merged record, so its link goes on
//! (RULES.md V2, P7).
//!
//! A deleted record takes its place in its last link, also where that has ended, unless its match
//! key belongs to another link now. Where another record of its system has the place, it becomes
//! surplus, and a person is asked. A merged record gets a link with the records that became surplus
//! by its merge: the merge was undone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{fetch_candidates, new_link, replaced};
use crate::engine::Engine;
use crate::journal::{JournalNote, journal_of};
use crate::link::matching::{MatchContext, MatchVerdict, judge};
use crate::plan::merge::consent;
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::spec::EntitySpec;
use renkei_model::state::{
    Awaited, Link, LinkId, LinkStatus, LinkView, LinkWork, RecordKey, RecordState, RecordStatus,
    Review, ReviewSubject,
};
use renkei_model::store::fetch::{links_for, work_for};
use renkei_model::store::port::{Changes, ReviewQuery, StoreError};

/// Gives all records of an entity that came back their places.
pub(crate) async fn place_returned_records(
    engine: &Engine<'_>,
    entity: &EntitySpec,
) -> Result<(), StoreError> {
    let mut after: Option<RecordKey> = None;
    loop {
        let (work, limit) = (LinkWork::Returned, engine.options.chunk_links);
        let chunk = work_for(engine.store, entity, work, after.as_ref(), limit).await?;
        let Some(last) = chunk.last() else { return Ok(()) };
        after = Some(last.key.clone());
        let mut returns = Returns::new(engine, entity, &chunk).await?;
        for record in chunk {
            returns.place(record).await?;
        }
        let changes = returns.finish().await?;
        engine.store.commit(changes).await?;
    }
}

/// Places one chunk of records.
struct Returns<'a> {
    engine: &'a Engine<'a>,
    entity: &'a EntitySpec,
    now_ms: i64,
    next: LinkId,
    known: MatchContext,
    values: BTreeMap<RecordKey, Vec<(String, String)>>,
    /// The records that the ids of merged records stood for.
    aliases: BTreeMap<RecordKey, RecordKey>,
    /// The links that the records had last.
    homes: BTreeMap<RecordKey, LinkId>,
    views: BTreeMap<LinkId, LinkView>,
    /// The active record of a place that came back in this chunk.
    taken: BTreeMap<(LinkId, String), RecordKey>,
    changes: Changes,
}

impl<'a> Returns<'a> {
    async fn new(
        engine: &'a Engine<'a>,
        entity: &'a EntitySpec,
        chunk: &[RecordState],
    ) -> Result<Self, StoreError> {
        let store = engine.store;
        let keys: Vec<RecordKey> = chunk.iter().map(|record| record.key.clone()).collect();
        let values = store.match_keys(&keys).await?.into_iter().collect();
        let mut known = MatchContext::default();
        fetch_candidates(engine, entity, &values, &mut known).await?;
        let homes: BTreeMap<RecordKey, LinkId> = store.resolve(&keys).await?.into_iter().collect();
        let links: Vec<LinkId> = homes.values().copied().collect();
        let views =
            links_for(store, entity, &links).await?.into_iter().map(|view| (view.link.id, view));
        Ok(Self {
            engine,
            entity,
            now_ms: engine.clock.now_ms(),
            next: store.last_link().await?,
            known,
            values,
            aliases: store.aliases(&keys).await?.into_iter().collect(),
            homes,
            views: views.collect(),
            taken: BTreeMap::new(),
            changes: Changes::default(),
        })
    }

    async fn place(&mut self, mut record: RecordState) -> Result<(), StoreError> {
        let home = self.homes.get(&record.key).copied();
        let heir = self.aliases.get(&record.key).cloned();
        self.changes.unaliased.extend(heir.as_ref().map(|_| record.key.clone()));
        let elsewhere = self.elsewhere(&record.key, home);
        self.changes.dirty.extend(home);
        if let Some(view) = home.and_then(|home| self.views.get(&home)).cloned()
            && !elsewhere
        {
            self.go_on(record, &view);
            return Ok(());
        }
        if let Some(heir) = heir.filter(|_| !elsewhere)
            && self.undo_merge(&mut record, &heir).await?
        {
            return Ok(());
        }
        // Its match keys find its link.
        record.status = RecordStatus::Live;
        record.link = None;
        self.changes.records.push(record);
        Ok(())
    }

    /// True if the record's match keys find other links than its last one.
    fn elsewhere(&self, record: &RecordKey, home: Option<LinkId>) -> bool {
        let own = self.values.get(record).map(Vec::as_slice).unwrap_or_default();
        match judge(&self.entity.match_keys, record, own, &self.known) {
            MatchVerdict::Join { link, .. } => Some(link) != home,
            MatchVerdict::Ambiguous { records, .. } if home.is_some() => {
                let mut candidates = self.known.candidates.values().flatten();
                !candidates.any(|one| one.link == home && records.contains(&one.record))
            }
            MatchVerdict::Ambiguous { .. } | MatchVerdict::Found { .. } | MatchVerdict::Held => {
                false
            }
        }
    }

    /// Continues the last link of a record with it, as active or surplus.
    fn go_on(&mut self, mut record: RecordState, view: &LinkView) {
        let link = view.link.id;
        let place = (link, record.key.system.clone());
        let has_place = |other: &&Arc<RecordState>| {
            other.status.has_place() && other.key.system == record.key.system
        };
        let active = view.records.iter().find(has_place).map(|other| other.key.clone());
        let active = active.or_else(|| self.taken.get(&place).cloned());
        record.link = Some(link);
        self.drop_stamp(&mut record);
        let mut goes_on = Link::clone(&view.link);
        if goes_on.status == LinkStatus::Ended {
            goes_on.status = LinkStatus::Active;
            self.changes.records.extend(replaced(view.records.clone()));
        }
        match active {
            Some(active) => {
                record.status = RecordStatus::Surplus;
                consent::carry(self.entity, &mut goes_on, &record);
                self.add_journal_entry(link, &record.key, Reason::SurplusOf(active.clone()));
                let key = record.key.clone();
                let asked = review::of_surplus(self.entity, &view.link, (active, key), self.now_ms);
                self.changes.reviews.push(asked);
            }
            None => {
                record.status = RecordStatus::Live;
                self.add_journal_entry(link, &record.key, Reason::CameBack);
                self.taken.insert(place, record.key.clone());
            }
        }
        if goes_on != *view.link {
            // Another record of it may come back in this chunk.
            if let Some(known) = self.views.get_mut(&link) {
                known.link = Arc::new(goes_on.clone());
            }
            self.changes.links.retain(|known| known.id != link);
            self.changes.links.push(goes_on);
        }
        self.changes.records.push(record);
    }

    /// Undoes a merge: the records that became surplus by it get a link with this record again.
    /// Returns false where there are none.
    async fn undo_merge(
        &mut self,
        record: &mut RecordState,
        heir: &RecordKey,
    ) -> Result<bool, StoreError> {
        let store = self.engine.store;
        let united = store.resolve(std::slice::from_ref(heir)).await?;
        let Some(&(_, united)) = united.first() else { return Ok(false) };
        let views = links_for(store, self.entity, &[united]).await?;
        let Some(view) = views.into_iter().next() else { return Ok(false) };
        let query = ReviewQuery { link: Some(united), ..ReviewQuery::default() };
        let is_of = |one: &&Review| one.record.as_ref() == Some(&record.key);
        let reviews = store.reviews(&query).await?;
        let asked: BTreeSet<&RecordKey> = reviews
            .iter()
            .filter(is_of)
            .filter_map(|one| match &one.subject {
                ReviewSubject::Surplus { surplus, .. } => Some(surplus),
                _ => None,
            })
            .collect();
        let surplus = view.records.iter().filter(|other| {
            other.status == RecordStatus::Surplus
                && other.key.system != record.key.system
                && asked.contains(&other.key)
        });
        let others: Vec<RecordState> = surplus.map(|other| RecordState::clone(other)).collect();
        if others.is_empty() {
            return Ok(false);
        }
        self.next = LinkId(self.next.0 + 1);
        let link = self.next;
        self.changes.links.push(new_link(self.entity, link));
        self.changes.dirty.extend([link, united]);
        let mut systems = BTreeSet::new();
        for mut other in std::iter::once(record.clone()).chain(others) {
            other.link = Some(link);
            let is_first = systems.insert(other.key.system.clone());
            other.status = if is_first { RecordStatus::Live } else { RecordStatus::Surplus };
            self.drop_stamp(&mut other);
            // The new link does not know the agreements with an earlier link.
            for state in other.fields.values_mut() {
                (state.base, state.agreed, state.bereft) = (None, None, None);
            }
            self.add_journal_entry(link, &other.key, Reason::MergeUndone(record.key.clone()));
            self.changes.records.push(other);
        }
        Ok(true)
    }

    /// Drops the stamp, which has done its work.
    fn drop_stamp(&self, record: &mut RecordState) {
        let member = self.entity.member(&record.key.system, &record.key.object);
        let stamp = member.and_then(|(_, member)| member.stamp.as_ref());
        record.raw.retain(|(column, _)| Some(column) != stamp);
    }

    fn add_journal_entry(&mut self, link: LinkId, record: &RecordKey, reason: Reason) {
        let note = JournalNote { record: Some(record.clone()), field: None, reason };
        self.changes.journal.extend(journal_of(&self.entity.name, link, self.now_ms, [note]));
    }

    /// The changes, with the links that wait for these records.
    async fn finish(mut self) -> Result<Changes, StoreError> {
        let linked = self.changes.records.iter().filter(|record| record.status.is_there());
        let awaited: Vec<Awaited> = linked
            .flat_map(|record| [Some(Awaited::Linked(record.key.clone())), record.awaited()])
            .flatten()
            .collect();
        self.changes.dirty.extend(self.engine.store.links_waiting_for(&awaited).await?);
        Ok(self.changes)
    }
}
