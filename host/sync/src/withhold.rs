//! Records that may be what an unanswered create made: nothing is founded on them, and those that
//! went before they were read are remembered, until it is known what became of the create
//! (SYNC.md 3.6). Otherwise the same thing would be made again in the other systems.

use std::collections::{BTreeMap, BTreeSet};

use crate::absorb::Source;
use crate::apply::sent_cells;
use crate::engine::{Engine, Tally};
use crate::record::{Action, Tombstone};
use crate::spec::EntitySpec;
use crate::state::{
    LinkWork, Matter, OutboxEntry, OutboxState, RecordKey, RecordState, Review, SKEW_MS,
};
use crate::store::{OutboxQuery, ReviewQuery, Store, StoreError};
use crate::unanswered::{Likeness, likeness};
use crate::value::Cell;

/// Records looked at at once.
const ROWS: usize = 1000;

/// The records without a link that wait for an unanswered create.
pub(crate) async fn withheld(
    engine: &Engine<'_>,
    tally: &Tally<'_>,
    entity: &EntitySpec,
) -> Result<BTreeSet<RecordKey>, StoreError> {
    let mut withheld = BTreeSet::new();
    let creates = unanswered(engine.store, &entity.name, None).await?;
    if creates.is_empty() {
        return Ok(withheld);
    }
    let questions = questions(engine.store, &entity.name).await?;
    let creates = with_cells(engine, tally, entity, creates).await;
    let mut after: Option<RecordKey> = None;
    loop {
        let (store, work) = (engine.store, LinkWork::Unlinked);
        let records = store.link_work(&entity.name, work, after.as_ref(), ROWS).await?;
        let Some(last) = records.last() else { return Ok(withheld) };
        after = Some(last.key.clone());
        let waits = |record: &&RecordState| {
            creates.iter().any(|(entry, cells)| {
                may_be(entity, entry, cells, questions.get(&entry.intent), record)
            })
        };
        withheld.extend(records.iter().filter(waits).map(|record| record.key.clone()));
    }
}

/// Whether a record may be what a create made. Once a person is asked, only what the question names
/// and what agrees on everything: a system shows what it made before that.
fn may_be(
    entity: &EntitySpec,
    entry: &OutboxEntry,
    sent: &[Cell],
    question: Option<&Review>,
    record: &RecordState,
) -> bool {
    if record.key.system != entry.system || record.key.object != entry.object {
        return false;
    }
    let likeness = likeness(entity, sent, record);
    match question.map(|question| &question.matter) {
        Some(Matter::Uncertain { records, .. }) => {
            likeness == Likeness::Same || records.contains(&record.key)
        }
        _ => likeness != Likeness::Other,
    }
}

/// What each create sent; if a transform fails, nothing is known of that and all may be it.
async fn with_cells(
    engine: &Engine<'_>,
    tally: &Tally<'_>,
    entity: &EntitySpec,
    creates: Vec<OutboxEntry>,
) -> Vec<(OutboxEntry, Vec<Cell>)> {
    let mut known = Vec::with_capacity(creates.len());
    for member in &entity.members {
        let is_mine =
            |entry: &&OutboxEntry| entry.system == member.system && entry.object == member.object;
        let mine: Vec<OutboxEntry> = creates.iter().filter(is_mine).cloned().collect();
        let cells = match sent_cells(&engine.transforms, entity, member, &mine).await {
            Ok(cells) => cells,
            Err(error) => {
                tally.failed("transform", &entity.name, &error);
                vec![Vec::new(); mine.len()]
            }
        };
        known.extend(mine.into_iter().zip(cells));
    }
    known
}

/// Tombstones of records that were never read, as records, where one of them may be what an
/// unanswered create made.
pub(crate) async fn strays(
    source: &Source<'_>,
    unknown: &[&Tombstone],
) -> Result<Vec<RecordState>, StoreError> {
    if unknown.is_empty() {
        return Ok(Vec::new());
    }
    let creates = unanswered(source.store, &source.entity.name, Some(source)).await?;
    let Some(since) = creates.iter().map(OutboxEntry::sent_ms).min() else {
        return Ok(Vec::new());
    };
    let gone_ms = |tombstone: &Tombstone| tombstone.at_ms.unwrap_or(source.now_ms);
    let recent = unknown.iter().filter(|gone| gone_ms(gone) >= since.saturating_sub(SKEW_MS));
    let stray = |gone: &&Tombstone| RecordState {
        status: source.status_of(gone),
        modified_ms: Some(gone_ms(gone)),
        ..source.blank(&gone.id)
    };
    Ok(recent.map(stray).collect())
}

/// Creates without an answer: of an entity, or of one of its members.
async fn unanswered(
    store: &dyn Store,
    entity: &str,
    source: Option<&Source<'_>>,
) -> Result<Vec<OutboxEntry>, StoreError> {
    let query = OutboxQuery {
        state: OutboxState::Sent,
        entity: Some(entity.to_owned()),
        system: source.map(|source| source.member.system.clone()),
        kind: source.map(|source| (source.member.object.clone(), Action::Create)),
        due_ms: i64::MAX,
        limit: usize::MAX,
    };
    let mut sent = store.outbox(&query).await?;
    sent.retain(|entry| entry.action == Action::Create);
    Ok(sent)
}

/// The questions of an entity about creates, by intent.
pub(crate) async fn questions(
    store: &dyn Store,
    entity: &str,
) -> Result<BTreeMap<String, Review>, StoreError> {
    let query = ReviewQuery { open_only: true, ..ReviewQuery::default() };
    let reviews = store.reviews(&query).await?.into_iter().filter(|one| one.entity == entity);
    let by_intent = reviews.filter_map(|review| match &review.matter {
        Matter::Uncertain { intent, .. } => Some((intent.clone(), review)),
        _ => None,
    });
    Ok(by_intent.collect())
}
