//! Error bodies in HubSpot's schema (H-error-1, H-error-3, H-error-7).
//!
//! A write that is refused is a [`WriteRefusal`] first. Its form on the wire differs between a
//! single request, a whole batch, and an item of a 207 answer.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::kinds::ObjectKind;
use super::portal::PORTAL_ID;
use crate::http::SimAnswer;

/// `context` of an error: a list of texts per key.
pub(super) type ErrorContext = BTreeMap<&'static str, Vec<String>>;

/// An error answer, or an item of `errors` in a 207 answer.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiError {
    #[serde(skip)]
    pub http: StatusCode,
    status: ErrorStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_category: Option<&'static str>,
    pub message: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub context: ErrorContext,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorDetail>,
}

/// `status` of an error, which never varies.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum ErrorStatus {
    Error,
}

/// An error as the body of an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    #[serde(flatten)]
    error: &'a ApiError,
    correlation_id: &'a str,
}

/// One property that is wrong.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ErrorDetail {
    pub message: String,
    pub code: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub context: ErrorContext,
}

impl ApiError {
    pub(super) fn new(
        http: StatusCode,
        category: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            http,
            status: ErrorStatus::Error,
            category: Some(category),
            sub_category: None,
            message: message.into(),
            context: ErrorContext::new(),
            errors: Vec::new(),
        }
    }

    /// 400 `VALIDATION_ERROR`.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    }

    /// 404 `OBJECT_NOT_FOUND`.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", message)
    }

    /// 400 without a category, as recorded for an unknown object type.
    pub(super) fn unknown_kind(name: &str) -> Self {
        Self {
            category: None,
            ..Self::invalid(format!("Unable to infer object type from: {name}"))
        }
    }

    /// 403 `MISSING_SCOPES` with the scope that is wanted.
    pub(super) fn forbidden(message: &str, scope: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "MISSING_SCOPES", message)
            .with("requiredGranularScopes", vec![scope.to_owned()])
            .with("links", vec!["https://developers.hubspot.com/scopes".to_owned()])
    }

    /// The item of a 207 answer for ids that do not exist.
    pub(super) fn missing_ids(kind: ObjectKind, ids: Vec<String>) -> Self {
        let name = kind.singular().to_uppercase();
        Self::not_found(format!(
            "Could not get some {name} objects, they may be deleted or not exist. \
             Check that ids are valid."
        ))
        .with("ids", ids)
    }

    pub(super) fn with(mut self, key: &'static str, values: Vec<String>) -> Self {
        self.context.insert(key, values);
        self
    }

    pub(super) fn with_sub_category(mut self, sub_category: &'static str) -> Self {
        self.sub_category = Some(sub_category);
        self
    }

    /// The whole answer.
    pub(super) fn answer(&self, correlation_id: &str) -> SimAnswer {
        SimAnswer::json(self.http, &ErrorBody { error: self, correlation_id })
    }
}

/// Reason why a write of one record was refused; the envelope depends on the request.
#[derive(Clone, Debug)]
pub(super) enum WriteRefusal {
    /// Property values that do not pass.
    Invalid(Vec<ErrorDetail>),
    /// Another record has the mail address.
    Conflict { existing: u64 },
    /// Another record has the value of a unique property; `own` is 0 for a record that is new.
    Held { existing: u64, own: u64, property: String, value: String },
    /// The client may read the record but not write it.
    Forbidden,
    /// No such record.
    Missing { id: String },
}

impl WriteRefusal {
    /// As the answer to a request for one record.
    pub(super) fn single(self, kind: ObjectKind) -> ApiError {
        match self {
            Self::Invalid(details) => invalid_values(details),
            Self::Conflict { existing } => ApiError::new(
                StatusCode::CONFLICT,
                "CONFLICT",
                format!("{} already exists. Existing ID: {existing}", capitalised(kind)),
            ),
            Self::Held { existing, own, property, value } => ApiError::invalid(format!(
                "Cannot set PropertyValueCoordinates{{portalId={PORTAL_ID}, objectTypeId={}, \
                 propertyName={property}, value={value}}} on {own}. {existing} already has that \
                 value.",
                kind.type_id()
            )),
            Self::Forbidden => ApiError::forbidden(
                "You do not have permissions to edit this object",
                "crm.objects.write",
            ),
            Self::Missing { .. } => ApiError::not_found("resource not found"),
        }
    }

    /// As the answer that refuses a whole batch; it names no existing id.
    pub(super) fn whole_batch(self, kind: ObjectKind) -> ApiError {
        match self {
            Self::Conflict { .. } => ApiError::new(
                StatusCode::CONFLICT,
                "CONFLICT",
                format!("{} already exists", capitalised(kind)),
            ),
            other => other.single(kind),
        }
    }

    /// As an item of a 207 answer.
    pub(super) fn item(self, kind: ObjectKind, trace_id: Option<&str>) -> ApiError {
        let existing = match &self {
            Self::Conflict { existing } => Some(existing.to_string()),
            _ => None,
        };
        let mut error = match self {
            Self::Missing { id } => ApiError::missing_ids(kind, vec![id]),
            other => other.single(kind),
        };
        if let Some(trace_id) = trace_id {
            error = error.with("objectWriteTraceId", vec![trace_id.to_owned()]);
        }
        if let Some(existing) = existing {
            error = error.with("existingId", vec![existing]);
        }
        error
    }
}

fn invalid_values(details: Vec<ErrorDetail>) -> ApiError {
    let listed: Vec<_> = details
        .iter()
        .map(|detail| {
            json!({
                "isValid": false,
                "message": detail.message,
                "error": detail.code,
                "name": detail.context.get("propertyName").and_then(|names| names.first()),
                "localizedErrorMessage": detail.message,
            })
        })
        .collect();
    let message = format!("Property values were not valid: {}", json!(listed));
    ApiError { errors: details, ..ApiError::invalid(message) }
}

impl ErrorDetail {
    /// A complaint about the property `name`.
    pub(super) fn for_property(name: &str, code: &'static str, message: String) -> Self {
        Self {
            message,
            code,
            context: ErrorContext::from([("propertyName", vec![name.to_owned()])]),
        }
    }

    /// A required property without a value.
    pub(super) fn missing(name: &str) -> Self {
        let message = format!("Some required properties were not set: {name}");
        Self::for_property(name, "MISSING_REQUIRED_PROPERTY", message)
    }
}

fn capitalised(kind: ObjectKind) -> String {
    let mut letters = kind.singular().chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
