//! Reviews: questions whose ids depend only on their subject, so that a repeated question keeps its
//! id.

use sha2::{Digest, Sha256};

use crate::spec::EntitySpec;
use crate::state::{
    EntityPlan, Link, RecordKey, Review, ReviewChoice, ReviewStatus, ReviewSubject,
};

/// A review about a link.
pub fn of_link(link: &Link, subject: ReviewSubject, status: ReviewStatus, at_ms: i64) -> Review {
    Review {
        id: id(&link.entity, &link.id.to_string(), &subject),
        entity: link.entity.clone(),
        link: Some(link.id),
        record: None,
        subject,
        status,
        choice: None,
        at_ms,
    }
}

/// The question about a surplus record of a link, beside the active one.
pub fn of_surplus(
    entity: &EntitySpec,
    link: &Link,
    (active, surplus): (RecordKey, RecordKey),
    at_ms: i64,
) -> Review {
    let member = entity.member(&active.system, &active.object);
    let mergeable = active.object == surplus.object && member.is_some_and(|(_, one)| one.mergeable);
    let subject = ReviewSubject::Surplus { active, surplus, mergeable };
    of_link(link, subject, ReviewStatus::Open, at_ms)
}

/// An open review about a record that has no link.
pub fn of_record(entity: &str, record: &RecordKey, subject: ReviewSubject, at_ms: i64) -> Review {
    Review {
        id: id(entity, &record.to_string(), &subject),
        entity: entity.to_owned(),
        link: None,
        record: Some(record.clone()),
        subject,
        status: ReviewStatus::Open,
        choice: None,
        at_ms,
    }
}

/// An open review about an entity as a whole.
pub fn of_entity(entity: &str, subject: ReviewSubject, at_ms: i64) -> Review {
    Review {
        id: id(entity, "", &subject),
        entity: entity.to_owned(),
        link: None,
        record: None,
        subject,
        status: ReviewStatus::Open,
        choice: None,
        at_ms,
    }
}

/// An open review about the first sync of these entities. Its id depends on their names alone: the
/// numbers change with every reading.
pub fn of_first_sync(entities: Vec<EntityPlan>, at_ms: i64) -> Review {
    let names: Vec<&str> = entities.iter().map(|plan| plan.entity.as_str()).collect();
    let names = names.join(", ");
    let asked = of_entity(&names, ReviewSubject::FirstSync { entities: Vec::new() }, at_ms);
    Review { subject: ReviewSubject::FirstSync { entities }, ..asked }
}

/// The same review as a closed one.
pub fn closed(review: &Review, at_ms: i64) -> Review {
    Review { status: ReviewStatus::Closed, at_ms, ..review.clone() }
}

/// True if a review keeps this field from being written.
pub fn is_about(review: &Review, name: &str) -> bool {
    match &review.subject {
        ReviewSubject::Conflict { field, .. }
        | ReviewSubject::Oscillation { field, .. }
        | ReviewSubject::Cleared { field, .. } => field == name,
        _ => false,
    }
}

impl ReviewStatus {
    /// The status in plain words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided by a rule; may be taken back while its value stands",
            Self::Chosen => "answered; the next cycle acts on it",
            Self::Closed => "over",
        }
    }
}

/// The standing of a review in plain words: its status, unless a person put a first sync off.
pub fn standing(review: &Review) -> &'static str {
    match (&review.subject, &review.choice) {
        (ReviewSubject::FirstSync { .. }, Some(ReviewChoice::Leave)) => {
            "left; it waits until it is approved"
        }
        _ => review.status.words(),
    }
}

fn id(entity: &str, about: &str, subject: &ReviewSubject) -> String {
    digest(&[entity, about, &format!("{subject:?}")])
}

/// 128 bits of SHA-256 over the parts, hex: ids of reviews and intents, digests of writes.
pub fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finalize();
    hex::encode(hash.get(..16).unwrap_or(&hash))
}
