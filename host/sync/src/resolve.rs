//! What a person decides: the choice is kept with its review and the link is planned again.

use crate::reason::Reason;
use crate::state::{Choice, JournalEntry, Matter, RecordKey, Review, ReviewStatus};
use crate::store::{Changes, Store, StoreError};

/// Why a choice cannot be made.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// There is no such review.
    #[error("there is no review {0}; `renkei status` lists those that are open")]
    Unknown(String),
    /// It is over.
    #[error("review {0} is closed: the records have changed since")]
    Closed(String),
    /// The choice does not fit the question.
    #[error("review {review} cannot be answered that way; possible: {possible}")]
    Unfit {
        /// Which review.
        review: String,
        /// The answers that it takes.
        possible: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Answers a review, or reverses what a rule or a person decided before. Takes effect in the next
/// cycle.
///
/// # Errors
/// The review is unknown, over, or asks something else.
pub async fn resolve(
    store: &dyn Store,
    id: &str,
    choice: Choice,
    now_ms: i64,
) -> Result<Review, ResolveError> {
    let Some(mut review) = store.review(id).await? else {
        return Err(ResolveError::Unknown(id.to_owned()));
    };
    if review.status == ReviewStatus::Closed {
        return Err(ResolveError::Closed(id.to_owned()));
    }
    let (fits, possible) = answers(&review.matter, &choice);
    if !fits {
        return Err(ResolveError::Unfit { review: id.to_owned(), possible });
    }
    review.status = ReviewStatus::Chosen;
    review.choice = Some(choice);
    review.at_ms = now_ms;
    let line = JournalEntry {
        at_ms: now_ms,
        entity: review.entity.clone(),
        link: review.link,
        record: review.record.clone(),
        field: review.field().map(str::to_owned),
        intent: None,
        generation: None,
        reason: Reason::Chosen,
    };
    let changes = Changes {
        dirty: review.link.into_iter().collect(),
        reviews: vec![review.clone()],
        journal: vec![line],
        ..Changes::default()
    };
    store.commit(changes).await?;
    Ok(review)
}

/// Whether a choice answers the question, and which choices do.
fn answers(matter: &Matter, choice: &Choice) -> (bool, &'static str) {
    match matter {
        Matter::Conflict { .. } | Matter::Oscillation { .. } | Matter::Cleared { .. } => {
            (matches!(choice, Choice::Value(Some(_))), "a value")
        }
        Matter::Ambiguous { records, .. } => {
            (is_one_of(records, choice), "link with one of its records, or separate")
        }
        Matter::Uncertain { records, .. } => {
            // Nothing looks like it: a person may know it all the same.
            let named = records.is_empty() && matches!(choice, Choice::LinkWith(_));
            (
                named || *choice == Choice::Leave || is_one_of(records, choice),
                "link with the record that it is, separate to send it again, or leave to give it up",
            )
        }
        Matter::Surplus { .. } => (
            matches!(choice, Choice::Approve | Choice::Leave),
            "approve to merge the records there too, or leave",
        ),
        Matter::Missing { .. } => (
            matches!(choice, Choice::Approve | Choice::Leave),
            "approve to treat it as deleted, or leave",
        ),
        Matter::Successor { records, .. } => (
            matches!(choice, Choice::LinkWith(record) if records.contains(record)),
            "link with the one of its records that takes the place",
        ),
        Matter::Deleted { .. } => {
            (matches!(choice, Choice::Approve | Choice::Leave), "approve, or leave")
        }
        Matter::Deletions { .. } | Matter::Creations { .. } => {
            (matches!(choice, Choice::Approve), "approve")
        }
    }
}

/// A link with one of the records in question, or with none.
fn is_one_of(records: &[RecordKey], choice: &Choice) -> bool {
    match choice {
        Choice::LinkWith(record) => records.contains(record),
        other => *other == Choice::Separate,
    }
}

impl Review {
    /// The field that it is about.
    pub fn field(&self) -> Option<&str> {
        match &self.matter {
            Matter::Conflict { field, .. }
            | Matter::Oscillation { field, .. }
            | Matter::Cleared { field, .. } => Some(field),
            _ => None,
        }
    }
}
