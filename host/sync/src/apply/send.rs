//! Sends planned operations: outbox, call, outcomes, and no decisions.
//!
//! Operations are marked as sent in one commit before the call. Their outcomes, bases and new
//! members are one commit after it, or a few where the call was large. An operation that is not
//! settled yet stays marked as sent and is probed (`RULES.md` E16, Q2). The systems work side by
//! side; outcomes are settled one slice at a time, because two systems may answer for the same
//! link.

use std::collections::{BTreeMap, BTreeSet};

use futures::lock::Mutex;
use smol_str::format_smolstr;

use crate::apply::settle::BatchSettler;
use crate::apply::settle_merge;
use crate::apply::settled::{LinkPause, SettledOperation};
use crate::cycle_state::CycleState;
use crate::engine::{CycleError, CycleEvent, WriteResult};
use crate::model::plugin::{PluginError, StopCause};
use crate::model::reason::Reason;
use crate::model::record::{Action, Attributes, Operation, Outcome, Problem, Remedy, WriteRequest};
use crate::model::spec::{EntitySpec, MemberSpec};
use crate::model::state::{LinkId, OutboxEntry, OutboxState, RecordKey, SETTLE_MS};
use crate::model::value::{SmolStr, Value};
use crate::plan::cascades::set_followers_aside;
use crate::ports::Connector;
use crate::read::order::is_older;
use crate::read::sent::{columns_of, sent};
use crate::store::port::{Changes, OutboxQuery, StoreError};

/// Sends all planned operations of an entity.
pub(crate) async fn apply_entity(
    cycle: &mut CycleState<'_>,
    entity: &EntitySpec,
) -> Result<(), CycleError> {
    let mut systems: Vec<&str> = Vec::new();
    for member in &entity.members {
        if !systems.contains(&member.system.as_str()) {
            systems.push(&member.system);
        }
    }
    let settling = Mutex::new(());
    let sender = Sender { cycle, entity, settling: &settling };
    let work = systems.iter().map(|system| sender.run(system));
    let mut left = SendSummary::default();
    for more in futures::future::try_join_all(work).await? {
        left.add(more);
    }
    for (link, pause) in left.deferred {
        cycle.defer(link, pause);
    }
    Ok(set_followers_aside(cycle, &left.archived).await?)
}

/// The effects of sending on the rest of the cycle.
#[derive(Default)]
struct SendSummary {
    /// Links that are not planned again for a while.
    deferred: Vec<(LinkId, LinkPause)>,
    /// Records that were archived.
    archived: BTreeSet<RecordKey>,
}

impl SendSummary {
    fn add(&mut self, more: Self) {
        self.deferred.extend(more.deferred);
        self.archived.extend(more.archived);
    }
}

struct Sender<'a> {
    cycle: &'a CycleState<'a>,
    entity: &'a EntitySpec,
    settling: &'a Mutex<()>,
}

