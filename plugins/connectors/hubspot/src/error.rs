//! HubSpot's refusals as the contract's errors and outcomes (`API.md`, H-error-1 to H-error-6).
//!
//! A refusal of one row becomes an outcome, a refusal of a whole call an error. Errors in a 207
//! have the same shape as whole answers.

use std::collections::{BTreeMap, BTreeSet};

use renkei_sdk::{Action, Error, Outcome, Problem, Remedy};
use serde::Deserialize;
use serde_json::Value as Json;

const NOT_FOUND: &str = "OBJECT_NOT_FOUND";
const CONFLICT: &str = "CONFLICT";
const NO_SUCH_PROPERTY: &str = "PROPERTY_DOESNT_EXIST";
/// HubSpot's words for an object type that it does not know (H-error-6).
const UNKNOWN_OBJECT: &str = "Unable to infer object type";

/// The reason why a call has no good answer.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// HubSpot refused the request itself; nothing was done.
    Refused(u16, Box<ApiError>),
    /// It was sent, and nobody knows what became of it: no answer, or none that can be read.
    Unknown(Error),
    /// Nothing was done, and other requests would fare no better.
    Stopped(Error),
}

impl From<CallFailure> for Error {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Refused(status, refusal) => refusal.error(status),
            CallFailure::Unknown(error) | CallFailure::Stopped(error) => error,
        }
    }
}

/// An error answer, or one item of `errors` in a 207.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ApiError {
    pub(crate) category: String,
    pub(crate) sub_category: Option<String>,
    pub(crate) message: String,
    /// The limit that a 429 hit.
    pub(crate) policy_name: Option<String>,
    pub(crate) context: ApiErrorContext,
    pub(crate) errors: Vec<ApiErrorDetail>,
}

/// One reason inside an error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ApiErrorDetail {
    pub(crate) message: String,
    pub(crate) code: Option<String>,
    #[serde(rename = "in")]
    pub(crate) place: Option<String>,
    pub(crate) context: ApiErrorContext,
}

/// Facts of an error: names with a list of texts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct ApiErrorContext(BTreeMap<String, Json>);

impl ApiErrorContext {
    /// The texts and numbers under a name; HubSpot mostly sends lists, sometimes a single one.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let text = |value: &Json| match value {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match self.0.get(name) {
            Some(Json::Array(items)) => items.iter().filter_map(text).collect(),
            Some(single) => text(single).into_iter().collect(),
            None => Vec::new(),
        }
    }
}

impl ApiError {
    /// True for a record that does not exist, or no more.
    pub(crate) fn is_not_found(&self) -> bool {
        self.category == NOT_FOUND
    }

    /// True where the object type itself is unknown.
    pub(crate) fn is_unknown_object(&self) -> bool {
        self.message.starts_with(UNKNOWN_OBJECT)
    }

    /// True for a row with the same unique value as another one of its batch, which has no id yet.
    pub(crate) fn is_conflict_within_batch(&self) -> bool {
        self.category == CONFLICT && self.existing_ids().is_empty()
    }

    /// The outcome of a record whose write it refuses.
    pub(crate) fn outcome(&self, action: Action) -> Outcome {
        let is_new = matches!(action, Action::Create | Action::Upsert);
        if !is_new && self.is_not_found() {
            return Outcome::Gone;
        }
        match self.existing_ids() {
            ids if ids.is_empty() => Outcome::Rejected(self.problems()),
            ids => Outcome::Exists(ids),
        }
    }

    /// The error of a whole call that it refuses.
    pub(crate) fn error(&self, status: u16) -> Error {
        let problem = self.problem(status.to_string());
        if self.is_unknown_object() || status == 404 {
            return Error::NotFound(Problem { remedy: Remedy::Admin.as_str().into(), ..problem });
        }
        Error::Invalid(problem)
    }

    /// Missing scopes, named: an admin adds them to the app (H-auth-4).
    pub(crate) fn forbidden(&self) -> Error {
        let scopes = self.context.texts("requiredGranularScopes").join(", ");
        let mut problem = self.problem("403".to_owned());
        if !scopes.is_empty() {
            problem.message = format!("{} ({scopes})", problem.message);
        }
        Error::Forbidden(Problem { remedy: Remedy::Admin.as_str().into(), ..problem })
    }

