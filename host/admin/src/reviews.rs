//! Reviews: things that await a decision, in plain words, with the answers that each takes.

use renkei_model::review::standing;
use renkei_model::state::{EntityPlan, LinkId, RecordKey, Review, ReviewStatus, ReviewSubject};
use renkei_model::value::{Cell, DisplayedValue, Value};
use serde::Serialize;

use crate::text::quote_for_shell;

/// A review as people and scripts see it.
#[derive(Debug, Clone, Serialize)]
pub struct ReviewReport {
    /// The id, of which `renkei decide` takes the beginning.
    pub id: String,
    /// The entity's name.
    pub entity: String,
    /// The link that it is about.
    pub link: Option<LinkId>,
    /// The record that it is about.
    pub record: Option<String>,
    /// Open, decided, chosen or closed.
    pub status: ReviewStatus,
    /// The details in plain words, without values.
    pub about: String,
    /// The plans of a first sync.
    pub entities: Option<Vec<EntityPlan>>,
    /// The answers that it takes.
    pub answers: Vec<AnswerOption>,
    /// The status in plain words.
    #[serde(skip)]
    pub standing: &'static str,
}

/// An answer to a review as `renkei decide` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AnswerOption {
    /// The words that are typed after the review's id.
    pub words: String,
    /// The effect, where the words do not say it.
    #[serde(skip)]
    pub meaning: Option<String>,
}

impl AnswerOption {
    fn plain(words: &str) -> Self {
        Self { words: words.to_owned(), meaning: None }
    }

    fn explained(words: &str, meaning: &str) -> Self {
        Self { words: words.to_owned(), meaning: Some(meaning.to_owned()) }
    }
}

impl From<&Review> for ReviewReport {
    fn from(review: &Review) -> Self {
        let entities = match &review.subject {
            ReviewSubject::FirstSync { entities } => Some(entities.clone()),
            _ => None,
        };
        Self {
            id: review.id.clone(),
            entity: review.entity.clone(),
            link: review.link,
            record: review.record.as_ref().map(ToString::to_string),
            status: review.status,
            about: describe_review(review),
            entities,
            answers: list_answers(review),
            standing: standing(review),
        }
    }
}

/// The answers that a review takes (`renkei_sync::answers::resolve`).
fn list_answers(review: &Review) -> Vec<AnswerOption> {
    let plain = AnswerOption::plain;
    let meant = AnswerOption::explained;
    let with = |records: &[RecordKey]| -> Vec<AnswerOption> {
        let others = records.iter().filter(|record| review.record.as_ref() != Some(record));
        let named = others.map(|record| quote_for_shell(&type_record(record)));
        named.map(|record| plain(&format!("with {record}"))).collect()
    };
    match &review.subject {
        ReviewSubject::Conflict { values, .. } => {
            // An older program named some twice, or the hub's value by no system.
            let is_first = |(index, (system, _)): &(usize, &(String, _))| {
                let before = values.iter().take(*index);
                !system.is_empty() && before.clone().all(|(other, _)| other != system)
            };
            let take = values.iter().enumerate().filter(is_first).map(|(_, (system, value))| {
                meant(&format!("take {system}"), &DisplayedValue(value).to_string())
            });
            let held = values.iter().map(|(_, value)| value);
            take.chain([plain(value_example(held)), plain("clear")]).collect()
        }
        ReviewSubject::Oscillation { values, .. } => {
            vec![plain(value_example(values.iter())), plain("clear")]
        }
        ReviewSubject::Cleared { value, .. } => vec![plain(value_example([value])), plain("clear")],
        ReviewSubject::Ambiguous { records, .. } => {
            let mut list = with(records);
            list.push(meant("separate", "keep the record apart"));
            list
        }
        ReviewSubject::Successor { records, .. } => with(records),
        ReviewSubject::Uncertain { records, .. } => {
            let mut list = with(records);
            if list.is_empty() {
                list.push(meant("with SYSTEM.OBJECT/ID", "this record is what it made"));
            }
            list.push(meant("separate", "send the create again"));
            list.push(meant("leave", "make no record"));
            list
        }
        ReviewSubject::Surplus { mergeable: true, .. } => {
            vec![meant("approve", "merge them there"), plain("leave")]
        }
        ReviewSubject::Surplus { .. } => vec![meant("leave", "keep both as they are")],
        ReviewSubject::Taken { .. } => {
            vec![meant("leave", "ask no more; the failure stays listed")]
        }
        ReviewSubject::Stopped { .. } => Vec::new(),
        ReviewSubject::Missing { .. } => {
            vec![meant("approve", "treat the record as deleted"), plain("leave")]
        }
        ReviewSubject::Deleted { .. } => {
            vec![meant("approve", "archive the others"), plain("leave")]
        }
        ReviewSubject::Deletions { .. } => vec![
            meant("approve", "go on with the deletions"),
            meant("leave", "keep the others, and no longer keep them in step"),
        ],
        ReviewSubject::Creations { .. } => vec![meant("approve", "go on with the creations")],
        ReviewSubject::FirstSync { .. } => {
            vec![meant("approve", "write the plan"), meant("leave", "write nothing for now")]
        }
        ReviewSubject::TookAlong { .. } => vec![
            meant("approve", "archive the others too"),
            meant("separate", "make the record again"),
            meant("leave", "no longer keep the others in step"),
        ],
    }
}

