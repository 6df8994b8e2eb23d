//! One cell: from JSON or CSV to a value, and back to JSON (`API.md`, S-value-1, S-value-2).
//!
//! The describe says which form a text has, never its looks. Numbers stay text from end to end, in
//! plain digits without an exponent and without idle zeros, so that equal amounts are equal values.

pub(crate) mod rows;

use renkei_sdk::http::read_json;
use renkei_sdk::{Value, text_of_parts, time};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The form of a column's values. One letter each in a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ValueForm {
    #[serde(rename = "t")]
    Text,
    #[serde(rename = "b")]
    Boolean,
    #[serde(rename = "i")]
    Integer,
    #[serde(rename = "n")]
    Decimal,
    #[serde(rename = "d")]
    Date,
    #[serde(rename = "s")]
    Timestamp,
    #[serde(rename = "c")]
    Choices,
    #[serde(rename = "r")]
    Reference,
}

impl ValueForm {
    /// A JSON value of this form. One that does not fit its form stays text, for people to see.
    pub(crate) fn read_json(self, raw: &RawValue) -> Value {
        match raw.get() {
            "null" => Value::Null,
            // Half a character becomes a NUL, with which the host names the cell.
            quoted if quoted.starts_with('"') => match read_json::<String>(quoted.as_bytes()) {
                Ok(text) => self.read_text(&text),
                Err(_) => Value::Text("\0".to_owned()),
            },
            bare => self.read_text(bare),
        }
    }

    /// A CSV cell of this form; an empty one is null.
    pub(crate) fn read_text(self, text: &str) -> Value {
        if text.is_empty() {
            return Value::Null;
        }
        let read = match self {
            Self::Text => None,
            Self::Boolean => text.parse().ok().map(Value::Boolean),
            Self::Integer => plain_decimal(text).and_then(|t| t.parse().ok()).map(Value::Integer),
            Self::Decimal => plain_decimal(text).map(Value::Decimal),
            Self::Date => Value::date(text.split_once('T').map_or(text, |(day, _)| day)),
            Self::Timestamp => time::parse(text).map(Value::Timestamp),
            // S-value-3.
            Self::Choices => {
                Some(Value::Choices(text.split(';').map(|choice| choice.to_owned()).collect()))
            }
            Self::Reference => Some(Value::References(vec![text.to_owned()])),
        };
        read.unwrap_or_else(|| Value::Text(text.to_owned()))
    }
}

