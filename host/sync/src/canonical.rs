//! The canonical form of a value: what makes two systems' values comparable (SYNC.md 3.1).
//!
//! One form per kind of field, and only what every CRM agrees on: trimmed Unicode NFC text, mail
//! addresses in lower case, decimals without needless zeros, sets in order, empty text as null.
//! Anything cleverer (phone numbers, company names) is a match key's transform and never written.

use unicode_normalization::UnicodeNormalization;

use crate::spec::FieldKind;
use crate::value::{Cell, Value};

/// The value does not fit the field's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit;

/// The canonical form of a cell; absent stays absent and null stays null.
///
/// # Errors
/// [`Unfit`] when the value cannot be read as `kind`.
pub fn canonical(kind: &FieldKind, cell: &Cell) -> Result<Cell, Unfit> {
    match cell {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(Value::Null)),
        Some(value) => canonical_value(kind, value).map(Some),
    }
}

fn canonical_value(kind: &FieldKind, value: &Value) -> Result<Value, Unfit> {
    match (kind, value) {
        (FieldKind::Choices, _) => return choices(value),
        (FieldKind::Reference { many, .. }, _) => return references(value, *many),
        (FieldKind::Date, Value::Timestamp(ms)) => return day(*ms),
        _ => {}
    }
    let text = plain_text(value).ok_or(Unfit)?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    match kind {
        FieldKind::Text | FieldKind::Phone | FieldKind::Choice => Ok(Value::Text(text)),
        FieldKind::Mail => Ok(Value::Text(text.to_lowercase())),
        FieldKind::Integer => integer(&text).map(Value::Integer),
        FieldKind::Decimal => decimal(&text).map(Value::Decimal),
        FieldKind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err(Unfit),
        },
        FieldKind::Date if is_date(&text) => Ok(Value::Date(text)),
        FieldKind::Timestamp => text.parse().map(Value::Timestamp).map_err(|_| Unfit),
        FieldKind::Date | FieldKind::Choices | FieldKind::Reference { .. } => Err(Unfit),
    }
}

/// A value as trimmed NFC text; lists have none.
pub fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Integer(number) | Value::Timestamp(number) => Some(number.to_string()),
        Value::Decimal(text) | Value::Text(text) | Value::Date(text) => {
            Some(text.trim().nfc().collect())
        }
        Value::Choices(_) | Value::References(_) => None,
    }
}

fn integer(text: &str) -> Result<i64, Unfit> {
    let plain = decimal(text)?;
    plain.parse().map_err(|_| Unfit)
}

/// `-0012.50` becomes `-12.5`.
fn decimal(text: &str) -> Result<String, Unfit> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return Err(Unfit);
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("{sign}{whole}{point}{fraction}"))
}

/// The day of a moment, in UTC: vendors that keep a day as a moment mean midnight UTC by it.
fn day(ms: i64) -> Result<Value, Unfit> {
    let moment = jiff::Timestamp::from_millisecond(ms).map_err(|_| Unfit)?;
    Ok(Value::Date(moment.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()))
}

fn is_date(text: &str) -> bool {
    let shape = b"dddd-dd-dd";
    text.len() == shape.len()
        && text.bytes().zip(shape).all(|(byte, want)| match want {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

fn choices(value: &Value) -> Result<Value, Unfit> {
    let items = match value {
        Value::Choices(items) => items.clone(),
        other => vec![plain_text(other).ok_or(Unfit)?],
    };
    Ok(set(items.iter().map(|item| item.trim().nfc().collect()).collect(), Value::Choices))
}

fn references(value: &Value, many: bool) -> Result<Value, Unfit> {
    let ids = match value {
        Value::References(ids) => ids.clone(),
        other => vec![plain_text(other).ok_or(Unfit)?],
    };
    if many {
        return Ok(set(ids, Value::References));
    }
    // The first is the primary one; a single reference has no room for the others.
    let first = ids.into_iter().find(|id| !id.is_empty());
    Ok(first.map_or(Value::Null, |id| Value::References(vec![id])))
}

fn set(mut items: Vec<String>, make: fn(Vec<String>) -> Value) -> Value {
    items.retain(|item| !item.is_empty());
    items.sort_unstable();
    items.dedup();
    if items.is_empty() { Value::Null } else { make(items) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &FieldKind, value: Value, expected: Option<Value>) {
        assert_eq!(canonical(kind, &Some(value.clone())).ok().flatten(), expected, "{value:?}");
    }

    #[test]
    fn text_is_trimmed_and_composed() {
        check(&FieldKind::Text, " か\u{3099} ".into(), Some("が".into()));
        check(&FieldKind::Text, "  ".into(), Some(Value::Null));
        check(&FieldKind::Text, Value::Integer(7), Some("7".into()));
        check(&FieldKind::Mail, "Taro@Example.COM".into(), Some("taro@example.com".into()));
        check(&FieldKind::Text, Value::Choices(vec!["a".into()]), None);
    }

    #[test]
    fn numbers_lose_needless_zeros() {
        let is = |text: &str| Some(Value::Decimal(text.to_owned()));
        check(&FieldKind::Decimal, "5000.00".into(), is("5000"));
        check(&FieldKind::Decimal, "-0012.50".into(), is("-12.5"));
        check(&FieldKind::Decimal, "-0.0".into(), is("0"));
        check(&FieldKind::Decimal, ".5".into(), is("0.5"));
        check(&FieldKind::Decimal, "1e3".into(), None);
        check(&FieldKind::Integer, Value::Decimal("3.0".into()), Some(Value::Integer(3)));
        check(&FieldKind::Integer, Value::Decimal("3.5".into()), None);
    }

    #[test]
    fn days_and_truths() {
        check(&FieldKind::Date, "2026-11-22".into(), Some(Value::Date("2026-11-22".into())));
        check(&FieldKind::Date, "22/11/2026".into(), None);
        let last_ms = Value::Timestamp(1_795_391_999_999);
        check(&FieldKind::Date, last_ms, Some(Value::Date("2026-11-22".into())));
        check(&FieldKind::Boolean, "TRUE".into(), Some(Value::Boolean(true)));
        check(&FieldKind::Boolean, "yes".into(), None);
        check(&FieldKind::Timestamp, Value::Timestamp(5), Some(Value::Timestamp(5)));
    }

    #[test]
    fn lists_are_sets_and_single_references_keep_the_primary() {
        let choices = Value::Choices(vec!["b".into(), "a".into(), "b".into()]);
        let set = Some(Value::Choices(vec!["a".into(), "b".into()]));
        check(&FieldKind::Choices, choices, set);
        let ids = Value::References(vec!["9".into(), "2".into()]);
        let one = FieldKind::Reference { entity: "company".into(), many: false };
        check(&one, ids.clone(), Some(Value::References(vec!["9".into()])));
        let many = FieldKind::Reference { entity: "person".into(), many: true };
        check(&many, ids, Some(Value::References(vec!["2".into(), "9".into()])));
        check(&one, Value::References(vec![]), Some(Value::Null));
    }
}
