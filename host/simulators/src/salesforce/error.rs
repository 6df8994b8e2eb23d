//! Errors as the wire carries them.
//!
//! A request that fails as a whole answers an array of `{message, errorCode[, fields]}` with a
//! status; a row of a collection carries `{statusCode, message, fields}` under HTTP 200. Both are
//! made from one [`ApiFault`]; where a wording is not recorded it is marked (unverified) there.

use super::json::Json;

/// Error about one record or one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiFault {
    /// HTTP status where the whole request fails with this.
    pub(crate) status: u16,
    /// `errorCode` at the top level, `statusCode` in a row.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Fields concerned; `None` leaves the key out at the top level.
    pub(crate) fields: Option<Vec<String>>,
    /// Findings of a duplicate rule.
    pub(crate) duplicate: Option<Box<DuplicateFinding>>,
}

/// The findings of a duplicate rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DuplicateFinding {
    pub(crate) allow_save: bool,
    /// Object of the record that was refused.
    pub(crate) object: String,
    pub(crate) matches: Vec<DuplicateMatch>,
}

/// One record that a duplicate rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DuplicateMatch {
    pub(crate) object: String,
    pub(crate) id: String,
}

impl DuplicateFinding {
    /// Under the key that the vendor misspells in every version recorded up to v56.
    fn json(&self) -> Json {
        let records = self.matches.iter().map(|one| {
            let url = format!("/services/data/v56.0/sobjects/{}/{}", one.object, one.id);
            Json::object([
                ("additionalInformation", Json::List(Vec::new())),
                ("fieldDiffs", Json::List(Vec::new())),
                ("matchConfidence", Json::Number(100.into())),
                (
                    "record",
                    Json::object([
                        (
                            "attributes",
                            Json::object([
                                ("type", one.object.as_str().into()),
                                ("url", url.into()),
                            ]),
                        ),
                        ("Id", one.id.as_str().into()),
                    ]),
                ),
            ])
        });
        let object = self.matches.first().map_or("", |one| one.object.as_str());
        let result = Json::object([
            ("entityType", object.into()),
            ("errors", Json::List(Vec::new())),
            ("matchEngine", "ExactMatchEngine".into()),
            ("matchRecords", Json::List(records.collect())),
            ("rule", format!("Standard_{object}_Match_Rule_v1_1").into()),
            ("size", self.matches.len().into()),
            ("success", true.into()),
        ]);
        Json::object([
            ("allowSave", self.allow_save.into()),
            ("duplicateRule", format!("Standard_{}_Duplicate_Rule", self.object).into()),
            ("duplicateRuleEntityType", self.object.as_str().into()),
            ("errorMessage", "Use one of these records?".into()),
            ("matchResults", Json::List(vec![result])),
        ])
    }
}

impl ApiFault {
    /// A fault that names no field.
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: None, duplicate: None }
    }

    /// HTTP 400 about the named fields.
    pub(crate) fn on(code: &'static str, message: impl Into<String>, fields: &[&str]) -> Self {
        let fields = Some(fields.iter().map(|&f| f.to_owned()).collect());
        Self { status: 400, code, message: message.into(), fields, duplicate: None }
    }

    /// The element of a top-level error array.
    pub(crate) fn top_level(&self) -> Json {
        if let Some(duplicate) = &self.duplicate {
            return Json::object([
                ("duplicateResut", duplicate.json()),
                ("errorCode", self.code.into()),
                ("message", self.message.as_str().into()),
            ]);
        }
        let mut pairs = vec![
            ("message".into(), self.message.as_str().into()),
            ("errorCode".into(), self.code.into()),
        ];
        if self.fields.is_some() {
            pairs.push(("fields".into(), self.field_list()));
        }
        Json::Object(pairs)
    }

    /// The element of a row's `errors`.
    pub(crate) fn in_row(&self) -> Json {
        Json::object([
            ("statusCode", self.code.into()),
            ("message", self.message.as_str().into()),
            ("fields", self.field_list()),
        ])
    }

    /// The `sf__Error` cell of a Bulk 2.0 result.
    pub(crate) fn in_csv(&self) -> String {
        let fields = self.fields.as_deref().unwrap_or_default().join(", ");
        format!("{}:{}:{fields}--", self.code, self.message)
    }

    fn field_list(&self) -> Json {
        let fields = self.fields.iter().flatten();
        Json::List(fields.map(|f| f.as_str().into()).collect())
    }

    /// Error of a duplicate rule.
    pub(crate) fn duplicates(found: DuplicateFinding) -> Self {
        let message = "Use one of these records?";
        Self { duplicate: Some(Box::new(found)), ..Self::new(400, "DUPLICATES_DETECTED", message) }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn session() -> Self {
        Self::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub(crate) fn method_not_allowed(method: &str, allowed: &str) -> Self {
        let message = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
        Self::new(405, "METHOD_NOT_ALLOWED", message)
    }

    pub(crate) fn deleted() -> Self {
        Self {
            fields: Some(Vec::new()),
            ..Self::new(404, "ENTITY_IS_DELETED", "entity is deleted")
        }
    }

    pub(crate) fn parser(message: impl Into<String>) -> Self {
        Self::new(400, "JSON_PARSER_ERROR", message)
    }

    pub(crate) fn malformed_id(id: &str) -> Self {
        Self::on("MALFORMED_ID", format!("malformed id {id}"), &["Id"])
    }

    pub(crate) fn no_such_column(field: &str, object: &str) -> Self {
        let message = format!("No such column '{field}' on sobject of type {object}");
        Self::new(400, "INVALID_FIELD", message)
    }

    pub(crate) fn rolled_back() -> Self {
        Self::on(
            "ALL_OR_NONE_OPERATION_ROLLED_BACK",
            "Record rolled back because not all records were valid and the request was using \
             AllOrNone header",
            &[],
        )
    }
}
