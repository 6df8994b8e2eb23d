//! The ways in which effects are carried out: one match over all kinds for the call, and one for
//! what follows from its outcomes.

use smol_str::format_smolstr;

use crate::apply::settle::BatchSettler;
use crate::apply::settle_merge;
use crate::apply::settled::SettledOperation;
use crate::engine::Engine;
use crate::read::ingest::IngestError;
use crate::unanswered::sent_cells::{sent_cell, written_columns};
use renkei_model::effect::{Effect, EffectCall, EffectKind};
use renkei_model::plugin::{PluginError, StopCause};
use renkei_model::ports::Connector;
use renkei_model::record::{Attributes, Operation, Outcome, Problem, Remedy, WriteRequest};
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::OutboxEntry;
use renkei_model::value::{SmolStr, Value};

/// One job's access to one member, for effects on it.
#[derive(Clone, Copy)]
pub(crate) struct EffectTarget<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) entity: &'a EntitySpec,
    pub(crate) member: &'a MemberSpec,
    pub(crate) connector: &'a dyn Connector,
}

/// The answer to a call: the header of the cells in the outcomes, and an outcome per operation.
pub(crate) struct CallAnswer {
    pub(crate) columns: Vec<String>,
    pub(crate) outcomes: Vec<Outcome>,
}

/// The most operations of a kind that one call carries.
pub(crate) fn batch_max(kind: EffectKind, member: &MemberSpec) -> usize {
    match kind.goes_alone() {
        true => 1,
        false => usize::try_from(member.write_rows).unwrap_or(usize::MAX),
    }
}

impl EffectTarget<'_> {
    /// Has the system carry out a batch of one kind.
    ///
    /// # Errors
    /// The connector failed as a whole, or gave another number of outcomes. The operations stay
    /// marked as sent: they are probed before anything is repeated.
    pub(crate) async fn call(&self, batch: &[OutboxEntry]) -> Result<CallAnswer, PluginError> {
        let object = self.member.object.as_str();
        let (columns, outcomes) = match batch.first().map(|entry| &entry.effect) {
            None => (Vec::new(), Vec::new()),
            Some(Effect::Create | Effect::Update { .. } | Effect::Archive { .. }) => {
                let request = self.request(batch);
                let outcomes = self.connector.perform(EffectCall::Write(&request)).await?;
                (request.columns, outcomes)
            }
            Some(Effect::Merge { winner, loser }) => {
                let losers = std::slice::from_ref(loser);
                let intent = batch.first().map_or("", |entry| &entry.intent);
                let call = EffectCall::Merge { object, winner, losers, intent };
                match self.connector.perform(call).await {
                    Err(PluginError::Unsupported { what, .. }) => {
                        (Vec::new(), vec![unsupported(what)])
                    }
                    answer => (Vec::new(), answer?),
                }
            }
        };
        match self.miscounted(batch, &outcomes) {
            Some(fault) => Err(fault),
            None => Ok(CallAnswer { columns, outcomes }),
        }
    }

    /// Asks about the jobs that carry a batch of one kind out.
    ///
    /// # Errors
    /// As [`EffectTarget::call`].
    pub(crate) async fn finish(&self, batch: &[OutboxEntry]) -> Result<CallAnswer, PluginError> {
        let columns = written_columns(batch);
        let tokens = batch.iter().filter_map(|entry| Some(entry.job.as_ref()?.token.clone()));
        let tokens: Vec<String> = tokens.collect();
        let outcomes = self.connector.finish(&self.member.object, &columns, &tokens).await?;
        match self.miscounted(batch, &outcomes) {
            Some(fault) => Err(fault),
            None => Ok(CallAnswer { columns, outcomes }),
        }
    }

    /// The fault of an answer that has not one outcome per operation.
    fn miscounted(&self, batch: &[OutboxEntry], outcomes: &[Outcome]) -> Option<PluginError> {
        let reason = format!("{} outcomes for {} operations", outcomes.len(), batch.len());
        let plugin = self.connector.generation().clone();
        let fault = PluginError::Broken { plugin, cause: StopCause::Contract, reason };
        (outcomes.len() != batch.len()).then_some(fault)
    }

    /// Commits what follows from the outcomes of a batch of one kind.
    pub(crate) async fn settle_answers(
        &self,
        columns: &[String],
        (batch, outcomes): (&[OutboxEntry], Vec<Outcome>),
    ) -> Result<Vec<SettledOperation>, IngestError> {
        let Self { engine, entity, member, connector } = *self;
        match batch.first().map(|entry| entry.effect.kind()) {
            None => Ok(Vec::new()),
            Some(EffectKind::Create | EffectKind::Update | EffectKind::Archive) => {
                let mut settler = BatchSettler::new(engine, entity, member, connector);
                settler.settle_batch(columns, batch, outcomes).await
            }
            Some(EffectKind::Merge) => {
                settle_merge::settle_merges(engine, entity, member, connector, batch, outcomes)
                    .await
            }
        }
    }

    /// All operations under the union of their columns; what an operation does not name is left
    /// alone.
    fn request(&self, batch: &[OutboxEntry]) -> WriteRequest {
        let columns = written_columns(batch);
        let operation = |entry: &OutboxEntry| {
            let (action, id) = entry.effect.as_write()?;
            Some(Operation {
                intent: entry.intent.clone(),
                action,
                id,
                key: Vec::new(),
                if_version: entry.if_version.clone(),
                cells: columns.iter().map(|column| sent_cell(entry, column)).collect(),
            })
        };
        let operations: Vec<Operation> = batch.iter().filter_map(operation).collect();
        debug_assert_eq!(operations.len(), batch.len(), "a batch is of one kind");
        let options = removals(self.entity, self.member, batch);
        WriteRequest { object: self.member.object.clone(), columns, operations, options }
    }
}

/// The outcome of an effect that the connector cannot carry out: the question about it is open
/// again, and the system's other work goes on.
fn unsupported(what: String) -> Outcome {
    let (code, remedy) = (settle_merge::UNSUPPORTED.to_owned(), Remedy::Nobody);
    Outcome::Rejected(vec![Problem { code, message: what, field: None, remedy }])
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
