//! Merging in one system what was merged in another, where a policy or a person says so.
//!
//! A merge cannot be undone, so it happens only for a review about a surplus record whose choice is
//! to approve. Repeating it after a crash is harmless: by then the system reports the loser as
//! merged, which closes the review.

use crate::absorb::{AbsorbError, Source};
use crate::cycle::Cycle;
use crate::engine::{CycleError, Engine};
use crate::outcome::read_again;
use crate::plugin::Generation;
use crate::reason::Reason;
use crate::record::{Outcome, Problem};
use crate::review;
use crate::spec::{EntitySpec, MemberSpec};
use crate::state::{Choice, JournalEntry, Matter, RecordKey, Review, ReviewStatus, Status};
use crate::store::{Changes, ReviewQuery};

/// Makes the merges that are approved for an entity.
pub(crate) async fn follow_merges(
    cycle: &Cycle<'_>,
    entity: &EntitySpec,
) -> Result<(), CycleError> {
    let engine = cycle.engine;
    let query = ReviewQuery { open_only: true, ..ReviewQuery::default() };
    for known in engine.store.reviews(&query).await? {
        let approved = known.choice == Some(Choice::Approve) && known.entity == entity.name;
        let Matter::Surplus { active, surplus } = &known.matter else { continue };
        let Some((_, member)) = entity.member(&surplus.system, &surplus.object) else { continue };
        if !approved || cycle.tally.has_failed(&member.system) {
            continue;
        }
        let merge = Merge { engine, entity, member, review: &known, active, surplus };
        if let Err(error) = merge.run().await {
            cycle.absorbed(&member.system, error)?;
        }
    }
    Ok(())
}

struct Merge<'a> {
    engine: &'a Engine<'a>,
    entity: &'a EntitySpec,
    member: &'a MemberSpec,
    review: &'a Review,
    active: &'a RecordKey,
    surplus: &'a RecordKey,
}

impl Merge<'_> {
    async fn run(&self) -> Result<(), AbsorbError> {
        let store = self.engine.store;
        let known = store.records(std::slice::from_ref(self.surplus)).await?;
        let waits = known.iter().any(|record| record.status == Status::Surplus);
        if !waits || self.active.object != self.surplus.object {
            return self.close(Changes::default()).await;
        }
        let connector = self.engine.systems.open(&self.member.system).await?;
        let losers = [self.surplus.id.clone()];
        let outcome = connector.merge(&self.member.object, &self.active.id, &losers).await?;
        match outcome {
            Outcome::Applied(applied) => {
                let survivor = self.source().key(&applied.id);
                self.hand_over(&survivor, connector.generation()).await?;
                read_again(self.source(), connector.as_ref(), &[applied.id]).await
            }
            Outcome::Rejected(problems) => self.give_back(problems, connector.generation()).await,
            Outcome::Gone => self.close(Changes::default()).await,
            // Tried again in the next cycle.
            _ => Ok(()),
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            store: self.engine.store,
            transforms: self.engine.transforms,
            entity: self.entity,
            member: self.member,
            now_ms: self.engine.clock.now_ms(),
        }
    }

    /// The loser, and the winner too where the survivor has a new id, pass to the survivor.
    async fn hand_over(
        &self,
        survivor: &RecordKey,
        generation: &Generation,
    ) -> Result<(), AbsorbError> {
        let keys = [self.surplus.clone(), self.active.clone()];
        let mut changes = Changes::default();
        for mut record in self.engine.store.records(&keys).await? {
            if record.key == *survivor {
                continue;
            }
            changes.aliases.push((record.key.clone(), survivor.clone()));
            record.status = Status::MergedInto(survivor.clone());
            changes.records.push(record);
        }
        changes.journal.push(self.line(Reason::MergedFrom(self.surplus.clone()), generation));
        self.close(changes).await
    }

    async fn close(&self, mut changes: Changes) -> Result<(), AbsorbError> {
        changes.reviews.push(review::closed(self.review, self.engine.clock.now_ms()));
        Ok(self.engine.store.commit(changes).await?)
    }

    /// The system refused: the question is open again.
    async fn give_back(
        &self,
        problems: Vec<Problem>,
        generation: &Generation,
    ) -> Result<(), AbsorbError> {
        let codes = problems.into_iter().map(|problem| problem.code).collect();
        let review = Review { status: ReviewStatus::Open, choice: None, ..self.review.clone() };
        let changes = Changes {
            reviews: vec![review],
            journal: vec![self.line(Reason::Refused { codes }, generation)],
            ..Changes::default()
        };
        Ok(self.engine.store.commit(changes).await?)
    }

    fn line(&self, reason: Reason, generation: &Generation) -> JournalEntry {
        JournalEntry {
            at_ms: self.engine.clock.now_ms(),
            entity: self.entity.name.clone(),
            link: self.review.link,
            record: Some(self.active.clone()),
            field: None,
            intent: None,
            generation: Some(generation.in_full()),
            reason,
        }
    }
}
