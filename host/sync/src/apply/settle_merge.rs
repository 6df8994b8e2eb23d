//! Settles the outcome of a merge: the survivor takes over, or the question is open again.
//!
//! A merge is planned, committed, marked as sent and probed like every operation. Sending it twice
//! is harmless: by then the system says that the loser is gone, and the review is over.

use crate::apply::settled::{RETRY_MS, SettledOperation, with_job};
use crate::cycle_state::LinkPause;
use crate::engine::{Engine, WriteResult};
use crate::read::ingest::{IngestError, IngestSource};
use renkei_model::ports::Connector;
use renkei_model::reason::Reason;
use renkei_model::record::{Outcome, Problem, can_retry};
use renkei_model::review;
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{
    OutboxEntry, RecordKey, RecordStatus, Review, ReviewChoice, ReviewStatus, ReviewSubject,
};
use renkei_model::store::port::{Changes, ReviewFilter, ReviewQuery};

/// The problem code of a merge that the connector does not support.
pub(crate) const UNSUPPORTED: &str = "unsupported";

/// Settles merges of one member, each in a commit of its own.
pub(crate) async fn settle_merges(
    engine: &Engine<'_>,
    entity: &EntitySpec,
    member: &MemberSpec,
    connector: &dyn Connector,
    batch: &[OutboxEntry],
    outcomes: Vec<Outcome>,
) -> Result<Vec<SettledOperation>, IngestError> {
    let mut settled = Vec::with_capacity(batch.len());
    for (entry, outcome) in batch.iter().zip(outcomes) {
        let merge = MergeSettler { engine, entity, member, connector, entry };
        settled.push(merge.settle_outcome(outcome).await?);
    }
    Ok(settled)
}

struct MergeSettler<'a> {
    engine: &'a Engine<'a>,
    entity: &'a EntitySpec,
    member: &'a MemberSpec,
    connector: &'a dyn Connector,
    entry: &'a OutboxEntry,
}

