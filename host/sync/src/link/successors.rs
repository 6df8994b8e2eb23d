//! Records that were merged or converted hand their link to their successor (RULES.md P7, V12).
//!
//! A successor without a link takes the whole place of its predecessor, base values included, so
//! that the merge's changes show as edits. Of an unanswered update it takes the cells that were
//! sent. Two links that meet become one. A record whose place in it is taken becomes surplus, and a
//! person is asked. The alias stays until the record comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cycle_failure::CycleFailure;
use crate::engine::{CycleCounters, Engine};
use crate::journal::{JournalNote, journal_of};
use crate::plan::merge::consent;
use crate::unanswered::evidence::settle_unanswered_update;
use crate::unanswered::sent_cells::sent_cells;
use renkei_model::index::PerField;
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::spec::{EntitySpec, OnMerge};
use renkei_model::state::{
    Awaited, FieldState, Link, LinkId, LinkStatus, LinkView, LinkWork, OutboxEntry, OutboxState,
    RecordKey, RecordState, RecordStatus, Review, ReviewChoice, ReviewStatus, ReviewSubject,
};
use renkei_model::store::fetch::{links_for, records_for, work_for};
use renkei_model::store::port::{Changes, OutboxQuery, Store, StoreError};
use renkei_model::value::{Cell, Value};

/// Moves the links of all merged and converted records of an entity to their successors, where
/// these are known.
pub(crate) async fn follow_moves(
    engine: &Engine<'_>,
    counters: &CycleCounters<'_>,
    entity: &EntitySpec,
) -> Result<(), StoreError> {
    let mut after: Option<RecordKey> = None;
    let mut predecessors: Vec<RecordState> = Vec::new();
    let (store, limit) = (engine.store, engine.options.chunk_links);
    loop {
        let work = LinkWork::Moved;
        let chunk = work_for(store, entity, work, after.as_ref(), limit).await?;
        let Some(last) = chunk.last() else { break };
        after = Some(last.key.clone());
        predecessors.extend(chunk);
    }
    for RecordState { key, .. } in winners_first(store, predecessors).await? {
        // One commit each: a later move builds on an earlier one, which may have moved this record.
        for record in records_for(store, entity, &[key]).await? {
            if let Some(changes) = follow_move(engine, counters, entity, record).await? {
                store.commit(changes).await?;
            }
        }
    }
    Ok(())
}

/// Sorts the records that became the same new one: first the one whose values survive, so that its
/// link goes on (`RULES.md` P7). A surplus one follows its equals.
async fn winners_first(
    store: &dyn Store,
    mut predecessors: Vec<RecordState>,
) -> Result<Vec<RecordState>, StoreError> {
    if predecessors.len() < 2 {
        return Ok(predecessors);
    }
    let keys: Vec<RecordKey> = predecessors.iter().map(|record| record.key.clone()).collect();
    let heirs: BTreeMap<RecordKey, RecordKey> = store.aliases(&keys).await?.into_iter().collect();
    let wanted: BTreeSet<RecordKey> = heirs.values().cloned().collect();
    let heirs_known = store.records(&wanted.into_iter().collect::<Vec<_>>()).await?;
    let lost = |record: &RecordState| {
        let heir = heirs.get(&record.key);
        let heir = heir.and_then(|key| heirs_known.iter().find(|known| known.key == *key));
        heir.map_or(0, |heir| lost_values(record, heir))
    };
    predecessors.sort_by_cached_key(|record| (lost(record), record.status.is_surplus()));
    Ok(predecessors)
}

/// The number of values of a record that its successor does not have.
fn lost_values(record: &RecordState, heir: &RecordState) -> usize {
    let fields = record.fields.values().zip(heir.fields.values());
    let lost = fields.filter(|(old, new)| {
        old.seen.as_ref().is_some_and(|value| !value.is_null()) && old.seen != new.seen
    });
    lost.count()
}

