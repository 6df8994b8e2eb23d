//! Salesforce's errors as the contract's errors and outcomes (`API.md`, S-error-1 to S-error-6).
//!
//! A request that fails as a whole answers an array of `{errorCode, message, fields}` with a status
//! and becomes an [`Error`]. A row of a collection fails under HTTP 200 with `statusCode` instead
//! and becomes an [`Outcome`]. A quota is a 403 with a code (S-limit-1), so it is recognised here.

use std::collections::BTreeSet;

use renkei_sdk::http::{Failure, Response};
use renkei_sdk::{Action, Error, Outcome, Problem, Remedy};
use serde::Deserialize;

/// The code with which a duplicate rule refuses.
pub(crate) const DUPLICATES_DETECTED: &str = "DUPLICATES_DETECTED";
/// The wait for a locked row or a busy server.
const BUSY_MS: u64 = 5_000;
/// The daily quota rolls over 24 h and no answer says how long to wait (S-limit-3), so some calls
/// come free within this time.
const DAILY_MS: u64 = 900_000;

/// The reason why a call that writes has no good answer.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// Nothing was done: Salesforce refused the request, or the host did not send it.
    Refused(Error),
    /// It was sent, and nobody knows what became of it, for this reason.
    Unknown(String),
}

impl CallFailure {
    /// The failure in an answer that is no success. Some do not say whether the request had an
    /// effect (S-error-6).
    pub(crate) fn read(answer: &Response) -> Self {
        match answer.status {
            500 | 502 | 504 => Self::Unknown(format!("answer {}", answer.status)),
            _ => Self::Refused(read_error(answer)),
        }
    }
}

impl From<Failure> for CallFailure {
    fn from(failure: Failure) -> Self {
        if failure.may_have_arrived() {
            Self::Unknown(format!("no answer: {failure}"))
        } else {
            Self::Refused(failure.into())
        }
    }
}

/// One error of an answer, a row or a job.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ApiError {
    #[serde(alias = "statusCode", alias = "errorCode", default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) fields: Vec<String>,
    /// The findings of a duplicate rule; the vendor misspelt its name for years.
    #[serde(alias = "duplicateResut", alias = "duplicateResult", default)]
    pub(crate) duplicate: Option<DuplicateResult>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct DuplicateResult {
    /// The object that was written to.
    duplicate_rule_entity_type: String,
    match_results: Vec<MatchResult>,
}

