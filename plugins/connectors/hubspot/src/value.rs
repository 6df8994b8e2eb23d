//! Values between HubSpot's texts and the contract's kinds (`API.md`, H-record-2, H-record-5).
//!
//! Every property value is text on the wire, and empty text is the same as null. Text that does
//! not parse as its kind stays text, so that nothing is lost or made up.

pub(crate) mod rows;

use renkei_sdk::{Kind, Value, text_of_parts, time};

/// A property's text as a value of its kind.
pub(crate) fn read_text(kind: Kind, text: Option<&str>) -> Value {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Value::Null;
    };
    let parsed = match kind {
        Kind::Boolean => match text {
            "true" => Some(Value::Boolean(true)),
            "false" => Some(Value::Boolean(false)),
            _ => None,
        },
        Kind::Decimal => plain_decimal(text).map(Value::Decimal),
        Kind::Timestamp => read_moment(text).map(Value::Timestamp),
        Kind::Date => read_date(text).map(Value::Date),
        Kind::Choices => Some(Value::Choices(split_choices(text).map(str::to_owned).collect())),
        _ => None,
    };
    parsed.unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// A value as HubSpot takes it; null becomes the empty text, which clears the property.
pub(crate) fn write_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Decimal(text) | Value::Text(text) | Value::Date(text) => text.clone(),
        // HubSpot takes milliseconds as well, which have no last year.
        Value::Timestamp(ms) => time::format(*ms).unwrap_or_else(|| ms.to_string()),
        Value::Choices(items) | Value::References(items) => items.join(";"),
        Value::Other(parts) => text_of_parts(parts),
    }
}

/// The parts of a list that HubSpot joins with semicolons.
pub(crate) fn split_choices(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty())
}

/// A moment of the years 0 to 9999, which HubSpot writes in ISO 8601 and older values in
/// milliseconds.
fn read_moment(text: &str) -> Option<i64> {
    let ms = text.parse().ok().or_else(|| time::parse(text))?;
    time::format(ms).map(|_| ms)
}

/// The day of a date, which is written as such or as the moment of its midnight in UTC.
fn read_date(text: &str) -> Option<String> {
    let midnight = time::parse(&format!("{text}T00:00:00Z")).or_else(|| read_moment(text))?;
    time::format(midnight)?.get(..10).map(str::to_owned)
}

/// A number without sign `+`, exponent or bare point; HubSpot keeps numbers as they were typed.
fn plain_decimal(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = shift_point(whole, fraction, exponent)?;
    let point = if fraction.is_empty() { "" } else { "." };
    let whole = if whole.is_empty() { "0" } else { &whole };
    match Value::decimal(&format!("{sign}{whole}{point}{fraction}"))? {
        Value::Decimal(text) => Some(text),
        _ => None,
    }
}

/// Moves the point by `exponent` places; refuses what is far from any number in a CRM.
fn shift_point(whole: &str, fraction: &str, exponent: i32) -> Option<(String, String)> {
    if whole.is_empty() && fraction.is_empty() || exponent.abs() > 40 {
        return None;
    }
    let places = usize::try_from(exponent.unsigned_abs()).ok()?;
    if exponent >= 0 {
        let padded = format!("{fraction:0<places$}");
        let (moved, rest) = padded.split_at_checked(places)?;
        let whole = format!("{whole}{moved}");
        let trimmed = if exponent > 0 { whole.trim_start_matches('0') } else { &whole };
        Some((trimmed.to_owned(), rest.to_owned()))
    } else {
        let padded = format!("{whole:0>places$}");
        let (rest, moved) = padded.split_at_checked(padded.len() - places)?;
        Some((rest.to_owned(), format!("{moved}{fraction}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_values_of_their_kind() {
        let check =
            |kind, text, expected| assert_eq!(read_text(kind, Some(text)), expected, "{text}");
        check(Kind::Boolean, "true", Value::Boolean(true));
        check(Kind::Boolean, "yes", Value::from("yes"));
        check(Kind::Decimal, "5000.00", Value::Decimal("5000.00".into()));
        check(Kind::Decimal, "007", Value::Decimal("007".into()));
        check(Kind::Decimal, "1.25E3", Value::Decimal("1250".into()));
        check(Kind::Decimal, "-25e-3", Value::Decimal("-0.025".into()));
        check(Kind::Decimal, "+.5", Value::Decimal("0.5".into()));
        check(Kind::Decimal, "0E2", Value::Decimal("0".into()));
        check(Kind::Decimal, "about 5", Value::from("about 5"));
        check(Kind::Decimal, ".", Value::from("."));
        check(Kind::Date, "2026-03-12", Value::Date("2026-03-12".into()));
        check(Kind::Date, "1773273600000", Value::Date("2026-03-12".into()));
        check(Kind::Date, "2026-03-12T00:00:00Z", Value::Date("2026-03-12".into()));
        check(Kind::Date, "soon", Value::from("soon"));
        // `host/sync/RULES.md` V10: one cell that does not fit, and no fault of the connector.
        for odd in ["10000-01-01", "-2026-01-01", "+2026-01-01", "2026-5-1", "9223372036854775807"]
        {
            check(Kind::Date, odd, odd.into());
            check(Kind::Timestamp, odd, odd.into());
        }
        for odd in ["1.2.3", "--1", "1e41", "1e99999999999", "1,5", "\u{ff11}"] {
            check(Kind::Decimal, odd, odd.into());
        }
        check(Kind::Timestamp, "2026-03-12T10:04:17.969Z", Value::Timestamp(1_773_309_857_969));
        check(Kind::Timestamp, "1773309857969", Value::Timestamp(1_773_309_857_969));
        check(Kind::Choices, "a;b c", Value::Choices(vec!["a".into(), "b c".into()]));
        check(Kind::Choice, "a;b", Value::from("a;b"));
        check(Kind::Text, "0012", Value::from("0012"));
        check(Kind::Text, "", Value::Null);
        assert_eq!(read_text(Kind::Decimal, None), Value::Null);
    }

    #[test]
    fn written_value_reads_back_as_itself() {
        let check =
            |kind, value: Value| assert_eq!(read_text(kind, Some(&write_text(&value))), value);
        check(Kind::Text, Value::Null);
        check(Kind::Boolean, Value::Boolean(false));
        check(Kind::Decimal, Value::Decimal("-12.50".into()));
        check(Kind::Timestamp, Value::Timestamp(1_773_309_857_969));
        check(Kind::Date, Value::Date("2026-02-28".into()));
        check(Kind::Choices, Value::Choices(vec!["x".into(), "y".into()]));
    }
}
