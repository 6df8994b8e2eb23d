//! Forms of a value: other spellings that a system gives to a written value with the same meaning.
//!
//! A number at another scale or rounded, a text cut, trimmed, re-cased or in another width, the
//! digits of a phone number, `no` for an empty checkbox. A form that is read after a write is the
//! system's own and no edit (RULES.md V8). Pure; the written value is always the first argument.

use unicode_normalization::UnicodeNormalization as _;

use renkei_model::spec::FieldKind;
use renkei_model::value::{SmolStr, Value};

/// Characters that a cut text keeps at least, so that a short value is no form of a long one.
const CUT_MIN: usize = 3;
/// Digits that a phone number has at least.
const DIGITS_MIN: usize = 6;
/// Digits that a number of 64 bits keeps in any case.
const EXACT_DIGITS: usize = 15;

/// True if `read` is a form of `written`.
pub fn is_form_of(kind: &FieldKind, written: &Value, read: &Value) -> bool {
    if written == read {
        return true;
    }
    match (written, read) {
        (Value::Null, Value::Boolean(false)) => true,
        (Value::Text(written), Value::Null) => is_blank(written),
        (Value::Null, Value::Text(read)) => is_blank(read),
        (Value::Decimal(written), Value::Decimal(read)) => is_rounded(written, read),
        (Value::Integer(written), Value::Integer(read)) => {
            is_rounded(&written.to_string(), &read.to_string())
        }
        (Value::Text(written), Value::Text(read)) => {
            let written = fold(written);
            let read = fold(read);
            written == read
                || is_cut(&written, &read)
                || (*kind == FieldKind::Phone && is_same_phone(&written, &read))
        }
        (Value::Timestamp(written), Value::Timestamp(read)) => {
            // A system may keep whole seconds, minutes or days.
            [1_000, 60_000, 86_400_000]
                .iter()
                .any(|unit| written - written.rem_euclid(*unit) == *read)
        }
        (Value::Choices(written), Value::Choices(read)) => {
            let folded = |items: &[SmolStr]| {
                let mut items: Vec<String> = items.iter().map(|item| fold(item)).collect();
                items.sort_unstable();
                items.dedup();
                items
            };
            folded(written) == folded(read)
        }
        _ => false,
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Text without differences of case, width and white space.
fn fold(text: &str) -> String {
    let wide: String = text.nfkc().flat_map(char::to_lowercase).collect();
    wide.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_cut(written: &str, read: &str) -> bool {
    read.chars().count() >= CUT_MIN && written.starts_with(read)
}

/// True if the digits are the same, apart from a country code or a leading zero.
fn is_same_phone(written: &str, read: &str) -> bool {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (written, read) = (digits(written), digits(read));
    let national = |digits: &str| digits.trim_start_matches('0').to_owned();
    let (long, short) =
        if written.len() >= read.len() { (&written, &read) } else { (&read, &written) };
    let short = national(short);
    short.len() >= DIGITS_MIN && long.ends_with(&short) && long.len() - short.len() <= 4
}

/// True if `read` is `written` at another scale, rounded or cut to its places, or as exact as a
/// number of 64 bits.
fn is_rounded(written: &str, read: &str) -> bool {
    let (Some(written), Some(read)) = (Number::parse(written), Number::parse(read)) else {
        return false;
    };
    let places = written.places.max(read.places);
    let (Some(exact), Some(kept)) = (written.at(places), read.at(places)) else { return false };
    let lost = exact.abs_diff(kept);
    let is_within = |power: u32| {
        let unit = 10_u128.checked_pow(power);
        let is_cut = kept.unsigned_abs() <= exact.unsigned_abs();
        unit.is_some_and(|unit| lost < unit && (is_cut || lost <= unit / 2))
    };
    let digits = exact.unsigned_abs().to_string().len();
    let excess = u32::try_from(digits.saturating_sub(EXACT_DIGITS)).unwrap_or_default();
    let dropped = u32::try_from(written.places - read.places).unwrap_or_default();
    lost == 0 || is_within(excess) || is_within(dropped)
}

/// A decimal as a whole number and its places.
struct Number {
    value: i128,
    places: i32,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let value = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { value, places: i32::try_from(fraction.len()).ok()? })
    }

    /// The whole number at this many places.
    fn at(&self, places: i32) -> Option<i128> {
        let power = u32::try_from(places - self.places).ok()?;
        self.value.checked_mul(10_i128.checked_pow(power)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(written: &str, read: &str) -> bool {
        is_form_of(&FieldKind::Text, &written.into(), &read.into())
    }

    fn decimal(written: &str, read: &str) -> bool {
        let value = |text: &str| Value::Decimal(text.into());
        is_form_of(&FieldKind::Text, &value(written), &value(read))
    }

    /// RULES.md V8: rounding, another scale, and the digits that a number of 64 bits keeps.
    #[test]
    fn a_number_is_a_form_where_places_or_digits_are_lost() {
        assert!(decimal("12.345", "12.35"));
        assert!(decimal("12.345", "12.34"));
        assert!(decimal("12.345", "12"));
        assert!(decimal("12", "12.00"));
        assert!(decimal("-0.5", "0"));
        assert!(decimal("12345678901234567", "12345678901234568"));
        assert!(decimal("12345678901234567", "12345678901234500"));
        assert!(!decimal("12.345", "12.36"));
        assert!(!decimal("12.345", "13"));
        assert!(!decimal("12.345", "13.5"));
        assert!(!decimal("12", "13"));
        assert!(!decimal("120", "100"));
        assert!(!decimal("12", "12.5"));
    }

    /// RULES.md V8: cut, trimmed, re-cased, in another width.
    #[test]
    fn a_text_is_a_form_where_it_is_cut_or_spelled_otherwise() {
        assert!(text("hot", "Hot"));
        assert!(text("  Oita ", "Oita"));
        assert!(text("ＡＣＭＥ", "ACME"));
        assert!(text("ｱｸﾒ", "アクメ"));
        assert!(text("Chairman of the board", "Chairman o"));
        assert!(!text("Chairman", "CEO"));
        assert!(!text("Chairman", "C"));
        assert!(!text("Oita", "Oita City"));
        assert!(is_form_of(&FieldKind::Text, &" ".into(), &Value::Null));
        assert!(!is_form_of(&FieldKind::Text, &"x".into(), &Value::Null));
    }

    /// RULES.md V8: a phone number in another spelling is the same, another number is not.
    #[test]
    fn a_phone_number_is_a_form_where_its_digits_agree() {
        let phone = |written: &str, read: &str| {
            is_form_of(&FieldKind::Phone, &written.into(), &read.into())
        };
        assert!(phone("03-1234-5678", "+81312345678"));
        assert!(phone("+81 3 1234 5678", "03-1234-5678"));
        assert!(phone("03-1234-5678", "(03) 1234 5678"));
        assert!(!phone("03-1234-5678", "03-1234-5679"));
        assert!(!phone("03-1234-5678", "5678"));
    }

    #[test]
    fn an_empty_checkbox_is_read_as_no() {
        let is = |written: Value, read: Value| is_form_of(&FieldKind::Boolean, &written, &read);
        assert!(is(Value::Null, Value::Boolean(false)));
        assert!(!is(Value::Null, Value::Boolean(true)));
        assert!(!is(Value::Boolean(true), Value::Boolean(false)));
    }
}
