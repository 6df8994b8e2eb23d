//! Values of fields: how they are stored, taken from JSON or CSV, compared and shown.
//!
//! Text is trimmed and an empty text is null, as the platform stores it. Instants are kept in
//! milliseconds but always whole seconds, since the wire shows `.000` (S-value-1). Numbers and
//! lists are as S-value-2 to S-value-4 say.

use std::cmp::Ordering;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

use super::error::ApiFault;
use super::json::Json;
use super::schema::{OrgField, OrgFieldKind};

/// One value of one row.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum OrgValue {
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    /// Milliseconds since 1970.
    Time(i64),
    Date(Date),
}

impl OrgValue {
    pub(crate) fn text(value: impl Into<String>) -> Self {
        Self::Text(value.into())
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_time(&self) -> Option<i64> {
        match self {
            Self::Time(at) => Some(*at),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// The order of ORDER BY among values of one field, nulls first; text ignores case.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => {
                let fold = |c: char| c.to_lowercase();
                a.chars().flat_map(fold).cmp(b.chars().flat_map(fold))
            }
            (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Date(a), Self::Date(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn rank(&self) -> u8 {
        u8::from(!self.is_null())
    }

    /// The value in a JSON answer.
    pub(crate) fn json(&self, kind: OrgFieldKind) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(value) => number(*value, kind),
            Self::Text(text) => Json::Text(text.clone()),
            Self::Time(at) => Json::Text(wire_time(*at)),
            Self::Date(date) => Json::Text(date.to_string()),
        }
    }

    /// The value in a Bulk 2.0 result, whose instants end in `Z`; null is empty.
    pub(crate) fn csv(&self, kind: OrgFieldKind) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => text.clone(),
            Self::Time(at) => wire_time(*at).replace("+0000", "Z"),
            other => match other.json(kind) {
                Json::Text(text) => text,
                json => json.to_string(),
            },
        }
    }
}

/// `Int` fields show no decimal point; others show what serde shows of an `f64`.
fn number(value: f64, kind: OrgFieldKind) -> Json {
    let whole = serde_json::Number::from_i128(value as i128);
    let shown = match whole {
        Some(whole) if kind == OrgFieldKind::Int => Some(whole),
        _ => serde_json::Number::from_f64(value),
    };
    shown.map_or(Json::Null, Json::Number)
}

/// `2026-05-01T07:25:37.000+0000`.
pub(crate) fn wire_time(ms: i64) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
}

/// The instant rounded down to its second.
pub(crate) fn whole_second(ms: i64) -> i64 {
    ms.div_euclid(1000) * 1000
}

/// The day of an instant in UTC, the simulated users' time zone for dates.
pub(crate) fn day_of(ms: i64) -> Date {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    at.to_zoned(TimeZone::UTC).date()
}

/// Reads an instant with `Z`, `+00:00` or `+0000`; fractions are dropped.
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let colon = match text.split_at_checked(text.len().checked_sub(5)?) {
        Some((head, zone)) if zone.starts_with(['+', '-']) && !zone.contains(':') => {
            let (hours, minutes) = zone.split_at_checked(3)?;
            format!("{head}{hours}:{minutes}")
        }
        _ => text.to_owned(),
    };
    let at: Timestamp = colon.parse().ok()?;
    Some(whole_second(at.as_millisecond()))
}

/// Takes a JSON value for a field, or says why the platform refuses it.
pub(crate) fn from_json(field: &OrgField, value: &Json) -> Result<OrgValue, ApiFault> {
    match (field.kind, value) {
        (_, Json::Null) => Ok(OrgValue::Null),
        (OrgFieldKind::Bool, Json::Bool(value)) => Ok(OrgValue::Bool(*value)),
        (OrgFieldKind::Bool, Json::Text(text)) => from_text(field, text),
        (OrgFieldKind::Bool, _) => Err(refused(field, value, "boolean")),
        (
            OrgFieldKind::Int | OrgFieldKind::Currency | OrgFieldKind::Percent,
            Json::Number(value),
        ) => Ok(value.as_f64().map_or(OrgValue::Null, OrgValue::Number)),
        (_, Json::Text(text)) => from_text(field, text),
        (
            OrgFieldKind::Date
            | OrgFieldKind::Time
            | OrgFieldKind::Id
            | OrgFieldKind::Reference(..),
            _,
        ) => Err(refused(field, value, "date")),
        // The platform turns numbers and booleans into text for text fields.
        (_, Json::Number(number)) => from_text(field, &number.to_string()),
        (_, Json::Bool(flag)) => from_text(field, if *flag { "true" } else { "false" }),
        (_, Json::List(_) | Json::Object(_)) => Err(refused(field, value, "string")),
    }
}

