//! Takes a person's decision: keeps the choice with its review and marks the link for planning.

use renkei_model::reason::Reason;
use renkei_model::spec::Spec;
use renkei_model::state::{
    JournalEntry, LinkStatus, RecordKey, Review, ReviewChoice, ReviewStatus, ReviewSubject,
    SKEW_MS, Truth,
};
use renkei_model::store::fetch::links_for;
use renkei_model::store::port::{Changes, Store, StoreError};
use renkei_model::times::moment;

mod error;
mod value;

pub use error::ResolveError;
pub use value::parse_given_value;

/// Checks that a review takes this choice now, and returns it. Changes nothing.
///
/// # Errors
/// The review is unknown, over, overtaken, or asks something else.
pub async fn consider(
    store: &dyn Store,
    spec: &Spec,
    id: &str,
    choice: &ReviewChoice,
) -> Result<Review, ResolveError> {
    let Some(review) = store.review(id).await? else {
        return Err(ResolveError::Unknown(id.to_owned()));
    };
    match (review.status, &review.choice) {
        (ReviewStatus::Closed, Some(_)) => {
            return Err(ResolveError::Answered(id.to_owned(), moment(review.at_ms)));
        }
        (ReviewStatus::Closed, None) => return Err(ResolveError::Closed(id.to_owned())),
        _ if is_left(store, &review).await? => return Err(ResolveError::Closed(id.to_owned())),
        (ReviewStatus::Decided, _) if !is_still_truth(store, spec, &review).await? => {
            return Err(ResolveError::Moved(id.to_owned()));
        }
        _ => {}
    }
    let (fits, possible) = answers(&review.subject, choice);
    // No record is linked with itself.
    let fits =
        fits && !review.record.iter().any(|own| *choice == ReviewChoice::LinkWith(own.clone()));
    if !fits {
        return Err(ResolveError::Unfit { review: id.to_owned(), possible });
    }
    value::check(store, spec, &review, choice).await?;
    Ok(review)
}

/// Answers a review, changes an answer that no cycle has acted on yet, or takes back what a rule
/// decided, as long as its value stands. Takes effect in the next cycle.
///
/// # Errors
/// The review is unknown, over, overtaken, or asks something else.
pub async fn resolve(
    store: &dyn Store,
    spec: &Spec,
    id: &str,
    choice: ReviewChoice,
    now_ms: i64,
) -> Result<Review, ResolveError> {
    let mut review = consider(store, spec, id, &choice).await?;
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

/// True where a review is about a link that was united with another or has ended: nothing is
/// planned there any more (`RULES.md` V20). A create without an answer is looked for all the same.
async fn is_left(store: &dyn Store, review: &Review) -> Result<bool, StoreError> {
    let Some(link) = review.link else { return Ok(false) };
    if matches!(review.subject, ReviewSubject::Uncertain { .. }) {
        return Ok(false);
    }
    let view = store.links(&[link]).await?.pop();
    Ok(view.is_some_and(|view| view.link.status != LinkStatus::Active))
}

/// True where a rule's decision is still the truth: what somebody wrote since is not taken back
/// with it (`RULES.md` I4).
async fn is_still_truth(
    store: &dyn Store,
    spec: &Spec,
    review: &Review,
) -> Result<bool, StoreError> {
    let (Some(link), ReviewSubject::Conflict { field, chosen: Some(chosen), .. }) =
        (review.link, &review.subject)
    else {
        return Ok(true);
    };
    let entity = spec.entity(&review.entity);
    let field = entity.and_then(|entity| Some((entity, entity.field(field)?.0)));
    let Some((entity, field)) = field else { return Ok(false) };
    let view = links_for(store, entity, &[link]).await?.pop();
    let truth = view.as_ref().map(|view| &view.link.truth[field]);
    // The same value may have been taken back and set anew since.
    let is_later = |truth: &Truth| {
        truth.edited.until.is_some_and(|until| until > review.at_ms.saturating_add(SKEW_MS))
    };
    Ok(truth.is_some_and(|truth| truth.value == *chosen && !is_later(truth)))
}

/// True where a choice answers the question, and the choices that do, in words.
fn answers(subject: &ReviewSubject, choice: &ReviewChoice) -> (bool, &'static str) {
    match subject {
        ReviewSubject::Conflict { .. }
        | ReviewSubject::Oscillation { .. }
        | ReviewSubject::Cleared { .. } => {
            (matches!(choice, ReviewChoice::Value(Some(_))), "a value")
        }
        ReviewSubject::Ambiguous { records, .. } => {
            (is_one_of(records, choice), "link with another one of its records, or separate")
        }
        ReviewSubject::Uncertain { records, .. } => {
            // Nothing looks like it: a person may know it all the same.
            let named = records.is_empty() && matches!(choice, ReviewChoice::LinkWith(_));
            (
                named || *choice == ReviewChoice::Leave || is_one_of(records, choice),
                "link with the record that it is, separate to send it again, or leave to make none",
            )
        }
        ReviewSubject::Surplus { mergeable: false, .. } | ReviewSubject::Taken { .. } => (
            matches!(choice, ReviewChoice::Leave),
            "leave (what is to be merged is merged there by hand)",
        ),
        ReviewSubject::Stopped { .. } => {
            (false, "none: it is over when the system has again what is missing")
        }
        ReviewSubject::Surplus { .. } => (
            matches!(choice, ReviewChoice::Approve | ReviewChoice::Leave),
            "approve to merge the records there too, or leave",
        ),
        ReviewSubject::Missing { .. } => (
            matches!(choice, ReviewChoice::Approve | ReviewChoice::Leave),
            "approve to treat it as deleted, or leave",
        ),
        ReviewSubject::Successor { records, .. } => (
            matches!(choice, ReviewChoice::LinkWith(record) if records.contains(record)),
            "link with the one of its records that takes the place",
        ),
        ReviewSubject::Deleted { .. } => {
            (matches!(choice, ReviewChoice::Approve | ReviewChoice::Leave), "approve, or leave")
        }
        ReviewSubject::TookAlong { .. } => (
            matches!(choice, ReviewChoice::Approve | ReviewChoice::Separate | ReviewChoice::Leave),
            "approve to archive the others too, separate to make the record again, or leave",
        ),
        ReviewSubject::Deletions { .. } => (
            matches!(choice, ReviewChoice::Approve | ReviewChoice::Leave),
            "approve to go on with the deletions, or leave to keep the others",
        ),
        ReviewSubject::Creations { .. } => (matches!(choice, ReviewChoice::Approve), "approve"),
        ReviewSubject::FirstSync { .. } => (
            matches!(choice, ReviewChoice::Approve | ReviewChoice::Leave),
            "approve to write it, or leave to write nothing for now",
        ),
    }
}

/// A link with one of the records in question, or with none.
fn is_one_of(records: &[RecordKey], choice: &ReviewChoice) -> bool {
    match choice {
        ReviewChoice::LinkWith(record) => records.contains(record),
        other => *other == ReviewChoice::Separate,
    }
}
