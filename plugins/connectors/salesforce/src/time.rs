//! Instants as Salesforce and HTTP write them, in milliseconds since the Unix epoch.
//!
//! The API writes `2026-05-01T07:25:37.000+0000`, Bulk results and SOQL literals
//! `2026-05-01T07:25:37.000Z` (apis/salesforce.md 4); the server's clock is the `Date` header.

const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
const DAY_MS: i64 = 86_400_000;

/// Reads an ISO date and time with `Z`, `+hh:mm` or `+hhmm`; nothing where it is none.
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let zone_at = time.find(['Z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let days = days_of(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some(days * DAY_MS + clock_ms(clock)? - zone_ms(zone)?)
}

/// Writes `2026-05-01T07:25:37.000Z`, which SOQL takes as a literal and JSON as a value.
pub(crate) fn format_iso(at_ms: i64) -> String {
    let (year, month, day) = date_of(at_ms.div_euclid(DAY_MS));
    let ms = at_ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Reads the `Date` header, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let mut parts = text.split_once(", ")?.1.split(' ');
    let day = parts.next()?.parse().ok()?;
    let month = MONTHS.find(parts.next()?)? / 3 + 1;
    let year = parts.next()?.parse().ok()?;
    let days = days_of(year, i64::try_from(month).ok()?, day)?;
    Some(days * DAY_MS + clock_ms(parts.next()?)?)
}

/// `07:25:37.000` in ms; the fraction may be missing or of any length.
fn clock_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let ms = format!("{fraction:0<3}").get(..3)?.parse::<i64>().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

fn zone_ms(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let digits = text.replace(':', "");
    let sign = if digits.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = (digits.get(1..3)?, digits.get(3..5)?);
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60_000)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March here, so that
/// the leap day is the last one.
fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    (year, month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_form_is_the_same_instant() {
        let check = |text, expected| assert_eq!(parse_iso(text), expected, "{text}");
        check("2026-05-01T07:25:37.000+0000", Some(1_777_620_337_000));
        check("2026-05-01T07:25:37.000Z", Some(1_777_620_337_000));
        check("2026-05-01T07:25:37Z", Some(1_777_620_337_000));
        check("2026-05-01T16:25:37.5+09:00", Some(1_777_620_337_500));
        check("2026-05-01T02:25:37.000-0500", Some(1_777_620_337_000));
        check("2026-05-01", None);
        check("2026-13-01T00:00:00Z", None);
        check("株式会社T00:00:00Z", None);
    }

    #[test]
    fn writing_is_the_inverse_of_reading() {
        for at_ms in [0, -1, 951_782_400_000, 1_709_164_800_123, 4_102_444_799_999] {
            assert_eq!(parse_iso(&format_iso(at_ms)), Some(at_ms));
        }
        assert_eq!(format_iso(1_709_164_800_123), "2024-02-29T00:00:00.123Z");
    }

    #[test]
    fn the_date_header_is_read() {
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(parse_http_date("yesterday"), None);
    }
}
