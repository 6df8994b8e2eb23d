//! Values of the contract and cells of kintone, both ways (K-value-1).

pub(crate) mod rows;
pub(crate) mod time;

use serde_json::{Value as Json, json};

use crate::bindings::renkei::plugin::types::{Problem, Value};
use crate::client::form::{FieldKind, FormField};
use crate::error::problem;

/// A cell's value; none where it does not fit the field's kind.
pub(crate) fn read_value(kind: FieldKind, json: &Json) -> Option<Value> {
    match json {
        Json::Null => return Some(Value::Null),
        Json::String(text) if text.is_empty() => return Some(Value::Null),
        Json::Array(all) if all.is_empty() => return Some(Value::Null),
        _ => {}
    }
    let text = json.as_str();
    match kind {
        FieldKind::Text | FieldKind::LongText | FieldKind::Choice | FieldKind::Radio => {
            Some(Value::Text(text?.to_owned()))
        }
        FieldKind::Decimal => {
            text.filter(|text| is_decimal(text)).map(|text| Value::Decimal(text.to_owned()))
        }
        FieldKind::Date => {
            text.filter(|text| time::is_date(text)).map(|text| Value::Date(text.to_owned()))
        }
        FieldKind::Timestamp => text.and_then(time::parse_moment).map(Value::Timestamp),
        FieldKind::Choices => {
            let all: Option<Vec<String>> =
                json.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect();
            all.map(Value::Choices)
        }
    }
}

/// The JSON to send for a value.
///
/// # Errors
/// A problem for what the field cannot hold at all.
pub(crate) fn write_value(field: &FormField, value: &Value) -> Result<Json, Problem> {
    let refuse = |message: &str, remedy| {
        Err(Problem { field: Some(field.code.clone()), ..problem("value", message, remedy) })
    };
    match (field.kind, value) {
        (FieldKind::Choices, Value::Null) => Ok(json!([])),
        // kintone would put the default there.
        (FieldKind::Radio, Value::Null) => refuse("a radio button cannot be empty", "source-data"),
        (_, Value::Null) => Ok("".into()),
        (FieldKind::Choices, Value::Choices(all)) => Ok(json!(all)),
        (FieldKind::Choices, Value::Text(one)) => Ok(json!([one])),
        (FieldKind::Choices, _) => refuse("not a list of choices", "plugin"),
        (FieldKind::Timestamp, Value::Timestamp(ms)) => Ok(time::format_moment(*ms).into()),
        (_, Value::Text(text) | Value::Decimal(text) | Value::Date(text)) => {
            Ok(text.clone().into())
        }
        (FieldKind::Decimal, Value::Integer(number)) => Ok(number.to_string().into()),
        _ => refuse("a value of another kind", "plugin"),
    }
}

/// A value as it stands in a query's literal; none for what no field is compared with.
pub(crate) fn query_text(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Decimal(text) | Value::Date(text) if !text.is_empty() => {
            Some(text.clone())
        }
        Value::Integer(number) => Some(number.to_string()),
        Value::Timestamp(ms) => Some(time::format_moment(*ms)),
        _ => None,
    }
}

/// `-?[0-9]+(\.[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{FieldKind, Value, query_text, read_value, write_value};
    use crate::client::form::tests::form;

    #[test]
    fn empty_cells_are_null_and_odd_ones_cannot_be_read() {
        for empty in [json!(null), json!(""), json!([])] {
            assert_eq!(read_value(FieldKind::Choices, &empty), Some(Value::Null));
        }
        assert_eq!(read_value(FieldKind::Decimal, &json!("1E+3")), None);
        let number = read_value(FieldKind::Decimal, &json!("-12.50"));
        assert_eq!(number, Some(Value::Decimal("-12.50".to_owned())));
        let all = read_value(FieldKind::Choices, &json!(["b", "a"]));
        assert_eq!(all, Some(Value::Choices(vec!["b".to_owned(), "a".to_owned()])));
    }

    #[test]
    fn null_is_written_as_the_field_takes_it() {
        let form = form();
        let write = |code, value| write_value(form.field(code).unwrap(), &value);
        assert_eq!(write("tags", Value::Null).unwrap(), json!([]));
        assert_eq!(write("memo", Value::Null).unwrap(), json!(""));
        assert_eq!(write("degree", Value::Null).unwrap_err().remedy, "source-data");
        assert_eq!(write("at", Value::Timestamp(61_000)).unwrap(), json!("1970-01-01T00:01:00Z"));
        assert_eq!(
            write("price", Value::Boolean(true)).unwrap_err().field.as_deref(),
            Some("price")
        );
        assert_eq!(query_text(&Value::Text(String::new())), None);
    }
}