/// A number in plain digits: `1.5E3` is `1500`, `2.50` is `2.5`, `-0.0` is `0`.
fn plain_decimal(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut digits = format!("{whole}{fraction}");
    // Salesforce's numbers have at most 18 digits, so a larger exponent is nonsense.
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || exponent.abs() > 400 {
        return None;
    }
    let mut point = i32::try_from(whole.len()).ok()? + exponent;
    while point < 1 {
        digits.insert(0, '0');
        point += 1;
    }
    let point = usize::try_from(point).ok()?;
    while digits.len() < point {
        digits.push('0');
    }
    let (whole, fraction) = digits.split_at_checked(point)?;
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    Some(match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

/// A moment as SOQL takes it as a literal and JSON as a value; empty, which Salesforce refuses,
/// outside the years 0 to 9999.
pub(crate) fn format_moment(at_ms: i64) -> String {
    time::format(at_ms).unwrap_or_default()
}

/// A value as a field of a record that is written; null clears the field.
#[derive(Debug)]
pub(crate) struct Written<'a>(pub(crate) &'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => out.serialize_unit(),
            Value::Boolean(value) => out.serialize_bool(*value),
            Value::Integer(value) => out.serialize_i64(*value),
            Value::Decimal(text) => match RawValue::from_string(text.clone()) {
                Ok(number) => number.serialize(out),
                Err(_) => out.serialize_str(text),
            },
            Value::Text(text) | Value::Date(text) => out.serialize_str(text),
            Value::Timestamp(at_ms) => out.serialize_str(&format_moment(*at_ms)),
            Value::Choices(chosen) if chosen.is_empty() => out.serialize_unit(),
            Value::Choices(chosen) => out.serialize_str(&chosen.join(";")),
            Value::References(ids) => match ids.first() {
                Some(id) => out.serialize_str(id),
                None => out.serialize_unit(),
            },
            Value::Other(parts) => out.serialize_str(&text_of_parts(parts)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_by_form() {
        let check = |form: ValueForm, json: &str, expected: Value| {
            let raw = RawValue::from_string(json.to_owned()).unwrap();
            assert_eq!(form.read_json(&raw), expected, "{json}");
        };
        check(ValueForm::Text, r#""山田\n太郎""#, Value::Text("山田\n太郎".into()));
        check(
            ValueForm::Text,
            r#""2026-05-01T07:25:37.000+0000""#,
            "2026-05-01T07:25:37.000+0000".into(),
        );
        check(ValueForm::Text, r#""""#, Value::Null);
        check(
            ValueForm::Timestamp,
            r#""2026-05-01T07:25:37.000+0000""#,
            Value::Timestamp(1_777_620_337_000),
        );
        check(ValueForm::Date, r#""2026-05-01""#, Value::Date("2026-05-01".into()));
        check(ValueForm::Date, r#""2026-05-01T00:00:00.000Z""#, Value::Date("2026-05-01".into()));
        // `host/sync/RULES.md` V10: one cell that does not fit, and no fault of the connector.
        for odd in ["10000-01-01", "99999-12-31", "-2026-01-01", "+2026-01-01", "2026-5-1", "soon"]
        {
            check(ValueForm::Date, &format!("\"{odd}\""), odd.into());
            let moment = format!("{odd}T07:25:37.000Z");
            check(ValueForm::Timestamp, &format!("\"{moment}\""), moment.as_str().into());
        }
        for odd in ["9223372036854775808", "1E400000000000", "1.2.3", "--1", "1.5"] {
            check(ValueForm::Integer, &format!("\"{odd}\""), odd.into());
        }
        check(ValueForm::Integer, "12", Value::Integer(12));
        check(ValueForm::Integer, "12.0", Value::Integer(12));
        check(
            ValueForm::Decimal,
            "12345678901234567.89",
            Value::Decimal("12345678901234567.89".into()),
        );
        check(ValueForm::Boolean, "true", Value::Boolean(true));
        check(ValueForm::Choices, r#""a;b c""#, Value::Choices(vec!["a".into(), "b c".into()]));
        check(ValueForm::Reference, r#""001A""#, Value::References(vec!["001A".into()]));
        check(ValueForm::Reference, "null", Value::Null);
        check(ValueForm::Decimal, r#""soon""#, Value::Text("soon".into()));
        // `host/sync/RULES.md` V10: never as text with quotes and a backslash.
        check(ValueForm::Text, r#""Chef \ud83d""#, Value::Text("Chef \0".into()));
        check(ValueForm::Text, r#""\ud83d\ude00 \\ud83d""#, Value::Text("😀 \\ud83d".into()));
    }

    #[test]
    fn numbers_become_plain_digits() {
        let check = |text, expected: Option<&str>| {
            assert_eq!(plain_decimal(text).as_deref(), expected, "{text}");
        };
        check("0", Some("0"));
        check("-0.0", Some("0"));
        check("100.00", Some("100"));
        check("1.5E7", Some("15000000"));
        check("-1.25e-3", Some("-0.00125"));
        check("007.10", Some("7.1"));
        check("1E999999999", None);
        check("NaN", None);
        check("", None);
    }

    #[test]
    fn values_are_written_as_the_api_takes_them() {
        let check = |value: Value, expected: &str| {
            assert_eq!(serde_json::to_string(&Written(&value)).unwrap(), expected);
        };
        check(Value::Null, "null");
        check(Value::Decimal("12345678901234567.89".into()), "12345678901234567.89");
        check(Value::Integer(3), "3");
        check(Value::Boolean(false), "false");
        check(Value::Timestamp(1_777_620_337_000), r#""2026-05-01T07:25:37.000Z""#);
        check(Value::Choices(vec!["a".into(), "b".into()]), r#""a;b""#);
        check(Value::References(vec!["001A".into()]), r#""001A""#);
        check(Value::References(Vec::new()), "null");
        check(Value::Text("\"山田\"".into()), r#""\"山田\"""#);
    }
}
