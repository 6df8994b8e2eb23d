//! The fields of an app, and which values they take.

use serde_json::{Value as Json, json};

use crate::time;

/// The types of fields that the simulated apps have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    RecordNumber,
    CreatedTime,
    UpdatedTime,
    Creator,
    Text,
    LongText,
    Number,
    Date,
    DateTime,
    Link,
    DropDown,
    RadioButton,
    CheckBox,
    Table,
}

impl FieldType {
    pub fn name(self) -> &'static str {
        match self {
            Self::RecordNumber => "RECORD_NUMBER",
            Self::CreatedTime => "CREATED_TIME",
            Self::UpdatedTime => "UPDATED_TIME",
            Self::Creator => "CREATOR",
            Self::Text => "SINGLE_LINE_TEXT",
            Self::LongText => "MULTI_LINE_TEXT",
            Self::Number => "NUMBER",
            Self::Date => "DATE",
            Self::DateTime => "DATETIME",
            Self::Link => "LINK",
            Self::DropDown => "DROP_DOWN",
            Self::RadioButton => "RADIO_BUTTON",
            Self::CheckBox => "CHECK_BOX",
            Self::Table => "SUBTABLE",
        }
    }

    /// True for what only the system writes.
    pub fn is_system(self) -> bool {
        matches!(self, Self::RecordNumber | Self::CreatedTime | Self::UpdatedTime | Self::Creator)
    }

    /// True where a query may use this operator (K-read-4).
    pub fn allows(self, operator: &str) -> bool {
        match self {
            Self::RecordNumber | Self::Number => !operator.contains("like"),
            Self::CreatedTime | Self::UpdatedTime | Self::Date | Self::DateTime => {
                matches!(operator, "=" | "!=" | "<" | ">" | "<=" | ">=")
            }
            Self::Text | Self::Link => matches!(operator, "=" | "!=" | "in" | "not in"),
            Self::DropDown | Self::RadioButton | Self::CheckBox | Self::Creator => {
                matches!(operator, "in" | "not in")
            }
            Self::LongText | Self::Table => false,
        }
    }
}

/// One field of an app.
#[derive(Debug, Clone)]
pub struct Field {
    pub code: &'static str,
    pub label: &'static str,
    pub kind: FieldType,
    pub required: bool,
    pub unique: bool,
    pub max_length: Option<usize>,
    pub options: &'static [&'static str],
    pub default: Option<&'static str>,
}

impl Field {
    pub const fn new(code: &'static str, label: &'static str, kind: FieldType) -> Self {
        let (required, unique) = (false, false);
        Self { code, label, kind, required, unique, max_length: None, options: &[], default: None }
    }

    /// As `app/form/fields.json` shows it (K-form-1).
    pub fn to_json(&self) -> Json {
        let (kind, code, label) = (self.kind.name(), self.code, self.label);
        let mut field = json!({ "type": kind, "code": code, "label": label, "noLabel": false });
        if self.kind.is_system() || self.kind == FieldType::Table {
            if self.kind == FieldType::Table {
                field["fields"] = json!({});
            }
            return field;
        }
        field["required"] = self.required.into();
        if matches!(
            self.kind,
            FieldType::Text
                | FieldType::Number
                | FieldType::Date
                | FieldType::DateTime
                | FieldType::Link
        ) {
            field["unique"] = self.unique.into();
        }
        if matches!(self.kind, FieldType::Text | FieldType::Link) {
            let length = self.max_length.map(|length| length.to_string());
            field["maxLength"] = length.unwrap_or_default().into();
            field["minLength"] = "".into();
        }
        if self.kind == FieldType::Text {
            field["expression"] = "".into();
        }
        if !self.options.is_empty() {
            let options = self.options.iter().enumerate();
            let options: serde_json::Map<String, Json> = options
                .map(|(index, name)| {
                    ((*name).to_owned(), json!({ "label": name, "index": index.to_string() }))
                })
                .collect();
            field["options"] = options.into();
        }
        field["defaultValue"] = match self.kind {
            FieldType::CheckBox => json!([]),
            _ => self.default.unwrap_or_default().into(),
        };
        field
    }

    /// The value that is stored where a record is made without this field.
    pub fn initial(&self) -> Json {
        match self.kind {
            FieldType::CheckBox | FieldType::Table => json!([]),
            FieldType::Number | FieldType::Date | FieldType::DateTime | FieldType::DropDown
                if self.default.is_none() =>
            {
                Json::Null
            }
            _ => self.default.unwrap_or_default().into(),
        }
    }

    /// The value as it is stored, or the rest of the place and a message.
    pub fn normalize(&self, sent: &Json) -> Result<Json, (String, String)> {
        let fault = |rest: &str, message: String| Err((rest.to_owned(), message));
        if self.kind == FieldType::CheckBox {
            let Some(all) = sent.as_array() else {
                return if sent.is_null() || sent == "" {
                    Ok(json!([]))
                } else {
                    fault(".values", "配列でなければなりません。".to_owned())
                };
            };
            for (index, one) in all.iter().enumerate() {
                let name = one.as_str().unwrap_or_default();
                if !self.options.contains(&name) {
                    let message = format!("\"{name}\"は選択肢にありません。");
                    return Err((format!(".values[{index}].value"), message));
                }
            }
            return Ok(sent.clone());
        }
        let text = match sent {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            _ => return fault(".value", "文字列でなければなりません。".to_owned()),
        };
        if text.is_empty() {
            let default = Self { default: None, ..self.clone() };
            return Ok(match self.kind {
                FieldType::RadioButton => self.initial(),
                _ => default.initial(),
            });
        }
        self.check_text(text)
    }

    fn check_text(&self, text: String) -> Result<Json, (String, String)> {
        let fault = |message: String| Err((".value".to_owned(), message));
        match self.kind {
            FieldType::Number => match plain_number(text.trim()) {
                Some(number) => Ok(number.into()),
                None => Err(("[]".to_owned(), "数字でなければなりません。".to_owned())),
            },
            FieldType::Date if !time::is_date(&text) => {
                fault("日付の形式が正しくありません。".to_owned())
            }
            FieldType::DateTime => match time::parse(&text) {
                Some(seconds) => Ok(time::format(seconds).into()),
                None => fault("日時の形式が正しくありません。".to_owned()),
            },
            FieldType::DropDown | FieldType::RadioButton if !self.options.contains(&&*text) => {
                fault(format!("\"{text}\"は選択肢にありません。"))
            }
            FieldType::Text if text.contains(['\n', '\r']) => {
                fault("改行を含めることはできません。".to_owned())
            }
            _ => match self.max_length {
                Some(most) if text.chars().count() > most => {
                    fault(format!("{}文字より短くなければなりません。", most + 1))
                }
                _ => Ok(text.into()),
            },
        }
    }
}

/// A number as plain decimal text, with its digits kept (K-value-4).
fn plain_number(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits(whole) && all_digits(part) {
        return Some(text.to_owned());
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| number.to_string())
}
