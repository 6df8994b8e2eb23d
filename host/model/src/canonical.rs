//! The values of a field, and their comparison (`RULES.md` V9).
//!
//! A value travels as it was read, to the code point: [`fit`] only checks that it is one of the
//! field's kind, and gives numbers and days their one form. [`is_same`] compares by the rules that
//! every CRM shares: trimmed Unicode NFC text, mail addresses in any case, lists as sets, the
//! primary one of a single reference. Cleverer comparisons (phone numbers, company names) are a
//! match key's transform and never written.

use std::mem::discriminant;

use jiff::tz::TimeZone;
use unicode_normalization::UnicodeNormalization;

use crate::spec::FieldKind;
use crate::spec::days::day_of;
use crate::value::{Cell, SmolStr, Value, text_of_parts};

/// The value does not fit the field's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnfitValue;

/// A cell as a field of this kind holds it; absent stays absent, and blank text is null. A moment
/// becomes the day that it is in `zone`.
///
/// # Errors
/// [`UnfitValue`] when the value cannot be read as `kind`.
pub fn fit(kind: &FieldKind, cell: Cell, zone: Option<&TimeZone>) -> Result<Cell, UnfitValue> {
    match (kind, cell) {
        (_, None) => Ok(None),
        (_, Some(Value::Null)) => Ok(Some(Value::Null)),
        (FieldKind::Date, Some(Value::Timestamp(ms))) => {
            let day = zone.and_then(|zone| day_of(ms, zone)).ok_or(UnfitValue)?;
            Ok(Some(Value::Date(day.into())))
        }
        (kind, Some(value)) => fit_value(kind, value).map(Some),
    }
}

fn fit_value(kind: &FieldKind, value: Value) -> Result<Value, UnfitValue> {
    match kind {
        FieldKind::Choices => return choices(value),
        FieldKind::Reference { .. } => return references(value),
        FieldKind::Text | FieldKind::Phone | FieldKind::Choice | FieldKind::Mail => {
            return typed(value);
        }
        _ => {}
    }
    let text = plain_text(&value).ok_or(UnfitValue)?;
    if text.is_empty() {
        return Ok(Value::Null);
    }
    match kind {
        FieldKind::Integer => integer(&text).map(Value::Integer),
        FieldKind::Decimal => decimal(&text).map(|text| Value::Decimal(text.into())),
        FieldKind::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err(UnfitValue),
        },
        FieldKind::Date if is_date(&text) => Ok(Value::Date(text.into())),
        FieldKind::Timestamp => text.parse().map(Value::Timestamp).map_err(|_| UnfitValue),
        _ => Err(UnfitValue),
    }
}

/// True if two cells of a field are the same value.
pub fn is_same(kind: &FieldKind, one: &Cell, other: &Cell) -> bool {
    if one == other {
        return true;
    }
    let (Some(one), Some(other)) = (one, other) else { return false };
    match (kind, one, other) {
        (FieldKind::Mail, Value::Text(one), Value::Text(other)) => is_same_text(one, other, true),
        (_, Value::Text(one), Value::Text(other)) => is_same_text(one, other, false),
        (FieldKind::Reference { many: true, .. }, one, other) => set_of(one) == set_of(other),
        (FieldKind::Reference { .. }, one, other) => primary(one) == primary(other),
        (_, Value::Choices(_), Value::Choices(_)) => set_of(one) == set_of(other),
        // One of them was read when the field was of another kind.
        _ if discriminant(one) != discriminant(other) => is_same_fitted(kind, one, other),
        _ => false,
    }
}

/// True if both are values of this kind of field, and the same one.
fn is_same_fitted(kind: &FieldKind, one: &Value, other: &Value) -> bool {
    let fitted = |value: &Value| fit(kind, Some(value.clone()), None).ok().flatten();
    let (Some(one), Some(other)) = (fitted(one), fitted(other)) else { return false };
    discriminant(&one) == discriminant(&other) && is_same(kind, &Some(one), &Some(other))
}

/// True if somebody has changed a cell. Typed text counts to the code point; the order of a list
/// does not, nor do ids beside the primary one of a single reference.
pub fn is_changed(kind: &FieldKind, before: &Cell, after: &Cell) -> bool {
    match kind {
        FieldKind::Choices | FieldKind::Reference { .. } => !is_same(kind, before, after),
        _ => before != after,
    }
}

fn is_same_text(one: &str, other: &str, any_case: bool) -> bool {
    let (one, other) = (one.trim(), other.trim());
    match (one.is_ascii() && other.is_ascii(), any_case) {
        (true, true) => one.eq_ignore_ascii_case(other),
        (true, false) => one == other,
        (false, true) => lower(one).eq(lower(other)),
        (false, false) => one.nfc().eq(other.nfc()),
    }
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.nfc().flat_map(char::to_lowercase)
}