impl Sender<'_> {
    async fn run(&self, system: &str) -> Result<SendSummary, CycleError> {
        let mut left = SendSummary::default();
        let mut connector: Option<Box<dyn Connector>> = None;
        while !self.cycle.tally.has_failed(system) {
            let batch = self.next_batch(system).await?;
            let Some(first) = batch.first() else { break };
            let Some((_, member)) = self.entity.member(system, &first.object) else { break };
            if connector.is_none() {
                match self.cycle.engine.systems.open(system).await {
                    Ok(opened) => connector = Some(opened),
                    Err(error) => {
                        self.cycle.tally.failed(system, "open", &error);
                        break;
                    }
                }
            }
            let Some(connector) = connector.as_deref() else { break };
            left.add(self.send(connector, member, batch).await?);
        }
        Ok(left)
    }

    /// The next operations with the same object and action, in the order of the outbox.
    async fn next_batch(&self, system: &str) -> Result<Vec<OutboxEntry>, StoreError> {
        let engine = self.cycle.engine;
        let oldest = OutboxQuery {
            state: OutboxState::Planned,
            entity: Some(self.entity.name.clone()),
            system: Some(system.to_owned()),
            kind: None,
            due_ms: engine.clock.now_ms(),
            limit: 1,
        };
        let Some(first) = engine.store.outbox(&oldest).await?.pop() else { return Ok(Vec::new()) };
        let (object, action) = match self.cycle.tally.has_stopped(system, &first.object) {
            false => (first.object, first.action),
            true => match self.other_kind(&oldest).await? {
                Some(kind) => kind,
                None => return Ok(Vec::new()),
            },
        };
        let Some((_, member)) = self.entity.member(system, &object) else {
            return Ok(Vec::new());
        };
        let most = match action {
            // A call of its own.
            Action::Merge => 1,
            _ => usize::try_from(member.write_rows).unwrap_or(usize::MAX),
        };
        let limit = most.min(engine.options.write_operations);
        let kind = Some((object, action));
        engine.store.outbox(&OutboxQuery { kind, limit, ..oldest }).await
    }

    /// Finds an object and action with planned operations, where the object of the oldest one has
    /// stopped.
    async fn other_kind(
        &self,
        oldest: &OutboxQuery,
    ) -> Result<Option<(String, Action)>, StoreError> {
        let is_open = |member: &&MemberSpec| {
            Some(&member.system) == oldest.system.as_ref()
                && !self.cycle.tally.has_stopped(&member.system, &member.object)
        };
        for member in self.entity.members.iter().filter(is_open) {
            for action in Action::ALL {
                let kind = Some((member.object.clone(), action));
                let query = OutboxQuery { kind: kind.clone(), ..oldest.clone() };
                if !self.cycle.engine.store.outbox(&query).await?.is_empty() {
                    return Ok(kind);
                }
            }
        }
        Ok(None)
    }

    async fn send(
        &self,
        connector: &dyn Connector,
        member: &MemberSpec,
        batch: Vec<OutboxEntry>,
    ) -> Result<SendSummary, CycleError> {
        let changed = match changed_since(connector, member, &batch).await {
            Ok(changed) => changed,
            Err(error) => {
                self.cycle.tally.object_failed(member, "look again", &error);
                return Ok(SendSummary::default());
            }
        };
        let is_changed =
            |entry: &OutboxEntry| entry.id.as_ref().is_some_and(|id| changed.contains(id));
        let (stale, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_changed);
        let outcomes = vec![Outcome::Conflict; stale.len()];
        let mut left = self.settle_outcomes(connector, member, &[], &stale, outcomes).await?;
        left.add(self.write(connector, member, batch).await?);
        Ok(left)
    }

    async fn write(
        &self,
        connector: &dyn Connector,
        member: &MemberSpec,
        mut batch: Vec<OutboxEntry>,
    ) -> Result<SendSummary, CycleError> {
        if batch.is_empty() {
            return Ok(SendSummary::default());
        }
        let engine = self.cycle.engine;
        for entry in &mut batch {
            entry.state = OutboxState::Sent;
            entry.not_before_ms = engine.clock.now_ms().saturating_add(SETTLE_MS);
        }
        let sent = Changes { outbox: batch.clone(), ..Changes::default() };
        engine.store.commit(sent).await?;
        let request = request(self.entity, member, &batch);
        let outcomes = match batch.as_slice() {
            [OutboxEntry { action: Action::Merge, id: Some(winner), loser: Some(loser), .. }] => {
                let losers = std::slice::from_ref(loser);
                match connector.merge(&member.object, winner, losers).await {
                    Err(PluginError::Unsupported { what, .. }) => Ok(vec![refused(what)]),
                    answer => answer.map(|outcome| vec![outcome]),
                }
            }
            _ => connector.write(&request).await,
        };
        let outcomes = match outcomes {
            Ok(outcomes) if outcomes.len() == batch.len() => outcomes,
            Ok(outcomes) => {
                // The operations stay marked as sent: they are probed before anything is repeated.
                let reason = format!("{} outcomes for {} operations", outcomes.len(), batch.len());
                let plugin = connector.generation().clone();
                let error = PluginError::Broken { plugin, cause: StopCause::Contract, reason };
                self.cycle.tally.object_failed(member, "write", &error);
                return Ok(SendSummary::default());
            }
            Err(error) => {
                self.take_back(connector, &batch, &error).await?;
                self.cycle.tally.object_failed(member, "write", &error);
                return Ok(SendSummary::default());
            }
        };
        self.settle_outcomes(connector, member, &request.columns, &batch, outcomes).await
    }

    /// Plans operations again that the host itself refused: they were never sent (`RULES.md` V18).
    async fn take_back(
        &self,
        connector: &dyn Connector,
        batch: &[OutboxEntry],
        error: &PluginError,
    ) -> Result<(), StoreError> {
        let Some(words) = error.not_granted() else { return Ok(()) };
        let now_ms = self.cycle.engine.clock.now_ms();
        let reason = || Reason::NotGranted(words.to_owned());
        let line = |entry: &OutboxEntry| entry.line(now_ms, connector.generation(), reason());
        let changes = Changes {
            dirty: batch.iter().map(|entry| entry.link).collect(),
            outbox_done: batch.iter().map(|entry| entry.intent.clone()).collect(),
            journal: batch.iter().map(line).collect(),
            ..Changes::default()
        };
        self.cycle.engine.store.commit(changes).await
    }

    async fn settle_outcomes(
        &self,
        connector: &dyn Connector,
        member: &MemberSpec,
        columns: &[String],
        batch: &[OutboxEntry],
        outcomes: Vec<Outcome>,
    ) -> Result<SendSummary, CycleError> {
        let mut left = SendSummary::default();
        let mut outcomes = outcomes.into_iter();
        for slice in batch.chunks(self.cycle.engine.options.settle_operations.max(1)) {
            let outcomes = outcomes.by_ref().take(slice.len()).collect();
            match self.settle_slice(connector, member, columns, (slice, outcomes)).await? {
                Some(more) => left.add(more),
                // The others stay marked as sent.
                None => break,
            }
        }
        Ok(left)
    }

    /// Settles some operations. `None` where a plugin failed, which is reported.
    async fn settle_slice(
        &self,
        connector: &dyn Connector,
        member: &MemberSpec,
        columns: &[String],
        (batch, outcomes): (&[OutboxEntry], Vec<Outcome>),
    ) -> Result<Option<SendSummary>, CycleError> {
        let _one_at_a_time = self.settling.lock().await;
        let engine = self.cycle.engine;
        let merge = batch.first().is_some_and(|entry| entry.action == Action::Merge);
        let settled = if merge {
            settle_merge::settle_merges(engine, self.entity, member, connector, batch, outcomes)
                .await
        } else {
            let mut settler = BatchSettler::new(engine, self.entity, member, connector);
            settler.settle_batch(columns, batch, outcomes).await
        };
        match settled {
            Ok(settled) => Ok(Some(self.report_settled(member, batch, settled))),
            Err(error) => self.cycle.absorbed(member, error).map(|()| None),
        }
    }

    fn report_settled(
        &self,
        member: &MemberSpec,
        batch: &[OutboxEntry],
        settled: Vec<SettledOperation>,
    ) -> SendSummary {
        let mut left = SendSummary::default();
        for (entry, settled) in batch.iter().zip(settled) {
            left.deferred.extend(settled.pause.map(|pause| (entry.link, pause)));
            if (entry.action, settled.result) == (Action::Archive, WriteResult::Applied) {
                left.archived.extend(entry.record());
            }
            self.cycle.tally.event(&CycleEvent::Written {
                system: &member.system,
                object: &member.object,
                action: entry.action,
                result: settled.result,
            });
        }
        left
    }
}

