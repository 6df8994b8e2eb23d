//! After a crash, or an answer that never came: find out what happened before anything is sent.
//!
//! An operation that was planned but never marked as sent is forgotten and planned again. One that
//! was marked as sent is probed: a create by the stamp that it left, or by its match keys; anything
//! else by reading the record again, after which the planner sees for itself (SYNC.md 3.6).

use std::collections::BTreeMap;

use crate::absorb::{AbsorbError, Source};
use crate::cycle::Cycle;
use crate::engine::{CycleError, Engine};
use crate::outcome::{Settler, read_again};
use crate::plugin::PluginError;
use crate::ports::Connector;
use crate::reason::Reason;
use crate::record::{Action, Applied, Outcome};
use crate::review;
use crate::spec::{EntitySpec, MemberSpec};
use crate::state::{
    Choice, JournalEntry, Matter, OutboxEntry, OutboxState, RecordKey, Review, ReviewStatus,
};
use crate::store::{Changes, OutboxQuery, StoreError};
use crate::value::Value;

/// More than any outbox holds: a chunk of links and the batches in flight.
const OUTBOX_MAX: usize = 1_000_000;

/// Continues after a crash: forgets what was never sent, then probes what was.
pub(crate) async fn recover(cycle: &Cycle<'_>) -> Result<(), CycleError> {
    let planned = outbox(cycle.engine, OutboxState::Planned, None).await?;
    // An operation with attempts was probed and found missing: sending it again is its only way.
    let forgotten: Vec<OutboxEntry> =
        planned.into_iter().filter(|entry| entry.attempts == 0).collect();
    if !forgotten.is_empty() {
        let changes = Changes {
            dirty: forgotten.iter().map(|entry| entry.link).collect(),
            outbox_done: forgotten.into_iter().map(|entry| entry.intent).collect(),
            ..Changes::default()
        };
        cycle.engine.store.commit(changes).await?;
    }
    probe(cycle, Stage::Start).await.map(drop)
}

/// When a probe is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before anything is read: only what can be told for certain.
    Start,
    /// After reading and linking, which may have found a record that left no stamp.
    End,
}

/// Probes everything that was sent without an answer; how many operations are known now.
pub(crate) async fn probe(cycle: &Cycle<'_>, stage: Stage) -> Result<u64, CycleError> {
    let mut known = 0;
    for system in cycle.engine.spec.systems() {
        let sent = outbox(cycle.engine, OutboxState::Sent, Some(system)).await?;
        if sent.is_empty() || cycle.tally.has_failed(system) {
            continue;
        }
        let connector = match cycle.engine.systems.open(system).await {
            Ok(connector) => connector,
            Err(error) => {
                cycle.tally.failed(system, "open", &error);
                continue;
            }
        };
        for ((entity, object), entries) in by_object(sent) {
            let Some(entity) = cycle.engine.spec.entity(&entity) else { continue };
            let Some((_, member)) = entity.member(system, &object) else { continue };
            let connector = connector.as_ref();
            let engine = cycle.engine;
            let prober = Prober { engine, entity, member, connector, stage };
            match prober.probe(entries).await {
                Ok(count) => known += count,
                Err(error) => cycle.absorbed(system, error)?,
            }
        }
    }
    Ok(known)
}

async fn outbox(
    engine: &Engine<'_>,
    state: OutboxState,
    system: Option<&str>,
) -> Result<Vec<OutboxEntry>, StoreError> {
    let query = OutboxQuery {
        state,
        entity: None,
        system: system.map(str::to_owned),
        kind: None,
        due_ms: i64::MAX,
        limit: OUTBOX_MAX,
    };
    engine.store.outbox(&query).await
}

fn by_object(entries: Vec<OutboxEntry>) -> BTreeMap<(String, String), Vec<OutboxEntry>> {
    let mut objects: BTreeMap<(String, String), Vec<OutboxEntry>> = BTreeMap::new();
    for entry in entries {
        let object = (entry.entity.clone(), entry.object.clone());
        objects.entry(object).or_default().push(entry);
    }
    objects
}

struct Prober<'a> {
    engine: &'a Engine<'a>,
    entity: &'a EntitySpec,
    member: &'a MemberSpec,
    connector: &'a dyn Connector,
    stage: Stage,
}