/// The form of a value of one's own where the systems hold these.
fn value_example<'a>(held: impl IntoIterator<Item = &'a Cell>) -> &'static str {
    match held.into_iter().flatten().find(|value| !value.is_null()) {
        Some(Value::References(_)) => "value SYSTEM.OBJECT/ID",
        Some(Value::Choices(_)) => "value 'TEXT;TEXT'",
        _ => "value TEXT",
    }
}

/// A record as `renkei decide` wants it, to the character.
fn type_record(record: &RecordKey) -> String {
    let RecordKey { system, object, id } = record;
    format!("{system}.{object}/{id}")
}

/// A review in plain words, without values.
fn describe_review(review: &Review) -> String {
    match &review.subject {
        ReviewSubject::Conflict { field, policy, .. } if review.status == ReviewStatus::Decided => {
            format!("{field} differed; decided by: {policy}")
        }
        ReviewSubject::Conflict { field, policy, .. } => {
            format!("{field} differs and someone must decide ({policy})")
        }
        ReviewSubject::Oscillation { field, .. } => {
            format!("{field} changed back and forth too often and is paused until someone decides")
        }
        ReviewSubject::Cleared { field, system, .. } => format!("{field} was emptied in {system}"),
        ReviewSubject::Ambiguous { key, records } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            format!("several records match by {key}: {}", records.join(", "))
        }
        ReviewSubject::Surplus { active, surplus, mergeable: true } => {
            format!("{surplus} stands for the same thing as {active}: merge them there")
        }
        ReviewSubject::Surplus { active, surplus, .. } => format!(
            "{surplus} stands for the same thing as {active}, and Renkei cannot merge them: merge or remove one there by hand, or leave"
        ),
        ReviewSubject::Taken { record } => format!(
            "the system takes what is to be written for a duplicate of {record}, which stands for something else: change or merge one there; the write is tried again daily"
        ),
        ReviewSubject::Stopped { field, system, object, missing } => {
            format!(
                "{field} is paused in {system}.{object}: {missing}; it goes on when that is back"
            )
        }
        ReviewSubject::Deleted { gone } => {
            format!("{gone} is gone; archive the others or leave them?")
        }
        ReviewSubject::Missing { record } => format!(
            "{record} is missing (neither listed nor answered, but not reported as deleted): approve to treat it as deleted, or leave?"
        ),
        ReviewSubject::Successor { gone, records } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            format!("{gone} is gone; which one takes its place: {}?", records.join(", "))
        }
        ReviewSubject::Deletions { count, limit, along, .. } if along.is_empty() => {
            format!("{count} deletions wait: {limit} are allowed in 24 hours")
        }
        ReviewSubject::Deletions { count, along, .. } => {
            let along: Vec<String> =
                along.iter().map(|(object, count)| format!("{count} {object}")).collect();
            format!("{count} deletions wait; {} of them go along", along.join(", "))
        }
        ReviewSubject::Creations { limit, count } => {
            format!("{count} creations wait: {limit} are allowed in 24 hours")
        }
        ReviewSubject::FirstSync { entities } => {
            let plans: Vec<String> = entities.iter().map(ToString::to_string).collect();
            format!("the first sync waits and would write: {}", plans.join("; "))
        }
        ReviewSubject::TookAlong { with } => format!(
            "records went along when {with} was archived for a deletion elsewhere; what of the others?"
        ),
        ReviewSubject::Uncertain { records, .. } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            let found =
                if records.is_empty() { "no record".to_owned() } else { records.join(", ") };
            format!(
                "a create got no answer and {found} may be what it made; `with` that record, `separate` to send it again, `leave` to make no record"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_of_a_rule_is_described_as_decided() {
        let subject = ReviewSubject::Conflict {
            field: "website".to_owned(),
            base: None,
            values: Vec::new(),
            policy: "first link, salesforce preferred".to_owned(),
            chosen: None,
        };
        let mut review = Review {
            id: "3f2a".to_owned(),
            entity: "company".to_owned(),
            link: None,
            record: None,
            subject,
            status: ReviewStatus::Open,
            choice: None,
            at_ms: 0,
        };
        let open = "website differs and someone must decide (first link, salesforce preferred)";
        assert_eq!(describe_review(&review), open);
        review.status = ReviewStatus::Decided;
        let decided = "website differed; decided by: first link, salesforce preferred";
        assert_eq!(describe_review(&review), decided);
    }
}