async fn follow_move(
    engine: &Engine<'_>,
    counters: &CycleCounters<'_>,
    entity: &EntitySpec,
    mut record: RecordState,
) -> Result<Option<Changes>, StoreError> {
    let store = engine.store;
    let (Some(from), Some(successor)) = (record.link, record.status.successor()) else {
        return Ok(None);
    };
    let aliases = store.aliases(std::slice::from_ref(&record.key)).await?;
    let heir = aliases.into_iter().next().map_or_else(|| successor.clone(), |(_, heir)| heir);
    let Some(heir) = records_for(store, entity, &[heir]).await?.into_iter().next() else {
        return Ok(None);
    };
    let mut ids = vec![from];
    ids.extend(heir.link);
    let views = links_for(store, entity, &ids).await?;
    let view = |id: LinkId| views.iter().find(|view| view.link.id == id);
    let Some(ending) = view(from) else { return Ok(None) };
    let now_ms = engine.clock.now_ms();
    let Some(unanswered) = updates_of(engine, counters, entity, &record.key).await? else {
        return Ok(None);
    };
    let mut moving =
        Succession { entity, now_ms, changes: Changes::default(), unanswered, stays: None };
    if !heir.status.is_gone() || heir.link.is_none() && !heir.was_read() {
        // The reading of the successor shows what could not be read of the record.
        record.failures.clear();
    }
    match heir.link {
        Some(_) if heir.status.is_gone() => moving.give_up(record),
        // A successor that was never read takes the place, so that a person is asked about it.
        None if heir.status.is_gone() && (heir.was_read() || record.status.is_surplus()) => {
            moving.give_up(record);
        }
        Some(to) if to == from => moving.leave(record, heir, ending),
        Some(to) => match view(to) {
            // A link that is kept in step does not end in one that is not.
            Some(kept_link)
                if record.status.is_surplus() && kept_link.link.status != LinkStatus::Active =>
            {
                moving.leave(record, heir, ending);
            }
            Some(kept_link) => moving.unite(record, &heir, ending, kept_link),
            None => return Ok(None),
        },
        None => moving.inherit(record, heir, ending),
    }
    moving.changes.links.extend(moving.stays.take());
    let awaited = moving.awaited();
    moving.changes.dirty.extend(store.links_waiting_for(&awaited).await?);
    Ok(Some(moving.changes))
}

/// The updates of a record without an answer, with the cells that were sent in canonical form.
/// `None` if a transform fails on them; then the move waits.
async fn updates_of(
    engine: &Engine<'_>,
    counters: &CycleCounters<'_>,
    entity: &EntitySpec,
    record: &RecordKey,
) -> Result<Option<Vec<(OutboxEntry, PerField<Cell>)>>, StoreError> {
    let query = OutboxQuery {
        state: OutboxState::Sent,
        entity: Some(entity.name.clone()),
        system: Some(record.system.clone()),
        kind: None,
        due_ms: i64::MAX,
        limit: usize::MAX,
    };
    let mut sent = engine.store.outbox(&query).await?;
    sent.retain(|entry| {
        entry.effect.kind().changes_record() && entry.record().as_ref() == Some(record)
    });
    let Some((_, member)) = entity.member(&record.system, &record.object) else {
        return Ok(Some(Vec::new()));
    };
    if sent.is_empty() {
        return Ok(Some(Vec::new()));
    }
    match sent_cells(&engine.transforms, entity, member, &sent).await {
        Ok(cells) => Ok(Some(sent.into_iter().zip(cells).collect())),
        Err(error) => {
            counters.failed(&CycleFailure::of_transform(&entity.name, &error));
            Ok(None)
        }
    }
}

/// The record that has the place of another one's system in a link, except that other one.
fn in_place<'a>(view: &'a LinkView, beside: &RecordState) -> Option<&'a Arc<RecordState>> {
    let here = |other: &&Arc<RecordState>| {
        other.key.system == beside.key.system && other.key != beside.key
    };
    view.records.iter().filter(here).find(|other| other.status.has_place())
}

struct Succession<'a> {
    entity: &'a EntitySpec,
    now_ms: i64,
    changes: Changes,
    /// Updates of the record without an answer, with the cells that were sent.
    unanswered: Vec<(OutboxEntry, PerField<Cell>)>,
    /// The link that stays, where it changes.
    stays: Option<Link>,
}