    /// The ids of the records that already have unique values of a refused write, each once.
    fn existing_ids(&self) -> Vec<String> {
        let mut found = self.context.texts("existingId");
        if found.is_empty() {
            let details = self.errors.iter().map(|detail| &detail.message);
            found = std::iter::once(&self.message)
                .chain(details)
                .filter_map(|said| holder(said))
                .collect();
        }
        let mut seen = BTreeSet::new();
        let is_id = |id: &String| id.chars().any(|digit| digit.is_ascii_digit() && digit != '0');
        found.retain(|id| is_id(id) && seen.insert(id.clone()));
        found
    }

    /// The properties that do not exist, when that is what is wrong.
    pub(crate) fn unknown_properties(&self) -> Vec<String> {
        let unknown = self.problems().into_iter().filter(|one| one.code == NO_SUCH_PROPERTY);
        unknown.filter_map(|problem| problem.field).collect()
    }

    /// The reasons, one problem each.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        let listed: Vec<Problem> = self.errors.iter().map(|one| self.detail(one)).collect();
        if listed.iter().any(|problem| problem.field.is_some()) {
            return listed;
        }
        let quoted = self.quoted_reasons();
        if !quoted.is_empty() {
            return quoted;
        }
        if listed.is_empty() { vec![self.problem("refused".to_owned())] } else { listed }
    }

    /// The whole refusal as one problem; `code` stands in where there is no category.
    fn problem(&self, code: String) -> Problem {
        let code = if self.category.is_empty() { code } else { self.category.clone() };
        let remedy = remedy(&code);
        Problem::new(code, self.message.clone(), remedy)
    }

    fn detail(&self, detail: &ApiErrorDetail) -> Problem {
        let code = detail.code.clone().unwrap_or_else(|| self.category.clone());
        let remedy = remedy(&code);
        let problem = Problem::new(code, detail.message.clone(), remedy);
        let named = detail.context.texts("propertyName").into_iter().next();
        Problem { field: named.or_else(|| detail.place.clone()), ..problem }
    }

    /// The reasons that a message quotes as JSON (H-error-2).
    fn quoted_reasons(&self) -> Vec<Problem> {
        let quoted = self.message.split_once(": [").map(|(_, list)| format!("[{list}"));
        let items: Vec<Json> =
            quoted.and_then(|list| serde_json::from_str(&list).ok()).unwrap_or_default();
        let text = |item: &Json, name: &str| item.get(name)?.as_str().map(str::to_owned);
        let problem = |item: &Json| {
            let code = text(item, "error")?;
            let remedy = remedy(&code);
            let message = text(item, "message").unwrap_or_default();
            Some(Problem { field: text(item, "name"), ..Problem::new(code, message, remedy) })
        };
        items.iter().filter_map(problem).collect()
    }
}

/// The id in HubSpot's words about a value that another record has: an address (H-error-4), or a
/// value of a property with unique values (H-error-5).
fn holder(said: &str) -> Option<String> {
    let is_id = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    // The value comes before, and may say anything.
    if let Some((before, _)) = said.rsplit_once(" already has that value") {
        return before.rsplit(' ').next().filter(is_id).map(str::to_owned);
    }
    let (_, rest) = said.split_once("Existing ID: ")?;
    rest.split(|next: char| !next.is_ascii_digit()).next().filter(is_id).map(str::to_owned)
}

