//! The question that a first sync waits for, and the entities that are not read to their end.

use renkei_model::state::{EntityPlan, Review, ReviewChoice, ReviewSubject};

/// The state of a first sync that has not begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirstSyncWaits {
    /// The question that a person is to answer.
    pub question: Option<Review>,
    /// Entities that were not read to their end yet.
    pub unread: Vec<String>,
}

impl FirstSyncWaits {
    /// The writes that the question is about, one plan per entity; empty without a question.
    pub fn plans(&self) -> &[EntityPlan] {
        self.question.as_ref().map(plans).unwrap_or_default()
    }

    /// True if a person answered `leave`: nothing is written for now.
    pub fn is_left(&self) -> bool {
        self.question.as_ref().is_some_and(|question| question.choice == Some(ReviewChoice::Leave))
    }
}

/// The plans per entity in a question about a first sync; empty for any other question.
pub fn plans(question: &Review) -> &[EntityPlan] {
    match &question.subject {
        ReviewSubject::FirstSync { entities } => entities,
        _ => &[],
    }
}