/// The records that one matching rule found, in one object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MatchResult {
    entity_type: String,
    match_records: Vec<MatchRecord>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct MatchRecord {
    record: MatchedId,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct MatchedId {
    id: String,
}

impl DuplicateResult {
    /// The records found, those of the object written to before others.
    fn ids(&self) -> impl Iterator<Item = &str> {
        let is_other =
            |result: &&MatchResult| result.entity_type != self.duplicate_rule_entity_type;
        let (others, own): (Vec<_>, Vec<_>) = self.match_results.iter().partition(is_other);
        let records = own.into_iter().chain(others).flat_map(|result| &result.match_records);
        records.map(|one| one.record.id.as_str()).filter(|id| is_id(id))
    }
}

impl ApiError {
    /// The error of a whole call that it refuses.
    pub(crate) fn error(&self, status: u16) -> Error {
        if let Some(after_ms) = self.passes_after_ms() {
            return Error::RetryAfter(after_ms);
        }
        let problem = self.problem();
        match (status, self.code.as_str()) {
            // S-deleted-2.
            (_, "EXCEEDED_ID_LIMIT" | "INVALID_REPLICATION_DATE") => Error::CursorLost(problem),
            (_, "INVALID_TYPE" | "NOT_FOUND") => Error::NotFound(problem),
            (401, _) => Error::Unauthorized(problem),
            (403, _) => Error::Forbidden(problem),
            (404, _) => Error::NotFound(problem),
            (408 | 429 | 500.., _) => Error::RetryAfter(BUSY_MS),
            _ => Error::Invalid(problem),
        }
    }

    /// The problem, with the field to blame and who can help.
    pub(crate) fn problem(&self) -> Problem {
        let problem = Problem::new(&self.code, &self.message, remedy(&self.code));
        match self.field() {
            Some(field) => problem.on(field),
            None => problem,
        }
    }

    /// The first field named, or the column of "No such column 'X'" (S-error-2).
    fn field(&self) -> Option<&str> {
        let quoted = || self.message.split_once("No such column '")?.1.split_once('\'');
        self.fields.first().map(String::as_str).or_else(|| quoted().map(|(field, _)| field))
    }

    /// The time after which a retry is worth it, for a refusal that passes by itself.
    fn passes_after_ms(&self) -> Option<u64> {
        match self.code.as_str() {
            "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" | "QUERY_TIMEOUT" => Some(BUSY_MS),
            // S-limit-2.
            "REQUEST_LIMIT_EXCEEDED" if self.message.starts_with("Concurrent") => Some(BUSY_MS),
            "REQUEST_LIMIT_EXCEEDED" => Some(DAILY_MS),
            _ => None,
        }
    }

    /// The records that a duplicate rule found, or the id at the end of "duplicate value found: X
    /// duplicates value on record with id: 003..." (S-error-3); none for another refusal.
    fn duplicate_ids(&self) -> Vec<&str> {
        match (&self.duplicate, self.message.rsplit_once("with id: ")) {
            _ if !matches!(self.code.as_str(), "DUPLICATE_VALUE" | DUPLICATES_DETECTED) => {
                Vec::new()
            }
            (Some(duplicate), _) => duplicate.ids().collect(),
            (None, Some((_, id))) => {
                Some(id.trim_end_matches('.')).filter(|id| is_id(id)).into_iter().collect()
            }
            (None, None) => Vec::new(),
        }
    }
}

/// True for a text that may be a record's id: 15 or 18 letters and digits.
pub(crate) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn remedy(code: &str) -> Remedy {
    match code {
        "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" | "UNKNOWN_EXCEPTION" => Remedy::Retry,
        "REQUIRED_FIELD_MISSING"
        | "STRING_TOO_LONG"
        | "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
        | "FIELD_CUSTOM_VALIDATION_EXCEPTION"
        | "FIELD_INTEGRITY_EXCEPTION"
        | "INVALID_EMAIL_ADDRESS"
        | "INVALID_TYPE_ON_FIELD_IN_RECORD"
        | "NUMBER_OUTSIDE_VALID_RANGE" => Remedy::SourceData,
        "DUPLICATE_VALUE"
        | DUPLICATES_DETECTED
        | "DUPLICATE_EXTERNAL_ID"
        | "DELETE_FAILED"
        | "ENTITY_IS_DELETED"
        | "INVALID_CROSS_REFERENCE_KEY" => Remedy::TargetData,
        "JSON_PARSER_ERROR" | "MALFORMED_ID" | "MALFORMED_QUERY" | "MISSING_ARGUMENT" => {
            Remedy::Plugin
        }
        "INVALID_FIELD"
        | "INVALID_FIELD_FOR_INSERT_UPDATE"
        | "INVALID_TYPE"
        | "NOT_FOUND"
        | "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        | "STORAGE_LIMIT_EXCEEDED"
        | "API_DISABLED_FOR_ORG"
        | "API_CURRENTLY_DISABLED" => Remedy::Admin,
        code if code.starts_with("INSUFFICIENT_ACCESS") => Remedy::Admin,
        _ => Remedy::Nobody,
    }
}

/// The errors of an answer that is no success; an answer in another shape, such as a proxy's page,
/// becomes one error with the status as its code.
fn read_errors(answer: &Response) -> Vec<ApiError> {
    let read: Vec<ApiError> = serde_json::from_slice(&answer.body).unwrap_or_default();
    if !read.is_empty() {
        return read;
    }
    let message = format!("HTTP {} without a reason", answer.status);
    vec![ApiError { code: answer.status.to_string(), message, ..ApiError::default() }]
}

/// The error of a whole call whose answer is no success.
pub(crate) fn read_error(answer: &Response) -> Error {
    let first = read_errors(answer).into_iter().next().unwrap_or_default();
    first.error(answer.status)
}

/// The records that these refusals name, each once.
fn list_duplicates(errors: &[ApiError]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let named = errors.iter().flat_map(ApiError::duplicate_ids);
    named.filter(|id| seen.insert(*id)).map(str::to_owned).collect()
}

/// The outcome of one row that failed.
pub(crate) fn row_outcome(action: Action, errors: &[ApiError]) -> Outcome {
    let is_new = matches!(action, Action::Create | Action::Upsert);
    for error in errors {
        if let Some(after_ms) = error.passes_after_ms() {
            return Outcome::RetryAfter(after_ms);
        }
        // For a new record, and where a field is named, it is a parent that is deleted (S-error-4).
        let itself = !is_new && error.fields.is_empty();
        match error.code.as_str() {
            "ENTITY_IS_DELETED" | "CANNOT_UPDATE_CONVERTED_LEAD" if itself => {
                return Outcome::Gone;
            }
            "INVALID_CROSS_REFERENCE_KEY" if action == Action::Archive => {
                return Outcome::Gone;
            }
            _ if !error.duplicate_ids().is_empty() => {
                return Outcome::Exists(list_duplicates(errors));
            }
            _ => {}
        }
    }
    Outcome::Rejected(errors.iter().map(ApiError::problem).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: &str, message: &str, fields: &[&str]) -> ApiError {
        let fields = fields.iter().map(|&field| field.to_owned()).collect();
        ApiError { code: code.into(), message: message.into(), fields, duplicate: None }
    }

    fn answer(status: u16, body: &str) -> Response {
        Response::new(status, body)
    }

    #[test]
    fn whole_answers_become_typed_errors() {
        let check = |status, body: &str, expected: &str| {
            let found = format!("{:?}", read_error(&answer(status, body)));
            assert!(found.starts_with(expected), "{found}");
        };
        let body = |code: &str, message: &str| {
            format!(r#"[{{"message":"{message}","errorCode":"{code}"}}]"#)
        };
        check(401, &body("INVALID_SESSION_ID", "Session expired or invalid"), "Error::Unauth");
        check(
            403,
            &body("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
            "Error::RetryAfter(900000)",
        );
        check(
            403,
            &body("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded."),
            "Error::RetryAfter(5000)",
        );
        check(403, &body("API_DISABLED_FOR_ORG", ""), "Error::Forbidden");
        check(404, &body("NOT_FOUND", ""), "Error::NotFound");
        check(400, &body("INVALID_TYPE", ""), "Error::NotFound");
        check(400, &body("EXCEEDED_ID_LIMIT", ""), "Error::CursorLost");
        check(400, &body("MALFORMED_QUERY", ""), "Error::Invalid");
        check(503, "<html>", "Error::RetryAfter");
        check(301, "<html>", "Error::Invalid");
    }

    #[test]
    fn unknown_column_is_named() {
        let body = r#"[{"errorCode":"INVALID_FIELD",
            "message":"No such column 'Emial' on sobject of type Contact"}]"#;
        let Error::Invalid(problem) = read_error(&answer(400, body)) else { panic!() };
        assert_eq!(problem.field.as_deref(), Some("Emial"));
        assert_eq!(problem.remedy, "admin");
    }

    #[test]
    fn failed_rows_become_outcomes() {
        let check = |action, fault: ApiError, expected: Outcome| {
            assert_eq!(row_outcome(action, &[fault]), expected);
        };
        let lock = fault("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", &[]);
        check(Action::Update, lock, Outcome::RetryAfter(BUSY_MS));
        let gone = fault("ENTITY_IS_DELETED", "entity is deleted", &[]);
        check(Action::Archive, gone.clone(), Outcome::Gone);
        check(Action::Create, gone.clone(), Outcome::Rejected(vec![gone.problem()]));
        let parent = fault("ENTITY_IS_DELETED", "entity is deleted", &["AccountId"]);
        check(Action::Update, parent.clone(), Outcome::Rejected(vec![parent.problem()]));
        let duplicate = fault(
            "DUPLICATE_VALUE",
            "duplicate value found: X__c duplicates value on record with id: 003000000000001AAA",
            &[],
        );
        check(Action::Create, duplicate.clone(), Outcome::exists("003000000000001AAA"));
        check(Action::Update, duplicate, Outcome::exists("003000000000001AAA"));
    }

    #[test]
    fn duplicate_rule_names_what_it_found() {
        let check = |name: &str, results: &str, expected: &[&str]| {
            let body = format!(
                r#"{{"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?",
                    "{name}":{{"duplicateRuleEntityType":"Lead","matchResults":[{results}]}}}}"#
            );
            let fault: ApiError = serde_json::from_str(&body).unwrap();
            for action in [Action::Create, Action::Update] {
                let ids = expected.iter().map(|&id| id.to_owned()).collect();
                let expected = match expected {
                    [] => Outcome::Rejected(vec![fault.problem()]),
                    _ => Outcome::Exists(ids),
                };
                assert_eq!(
                    row_outcome(action, std::slice::from_ref(&fault)),
                    expected,
                    "{results}"
                );
            }
        };
        let found = |object: &str, id: &str| {
            format!(
                r#"{{"entityType":"{object}","matchEngine":"FuzzyMatchEngine","matchRecords":
                    [{{"matchConfidence":100.0,"record":{{"Id":"{id}"}}}}]}}"#
            )
        };
        let lead = found("Lead", "00Q000000000001AAA");
        let contact = found("Contact", "003000000000001AAA");
        let [one, other] = ["00Q000000000001AAA", "00Q000000000002AAA"];
        let second = found("Lead", other);
        check("duplicateResut", &lead, &[one]);
        let all = format!("{contact},{lead},{second},{lead}");
        check("duplicateResult", &all, &[one, other, "003000000000001AAA"]);
        check("duplicateResult", &contact, &["003000000000001AAA"]);
        check("duplicateResult", r#"{"entityType":"Lead"}"#, &[]);
        check("duplicateResult", "", &[]);
        check("unknown", &lead, &[]);
    }

    #[test]
    fn refusal_names_field_and_remedy() {
        let missing = fault("REQUIRED_FIELD_MISSING", "missing: [LastName]", &["LastName"]);
        let Outcome::Rejected(problems) = row_outcome(Action::Create, &[missing]) else { panic!() };
        assert_eq!(problems[0].field.as_deref(), Some("LastName"));
        assert_eq!(problems[0].remedy, "source-data");
    }
}
