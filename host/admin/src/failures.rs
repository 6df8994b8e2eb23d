//! Failures: records and fields that could not be read or written, for people, scripts and the log
//! (`host/sync/RULES.md` V5).
//!
//! The system's sentence may hold values of the record: people who ask see it, the log never does.

use renkei_model::state::{Failing, Failure, FailureClass, LinkId};
use renkei_model::store::port::Store;
use renkei_model::times::moment;
use renkei_sync::answers::why::describe_failure;
use serde::Serialize;

use crate::error::RequestError;
use crate::text::line;

/// New failures that a cycle logs and reports.
const NEW_MAX: usize = 50;

/// A failure without the system's sentence, for logs and scripts.
#[derive(Debug, Clone, Serialize)]
pub struct FailureBrief {
    /// The entity's name.
    pub entity: String,
    /// The link, if there is one.
    pub link: Option<LinkId>,
    /// `system.object/id`, or without the id where the record is still to be made.
    pub record: String,
    /// The field's name; none where the record as a whole fails.
    pub field: Option<String>,
    /// The kind.
    pub class: FailureClass,
    /// The system's or the mapping's codes.
    pub codes: Vec<String>,
}

/// A failure with the system's sentence, for those who ask.
#[derive(Debug, Clone, Serialize)]
pub struct FailureReport {
    /// The failure without the sentence.
    #[serde(flatten)]
    pub brief: FailureBrief,
    /// The system's or the mapping's sentence; it may hold values.
    pub message: String,
    /// When it failed first, as text.
    pub since: String,
    /// The number of failures.
    pub times: u32,
    /// The failure as one line for people.
    #[serde(skip)]
    pub line: String,
    /// The record, link or entity of which `renkei why` explains it.
    #[serde(skip)]
    pub subject: String,
}

impl From<&Failing> for FailureBrief {
    fn from(failing: &Failing) -> Self {
        let Failing { entity, link, failure } = failing;
        Self {
            entity: entity.clone(),
            link: *link,
            record: place_of(failure),
            field: failure.field.clone(),
            class: failure.class,
            codes: failure.codes(),
        }
    }
}

impl From<&Failing> for FailureReport {
    fn from(failing: &Failing) -> Self {
        let subject = match (failing.link, failing.failure.record()) {
            (_, Some(record)) => record.to_string(),
            (Some(link), None) => format!("{}/{link}", failing.entity),
            (None, None) => failing.entity.clone(),
        };
        Self {
            brief: FailureBrief::from(failing),
            message: failing.failure.message(),
            since: moment(failing.failure.since_ms),
            times: failing.failure.times,
            line: line(&describe_failure(&failing.failure)),
            subject,
        }
    }
}

impl FailureBrief {
    /// The record, and the field if it is about one.
    pub fn subject(&self) -> String {
        match &self.field {
            Some(field) => format!("{} {field}", self.record),
            None => self.record.clone(),
        }
    }
}

/// `system.object/id`, or without the id where the record is still to be made.
fn place_of(failure: &Failure) -> String {
    let Failure { system, object, id, .. } = failure;
    let id = id.as_ref().map(|id| format!("/{id}")).unwrap_or_default();
    line(&format!("{system}.{object}{id}"))
}

/// The work that is left for people after a cycle.
#[derive(Debug, Default, Serialize)]
pub struct PendingWork {
    /// Open reviews.
    #[serde(skip)]
    pub open_reviews: u64,
    /// All that fails, of earlier cycles too.
    pub failing: u64,
    /// Some of what failed in this cycle, without the systems' sentences.
    pub failed_records: Vec<FailureBrief>,
}

impl PendingWork {
    /// Reads the work from the store; `began_ms` is when the cycle began.
    ///
    /// # Errors
    /// The store fails.
    pub async fn read(store: &dyn Store, began_ms: i64) -> Result<Self, RequestError> {
        let counts = store.counts().await?;
        let new = store.failures(began_ms, NEW_MAX).await?;
        let failed_records = new.iter().map(FailureBrief::from).collect();
        let (open_reviews, failing) = (counts.reviews_open, counts.failures);
        Ok(Self { open_reviews, failing, failed_records })
    }

    /// Logs a line for each new failure: record, field and kind, and no value.
    pub fn log(&self) {
        for FailureBrief { entity, link, record, field, class, codes } in &self.failed_records {
            let (class, codes) = (class.word(), codes.join(", "));
            let (link, field) = (link.map(|link| link.0), field.as_deref());
            tracing::warn!(entity, link, record, field, class, codes, "failure of a record");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use renkei_model::record::{Problem, Remedy};
    use serde_json::json;

    use super::*;

    fn failing() -> Failing {
        let problem = Problem {
            code: "STRING_TOO_LONG".to_owned(),
            message: "City: data value too large: Secret-City".to_owned(),
            field: Some("City".to_owned()),
            remedy: Remedy::SourceData,
        };
        let failure = Failure {
            system: "salesforce".to_owned(),
            object: "Lead".to_owned(),
            id: Some("00Q1".to_owned()),
            field: Some("city".to_owned()),
            class: FailureClass::Refused,
            problems: vec![problem],
            digest: String::new(),
            values: BTreeMap::new(),
            since_ms: 0,
            last_ms: 0,
            times: 2,
        };
        Failing { entity: "person".to_owned(), link: Some(LinkId(7)), failure }
    }

    /// `host/sync/RULES.md` V5.
    #[test]
    fn failure_of_a_record_is_named_without_values_unless_a_person_asks() {
        let failed_records = vec![FailureBrief::from(&failing())];
        assert_eq!(failed_records[0].subject(), "salesforce.Lead/00Q1 city");
        let pending = PendingWork { open_reviews: 0, failing: 4, failed_records };
        let line = serde_json::to_value(&pending).unwrap();
        assert!(!line.to_string().contains("Secret-City"), "{line}");
        assert_eq!(
            (&line["failing"], &line["failed_records"][0]["class"]),
            (&json!(4), &json!("refused"))
        );
        let report = FailureReport::from(&failing());
        let shown = serde_json::to_value(&report).unwrap();
        assert_eq!(shown["message"], "City: data value too large: Secret-City");
        assert_eq!(
            (&shown["record"], &shown["field"]),
            (&json!("salesforce.Lead/00Q1"), &json!("city"))
        );
        assert_eq!(shown["since"], "1970-01-01T00:00:00Z");
        let line = &report.line;
        assert!(line.contains("city: refused (STRING_TOO_LONG): City: data"), "{line}");
        assert_eq!(report.subject, "salesforce.Lead/00Q1");
    }
}
