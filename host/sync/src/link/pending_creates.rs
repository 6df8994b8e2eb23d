//! Records that an unanswered create may have made. No link is founded on them. One that a match
//! key brings to the create's link is weighed against the cells that were sent. One that went
//! before it was read is remembered until the create is decided. Without this the same thing would
//! be made again in the other systems, or an edit of it would be lost (RULES.md V1, P1). Questions
//! about such creates stand here too.

use std::collections::{BTreeMap, BTreeSet};

use crate::cycle_failure::CycleFailure;
use crate::engine::{CycleCounters, Engine};
use crate::unanswered::evidence::{CreateLikeness, likeness, weigh_found_record};
use crate::unanswered::sent_cells::sent_cells;
use renkei_model::index::PerField;
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{
    LinkId, LinkWork, OutboxEntry, OutboxState, RecordKey, RecordState, Review, ReviewSubject,
};
use renkei_model::store::fetch::work_for;
use renkei_model::store::port::{OutboxQuery, ReviewFilter, ReviewQuery, Store, StoreError};
use renkei_model::value::Cell;

/// Records fetched at once.
const ROWS: usize = 1000;

/// The creates of an entity without an answer, and the records that wait for them.
pub(crate) struct UnansweredCreates<'a> {
    entity: &'a EntitySpec,
    /// The creates with the cells that were sent, in canonical form; without cells if a transform
    /// failed on them.
    creates: Vec<(OutboxEntry, Option<PerField<Cell>>)>,
    /// Records without a link that one of the creates may have made.
    withheld: BTreeSet<RecordKey>,
}

impl<'a> UnansweredCreates<'a> {
    pub(crate) async fn new(
        engine: &Engine<'_>,
        counters: &CycleCounters<'_>,
        entity: &'a EntitySpec,
    ) -> Result<Self, StoreError> {
        let creates = unanswered_creates(engine.store, &entity.name, None).await?;
        let creates = with_cells(engine, counters, entity, creates).await;
        let mut waiting = Self { entity, creates, withheld: BTreeSet::new() };
        if !waiting.creates.is_empty() {
            waiting.withhold(engine).await?;
        }
        Ok(waiting)
    }

    async fn withhold(&mut self, engine: &Engine<'_>) -> Result<(), StoreError> {
        let questions = questions(engine.store, &self.entity.name).await?;
        let mut after: Option<RecordKey> = None;
        loop {
            let (entity, work) = (self.entity, LinkWork::Unlinked);
            let records = work_for(engine.store, entity, work, after.as_ref(), ROWS).await?;
            let Some(last) = records.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let waits = |record: &&RecordState| {
                self.creates.iter().any(|(entry, cells)| {
                    may_be(self.entity, entry, cells.as_ref(), questions.get(&entry.intent), record)
                })
            };
            let waiting: Vec<_> = records.iter().filter(waits).map(|one| one.key.clone()).collect();
            self.withheld.extend(waiting);
        }
    }

    /// True if no link may be founded on a record.
    pub(crate) fn withholds(&self, record: &RecordKey) -> bool {
        self.withheld.contains(record)
    }

    /// True if a record may not join a link yet, because the cells that were sent to its place are
    /// not known.
    pub(crate) fn blocks(&self, record: &RecordKey, link: LinkId) -> bool {
        self.create_of(record, link).is_some_and(|(_, cells)| cells.is_none())
    }

    /// Weighs a record that joins its link against the create: changes since then become edits.
    pub(crate) fn weigh_lookalike(&self, record: &mut RecordState, link: LinkId) {
        if let Some((entry, Some(cells))) = self.create_of(&record.key, link) {
            weigh_found_record(self.entity, entry, cells, record);
        }
    }

    fn create_of(
        &self,
        record: &RecordKey,
        link: LinkId,
    ) -> Option<&(OutboxEntry, Option<PerField<Cell>>)> {
        // A link has one place in a system: the object of the create may be another by now, as a
        // converted Lead is a Contact.
        self.creates.iter().find(|(entry, _)| entry.link == link && entry.system == record.system)
    }
}

/// True if a create may have made a record. Once a person is asked, only the records of the
/// question count, and those that agree on all cells: a system shows the record before that.
fn may_be(
    entity: &EntitySpec,
    entry: &OutboxEntry,
    sent: Option<&PerField<Cell>>,
    question: Option<&Review>,
    record: &RecordState,
) -> bool {
    if record.key.system != entry.system || record.key.object != entry.object {
        return false;
    }
    let likeness = sent.map_or(CreateLikeness::Partly, |sent| likeness(entity, sent, record));
    match question.map(|question| &question.subject) {
        Some(ReviewSubject::Uncertain { records, .. }) => {
            likeness == CreateLikeness::Same || records.contains(&record.key)
        }
        _ => likeness != CreateLikeness::Other,
    }
}

/// The cells that each create sent. If a transform fails, they are not known, and every record may
/// be the one.
async fn with_cells(
    engine: &Engine<'_>,
    counters: &CycleCounters<'_>,
    entity: &EntitySpec,
    creates: Vec<OutboxEntry>,
) -> Vec<(OutboxEntry, Option<PerField<Cell>>)> {
    let mut known = Vec::with_capacity(creates.len());
    for member in &entity.members {
        let is_mine =
            |entry: &&OutboxEntry| entry.system == member.system && entry.object == member.object;
        let mine: Vec<OutboxEntry> = creates.iter().filter(is_mine).cloned().collect();
        let cells = match sent_cells(&engine.transforms, entity, member, &mine).await {
            Ok(cells) => cells.into_iter().map(Some).collect(),
            Err(error) => {
                counters.failed(&CycleFailure::of_transform(&entity.name, &error));
                vec![None; mine.len()]
            }
        };
        known.extend(mine.into_iter().zip(cells));
    }
    known
}

/// Creates without an answer, of an entity or of one of its members.
pub(crate) async fn unanswered_creates(
    store: &dyn Store,
    entity: &str,
    member: Option<&MemberSpec>,
) -> Result<Vec<OutboxEntry>, StoreError> {
    let query = OutboxQuery {
        state: OutboxState::Sent,
        entity: Some(entity.to_owned()),
        system: member.map(|member| member.system.clone()),
        kind: None,
        due_ms: i64::MAX,
        limit: usize::MAX,
    };
    let mut sent = store.outbox(&query).await?;
    sent.retain(|entry| {
        let is_there = member.is_none_or(|member| member.object == entry.object);
        is_there && entry.effect.kind().makes_record()
    });
    Ok(sent)
}

/// The questions of an entity about creates, by intent.
pub(crate) async fn questions(
    store: &dyn Store,
    entity: &str,
) -> Result<BTreeMap<String, Review>, StoreError> {
    let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let reviews = store.reviews(&query).await?.into_iter().filter(|one| one.entity == entity);
    let by_intent = reviews.filter_map(|review| match &review.subject {
        ReviewSubject::Uncertain { intent, .. } => Some((intent.clone(), review)),
        _ => None,
    });
    Ok(by_intent.collect())
}
