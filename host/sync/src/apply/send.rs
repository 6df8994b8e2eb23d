//! Sends planned operations: outbox, call, outcomes, and no decisions.
//!
//! Operations are marked as sent in one commit before the call. Their outcomes, bases and new
//! members are one commit after it, or a few where the call was large. An operation that is not
//! settled yet stays marked as sent and is probed (`RULES.md` E16, Q2). The systems work side by
//! side; outcomes are settled one slice at a time, because two systems may answer for the same
//! link.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::effects::{CallAnswer, EffectTarget, batch_max};
use crate::apply::settled::SettledOperation;
use crate::cycle_failure::{CycleFailure, CycleStep};
use crate::cycle_state::{CycleState, LinkPause};
use crate::engine::{CycleError, CycleEvent, WriteResult};
use crate::plan::cascades::defer_followers;
use crate::read::order::is_older;
use futures::lock::Mutex;
use renkei_model::effect::EffectKind;
use renkei_model::plugin::PluginError;
use renkei_model::ports::Connector;
use renkei_model::reason::Reason;
use renkei_model::record::Outcome;
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{LinkId, OutboxEntry, OutboxState, RecordKey, VISIBLE_AFTER_MS};
use renkei_model::store::port::{Changes, OutboxQuery, StoreError};

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
    let mut summary = SendSummary::default();
    for more in futures::future::try_join_all(work).await? {
        summary.add(more);
    }
    for (link, pause) in summary.deferred {
        cycle.defer(link, pause);
    }
    Ok(defer_followers(cycle, &summary.archived).await?)
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
        let mut summary = SendSummary::default();
        let mut connector: Option<Box<dyn Connector>> = None;
        while !self.cycle.counters.has_failed(system) {
            let batch = self.next_batch(system).await?;
            let Some(first) = batch.first() else { break };
            let Some((_, member)) = self.entity.member(system, &first.object) else { break };
            if connector.is_none() {
                match self.cycle.engine.systems.open(system).await {
                    Ok(opened) => connector = Some(opened),
                    Err(error) => {
                        self.cycle.counters.failed(&CycleFailure::of_system(
                            system,
                            CycleStep::Open,
                            &error,
                        ));
                        break;
                    }
                }
            }
            let Some(connector) = connector.as_deref() else { break };
            summary.add(self.send(connector, member, batch).await?);
        }
        Ok(summary)
    }

    /// The next operations of one kind on one object, in the order of the outbox.
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
        let (object, kind) = match self.cycle.counters.has_stopped(system, &first.object) {
            false => (first.object, first.effect.kind()),
            true => match self.other_kind(&oldest).await? {
                Some(kind) => kind,
                None => return Ok(Vec::new()),
            },
        };
        let Some((_, member)) = self.entity.member(system, &object) else {
            return Ok(Vec::new());
        };
        let limit = batch_max(kind, member).min(engine.options.write_operations);
        let kind = Some((object, kind));
        engine.store.outbox(&OutboxQuery { kind, limit, ..oldest }).await
    }

    /// Finds an object and kind with planned operations, where the object of the oldest one has
    /// stopped.
    async fn other_kind(
        &self,
        oldest: &OutboxQuery,
    ) -> Result<Option<(String, EffectKind)>, StoreError> {
        let is_open = |member: &&MemberSpec| {
            Some(&member.system) == oldest.system.as_ref()
                && !self.cycle.counters.has_stopped(&member.system, &member.object)
        };
        for member in self.entity.members.iter().filter(is_open) {
            for kind in EffectKind::ALL {
                let kind = Some((member.object.clone(), kind));
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
                self.cycle.counters.failed(&CycleFailure::of_object(
                    member,
                    CycleStep::LookAgain,
                    &error,
                ));
                return Ok(SendSummary::default());
            }
        };
        let is_changed =
            |entry: &OutboxEntry| entry.effect.id().is_some_and(|id| changed.contains(id));
        let (stale, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_changed);
        let outcomes = vec![Outcome::Conflict; stale.len()];
        let mut summary =
            self.settle_outcomes(self.target(connector, member), &[], &stale, outcomes).await?;
        summary.add(self.write(connector, member, batch).await?);
        Ok(summary)
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
            entry.not_before_ms = engine.clock.now_ms().saturating_add(VISIBLE_AFTER_MS);
        }
        let sent = Changes { outbox: batch.clone(), ..Changes::default() };
        engine.store.commit(sent).await?;
        let target = self.target(connector, member);
        match target.call(&batch).await {
            Ok(CallAnswer { columns, outcomes }) => {
                self.settle_outcomes(target, &columns, &batch, outcomes).await
            }
            Err(error) => {
                self.unplan_denied(connector, &batch, &error).await?;
                self.cycle.counters.failed(&CycleFailure::of_object(
                    member,
                    CycleStep::Write,
                    &error,
                ));
                Ok(SendSummary::default())
            }
        }
    }

    fn target<'t>(
        &'t self,
        connector: &'t dyn Connector,
        member: &'t MemberSpec,
    ) -> EffectTarget<'t> {
        EffectTarget { engine: self.cycle.engine, entity: self.entity, member, connector }
    }

    /// Plans operations again that the host itself refused: they were never sent (`RULES.md` V18).
    async fn unplan_denied(
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
        target: EffectTarget<'_>,
        columns: &[String],
        batch: &[OutboxEntry],
        outcomes: Vec<Outcome>,
    ) -> Result<SendSummary, CycleError> {
        let mut summary = SendSummary::default();
        let mut outcomes = outcomes.into_iter();
        for slice in batch.chunks(self.cycle.engine.options.settle_operations.max(1)) {
            let outcomes = outcomes.by_ref().take(slice.len()).collect();
            match self.settle_slice(target, columns, (slice, outcomes)).await? {
                Some(more) => summary.add(more),
                // The others stay marked as sent.
                None => break,
            }
        }
        Ok(summary)
    }

    /// Settles some operations. `None` where a plugin failed, which is reported.
    async fn settle_slice(
        &self,
        target: EffectTarget<'_>,
        columns: &[String],
        (batch, outcomes): (&[OutboxEntry], Vec<Outcome>),
    ) -> Result<Option<SendSummary>, CycleError> {
        let _one_at_a_time = self.settling.lock().await;
        match target.settle_answers(columns, (batch, outcomes)).await {
            Ok(settled) => Ok(Some(self.report_settled(target.member, batch, settled))),
            Err(error) => self.cycle.record_failure(target.member, error).map(|()| None),
        }
    }

    fn report_settled(
        &self,
        member: &MemberSpec,
        batch: &[OutboxEntry],
        settled: Vec<SettledOperation>,
    ) -> SendSummary {
        let mut summary = SendSummary::default();
        for (entry, settled) in batch.iter().zip(settled) {
            summary.deferred.extend(settled.pause.map(|pause| (entry.link, pause)));
            let kind = entry.effect.kind();
            if kind.removes_record() && settled.result == WriteResult::Applied {
                summary.archived.extend(entry.record());
            }
            self.cycle.counters.event(&CycleEvent::Written {
                system: &member.system,
                object: &member.object,
                kind,
                result: settled.result,
            });
        }
        summary
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
            Some((entry.effect.id()?, known))
        })
        .collect();
    if planned.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<String> = planned.keys().map(|id| (*id).to_owned()).collect();
    let page = connector.read_records(&member.object, &[], &ids).await?;
    let changed = page.batch.rows.into_iter().filter(|row| {
        let before = planned.get(row.id.as_str());
        // A row that is older than what the plan was made from says nothing.
        let (Some(now), Some((version, known_ms))) = (row.version.as_deref(), before) else {
            return false;
        };
        now != *version && !is_older(row.modified_ms, *known_ms)
    });
    let gone = page.removed.into_iter().map(|tombstone| tombstone.id);
    Ok(changed.map(|row| row.id).chain(gone).collect())
}
