//! The form of an app: which fields it has and what may be done with them (K-form-1).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;

/// The field that takes the host's key of a create, where the app has it: text of one line that
/// prohibits duplicates.
pub(crate) const STAMP: &str = "renkei_key";

/// The answer of `app/form/fields.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct FormAnswer {
    properties: BTreeMap<String, Property>,
}

#[derive(Debug, Deserialize)]
struct Property {
    #[serde(rename = "type")]
    kind: String,
    code: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    required: Json,
    #[serde(default)]
    unique: Json,
    #[serde(rename = "maxLength", default)]
    max_length: Json,
    #[serde(rename = "defaultValue", default)]
    default_value: Json,
    #[serde(rename = "defaultNowValue", default)]
    default_now: Json,
    #[serde(default)]
    expression: String,
    #[serde(default)]
    format: String,
    #[serde(default)]
    options: BTreeMap<String, Choice>,
    #[serde(default)]
    lookup: Option<Lookup>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    label: String,
    #[serde(default)]
    index: Json,
}

#[derive(Debug, Deserialize)]
struct Lookup {
    #[serde(rename = "fieldMappings", default)]
    mappings: Vec<Mapping>,
}

#[derive(Debug, Deserialize)]
struct Mapping {
    field: String,
}

/// The shape of a field's values on the wire and in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Text,
    /// Text of several lines: no query finds it (K-read-4).
    LongText,
    Decimal,
    Date,
    Timestamp,
    Choice,
    /// A choice that always has a value.
    Radio,
    Choices,
}

impl FieldKind {
    fn read(property: &Property) -> Option<Self> {
        Some(match property.kind.as_str() {
            "SINGLE_LINE_TEXT" | "LINK" | "TIME" | "RECORD_NUMBER" => Self::Text,
            "MULTI_LINE_TEXT" | "RICH_TEXT" => Self::LongText,
            "NUMBER" => Self::Decimal,
            "CALC" if property.format.starts_with("NUMBER") => Self::Decimal,
            "CALC" => Self::Text,
            "DATE" => Self::Date,
            "DATETIME" | "CREATED_TIME" | "UPDATED_TIME" => Self::Timestamp,
            "DROP_DOWN" => Self::Choice,
            "RADIO_BUTTON" => Self::Radio,
            "CHECK_BOX" | "MULTI_SELECT" => Self::Choices,
            // Tables (records of their own in the contract), files, people, groups, statuses.
            _ => return None,
        })
    }

    /// The contract's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text | Self::LongText => "text",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Choice | Self::Radio => "choice",
            Self::Choices => "choices",
        }
    }
}

/// One field that the contract can carry.
#[derive(Debug, Clone)]
pub(crate) struct FormField {
    pub(crate) code: String,
    pub(crate) label: String,
    pub(crate) kind: FieldKind,
    pub(crate) writable: bool,
    pub(crate) required: bool,
    pub(crate) unique: bool,
    /// May be an `updateKey` (K-form-5).
    pub(crate) is_key: bool,
    /// May stand before `in` in a query (K-read-4).
    pub(crate) takes_in: bool,
    pub(crate) max_length: Option<u32>,
    pub(crate) choices: Vec<String>,
}

/// The fields of one app.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) fields: Vec<FormField>,
    /// The field of the time of the last change (K-form-2).
    pub(crate) updated: Option<String>,
}

impl Form {
    pub(crate) fn read(answer: &FormAnswer) -> Self {
        let properties = || answer.properties.values();
        let lookups = properties().filter_map(|property| property.lookup.as_ref());
        let copied: BTreeSet<&str> =
            lookups.flat_map(|lookup| &lookup.mappings).map(|to| to.field.as_str()).collect();
        let updated = properties().find(|property| property.kind == "UPDATED_TIME");
        Self {
            fields: properties().filter_map(|property| make_field(property, &copied)).collect(),
            updated: updated.map(|property| property.code.clone()),
        }
    }

    pub(crate) fn field(&self, code: &str) -> Option<&FormField> {
        self.fields.iter().find(|field| field.code == code)
    }

    /// True for an app that has room for the host's key of a create.
    pub(crate) fn has_stamp(&self) -> bool {
        let stamp = self.field(STAMP);
        stamp.is_some_and(|field| field.unique && field.writable && field.kind == FieldKind::Text)
    }

    /// The fields to ask for so that rows have these columns, id, version and time.
    pub(crate) fn wanted<'a>(&'a self, columns: &'a [String]) -> Vec<&'a str> {
        let known = columns.iter().map(String::as_str).filter(|code| self.field(code).is_some());
        let updated = self.updated.as_deref().filter(|code| !columns.iter().any(|one| one == code));
        ["$id", "$revision"].into_iter().chain(updated).chain(known).collect()
    }
}

