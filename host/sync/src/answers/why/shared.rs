//! Open questions that hold a link back and are not about it alone: one answer serves many links.

use renkei_model::spec::Spec;
use renkei_model::state::{
    LinkStatus, LinkView, RecordKey, RecordState, RecordStatus, Review, ReviewSubject,
};
use renkei_model::value::Value;

/// True if an open question without a link holds this one back.
pub(super) fn is_about(review: &Review, spec: &Spec, view: &LinkView) -> bool {
    let is_active = view.link.status == LinkStatus::Active;
    let is_of_entity = review.entity == view.link.entity;
    match &review.subject {
        ReviewSubject::FirstSync { entities } => {
            entities.iter().any(|plan| plan.entity == view.link.entity)
        }
        // A record without a link may be the same thing as this link's.
        ReviewSubject::Ambiguous { .. } => {
            let is_ours = |key: &RecordKey| view.records.iter().any(|record| record.key == *key);
            review.link.is_none() && review.asks_about().iter().any(is_ours)
        }
        ReviewSubject::Deletions { .. } => {
            let removed = view.records.iter().any(|record| record.status.is_removed());
            is_of_entity && is_active && removed && view.records.iter().any(|one| is_live(one))
        }
        ReviewSubject::Creations { .. } => is_of_entity && is_active && lacks_record(spec, view),
        ReviewSubject::TookAlong { with } => {
            is_of_entity && view.records.iter().any(|record| may_have_gone_with(record, with))
        }
        _ => false,
    }
}

fn is_live(record: &RecordState) -> bool {
    record.status == RecordStatus::Live
}

/// True where a system that should get a record has none.
fn lacks_record(spec: &Spec, view: &LinkView) -> bool {
    let Some(entity) = spec.entity(&view.link.entity) else { return false };
    let has = |system: &str| {
        view.records.iter().any(|one| one.key.system == system && one.status.is_there())
    };
    entity.members.iter().any(|member| member.create && !has(&member.system))
}

/// True of a record that is gone and referred to this one of its system.
fn may_have_gone_with(record: &RecordState, with: &RecordKey) -> bool {
    let refers = |value: &Value| match value {
        Value::References(ids) => ids.iter().any(|id| id.as_str() == with.id),
        _ => false,
    };
    record.status.is_removed()
        && record.key.system == with.system
        && record.fields.values().any(|state| state.seen.as_ref().is_some_and(refers))
}