/// The remedy for a code.
fn remedy(code: &str) -> Remedy {
    match code {
        NO_SUCH_PROPERTY | "READ_ONLY_VALUE" | "MISSING_SCOPES" => Remedy::Admin,
        CONFLICT | NOT_FOUND => Remedy::TargetData,
        "RATE_LIMITS" | "INTERNAL_ERROR" => Remedy::Retry,
        _ => Remedy::SourceData,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> ApiError {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn existing_record_is_named_in_context_or_in_words() {
        let check = |json, expected: &str| {
            assert_eq!(refusal(json).outcome(Action::Create), Outcome::exists(expected));
        };
        check(
            r#"{"status":"error","category":"CONFLICT","message":"Contact already exists.",
                "context":{"objectWriteTraceId":["0"],"existingId":["171"]}}"#,
            "171",
        );
        check(
            r#"{"category":"CONFLICT","message":"Contact already exists. Existing ID: 42."}"#,
            "42",
        );
    }

    #[test]
    fn value_that_another_record_has_names_it_for_a_change_too() {
        let check = |json: &str| {
            for outcome in
                [refusal(json).outcome(Action::Update), refusal(json).outcome(Action::Create)]
            {
                assert_eq!(outcome, Outcome::exists("42"), "{json}");
            }
        };
        check(r#"{"category":"CONFLICT","message":"Existing ID: 42"}"#);
        check(&taken("v", "42"));
        check(&taken("Existing ID: 9. 7 already has that value.", "42"));
        check(&format!(r#"{{"category":"VALIDATION_ERROR","errors":[{}]}}"#, taken("v", "42")));
    }

    #[test]
    fn every_holder_is_named_once() {
        let details = [taken("v", "42"), taken("w", "7"), taken("x", "42")].join(",");
        let json = format!(r#"{{"category":"VALIDATION_ERROR","errors":[{details}]}}"#);
        let exists = Outcome::Exists(vec!["42".into(), "7".into()]);
        assert_eq!(refusal(&json).outcome(Action::Update), exists);
    }

    #[test]
    fn value_that_nobody_is_named_for_is_a_rejection() {
        for who in ["", "someone", "the record with 42"] {
            let json = taken("v", who).replace("with 42", "with 4x2");
            assert!(
                matches!(refusal(&json).outcome(Action::Create), Outcome::Rejected(_)),
                "{json}"
            );
        }
    }

    fn taken(value: &str, holder: &str) -> String {
        format!(
            r#"{{"category":"VALIDATION_ERROR","message":"Cannot set PropertyValueCoordinates{{
                portalId=1, objectTypeId=0-1, propertyName=p, value={value}}} on 7. {holder} already
                has that value."}}"#
        )
        .replace("\n                ", " ")
    }

    #[test]
    fn conflict_without_an_id_is_a_rejection() {
        let outcome = refusal(r#"{"category":"CONFLICT","message":"Contact already exists"}"#)
            .outcome(Action::Create);
        let Outcome::Rejected(problems) = outcome else { panic!("{outcome:?}") };
        assert_eq!(
            (problems[0].code.as_str(), problems[0].remedy.as_str()),
            ("CONFLICT", "target-data")
        );
    }

    #[test]
    fn missing_record_is_gone() {
        let json = r#"{"category":"OBJECT_NOT_FOUND","message":"Could not get some CONTACT objects",
            "context":{"ids":["1","2"]}}"#;
        assert_eq!(refusal(json).outcome(Action::Update), Outcome::Gone);
        assert_eq!(refusal(json).context.texts("ids"), ["1", "2"]);
    }

    #[test]
    fn reasons_come_from_details_or_from_the_quoted_list() {
        let check = |json: &str, field: &str, code: &str, remedy: &str| {
            let problems = refusal(json).problems();
            let first = &problems[0];
            assert_eq!(first.field.as_deref(), Some(field));
            assert_eq!((first.code.as_str(), first.remedy.as_str()), (code, remedy));
        };
        check(
            r#"{"category":"VALIDATION_ERROR","message":"Property values were not valid",
                "errors":[{"message":"Property \"x\" does not exist","code":"PROPERTY_DOESNT_EXIST",
                "context":{"propertyName":["x"]}}]}"#,
            "x",
            "PROPERTY_DOESNT_EXIST",
            "admin",
        );
        check(
            concat!(
                r#"{"category":"VALIDATION_ERROR","message":"Property values were not valid: "#,
                r#"[{\"isValid\":false,\"message\":\"Email address y is invalid\","#,
                r#"\"error\":\"INVALID_EMAIL\",\"name\":\"email\"}]"}"#,
            ),
            "email",
            "INVALID_EMAIL",
            "source-data",
        );
    }

    #[test]
    fn unknown_object_has_no_category_and_is_not_found() {
        let error =
            refusal(r#"{"message":"Unable to infer object type from: butterflies"}"#).error(400);
        assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    }

    #[test]
    fn missing_scopes_are_named() {
        let json = r#"{"category":"MISSING_SCOPES","message":"Scopes are required.",
            "context":{"requiredGranularScopes":["crm.objects.deals.read"]}}"#;
        let Error::Forbidden(problem) = refusal(json).forbidden() else { panic!() };
        assert_eq!(problem.message, "Scopes are required. (crm.objects.deals.read)");
    }
}