/// A cell in the one form of all cells that are the same. Match keys are made of it.
pub fn comparable(kind: &FieldKind, cell: &Cell) -> Cell {
    match (kind, cell) {
        (FieldKind::Mail, Some(Value::Text(text))) => {
            Some(Value::Text(lower(text.trim()).collect()))
        }
        (_, Some(Value::Text(text))) => Some(Value::Text(composed(text).into())),
        _ => cell.clone(),
    }
}

/// Trimmed Unicode NFC text.
pub fn composed(text: &str) -> String {
    text.trim().nfc().collect()
}

/// A value as trimmed NFC text; lists have none.
pub fn plain_text(value: &Value) -> Option<String> {
    scalar(value).map(|text| composed(&text))
}

/// A value as text to the code point; lists have none.
fn scalar(value: &Value) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        Value::Null => Some("".into()),
        Value::Boolean(truth) => Some(truth.to_string().into()),
        Value::Integer(number) | Value::Timestamp(number) => Some(number.to_string().into()),
        Value::Decimal(text) | Value::Text(text) | Value::Date(text) => Some(text.as_str().into()),
        Value::Other(parts) => Some(text_of_parts(parts).into()),
        Value::Choices(_) | Value::References(_) => None,
    }
}

/// Text as somebody typed it.
fn typed(value: Value) -> Result<Value, UnfitValue> {
    let text = match value {
        Value::Text(text) => text,
        other => scalar(&other).ok_or(UnfitValue)?.into(),
    };
    Ok(if text.trim().is_empty() { Value::Null } else { Value::Text(text) })
}

fn integer(text: &str) -> Result<i64, UnfitValue> {
    let plain = decimal(text)?;
    plain.parse().map_err(|_| UnfitValue)
}

/// `-0012.50` becomes `-12.5`.
fn decimal(text: &str) -> Result<String, UnfitValue> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
        return Err(UnfitValue);
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let sign = if negative && (whole != "0" || !fraction.is_empty()) { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    Ok(format!("{sign}{whole}{point}{fraction}"))
}

/// A day of the calendar: `2026-02-30` is none.
fn is_date(text: &str) -> bool {
    let shape = b"dddd-dd-dd";
    let mut pairs = text.bytes().zip(shape);
    text.len() == shape.len()
        && pairs.all(|(byte, want)| match want {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        })
        && text.parse::<jiff::civil::Date>().is_ok()
}

fn choices(value: Value) -> Result<Value, UnfitValue> {
    let mut items = match value {
        Value::Choices(items) => items,
        other => vec![scalar(&other).ok_or(UnfitValue)?.into()],
    };
    items.retain(|item| !item.trim().is_empty());
    items.sort_unstable();
    items.dedup();
    Ok(if items.is_empty() { Value::Null } else { Value::Choices(items) })
}

/// All ids as they were read. An empty one in the first place says that none is the primary one.
fn references(value: Value) -> Result<Value, UnfitValue> {
    let ids = match value {
        Value::References(ids) => ids,
        other => vec![plain_text(&other).ok_or(UnfitValue)?.into()],
    };
    let is_empty = ids.iter().all(SmolStr::is_empty);
    Ok(if is_empty { Value::Null } else { Value::References(ids) })
}

/// The primary id of a single reference; `None` without a primary one.
pub fn primary(value: &Value) -> Option<&str> {
    match value {
        Value::References(ids) => ids.first().map(SmolStr::as_str).filter(|id| !id.is_empty()),
        _ => None,
    }
}

