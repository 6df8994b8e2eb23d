//! Decisions: a person answers a review, or reverses what a rule decided.
//!
//! A decision takes effect in the next cycle. Only one process works on a database. Where `renkei
//! serve` does, it decides, asked through its control socket; otherwise the command does. Both run
//! [`decide_review`]. In the middle of a long cycle a decision is noted
//! ([`crate::noted_decisions`]), so that nobody waits for a system that hangs.

use renkei_model::spec::Spec;
use renkei_model::state::{Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_model::store::port::{ReviewQuery, Store};
use renkei_model::value::{Cell, Value};
use renkei_sync::answers::resolve;
use serde::{Deserialize, Serialize};

use crate::error::RequestError;
use crate::why::parse_record;

/// A decision as it was typed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReviewDecision {
    /// The review's id or the beginning of it.
    pub review: String,
    /// The answer.
    pub answer: ReviewAnswer,
}

/// An answer to a review. [`crate::reviews::ReviewReport::answers`] lists those that fit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReviewAnswer {
    /// Take the value of a system.
    Take {
        /// The system's name in the configuration.
        system: String,
    },
    /// Take this value.
    Value {
        /// As text. Choices have `;` between; a reference is a record as `system.object/id`.
        text: String,
    },
    /// Empty the field.
    Clear,
    /// Link with this record.
    With {
        /// `system.object/id`.
        record: String,
    },
    /// Keep the record apart, or send a create again.
    Separate,
    /// Do what the review proposes.
    Approve,
    /// Leave things as they are.
    Leave,
}

/// A decision that was accepted.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decided {
    /// The review's whole id.
    pub review: String,
    /// The review's status now.
    pub status: ReviewStatus,
    /// A cycle runs: the answer is kept beside the database and given when that has ended.
    #[serde(default)]
    pub noted: bool,
}

/// Checks a decision that a later cycle will act on. Changes nothing.
///
/// # Errors
/// The review does not exist, is over, or does not take this answer.
pub async fn check_decision(
    store: &dyn Store,
    spec: &Spec,
    decision: &ReviewDecision,
) -> Result<Decided, RequestError> {
    let review = find_review(store, &decision.review).await?;
    let choice = choice_of(store, spec, &review, &decision.answer).await?;
    let review = resolve::consider(store, spec, &review.id, &choice).await?;
    Ok(Decided { review: review.id, status: review.status, noted: true })
}

/// Decides in the database that the caller has, between two cycles.
///
/// # Errors
/// The review does not exist, is over, or does not take this answer.
pub async fn decide_review(
    store: &dyn Store,
    spec: &Spec,
    now_ms: i64,
    decision: &ReviewDecision,
) -> Result<Decided, RequestError> {
    let review = find_review(store, &decision.review).await?;
    let choice = choice_of(store, spec, &review, &decision.answer).await?;
    let decided = resolve::resolve(store, spec, &review.id, choice, now_ms).await?;
    Ok(Decided { review: decided.id, status: decided.status, noted: false })
}

/// The one review whose id begins so.
async fn find_review(store: &dyn Store, start: &str) -> Result<Review, RequestError> {
    let reviews = store.reviews(&ReviewQuery::default()).await?;
    let mut found = reviews.into_iter().filter(|review| review.id.starts_with(start));
    match (found.next(), found.next()) {
        (Some(review), None) => Ok(review),
        (None, _) => Err(RequestError::UnknownReview(start.to_owned())),
        _ => Err(RequestError::SeveralReviews(start.to_owned())),
    }
}

async fn choice_of(
    store: &dyn Store,
    spec: &Spec,
    review: &Review,
    answer: &ReviewAnswer,
) -> Result<ReviewChoice, RequestError> {
    Ok(match answer {
        ReviewAnswer::Approve => ReviewChoice::Approve,
        ReviewAnswer::Leave => ReviewChoice::Leave,
        ReviewAnswer::Separate => ReviewChoice::Separate,
        ReviewAnswer::With { record } => ReviewChoice::LinkWith(parse_record(record)?),
        ReviewAnswer::Clear => ReviewChoice::Value(Some(Value::Null)),
        ReviewAnswer::Take { system } => ReviewChoice::Value(value_held_by(review, system)?),
        ReviewAnswer::Value { text } => {
            ReviewChoice::Value(Some(resolve::parse_given_value(store, spec, review, text).await?))
        }
    })
}

/// The value that a system holds in the conflict.
fn value_held_by(review: &Review, system: &str) -> Result<Cell, RequestError> {
    let ReviewSubject::Conflict { values, .. } = &review.subject else {
        return Err(RequestError::NoConflict);
    };
    let held = values.iter().find(|(name, _)| name == system).map(|(_, cell)| cell.clone());
    held.ok_or_else(|| RequestError::NotInConflict {
        system: system.to_owned(),
        systems: values.iter().map(|(name, _)| name.clone()).collect(),
    })
}
