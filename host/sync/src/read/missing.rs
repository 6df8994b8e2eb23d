//! Records that are out of sight although nobody says that they are gone (`RULES.md` V12).

use renkei_model::plugin::Generation;
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::state::{
    JournalEntry, LinkId, RecordState, RecordStatus, ReviewStatus, ReviewSubject,
};
use renkei_model::store::port::{Changes, Store, StoreError};

/// Marks the live ones of these records as missing, and asks a person about each. Surplus ones are
/// only aliases and stay as they are.
pub(crate) async fn mark_missing(
    store: &dyn Store,
    (now_ms, generation): (i64, &Generation),
    records: Vec<RecordState>,
) -> Result<Changes, StoreError> {
    let mut changes = Changes::default();
    let live: Vec<RecordState> =
        records.into_iter().filter(|record| record.status == RecordStatus::Live).collect();
    let links: Vec<LinkId> = live.iter().filter_map(|record| record.link).collect();
    for view in store.links(&links).await? {
        let own = live.iter().filter(|record| record.link == Some(view.link.id));
        let subjects = own.map(|record| ReviewSubject::Missing { record: record.key.clone() });
        changes.reviews.extend(
            subjects
                .map(|subject| review::of_link(&view.link, subject, ReviewStatus::Open, now_ms)),
        );
    }
    changes.dirty = links;
    for record in live {
        changes.journal.push(JournalEntry {
            at_ms: now_ms,
            entity: record.entity.clone(),
            link: record.link,
            record: Some(record.key.clone()),
            field: None,
            intent: None,
            generation: Some(generation.in_full()),
            reason: Reason::OutOfSight,
        });
        changes.records.push(RecordState { status: RecordStatus::Missing, ..record });
    }
    Ok(changes)
}
