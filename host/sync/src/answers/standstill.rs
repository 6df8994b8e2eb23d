//! Fields that stand still in a member because the system no longer has what they need: people see
//! them as questions that end by themselves (`RULES.md` V13).

use std::collections::BTreeSet;

use renkei_model::review;
use renkei_model::state::{Review, ReviewSubject};
use renkei_model::store::port::{Changes, ReviewFilter, ReviewQuery, Store, StoreError};

/// Opens a question for each entity and subject that is new, and closes those that are over.
///
/// # Errors
/// The store failed.
pub async fn record(
    store: &dyn Store,
    stopped: &[(String, ReviewSubject)],
    now_ms: i64,
) -> Result<(), StoreError> {
    let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let mut known = store.reviews(&query).await?;
    known.retain(|review| matches!(review.subject, ReviewSubject::Stopped { .. }));
    let asked: BTreeSet<&String> = known.iter().map(|review| &review.id).collect();
    let stopped: Vec<Review> = stopped
        .iter()
        .map(|(entity, subject)| review::of_entity(entity, subject.clone(), now_ms))
        .collect();
    let is_still_stopped = |known: &Review| stopped.iter().any(|review| review.id == known.id);
    let over = known.iter().filter(|known| !is_still_stopped(known));
    let mut reviews: Vec<Review> = over.map(|known| review::closed(known, now_ms)).collect();
    let news = stopped.iter().filter(|review| !asked.contains(&review.id));
    reviews.extend(news.cloned());
    if reviews.is_empty() {
        return Ok(());
    }
    store.commit(Changes { reviews, ..Changes::default() }).await
}
