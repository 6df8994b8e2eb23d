//! The results of an ingest job: three lists of CSV, in any order (`API.md`, S-bulk-7).

use std::collections::BTreeMap;

use renkei_sdk::{Applied, Error, Outcome};

use super::sheet::{key_column, row_key, short_id};
use crate::error::{ApiError, is_id, row_outcome};
use crate::write::call::{IngestJob, WriteVerb};

/// The wait of rows that a job left unprocessed.
pub(super) const AGAIN_MS: u64 = 5_000;

/// Outcomes by the operation's index in the request.
#[derive(Debug, Default)]
pub(crate) struct IngestResults {
    pub(crate) outcomes: BTreeMap<usize, Outcome>,
    /// Rows that the job cannot take; nothing was written of them.
    pub(crate) declined: Vec<usize>,
    by_name: BTreeMap<String, usize>,
    unprocessed: Vec<usize>,
}

impl IngestResults {
    /// Nothing known yet.
    pub(super) fn new(job: &IngestJob<'_>) -> Self {
        let rows = job.rows.iter().zip(job.operations());
        let named =
            rows.filter_map(|(row, operation)| Some((row_key(job, operation)?.to_owned(), *row)));
        Self { by_name: named.collect(), ..Self::default() }
    }

    /// Takes in one list. A row that no operation has is passed over: its operation stays unknown.
    ///
    /// # Errors
    /// The list is no CSV or lacks the columns that say what became of a row.
    pub(super) fn read_list(
        &mut self,
        job: &IngestJob<'_>,
        list: &str,
        body: &[u8],
    ) -> Result<(), Error> {
        let broken = |fault: csv::Error| {
            let line = fault.position().map_or(0, csv::Position::line);
            Error::bug(format!("{list} of an ingest job is not CSV at line {line}"))
        };
        let mut reader = csv::Reader::from_reader(body);
        let header = reader.headers().map_err(broken)?.clone();
        let place = |column: &str| header.iter().position(|name| name == column);
        let (id, key) = (place("sf__Id"), place(key_column(job)));
        let (created, error) = (place("sf__Created"), place("sf__Error"));
        let mut cells = csv::StringRecord::new();
        while reader.read_record(&mut cells).map_err(broken)? {
            let text = |place: Option<usize>| place.and_then(|place| cells.get(place));
            let id = text(id).filter(|id| is_id(id));
            let row = text(key).or(id).and_then(|key| match job.verb {
                WriteVerb::Update | WriteVerb::Delete => self.by_name.get(short_id(key)),
                _ => self.by_name.get(key),
            });
            let Some(row) = row.copied() else { continue };
            let Some(operation) = job.request.operations.get(row) else { continue };
            let outcome = match list {
                "successfulResults" => match id.or(operation.id.as_deref()) {
                    Some(id) => Outcome::Applied(Applied {
                        created: text(created) == Some("true"),
                        ..Applied::updated(id)
                    }),
                    None => continue,
                },
                "failedResults" => row_outcome(
                    operation.action,
                    &[read_row_error(text(error).unwrap_or_default())],
                ),
                _ => {
                    self.unprocessed.push(row);
                    Outcome::RetryAfter(AGAIN_MS)
                }
            };
            self.outcomes.insert(row, outcome);
        }
        Ok(())
    }

    /// The job cannot take the rows that it left unprocessed.
    pub(super) fn decline_unprocessed(&mut self) {
        self.declined = std::mem::take(&mut self.unprocessed);
        for row in &self.declined {
            self.outcomes.remove(row);
        }
    }
}

/// `CODE:message:Field, Field--`, where the fields may be empty and the message has colons
/// (S-bulk-8).
fn read_row_error(text: &str) -> ApiError {
    let text = text.trim_end().trim_end_matches("--").trim_end();
    let (code, rest) = text.split_once(':').unwrap_or((text, ""));
    let is_name = |name: &str| {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
        plain && !name.is_empty() && !is_id(name)
    };
    let names = |list: &str| -> Vec<String> {
        list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    };
    let (message, fields) = match rest.rsplit_once(':') {
        Some((message, list)) if names(list).iter().all(|name| is_name(name)) => {
            (message, names(list))
        }
        _ => (rest, Vec::new()),
    };
    ApiError { code: code.to_owned(), message: message.to_owned(), fields, ..ApiError::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_errors_are_read_with_their_fields() {
        fn check(text: &str, code: &str, message: &str, fields: &[&str]) {
            let error = read_row_error(text);
            assert_eq!((error.code.as_str(), error.message.as_str()), (code, message), "{text}");
            assert_eq!(error.fields, fields, "{text}");
        }
        let missing = "Required fields are missing: [LastName, Company]";
        check(
            &format!("REQUIRED_FIELD_MISSING:{missing}:LastName, Company --"),
            "REQUIRED_FIELD_MISSING",
            missing,
            &["LastName", "Company"],
        );
        let deleted = "ENTITY_IS_DELETED:entity is deleted:--";
        check(deleted, "ENTITY_IS_DELETED", "entity is deleted", &[]);
        let duplicate = "duplicate value found: X__c duplicates value on record with id: \
                         003000000000001AAA";
        check(&format!("DUPLICATE_VALUE:{duplicate}:--"), "DUPLICATE_VALUE", duplicate, &[]);
        check(&format!("DUPLICATE_VALUE:{duplicate}"), "DUPLICATE_VALUE", duplicate, &[]);
        check("ODD", "ODD", "", &[]);
        check("CODE:文: 全角:--", "CODE", "文: 全角", &[]);
        check("", "", "", &[]);
    }
}