impl Prober<'_> {
    async fn probe(&self, entries: Vec<OutboxEntry>) -> Result<u64, AbsorbError> {
        let (creates, others): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.action == Action::Create);
        self.look_at(&others).await?;
        let found = self.find_creates(&creates).await?;
        Ok(others.len() as u64 + found)
    }

    fn source(&self) -> Source<'_> {
        Source {
            store: self.engine.store,
            transforms: self.engine.transforms,
            entity: self.entity,
            member: self.member,
            now_ms: self.engine.clock.now_ms(),
        }
    }

    /// Reads the records and lets the planner see whether the write got through.
    async fn look_at(&self, entries: &[OutboxEntry]) -> Result<(), AbsorbError> {
        if entries.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = entries.iter().filter_map(|entry| entry.id.clone()).collect();
        read_again(self.source(), self.connector, &ids).await?;
        let changes = Changes {
            dirty: entries.iter().map(|entry| entry.link).collect(),
            outbox_done: entries.iter().map(|entry| entry.intent.clone()).collect(),
            ..Changes::default()
        };
        Ok(self.engine.store.commit(changes).await?)
    }

    async fn find_creates(&self, entries: &[OutboxEntry]) -> Result<u64, AbsorbError> {
        if entries.is_empty() {
            return Ok(0);
        }
        let objects = [self.member.object.clone()];
        let schemas = self.connector.discover(&objects).await?;
        let facts = schemas.iter().flat_map(|schema| &schema.facts);
        let mut stamps = facts.filter(|(code, _)| code == "stamp");
        match stamps.next().and_then(|(_, stamp)| stamp.as_text()) {
            Some(stamp) => self.find_stamped(entries, stamp).await,
            None if self.stage == Stage::Start => Ok(0),
            None => self.find_alike(entries).await,
        }
    }

    async fn find_stamped(&self, entries: &[OutboxEntry], stamp: &str) -> Result<u64, AbsorbError> {
        let columns = [stamp.to_owned()];
        let intents: Vec<Value> =
            entries.iter().map(|entry| Value::Text(entry.intent.clone())).collect();
        let found = self.connector.find(&self.member.object, &columns, stamp, &intents).await?;
        let by_stamp: BTreeMap<&str, &str> = found
            .rows
            .iter()
            .filter_map(|row| {
                let stamp = row.cells.first()?.as_ref()?.as_text()?;
                Some((stamp, row.id.as_str()))
            })
            .collect();
        for entry in entries {
            match by_stamp.get(entry.intent.as_str()) {
                Some(id) => self.found(entry, id).await?,
                None => self.send_again(entry).await?,
            }
        }
        Ok(entries.len() as u64)
    }

    /// The create got through. It is taken as sent; if somebody edited the record since, the next
    /// reading shows that as an edit.
    async fn found(&self, entry: &OutboxEntry, id: &str) -> Result<(), AbsorbError> {
        let applied =
            Applied { id: id.to_owned(), created: true, version: None, after: Vec::new() };
        let columns: Vec<String> = entry.columns.iter().map(|write| write.column.clone()).collect();
        let mut settler = Settler::new(self.engine, self.entity, self.member, self.connector);
        let batch = std::slice::from_ref(entry);
        settler.settle(&columns, batch, vec![Outcome::Applied(applied)]).await?;
        let changes =
            Changes { journal: vec![self.line(entry, Reason::FoundByProbe)], ..Changes::default() };
        Ok(self.engine.store.commit(changes).await?)
    }

    async fn send_again(&self, entry: &OutboxEntry) -> Result<(), AbsorbError> {
        let mut again = entry.clone();
        again.state = OutboxState::Planned;
        again.attempts += 1;
        again.not_before_ms = 0;
        let changes = Changes {
            outbox: vec![again],
            journal: vec![self.line(entry, Reason::SentAgain)],
            ..Changes::default()
        };
        Ok(self.engine.store.commit(changes).await?)
    }

    /// Where a create leaves no stamp: the linking step may have found the record; else it is sent
    /// again when nothing looks like it for a while; else a person is asked.
    async fn find_alike(&self, entries: &[OutboxEntry]) -> Result<u64, AbsorbError> {
        let mut known = 0;
        for entry in entries {
            if self.has_member(entry).await? {
                let changes = Changes {
                    dirty: vec![entry.link],
                    outbox_done: vec![entry.intent.clone()],
                    journal: vec![self.line(entry, Reason::FoundByProbe)],
                    ..Changes::default()
                };
                self.engine.store.commit(changes).await?;
                known += 1;
                continue;
            }
            let records = self.alike(entry).await?;
            if !records.is_empty() {
                known += self.ask(entry, records).await?;
            } else if entry.not_before_ms <= self.engine.clock.now_ms() {
                self.send_again(entry).await?;
                known += 1;
            }
        }
        Ok(known)
    }

    async fn has_member(&self, entry: &OutboxEntry) -> Result<bool, StoreError> {
        let members = self.engine.store.members(&[entry.link]).await?;
        Ok(members.iter().any(|(_, record)| record.system == entry.system))
    }

    /// Records with the same value in the first column that a match key names.
    async fn alike(&self, entry: &OutboxEntry) -> Result<Vec<RecordKey>, PluginError> {
        let keys = self.entity.match_keys.iter().flat_map(|key| key.fields.first());
        let mut columns = keys.filter_map(|field| self.member.group_of(*field)?.columns.first());
        let is_sent = |column: &&String| entry.columns.iter().any(|write| write.column == **column);
        let Some(column) = columns.find(is_sent) else { return Ok(Vec::new()) };
        let Some(value) = crate::apply::sent(entry, column) else { return Ok(Vec::new()) };
        let columns = [column.clone()];
        let found = self.connector.find(&self.member.object, &columns, column, &[value]).await?;
        Ok(found.rows.iter().map(|row| self.source().key(&row.id)).collect())
    }

    async fn ask(&self, entry: &OutboxEntry, records: Vec<RecordKey>) -> Result<u64, AbsorbError> {
        let matter = Matter::Uncertain { intent: entry.intent.clone(), records };
        let review = Review {
            link: Some(entry.link),
            ..review::of_entity(&entry.entity, matter, self.source().now_ms)
        };
        match self.engine.store.review(&review.id).await? {
            Some(Review { choice: Some(Choice::LinkWith(record)), .. }) => {
                self.found(entry, &record.id).await?;
            }
            Some(Review { choice: Some(_), .. }) => self.send_again(entry).await?,
            Some(Review { status: ReviewStatus::Open, .. }) => return Ok(0),
            _ => {
                let changes = Changes { reviews: vec![review], ..Changes::default() };
                self.engine.store.commit(changes).await?;
                return Ok(0);
            }
        }
        Ok(1)
    }

    fn line(&self, entry: &OutboxEntry, reason: Reason) -> JournalEntry {
        entry.line(self.engine.clock.now_ms(), self.connector.generation(), reason)
    }
}