fn make_field(property: &Property, copied: &BTreeSet<&str>) -> Option<FormField> {
    let kind = FieldKind::read(property)?;
    let type_name = property.kind.as_str();
    let system = ["RECORD_NUMBER", "CREATED_TIME", "UPDATED_TIME", "CALC"].contains(&type_name);
    // kintone rewrites the HTML of rich text, so a write would never read back as it was sent.
    let calculated = !property.expression.is_empty() || type_name == "RICH_TEXT";
    // What a lookup copies, and what is calculated, cannot be written (K-form-4).
    let writable = !system && !calculated && !copied.contains(property.code.as_str());
    let has_default = !is_blank(&property.default_value) || is_true(&property.default_now);
    let unique = is_true(&property.unique);
    let mut choices: Vec<&Choice> = property.options.values().collect();
    choices.sort_by_key(|choice| number(&choice.index).unwrap_or(u32::MAX));
    Some(FormField {
        code: property.code.clone(),
        label: property.label.clone(),
        kind,
        writable,
        required: is_true(&property.required) && !has_default,
        unique,
        is_key: unique && writable && ["SINGLE_LINE_TEXT", "NUMBER"].contains(&type_name),
        takes_in: !matches!(kind, FieldKind::LongText | FieldKind::Date | FieldKind::Timestamp)
            && !["TIME", "CALC"].contains(&type_name),
        max_length: number(&property.max_length),
        choices: choices.into_iter().map(|choice| choice.label.clone()).collect(),
    })
}

/// True, or the text `true`, as older forms say it.
fn is_true(json: &Json) -> bool {
    *json == true || json == "true"
}

fn is_blank(json: &Json) -> bool {
    json.is_null() || json == "" || json.as_array().is_some_and(Vec::is_empty)
}

/// A number, or one as text.
fn number(json: &Json) -> Option<u32> {
    let own = json.as_u64().and_then(|number| u32::try_from(number).ok());
    own.or_else(|| json.as_str()?.parse().ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::{FieldKind, Form};

    /// A form with one field of most kinds.
    pub(crate) fn form() -> Form {
        let field = |kind: &str, code: &str| json!({ "type": kind, "code": code, "label": code });
        let mut stamp = field("SINGLE_LINE_TEXT", "renkei_key");
        stamp["unique"] = true.into();
        let mut mail = field("SINGLE_LINE_TEXT", "mail");
        mail["unique"] = "true".into();
        mail["maxLength"] = "64".into();
        let mut rank = field("DROP_DOWN", "rank");
        rank["options"] =
            json!({ "B": { "label": "B", "index": "1" }, "A": { "label": "A", "index": "0" } });
        let mut degree = field("RADIO_BUTTON", "degree");
        degree["required"] = true.into();
        degree["defaultValue"] = "C".into();
        let mut lookup = field("SINGLE_LINE_TEXT", "product");
        lookup["lookup"] = json!({ "fieldMappings": [{ "field": "price", "relatedField": "p" }] });
        let fields = [
            stamp,
            mail,
            rank,
            degree,
            lookup,
            field("NUMBER", "price"),
            field("MULTI_LINE_TEXT", "memo"),
            field("CHECK_BOX", "tags"),
            field("DATE", "day"),
            field("DATETIME", "at"),
            field("UPDATED_TIME", "更新日時"),
            field("SUBTABLE", "rows"),
            field("USER_SELECT", "owner"),
        ];
        let properties: serde_json::Map<_, _> = fields
            .into_iter()
            .map(|field| (field["code"].as_str().unwrap().to_owned(), field))
            .collect();
        Form::read(&serde_json::from_value(json!({ "properties": properties })).unwrap())
    }

    #[test]
    fn form_has_what_the_contract_can_carry() {
        let form = form();
        assert!(form.has_stamp());
        assert_eq!(form.updated.as_deref(), Some("更新日時"));
        assert!(form.field("rows").is_none() && form.field("owner").is_none());
        let mail = form.field("mail").unwrap();
        assert!(mail.unique && mail.is_key && mail.writable);
        assert_eq!(mail.max_length, Some(64));
        assert_eq!(form.field("rank").unwrap().choices, ["A", "B"]);
        assert!(!form.field("degree").unwrap().required, "it has a default");
        assert!(!form.field("price").unwrap().writable, "a lookup copies it");
        assert!(!form.field("memo").unwrap().takes_in);
        assert_eq!(form.field("at").unwrap().kind, FieldKind::Timestamp);
    }

    #[test]
    fn wanted_fields_are_those_that_the_app_has() {
        let columns = ["mail".to_owned(), "rows".to_owned(), "更新日時".to_owned()];
        assert_eq!(form().wanted(&columns), ["$id", "$revision", "mail", "更新日時"]);
        assert_eq!(form().wanted(&[]), ["$id", "$revision", "更新日時"]);
    }
}