impl MergeSettler<'_> {
    async fn settle_outcome(&self, outcome: Outcome) -> Result<SettledOperation, IngestError> {
        let done = |result| SettledOperation { result, pause: None };
        match outcome {
            Outcome::Applied(applied) => {
                self.hand_over(&self.source().key(&applied.id)).await?;
                self.source().read_again(self.connector, &[applied.id]).await?;
                Ok(done(WriteResult::Applied))
            }
            Outcome::Rejected(problems) if can_retry(&problems) => {
                let codes = problems.into_iter().map(|problem| problem.code).collect();
                self.put_off(Reason::ToTryAgain { codes }, RETRY_MS).await
            }
            Outcome::RetryAfter(after_ms) => {
                self.put_off(Reason::PutOff { after_ms }, after_ms).await
            }
            Outcome::Rejected(problems) => {
                self.give_back(problems).await?;
                Ok(done(WriteResult::Refused))
            }
            Outcome::Uncertain(_) => {
                let journal = vec![self.line(Reason::Uncertain)];
                self.commit(Changes { journal, ..Changes::default() }).await?;
                Ok(done(WriteResult::Uncertain))
            }
            Outcome::Pending(job) => {
                let now_ms = self.engine.clock.now_ms();
                let (waiting, reason) = with_job(self.entry, job, now_ms);
                let is_new = self.entry.job.is_none();
                let journal = is_new.then(|| self.line(reason)).into_iter().collect();
                let outbox = vec![waiting];
                self.commit(Changes { outbox, journal, ..Changes::default() }).await?;
                Ok(done(WriteResult::BeingDone))
            }
            Outcome::Conflict => self.look_again(Reason::ChangedMeanwhile).await,
            Outcome::Gone | Outcome::Exists(_) => self.look_again(Reason::FoundGone).await,
        }
    }

    fn source(&self) -> IngestSource<'_> {
        IngestSource::new(self.engine, self.entity, self.member, self.connector.generation())
    }

    fn line(&self, reason: Reason) -> renkei_model::state::JournalEntry {
        self.entry.line(self.engine.clock.now_ms(), self.connector.generation(), reason)
    }

    async fn commit(&self, changes: Changes) -> Result<(), IngestError> {
        Ok(self.engine.store.commit(changes).await?)
    }

    /// The changes that end the operation and have its link planned again.
    fn over(&self, reason: Reason) -> Changes {
        Changes {
            dirty: vec![self.entry.link],
            outbox_done: vec![self.entry.intent.clone()],
            journal: vec![self.line(reason)],
            ..Changes::default()
        }
    }

    fn loser(&self) -> Option<RecordKey> {
        self.entry.effect.loser().map(|id| self.source().key(id))
    }

    /// The loser, and the winner too where the survivor has a new id, pass to the survivor.
    async fn hand_over(&self, survivor: &RecordKey) -> Result<(), IngestError> {
        let Some(loser) = self.loser() else { return Ok(()) };
        let mut changes = self.over(Reason::MergedFrom(loser.clone()));
        for line in &mut changes.journal {
            line.record = Some(survivor.clone());
        }
        let keys: Vec<RecordKey> = self.entry.record().into_iter().chain([loser]).collect();
        for mut record in self.engine.store.records(&keys).await? {
            if record.key == *survivor {
                continue;
            }
            changes.aliases.push((record.key.clone(), survivor.clone()));
            record.status = match record.status {
                RecordStatus::Surplus => RecordStatus::SurplusInto(survivor.clone()),
                _ => RecordStatus::MergedInto(survivor.clone()),
            };
            changes.records.push(record);
        }
        let now_ms = self.engine.clock.now_ms();
        changes.reviews = self.review().await?.iter().map(|r| review::closed(r, now_ms)).collect();
        self.commit(changes).await
    }

    /// The system refused: the question is open again.
    async fn give_back(&self, problems: Vec<Problem>) -> Result<(), IngestError> {
        let codes: Vec<String> = problems.into_iter().map(|problem| problem.code).collect();
        let never = codes.iter().any(|code| code == UNSUPPORTED);
        let mut changes = self.over(Reason::Refused { codes });
        let known = self.review().await?;
        changes.reviews = match known {
            Some(known) if never => self.by_hand(known).await?,
            Some(known) => {
                vec![Review { status: ReviewStatus::Open, choice: None::<ReviewChoice>, ..known }]
            }
            None => Vec::new(),
        };
        self.commit(changes).await
    }

    /// The connector cannot merge them, whatever its schema says: that is offered no more
    /// (`RULES.md` V15).
    async fn by_hand(&self, known: Review) -> Result<Vec<Review>, IngestError> {
        let now_ms = self.engine.clock.now_ms();
        let closed = review::closed(&known, now_ms);
        let ReviewSubject::Surplus { active, surplus, .. } = known.subject else {
            return Ok(vec![closed]);
        };
        let subject = ReviewSubject::Surplus { active, surplus, mergeable: false };
        let view = self.engine.store.links(&[self.entry.link]).await?.pop();
        let open =
            view.map(|view| review::of_link(&view.link, subject, ReviewStatus::Open, now_ms));
        Ok(std::iter::once(closed).chain(open).collect())
    }

    async fn put_off(
        &self,
        reason: Reason,
        after_ms: u64,
    ) -> Result<SettledOperation, IngestError> {
        self.commit(self.over(reason)).await?;
        Ok(SettledOperation { result: WriteResult::Later, pause: Some(LinkPause::Ms(after_ms)) })
    }

    /// The records are other than thought: they are read, and the link is planned from that.
    async fn look_again(&self, reason: Reason) -> Result<SettledOperation, IngestError> {
        let ids: Vec<String> = self.entry.effect.ids().map(str::to_owned).collect();
        self.source().read_again(self.connector, &ids).await?;
        self.commit(self.over(reason)).await?;
        Ok(SettledOperation { result: WriteResult::Later, pause: None })
    }

    /// The review that approved it.
    async fn review(&self) -> Result<Option<Review>, IngestError> {
        let loser = self.loser();
        let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
        let reviews = self.engine.store.reviews(&query).await?;
        let is_mine = |review: &Review| match &review.subject {
            ReviewSubject::Surplus { surplus, .. } => Some(surplus) == loser.as_ref(),
            _ => false,
        };
        Ok(reviews.into_iter().find(is_mine))
    }
}
