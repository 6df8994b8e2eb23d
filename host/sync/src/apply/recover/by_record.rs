//! Probes updates, archives and merges without an answer: the record is read again
//! ([`crate::unanswered::evidence::field_outcomes`]).

use std::collections::BTreeMap;

use super::{ProbeStage, Prober};
use crate::read::ingest::IngestError;
use crate::unanswered::evidence::settle_unanswered_update;
use crate::unanswered::sent_cells::sent_cells;
use renkei_model::index::PerField;
use renkei_model::reason::Reason;
use renkei_model::state::{OutboxEntry, RecordKey, RecordState, RecordStatus};
use renkei_model::store::fetch::records_for;
use renkei_model::store::port::Changes;
use renkei_model::value::Cell;

impl Prober<'_> {
    /// Reads the records and settles what they prove; the planner does the rest.
    pub(super) async fn look_at(&self, entries: &[OutboxEntry]) -> Result<(), IngestError> {
        if entries.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> =
            entries.iter().flat_map(|entry| entry.effect.ids()).map(str::to_owned).collect();
        self.source().read_again(self.connector, &ids).await?;
        let keys: Vec<RecordKey> = ids.iter().map(|id| self.source().key(id)).collect();
        let known = records_for(self.engine.store, self.entity, &keys).await?;
        let mut records: BTreeMap<RecordKey, RecordState> =
            known.into_iter().map(|record| (record.key.clone(), record)).collect();
        let sent = self.sent_cells(entries).await?;
        let mut changes = Changes::default();
        for (entry, sent) in entries.iter().zip(sent) {
            // A record that is still there is planned for again, which is harmless where the effect
            // came about after all.
            let record =
                entry.effect.telling_id().and_then(|id| records.get_mut(&self.source().key(id)));
            let reason = match record {
                // Its successor takes over what was sent, once it has been read.
                Some(record) if self.hands_on(entry, record) => continue,
                Some(record) if entry.effect.kind().changes_record() => {
                    settle_unanswered_update(self.entity, entry, &sent, record, false)
                }
                Some(record)
                    if record.status == RecordStatus::Missing || !record.status.is_there() =>
                {
                    if entry.effect.kind().removes_record() && record.status.is_removed() {
                        record.status = RecordStatus::Withdrawn;
                    }
                    Reason::FoundByProbe
                }
                _ => Reason::SentAgain,
            };
            changes.journal.push(self.line(entry, reason));
            changes.dirty.push(entry.link);
            changes.outbox_done.push(entry.intent.clone());
        }
        changes.records.extend(records.into_values());
        Ok(self.engine.store.commit(changes).await?)
    }

    fn hands_on(&self, entry: &OutboxEntry, record: &RecordState) -> bool {
        self.stage == ProbeStage::Start
            && entry.effect.kind().changes_record()
            && record.status.successor().is_some()
    }

    /// The values that operations sent, in canonical form: per operation and field.
    pub(super) async fn sent_cells(
        &self,
        entries: &[OutboxEntry],
    ) -> Result<Vec<PerField<Cell>>, IngestError> {
        let transforms = &self.engine.transforms;
        Ok(sent_cells(transforms, self.entity, self.member, entries).await?)
    }
}