impl Succession<'_> {
    /// Counts a gone successor as a deletion for the link, unless the record was surplus.
    fn give_up(&mut self, mut record: RecordState) {
        record.status =
            if record.status.is_surplus() { RecordStatus::Replaced } else { RecordStatus::Deleted };
        self.changes.dirty.extend(record.link);
        self.changes.records.push(record);
    }

    /// Leaves the link to a successor that has it already. A surplus successor becomes the active
    /// record, because its system merged both into it. Its values are weighed then, as those of any
    /// record that is new in its place (`RULES.md` P7).
    fn leave(&mut self, mut record: RecordState, mut heir: RecordState, view: &LinkView) {
        let link = view.link.id;
        if heir.status == RecordStatus::Surplus
            && !record.status.is_surplus()
            && in_place(view, &record).is_none()
        {
            self.pass_sent(&mut heir);
            heir.status = RecordStatus::Live;
            self.add_journal_entry(link, heir.key.clone(), Reason::MergedFrom(record.key.clone()));
            self.changes.records.push(heir);
        }
        Self::let_go(&mut record);
        self.changes.records.push(record);
        self.changes.dirty.push(link);
    }

    /// Gives the successor the link, the base values and the place of the record, also a surplus
    /// one.
    fn inherit(&mut self, mut record: RecordState, mut heir: RecordState, view: &LinkView) {
        let link = view.link.id;
        let is_converted = record.key.object != heir.key.object;
        let reason = match is_converted {
            true => Reason::ConvertedFrom(record.key.clone()),
            false => Reason::MergedFrom(record.key.clone()),
        };
        self.pass_bases(&record, &mut heir);
        self.pass_sent(&mut heir);
        heir.link = Some(link);
        let active = in_place(view, &record).map(|active| active.key.clone());
        match (active, record.status.is_surplus()) {
            (Some(_), _) if heir.status.is_gone() => heir.status = RecordStatus::Replaced,
            (Some(active), true) => self.keep_surplus(&mut heir, active, (&record, view)),
            (Some(active), false) => self.make_surplus(&mut heir, active, view, None),
            (None, true) => self.mark_surplus(&mut heir, view),
            (None, false) => {}
        }
        if heir.status == RecordStatus::Missing {
            let subject = ReviewSubject::Missing { record: heir.key.clone() };
            let open = review::of_link(&view.link, subject, ReviewStatus::Open, self.now_ms);
            self.changes.reviews.push(open);
            self.add_journal_entry(link, heir.key.clone(), Reason::OutOfSight);
        }
        self.add_journal_entry(link, heir.key.clone(), reason);
        Self::let_go(&mut record);
        self.changes.records.extend([record, heir]);
        self.changes.dirty.push(link);
    }

    /// Unites two links: the successor's goes on.
    fn unite(
        &mut self,
        mut record: RecordState,
        heir: &RecordState,
        ending: &LinkView,
        kept_link: &LinkView,
    ) {
        let to = kept_link.link.id;
        for other in ending.records.iter().filter(|other| other.key != record.key) {
            let mut other = RecordState::clone(other);
            other.link = Some(to);
            if other.status.is_gone() {
                other.status = RecordStatus::Replaced;
            }
            let waits = matches!(other.status, RecordStatus::Missing | RecordStatus::Returned);
            if !waits && !other.status.is_gone() {
                self.join(&mut other, kept_link, &record.key);
            }
            self.changes.records.push(other);
        }
        Self::let_go(&mut record);
        self.changes.records.push(record);
        // These are about records that are in the other link now. All others are over; the
        // remaining differences are asked about there (RULES.md V20).
        let goes_on = |one: &&Review| {
            matches!(one.subject, ReviewSubject::Surplus { .. } | ReviewSubject::Missing { .. })
        };
        let kept = ending.reviews.iter().filter(goes_on);
        let kept = kept.map(|one| Review { link: Some(to), ..one.clone() });
        self.changes.reviews.extend(kept);
        let mut from = Link::clone(&ending.link);
        from.status = LinkStatus::MergedInto(to);
        // One more plan closes the questions and failures of this link.
        self.changes.dirty.push(from.id);
        self.changes.waits.push((from.id, Vec::new()));
        self.add_journal_entry(to, heir.key.clone(), Reason::LinksUnited(from.id));
        self.join_consent(ending, kept_link);
        self.changes.links.push(from);
        self.changes.dirty.push(to);
    }

    /// Brings a record into the link that goes on. Where its system has another one there, also one
    /// that has just gone, it becomes surplus: its values are weighed once it has the place.
    fn join(&mut self, other: &mut RecordState, view: &LinkView, because: &RecordKey) {
        if other.status.is_surplus() {
            other.fields.values_mut().for_each(FieldState::become_surplus);
            return;
        }
        let active = in_place(view, other).map(|active| active.key.clone());
        let is_gone = |gone: &&Arc<RecordState>| {
            gone.status.is_removed() && gone.key.system == other.key.system
        };
        if active.is_none() && !view.records.iter().any(|record| is_gone(&record)) {
            return;
        }
        other.fields.values_mut().for_each(FieldState::become_surplus);
        match active {
            Some(active) => self.make_surplus(other, active, view, Some(because.clone())),
            None => self.mark_surplus(other, view),
        }
    }

    /// Carries an opt-out of the ending link into the one that goes on (RULES.md P5).
    fn join_consent(&mut self, ending: &LinkView, kept_link: &LinkView) {
        self.change(kept_link, |entity, link| {
            let mut joins = false;
            for (position, field) in entity.indexed_fields() {
                let (from, to) = (&ending.link.truth[position], &mut link.truth[position]);
                if let Some(truth) = consent::join(&field.winner, from, to) {
                    *to = consent::carried(truth);
                    joins = true;
                }
            }
            joins
        });
    }

    /// Changes the link that goes on, and keeps it if anything changed.
    fn change(&mut self, view: &LinkView, change: impl FnOnce(&EntitySpec, &mut Link) -> bool) {
        let mut link = self.stays.take().unwrap_or_else(|| Link::clone(&view.link));
        let (known, changed) = (link != *view.link, change(self.entity, &mut link));
        self.stays = (known || changed).then_some(link);
    }

    /// Makes a record surplus beside the active one of its system and asks about it. `because` is
    /// the record whose merge made it so, where that was in another system.
    fn make_surplus(
        &mut self,
        record: &mut RecordState,
        active: RecordKey,
        view: &LinkView,
        because: Option<RecordKey>,
    ) {
        self.mark_surplus(record, view);
        self.add_journal_entry(view.link.id, record.key.clone(), Reason::SurplusOf(active.clone()));
        let pair = (active, record.key.clone());
        let mut review = review::of_surplus(self.entity, &view.link, pair, self.now_ms);
        review.record = because;
        let mergeable = matches!(review.subject, ReviewSubject::Surplus { mergeable: true, .. });
        if mergeable && self.entity.on_merge == OnMerge::Follow {
            review.status = ReviewStatus::Chosen;
            review.choice = Some(ReviewChoice::Approve);
        }
        self.changes.reviews.push(review);
    }

    fn mark_surplus(&mut self, record: &mut RecordState, view: &LinkView) {
        record.status = record.status.to_surplus();
        self.change(view, |entity, link| consent::carry(entity, link, record));
    }

    /// Makes the successor of a surplus record surplus. A person who is asked about the record is
    /// asked about the successor.
    fn keep_surplus(
        &mut self,
        heir: &mut RecordState,
        active: RecordKey,
        (record, view): (&RecordState, &LinkView),
    ) {
        let asked = view.reviews.iter().find(|one| match &one.subject {
            ReviewSubject::Surplus { surplus, .. } => *surplus == record.key,
            _ => false,
        });
        match asked {
            Some(asked) => self.make_surplus(heir, active, view, asked.record.clone()),
            None => self.mark_surplus(heir, view),
        }
    }

    /// Takes the record out of its link; its successor stands there.
    fn let_go(record: &mut RecordState) {
        record.link = None;
        if let RecordStatus::SurplusInto(heir) = &record.status {
            record.status = match heir.object == record.key.object {
                true => RecordStatus::MergedInto(heir.clone()),
                false => RecordStatus::ConvertedTo(heir.clone()),
            };
        }
    }

    /// Passes the base values of a record to its successor, where that has none of its own.
    fn pass_bases(&self, record: &RecordState, heir: &mut RecordState) {
        let was_read = heir.was_read();
        for (position, field) in self.entity.indexed_fields() {
            let (old, new) = (&record.fields[position], &mut heir.fields[position]);
            // A record that lacks its predecessor's opt-out does not take it back.
            let lost = consent::is_opt_out(&field.winner, &old.base) && new.seen != old.base;
            if old.is_filler(&field.kind, &new.seen) {
                new.filler.clone_from(&old.filler);
                new.seen = Some(Value::Null);
            }
            // A value that was nobody's edit in the record is none in its successor.
            new.preset |= old.preset && new.seen.is_some() && new.seen == old.seen;
            if new.base.is_none() && !lost {
                new.base.clone_from(&old.base);
                new.agreed.clone_from(&old.agreed);
                new.bereft.clone_from(&old.bereft);
            } else if !was_read {
                // A successor that was never read lacks nothing: it has taken over its
                // predecessor's values.
                new.agreed.clone_from(&old.agreed);
            }
        }
    }

    /// Passes unanswered updates of a record to its successor, whose reading shows their outcome.
    fn pass_sent(&mut self, heir: &mut RecordState) {
        for (entry, sent) in std::mem::take(&mut self.unanswered) {
            let reason = settle_unanswered_update(self.entity, &entry, &sent, heir, true);
            let note = JournalNote { record: Some(heir.key.clone()), field: None, reason };
            let name = &self.entity.name;
            self.changes.journal.extend(journal_of(name, entry.link, self.now_ms, [note]));
            self.changes.outbox_done.push(entry.intent);
        }
    }

    fn add_journal_entry(&mut self, link: LinkId, record: RecordKey, reason: Reason) {
        let note = JournalNote { record: Some(record), field: None, reason };
        self.changes.journal.extend(journal_of(&self.entity.name, link, self.now_ms, [note]));
    }

    /// The events that other links may wait for.
    fn awaited(&self) -> Vec<Awaited> {
        let linked = self.changes.records.iter().filter(|record| record.link.is_some());
        linked
            .flat_map(|record| {
                let member = record.link.map(|link| Awaited::Member {
                    link,
                    system: record.key.system.clone(),
                    object: record.key.object.clone(),
                });
                [Some(Awaited::Linked(record.key.clone())), member].into_iter().flatten()
            })
            .collect()
    }
}