/// Takes text, as JSON strings and CSV cells carry it.
pub(crate) fn from_text(field: &OrgField, text: &str) -> Result<OrgValue, ApiFault> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(OrgValue::Null);
    }
    let bad = |kind: &str| ApiFault::parser(deserialize_message(kind, trimmed));
    match field.kind {
        OrgFieldKind::Bool if trimmed.eq_ignore_ascii_case("true") || trimmed == "1" => {
            Ok(OrgValue::Bool(true))
        }
        OrgFieldKind::Bool if trimmed.eq_ignore_ascii_case("false") || trimmed == "0" => {
            Ok(OrgValue::Bool(false))
        }
        OrgFieldKind::Bool => Err(bad("boolean")),
        OrgFieldKind::Int | OrgFieldKind::Currency | OrgFieldKind::Percent => {
            trimmed.parse().map(OrgValue::Number).map_err(|_| bad("double"))
        }
        OrgFieldKind::Date => {
            let day = trimmed.get(..10).unwrap_or(trimmed);
            day.parse().map(OrgValue::Date).map_err(|_| bad("date"))
        }
        OrgFieldKind::Time => {
            parse_time(trimmed).map(OrgValue::Time).ok_or_else(|| bad("datetime"))
        }
        OrgFieldKind::Email => email(field, trimmed),
        _ => sized(field, trimmed),
    }
}

fn sized(field: &OrgField, text: &str) -> Result<OrgValue, ApiFault> {
    let limit = field.kind.length();
    if text.chars().count() <= limit {
        return Ok(OrgValue::text(text));
    }
    let message = format!("{}: data value too large: {text} (max length={limit})", field.label);
    Err(ApiFault::on("STRING_TOO_LONG", message, &[field.name]))
}

fn email(field: &OrgField, text: &str) -> Result<OrgValue, ApiFault> {
    let well_formed = text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && host.contains('.') && !host.contains('@') && !text.contains(' ')
    });
    if well_formed {
        return sized(field, text);
    }
    let message = format!("{}: invalid email address: {text}", field.label);
    Err(ApiFault::on("INVALID_EMAIL_ADDRESS", message, &[field.name]))
}

fn refused(field: &OrgField, value: &Json, wanted: &str) -> ApiFault {
    let wanted = match field.kind {
        OrgFieldKind::Id | OrgFieldKind::Reference(..) => "id",
        _ => wanted,
    };
    ApiFault::parser(deserialize_message(wanted, &value.to_string()))
}

fn deserialize_message(wanted: &str, value: &str) -> String {
    format!("Cannot deserialize instance of {wanted} from value {value}")
}

#[cfg(test)]
mod tests {
    use super::super::schema::field::field;
    use super::*;

    #[track_caller]
    fn check(kind: OrgFieldKind, sent: &str, expected: Result<OrgValue, &str>) {
        let sent = Json::parse(sent.as_bytes()).unwrap();
        let taken = from_json(&field("F__c", "F", kind), &sent);
        assert_eq!(taken.map_err(|fault| fault.code), expected);
    }

    #[test]
    fn values_are_taken_as_the_platform_takes_them() {
        check(OrgFieldKind::Text(5), r#"" あいうえお ""#, Ok(OrgValue::text("あいうえお")));
        check(OrgFieldKind::Text(5), r#""あいうえおか""#, Err("STRING_TOO_LONG"));
        check(OrgFieldKind::Text(5), r#""  ""#, Ok(OrgValue::Null));
        check(OrgFieldKind::Text(5), "12", Ok(OrgValue::text("12")));
        check(OrgFieldKind::Text(5), "{}", Err("JSON_PARSER_ERROR"));
        check(OrgFieldKind::Email, r#""a@b.jp""#, Ok(OrgValue::text("a@b.jp")));
        check(OrgFieldKind::Email, r#""a@b""#, Err("INVALID_EMAIL_ADDRESS"));
        check(OrgFieldKind::Bool, "true", Ok(OrgValue::Bool(true)));
        check(OrgFieldKind::Bool, "3", Err("JSON_PARSER_ERROR"));
        check(OrgFieldKind::Currency, "1.5", Ok(OrgValue::Number(1.5)));
        check(OrgFieldKind::Currency, r#""x""#, Err("JSON_PARSER_ERROR"));
        check(OrgFieldKind::Date, r#""2026-02-30""#, Err("JSON_PARSER_ERROR"));
    }

    #[test]
    fn instants_are_read_in_three_forms_and_shown_in_one() {
        for text in
            ["2026-05-01T07:25:37Z", "2026-05-01T16:25:37+09:00", "2026-05-01T07:25:37.999+0000"]
        {
            assert_eq!(wire_time(parse_time(text).unwrap()), "2026-05-01T07:25:37.000+0000");
        }
        assert_eq!(parse_time("2026-05-01"), None);
    }
}
