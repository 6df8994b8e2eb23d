//! A first sync that awaits a decision (`host/sync/RULES.md` P15).

use renkei_model::state::{EntityPlan, ReviewStatus};
use renkei_sync::first_sync_waits::FirstSyncWaits;
use serde::Serialize;

/// A first sync that awaits a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FirstSyncReport {
    /// The id of its review; none while nothing can be asked yet.
    pub question: Option<String>,
    /// The status of its review.
    pub status: Option<ReviewStatus>,
    /// Somebody has answered to leave it.
    pub left: bool,
    /// The plans of its entities.
    pub entities: Vec<EntityPlan>,
    /// Entities that were not read to their end yet.
    pub unread: Vec<String>,
}

impl From<&FirstSyncWaits> for FirstSyncReport {
    fn from(waits: &FirstSyncWaits) -> Self {
        let review = waits.question.as_ref();
        Self {
            question: review.map(|review| review.id.clone()),
            status: review.map(|review| review.status),
            left: waits.is_left(),
            entities: waits.plans().to_vec(),
            unread: waits.unread.clone(),
        }
    }
}