/// The records that have another version than the plan was made from, or are gone.
///
/// Vendors compare no versions in batches. This look right before the write keeps an edit that was
/// made after reading from being overwritten unseen (`RULES.md` E17). What remains is the time of
/// one write: of its requests, or of the job that it runs.
async fn changed_since(
    connector: &dyn Connector,
    member: &MemberSpec,
    batch: &[OutboxEntry],
) -> Result<BTreeSet<String>, PluginError> {
    let planned: BTreeMap<&str, (&str, Option<i64>)> = batch
        .iter()
        .filter_map(|entry| {
            let known = (entry.if_version.as_deref()?, entry.if_modified_ms);
            Some((entry.id.as_deref()?, known))
        })
        .collect();
    if planned.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<String> = planned.keys().map(|id| (*id).to_owned()).collect();
    let page = connector.read_records(&member.object, &[], &ids).await?;
    let moved = page.batch.rows.into_iter().filter(|row| {
        let before = planned.get(row.id.as_str());
        // A row that is older than what the plan was made from says nothing.
        let (Some(now), Some((version, known_ms))) = (row.version.as_deref(), before) else {
            return false;
        };
        now != *version && !is_older(row.modified_ms, *known_ms)
    });
    let gone = page.removed.into_iter().map(|tombstone| tombstone.id);
    Ok(moved.map(|row| row.id).chain(gone).collect())
}

/// The outcome of a merge that the connector cannot make: the question about it is open again, and
/// the system's other work goes on.
fn refused(what: String) -> Outcome {
    let (code, remedy) = (settle_merge::UNSUPPORTED.to_owned(), Remedy::Nobody);
    Outcome::Rejected(vec![Problem { code, message: what, field: None, remedy }])
}

/// All operations under the union of their columns; what an operation does not name is left alone.
fn request(entity: &EntitySpec, member: &MemberSpec, batch: &[OutboxEntry]) -> WriteRequest {
    let columns = columns_of(batch);
    let operation = |entry: &OutboxEntry| Operation {
        intent: entry.intent.clone(),
        action: entry.action,
        id: entry.id.clone(),
        key: None,
        if_version: entry.if_version.clone(),
        cells: columns.iter().map(|column| sent(entry, column)).collect(),
    };
    let operations = batch.iter().map(operation).collect();
    let options = removals(entity, member, batch);
    WriteRequest { object: member.object.clone(), columns, operations, options }
}

/// The references that go, as the contract's option `removes`: a write names them, so that what a
/// person adds meanwhile stays.
fn removals(entity: &EntitySpec, member: &MemberSpec, batch: &[OutboxEntry]) -> Attributes {
    let fields =
        batch.iter().flat_map(|entry| entry.fields.iter().map(move |field| (entry, field)));
    let named = fields.flat_map(|(entry, write)| {
        let column = entity
            .field(&write.field)
            .and_then(|(field, _)| member.group_of(field)?.columns.first());
        let record = write.removes.iter().zip(column.into_iter().cycle());
        record.map(|(record, column)| format_smolstr!("{} {column} {}", entry.intent, record.id))
    });
    let named: Vec<SmolStr> = named.collect();
    if named.is_empty() { Vec::new() } else { vec![("removes".to_owned(), Value::Choices(named))] }
}
