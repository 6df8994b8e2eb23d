//! Readings by id of records in doubt: those of a page at once, and those that are due, found by
//! the store's index (RULES.md V1, V13).

use std::collections::{BTreeMap, BTreeSet};

use super::{Reader, successors};
use crate::read::ingest::IngestError;
use renkei_model::state::{Doubt, READING_LAG_MS, RETRY_REFUSED_MS, RecordKey};
use renkei_model::store::port::Changes;

/// Records read in one call.
const DUE_MAX: usize = 1_000;

impl Reader<'_> {
    /// Reads records by their ids whose rows on a page may be older than our write.
    pub(super) async fn read_again(&self, ids: &[String]) -> Result<(), IngestError> {
        for ids in ids.chunks(DUE_MAX) {
            let (changes, _) = self.absorb_by_id(ids).await?;
            self.commit(changes).await?;
        }
        Ok(())
    }

    /// Reads the records whose doubts are due. A doubt that a scan confirmed meanwhile costs no
    /// call.
    pub(super) async fn read_due(&self) -> Result<(), IngestError> {
        let now_ms = self.engine.clock.now_ms();
        loop {
            let due = self.engine.store.due_doubts(&self.stream(), now_ms, DUE_MAX).await?;
            if due.is_empty() {
                return Ok(());
            }
            let (asked, over): (Vec<_>, Vec<_>) =
                due.into_iter().partition(|(_, doubt)| doubt.asks());
            let ids: Vec<String> = asked.iter().map(|(key, _)| key.id.clone()).collect();
            let all_unread = !ids.is_empty() && asked.iter().all(|(_, doubt)| !doubt.is_open());
            let (mut changes, answered) = match ids.is_empty() {
                true => (Changes::default(), BTreeSet::new()),
                false => self.absorb_by_id(&ids).await?,
            };
            postpone(&mut changes, asked, &answered, now_ms);
            // A column without an answer is not asked of further records in the same cycle.
            let is_unread = |remaining: &Option<Doubt>| {
                remaining.as_ref().is_some_and(|remaining| remaining.unread)
            };
            let is_in_vain =
                all_unread && changes.doubts.iter().all(|(_, remaining)| is_unread(remaining));
            changes.doubts.extend(over.into_iter().map(|(key, _)| (key, None)));
            self.commit(changes).await?;
            if is_in_vain {
                return Ok(());
            }
        }
    }

    /// The changes of a reading by these ids, and the ids that were answered.
    async fn absorb_by_id(
        &self,
        ids: &[String],
    ) -> Result<(Changes, BTreeSet<String>), IngestError> {
        let columns = self.member.read_columns();
        let page = self.connector.read_records(&self.member.object, &columns, ids).await?;
        let answered = page.batch.rows.iter().map(|row| row.id.clone()).collect();
        Ok((self.source().absorb(&page).await?, answered))
    }

    async fn commit(&self, changes: Changes) -> Result<(), IngestError> {
        let successors = successors(&changes);
        if !changes.is_empty() {
            self.engine.store.commit(changes).await?;
        }
        self.fetch(successors).await
    }
}

/// Puts off the doubts that remain: of an answered record by the lag of a reading, of any other by
/// a day. A record that is neither answered nor reported as gone stays in doubt, because a later
/// reading may still show its state from before our write. The next sweep asks for it.
fn postpone(
    changes: &mut Changes,
    asked: Vec<(RecordKey, Doubt)>,
    answered: &BTreeSet<String>,
    now_ms: i64,
) {
    let mut remaining: BTreeMap<RecordKey, Option<Doubt>> =
        asked.into_iter().map(|(key, doubt)| (key, Some(doubt))).collect();
    remaining.extend(std::mem::take(&mut changes.doubts));
    for (key, doubt) in &mut remaining {
        let pause_ms = if answered.contains(&key.id) { READING_LAG_MS } else { RETRY_REFUSED_MS };
        if let Some(doubt) = doubt.as_mut().filter(|doubt| doubt.due_ms <= now_ms) {
            doubt.due_ms = now_ms.saturating_add(pause_ms);
        }
    }
    changes.doubts = remaining.into_iter().collect();
}
