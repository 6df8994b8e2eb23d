//! The question that a first sync waits for, and the entities that are not read to their end.

use crate::model::state::{EntityPlan, Review, ReviewChoice, ReviewSubject};

/// What the first sync waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirstSyncWaits {
    /// The question that a person is to answer.
    pub question: Option<Review>,
    /// Entities that were not read to their end yet.
    pub unread: Vec<String>,
}

impl FirstSyncWaits {
    /// What would be written, by entity.
    pub fn plans(&self) -> &[EntityPlan] {
        self.question.as_ref().map(plans).unwrap_or_default()
    }

    /// Whether a person has said that nothing is to be written for now.
    pub fn is_left(&self) -> bool {
        self.question.as_ref().is_some_and(|question| question.choice == Some(ReviewChoice::Leave))
    }
}

/// What a question about a first sync says of each entity.
pub(crate) fn plans(question: &Review) -> &[EntityPlan] {
    match &question.matter {
        ReviewSubject::FirstSync { entities } => entities,
        _ => &[],
    }
}
