//! Asks about jobs at the vendor that outlast the call which started them (`RULES.md` E24).

use std::collections::BTreeMap;

use super::Prober;
use crate::apply::effects::EffectTarget;
use crate::apply::settle::BatchSettler;
use crate::read::ingest::IngestError;
use renkei_model::effect::EffectKind;
use renkei_model::plugin::PluginError;
use renkei_model::record::Outcome;
use renkei_model::state::OutboxEntry;

impl Prober<'_> {
    /// Asks about the jobs that are due, and settles those that have ended. Returns their number,
    /// and the operations whose job the system does not know any more: they are probed like all
    /// others.
    pub(super) async fn ask_about_jobs(
        &self,
        entries: Vec<OutboxEntry>,
    ) -> Result<(u64, Vec<OutboxEntry>), IngestError> {
        let Self { engine, entity, member, connector, .. } = *self;
        let now_ms = engine.clock.now_ms();
        // A clock that was set back makes no job wait for long.
        let is_due = |entry: &OutboxEntry| {
            let due_ms = entry.job.as_ref().map(|job| job.due_ms);
            due_ms.is_some_and(|due_ms| due_ms <= now_ms || now_ms < entry.sent_ms())
        };
        let mut batches: BTreeMap<EffectKind, Vec<OutboxEntry>> = BTreeMap::new();
        for entry in entries.into_iter().filter(is_due) {
            batches.entry(entry.effect.kind()).or_default().push(entry);
        }
        let (mut ended, mut forgotten) = (0, Vec::new());
        for batch in batches.into_values() {
            let target = EffectTarget { engine, entity, member, connector };
            match target.finish(&batch).await {
                Ok(answer) => {
                    let (told, unknown) = split_unknown(batch, answer.outcomes);
                    ended += self.settle_jobs(target, &answer.columns, told).await?;
                    forgotten.extend(unknown);
                }
                Err(PluginError::NotFound { .. } | PluginError::Unsupported { .. }) => {
                    forgotten.extend(batch);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((ended, forgotten))
    }

    /// Settles what was told of jobs of one kind. Readings may be newer than what a job did, so the
    /// records are read first and what they hold stands. Returns the number of those that ended.
    async fn settle_jobs(
        &self,
        target: EffectTarget<'_>,
        columns: &[String],
        (batch, outcomes): (Vec<OutboxEntry>, Vec<Outcome>),
    ) -> Result<u64, IngestError> {
        let goes_on = |outcome: &&Outcome| matches!(outcome, Outcome::Pending(_));
        let ended = (batch.len() - outcomes.iter().filter(goes_on).count()) as u64;
        if batch.first().is_some_and(|entry| !entry.effect.kind().goes_alone()) {
            let applied = outcomes.iter().filter_map(|outcome| match outcome {
                Outcome::Applied(applied) => Some(applied.id.clone()),
                _ => None,
            });
            self.source().read_again(self.connector, &applied.collect::<Vec<_>>()).await?;
            let settler = BatchSettler::new(self.engine, self.entity, self.member, self.connector);
            settler.found_by_probe().settle_batch(columns, &batch, outcomes).await?;
        } else {
            target.settle_answers(columns, (&batch, outcomes)).await?;
        }
        Ok(ended)
    }
}

/// Operations of whose jobs something is known, with their outcomes, and those of whose jobs
/// nothing is.
fn split_unknown(
    batch: Vec<OutboxEntry>,
    outcomes: Vec<Outcome>,
) -> ((Vec<OutboxEntry>, Vec<Outcome>), Vec<OutboxEntry>) {
    let (unknown, told): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .zip(outcomes)
        .partition(|(_, outcome)| matches!(outcome, Outcome::Uncertain(_)));
    (told.into_iter().unzip(), unknown.into_iter().map(|(entry, _)| entry).collect())
}
