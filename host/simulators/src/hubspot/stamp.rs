//! Times as HubSpot writes and reads them.
//!
//! Written as ISO with `Z`, milliseconds only where they are not zero; read as ISO instant, ISO
//! date or milliseconds since the epoch.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Such as `2026-03-12T10:04:17.969Z` or `2026-03-12T00:00:00Z`.
pub(super) fn iso(at_ms: i64) -> String {
    let stamp = Timestamp::from_millisecond(at_ms).unwrap_or_default();
    if at_ms % 1_000 == 0 { format!("{stamp:.0}") } else { format!("{stamp:.3}") }
}

/// Milliseconds of an ISO instant, an ISO date or a decimal number of milliseconds.
pub(super) fn parse(text: &str) -> Option<i64> {
    if let Ok(at_ms) = text.parse::<i64>() {
        return Some(at_ms);
    }
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Some(stamp.as_millisecond());
    }
    let date: Date = text.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_like_a_java_instant() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(1_773_309_857_969), "2026-03-12T10:04:17.969Z");
        assert_eq!(iso(1_773_309_857_900), "2026-03-12T10:04:17.900Z");
    }

    #[test]
    fn times_are_read_in_three_forms() {
        assert_eq!(parse("2026-03-12T10:04:17.969Z"), Some(1_773_309_857_969));
        assert_eq!(parse("1773309857969"), Some(1_773_309_857_969));
        assert_eq!(parse("1970-01-02"), Some(86_400_000));
        assert_eq!(parse("soon"), None);
    }
}
