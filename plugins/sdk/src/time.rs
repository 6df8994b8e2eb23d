//! Moments as text on the wire, as milliseconds since 1970-01-01T00:00:00Z in the contract.
//!
//! A plugin has no clock: the only "now" is a server's (`page.server_time`, a `date` header, a
//! hook's `received_at`) or the host's (`now-ms` in a page request's options). A server's may be
//! wrong: [`crate::cursor::begin_changes`] says which to follow.

use std::num::NonZero;
use std::time::UNIX_EPOCH;

use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use time::format_description::well_known::iso8601::{Config, EncodedConfig, TimePrecision};

const NANOS_PER_MS: i128 = 1_000_000;

const MILLISECONDS: EncodedConfig = Config::DEFAULT
    .set_time_precision(TimePrecision::Second { decimal_digits: NonZero::new(3) })
    .encode();

/// Reads ISO 8601 with a zone: `Z`, `+09:00` or `+0900`. Parts of a millisecond are cut.
///
/// ```
/// use renkei_sdk::time;
/// assert_eq!(time::parse("2026-05-01T07:25:37.000+0000"), Some(1_777_620_337_000));
/// assert_eq!(time::parse("2026-05-01T16:25:37.5+09:00"), Some(1_777_620_337_500));
/// assert_eq!(time::parse("2026-05-01"), None);
/// ```
pub fn parse(text: &str) -> Option<i64> {
    let moment = OffsetDateTime::parse(text, &Iso8601::PARSING).ok()?;
    i64::try_from(moment.unix_timestamp_nanos().div_euclid(NANOS_PER_MS)).ok()
}

/// Writes `2026-05-01T07:25:37.000Z`; `None` outside the years 0 to 9999.
///
/// ```
/// # use renkei_sdk::time;
/// assert_eq!(time::format(1_777_620_337_000).as_deref(), Some("2026-05-01T07:25:37.000Z"));
/// ```
pub fn format(ms: i64) -> Option<String> {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * NANOS_PER_MS).ok()?;
    moment.format(&Iso8601::<MILLISECONDS>).ok()
}

/// Reads the `date` header of an answer, `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// ```
/// # use renkei_sdk::time;
/// assert_eq!(time::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
/// ```
pub fn parse_http_date(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_is_read() {
        let check = |text: &str, expected| assert_eq!(parse(text), expected, "{text}");
        check("2026-05-01T07:25:37.000+0000", Some(1_777_620_337_000));
        check("2026-05-01T07:25:37Z", Some(1_777_620_337_000));
        check("2026-05-01T02:25:37.9999-0500", Some(1_777_620_337_999));
        check("1969-12-31T23:59:59.9995Z", Some(-1));
        check("2026-13-01T00:00:00Z", None);
        check("2026-05-01T07:25:37", None);
        check("株式会社T00:00:00Z", None);
    }

    #[test]
    fn writing_is_the_inverse_of_reading() {
        for ms in [0, -1, 951_782_400_000, 1_709_164_800_123, 4_102_444_799_999] {
            assert_eq!(format(ms).as_deref().and_then(parse), Some(ms));
        }
        assert_eq!(format(1_709_164_800_123).as_deref(), Some("2024-02-29T00:00:00.123Z"));
        assert_eq!(format(i64::MAX), None);
    }

    #[test]
    fn broken_header_is_none() {
        assert_eq!(parse_http_date("yesterday"), None);
    }
}
