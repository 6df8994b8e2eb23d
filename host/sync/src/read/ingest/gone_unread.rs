//! Deleted records that were never read and that an unanswered create may have made.

use super::IngestSource;
use crate::link::pending_creates::unanswered_creates;
use renkei_model::record::Tombstone;
use renkei_model::state::{OutboxEntry, RecordState, SKEW_MS};
use renkei_model::store::port::StoreError;

impl IngestSource<'_> {
    /// Records for the tombstones of records that were never read, where an unanswered create may
    /// have made one of them. Empty without such a create.
    pub(super) async fn find_gone_unread(
        &self,
        unknown: &[&Tombstone],
    ) -> Result<Vec<RecordState>, StoreError> {
        if unknown.is_empty() {
            return Ok(Vec::new());
        }
        let creates = unanswered_creates(self.store, &self.entity.name, Some(self.member)).await?;
        let Some(since) = creates.iter().map(OutboxEntry::sent_ms).min() else {
            return Ok(Vec::new());
        };
        let gone_ms = |tombstone: &Tombstone| tombstone.at_ms.unwrap_or(self.now_ms);
        let recent = unknown.iter().filter(|gone| gone_ms(gone) >= since.saturating_sub(SKEW_MS));
        let gone_unread = |gone: &&Tombstone| RecordState {
            status: self.status_of(gone),
            modified_ms: Some(gone_ms(gone)),
            ..self.blank(&gone.id)
        };
        Ok(recent.map(gone_unread).collect())
    }
}