fn set_of(value: &Value) -> Vec<&str> {
    let items = match value {
        Value::Choices(items) | Value::References(items) => items.as_slice(),
        _ => &[],
    };
    let mut items: Vec<&str> =
        items.iter().map(SmolStr::as_str).filter(|item| !item.is_empty()).collect();
    items.sort_unstable();
    items.dedup();
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &FieldKind, value: Value, expected: Option<Value>) {
        assert_eq!(
            fit(kind, Some(value.clone()), Some(&TimeZone::UTC)).ok().flatten(),
            expected,
            "{value:?}"
        );
    }

    #[test]
    fn text_stays_as_it_was_typed() {
        for text in [" か\u{3099} ", "\u{fa10}", "ＡＢＣ", "Abc"] {
            check(&FieldKind::Text, text.into(), Some(text.into()));
        }
        check(&FieldKind::Text, "  ".into(), Some(Value::Null));
        check(&FieldKind::Text, Value::Integer(7), Some("7".into()));
        check(&FieldKind::Mail, "Taro@Example.COM".into(), Some("Taro@Example.COM".into()));
        check(&FieldKind::Text, Value::Choices(vec!["a".into()]), None);
    }

    #[test]
    fn text_is_compared_trimmed_and_composed() {
        let check = |kind: &FieldKind, one: &str, other: &str, expected: bool| {
            let (one, other) = (Some(Value::from(one)), Some(Value::from(other)));
            assert_eq!(is_same(kind, &one, &other), expected, "{one:?} {other:?}");
            let forms = [&one, &other].map(|cell| comparable(kind, cell));
            assert_eq!(forms[0] == forms[1], expected, "{forms:?}");
            assert!(is_changed(kind, &one, &other), "a person sees another form");
        };
        check(&FieldKind::Text, " か\u{3099} ", "が", true);
        check(&FieldKind::Text, "\u{fa10}", "\u{585a}", true);
        check(&FieldKind::Text, "Abc", "abc", false);
        check(&FieldKind::Text, "ＡＢＣ", "ABC", false);
        check(&FieldKind::Mail, "Taro@Example.COM", "taro@example.com", true);
        check(&FieldKind::Mail, "TÄRO@example.com", "täro@example.com ", true);
    }

    /// The truth of a field may be of the kind that the field had before.
    #[test]
    fn value_of_a_former_kind_is_the_same_where_it_says_the_same() {
        let check = |kind: &FieldKind, one: Value, other: Value, expected: bool| {
            let (one, other) = (Some(one), Some(other));
            assert_eq!(is_same(kind, &one, &other), expected, "{one:?} {other:?}");
            assert_eq!(is_same(kind, &other, &one), expected, "{other:?} {one:?}");
        };
        let decimal = |text: &str| Value::Decimal(text.into());
        check(&FieldKind::Decimal, Value::Integer(1414), decimal("1414"), true);
        check(&FieldKind::Decimal, Value::Integer(1414), decimal("1414.5"), false);
        check(&FieldKind::Integer, decimal("3.0"), Value::Integer(3), true);
        check(&FieldKind::Text, Value::Integer(7), "7".into(), true);
        check(&FieldKind::Text, Value::Null, " ".into(), true);
        check(&FieldKind::Integer, "seven".into(), Value::Integer(7), false);
    }

    #[test]
    fn numbers_lose_needless_zeros() {
        let is = |text: &str| Some(Value::Decimal(text.into()));
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
        // RULES.md R27: the form alone makes no day.
        for bad in ["2026-02-30", "2025-02-29", "2026-13-01", "2026-00-10", "2026-04-31"] {
            check(&FieldKind::Date, bad.into(), None);
        }
        check(&FieldKind::Date, "2024-02-29".into(), Some(Value::Date("2024-02-29".into())));
        let last_ms = Value::Timestamp(1_795_391_999_999);
        check(&FieldKind::Date, last_ms, Some(Value::Date("2026-11-22".into())));
        check(&FieldKind::Boolean, "TRUE".into(), Some(Value::Boolean(true)));
        check(&FieldKind::Boolean, "yes".into(), None);
        check(&FieldKind::Timestamp, Value::Timestamp(5), Some(Value::Timestamp(5)));
    }

    #[test]
    fn lists_are_compared_as_sets_and_single_references_by_the_primary_one() {
        let choices = Value::Choices(vec!["b".into(), "a".into(), "b".into()]);
        let set = Some(Value::Choices(vec!["a".into(), "b".into()]));
        check(&FieldKind::Choices, choices, set);
        let of = |ids: &[&str]| Value::References(ids.iter().map(|id| (*id).into()).collect());
        let one = FieldKind::Reference { entity: "company".into(), many: false };
        let many = FieldKind::Reference { entity: "person".into(), many: true };
        check(&one, of(&["9", "2"]), Some(of(&["9", "2"])));
        check(&one, of(&[]), Some(Value::Null));
        check(&one, of(&[""]), Some(Value::Null));
        let same = |kind, a: &[&str], b: &[&str]| is_same(kind, &Some(of(a)), &Some(of(b)));
        assert!(same(&one, &["9", "2"], &["9"]) && !same(&one, &["9", "2"], &["2", "9"]));
        assert!(same(&many, &["9", "2"], &["2", "9"]) && !same(&many, &["9"], &["9", "2"]));
        assert!(!same(&one, &["", "9"], &["9"]) && same(&many, &["", "9"], &["9"]));
    }
}
