//! What could not be read or written, for people, scripts and the log
//! (`host/sync/RULES.md` V5).
//!
//! The system's sentence may hold values of the record: people who ask see it, the log never does.

use renkei_sync::answers::why::{describe_failure, moment};
use renkei_sync::model::state::{Failing, Failure};
use renkei_sync::store::port::Store as _;
use serde_json::{Value, json};

use crate::failure::Failure as Failed;
use crate::host::Host;
use crate::plain;

/// Links, and records, whose new failures a cycle logs and reports.
const NEWS_MAX: usize = 50;
/// Failures that the summary of a cycle names.
const NAMED_MAX: usize = 3;

/// What waits for a person after a cycle.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Open questions.
    pub(crate) questions: u64,
    /// All that fails, of earlier cycles too.
    pub(crate) failures: u64,
    /// Some of what failed in this cycle.
    pub(crate) news: Vec<Failing>,
}

impl Waiting {
    /// Asks the store; `began_ms` is when the cycle began.
    pub(crate) async fn read(host: &Host, began_ms: i64) -> Result<Self, Failed> {
        let counts = host.store.counts().await.map_err(Failed::store)?;
        let news = host.store.failures(began_ms, NEWS_MAX).await.map_err(Failed::store)?;
        Ok(Self { questions: counts.reviews_open, failures: counts.failures, news })
    }

    /// A part of a cycle's summary; empty where nothing fails.
    pub(crate) fn summary(&self, hint: &str) -> String {
        if self.failures == 0 {
            return String::new();
        }
        let named = self.news.iter().take(NAMED_MAX).map(|failing| {
            let class = failing.failure.class.word();
            format!("{} {class}", subject(&failing.failure))
        });
        let named: Vec<String> = named.collect();
        let named = match named.as_slice() {
            [] => String::new(),
            named => format!(", new: {}", named.join(", ")),
        };
        format!("; {} failure(s) of records{named}{hint}", self.failures)
    }

    /// For scripts: how many there are, and what is new, without the systems' sentences.
    pub(crate) fn add_to(&self, facts: &mut Value) {
        if let Some(facts) = facts.as_object_mut() {
            facts.insert("failing".to_owned(), json!(self.failures));
            let news: Vec<Value> = self.news.iter().map(brief).collect();
            facts.insert("failed_records".to_owned(), json!(news));
        }
    }

    /// A line of the log for each that is new: record, field and kind, and no value.
    pub(crate) fn log(&self) {
        for Failing { entity, link, failure } in &self.news {
            let record = place(failure);
            let field = failure.field.as_deref();
            let (class, codes) = (failure.class.word(), failure.codes().join(", "));
            let link = link.map(|link| link.0);
            tracing::warn!(entity, link, record, field, class, codes, "failure of a record");
        }
    }
}

/// `system.object/id`, or without the id where the record is still to be made.
fn place(failure: &Failure) -> String {
    let Failure { system, object, id, .. } = failure;
    let id = id.as_ref().map(|id| format!("/{id}")).unwrap_or_default();
    plain::line(&format!("{system}.{object}{id}"))
}

/// The place and the field.
fn subject(failure: &Failure) -> String {
    match &failure.field {
        Some(field) => format!("{} {field}", place(failure)),
        None => place(failure),
    }
}

fn brief(failing: &Failing) -> Value {
    let Failing { entity, link, failure } = failing;
    json!({
        "entity": entity,
        "link": link,
        "record": place(failure),
        "field": failure.field,
        "class": failure.class,
        "codes": failure.codes(),
    })
}

/// One for scripts, with the system's sentence.
pub(crate) fn facts(failing: &Failing) -> Value {
    let mut facts = brief(failing);
    if let Some(facts) = facts.as_object_mut() {
        facts.insert("message".to_owned(), json!(failing.failure.message()));
        facts.insert("since".to_owned(), json!(moment(failing.failure.since_ms)));
        facts.insert("times".to_owned(), json!(failing.failure.times));
    }
    facts
}

/// One for people, and what to ask `why` about.
pub(crate) fn describe(failing: &Failing) -> (String, String) {
    let subject = match (failing.link, failing.failure.record()) {
        (_, Some(record)) => record.to_string(),
        (Some(link), None) => format!("{}/{link}", failing.entity),
        (None, None) => failing.entity.clone(),
    };
    (plain::line(&describe_failure(&failing.failure)), subject)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use renkei_sync::model::record::{Problem, Remedy};
    use renkei_sync::model::state::{FailureClass, LinkId};

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
        let waiting = Waiting { questions: 0, failures: 4, news: vec![failing()] };
        let said = waiting.summary(" (hint)");
        let expected = "; 4 failure(s) of records, new: salesforce.Lead/00Q1 city refused (hint)";
        assert_eq!(said, expected);
        let mut line = json!({});
        waiting.add_to(&mut line);
        assert!(!line.to_string().contains("Secret-City"), "{line}");
        assert_eq!(line["failed_records"][0]["class"], "refused");
        let shown = facts(&failing());
        assert_eq!(shown["message"], "City: data value too large: Secret-City");
        assert_eq!(
            (&shown["record"], &shown["field"]),
            (&json!("salesforce.Lead/00Q1"), &json!("city"))
        );
        assert_eq!(shown["since"], "1970-01-01T00:00:00Z");
        let (line, subject) = describe(&failing());
        assert!(line.contains("city: refused (STRING_TOO_LONG): City: data"), "{line}");
        assert_eq!(subject, "salesforce.Lead/00Q1");
    }
}
