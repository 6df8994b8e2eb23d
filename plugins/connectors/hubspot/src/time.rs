//! Timestamps of the wire as milliseconds since 1970-01-01T00:00:00Z.
//!
//! Records carry ISO 8601 in UTC (`2026-03-12T10:04:17.969Z`), some values milliseconds as text,
//! and the `date` header RFC 1123. Days are proleptic Gregorian.

const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Parses `2026-03-12T10:04:17.969Z`, `2026-03-12` (its midnight) or milliseconds as text.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    let Some((date, clock)) = text.split_once('T') else {
        return parse_date(text);
    };
    Some(parse_date(date)? + parse_clock(clock.strip_suffix('Z')?)?)
}

/// Parses the `date` header: `Thu, 12 Mar 2026 10:04:17 GMT`.
pub(crate) fn parse_header(text: &str) -> Option<i64> {
    let mut parts = text.split(' ').skip(1);
    let day = parts.next()?.parse().ok()?;
    let month_name = parts.next()?;
    let month = MONTHS.iter().zip(1..).find(|(name, _)| **name == month_name)?.1;
    let year = parts.next()?.parse().ok()?;
    Some(days(year, month, day) * DAY_MS + parse_clock(parts.next()?)?)
}

/// Writes `2026-03-12T10:04:17.969Z`.
pub(crate) fn format(ms: i64) -> String {
    let (day, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (seconds, millis) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", format_day(day))
}

/// The UTC day of a timestamp, `2026-03-12`.
pub(crate) fn format_date(ms: i64) -> String {
    format_day(ms.div_euclid(DAY_MS))
}

fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse().ok().filter(|month| (1..=12).contains(month))?;
    let day = parts.next()?.parse().ok().filter(|day| (1..=31).contains(day))?;
    Some(days(year, month, day) * DAY_MS)
}

/// `10:04:17`, with or without a fraction, as ms since midnight.
fn parse_clock(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let (second, fraction) = match parts.next()?.split_once('.') {
        Some((second, fraction)) => (second, fraction),
        None => (text.rsplit(':').next()?, "0"),
    };
    let second: i64 = second.parse().ok()?;
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

/// Days since 1970-01-01, counting years from March so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year
        - 719_468
}

fn format_day(day: i64) -> String {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_milliseconds() {
        let check = |text: &str, expected| assert_eq!(parse(text), expected, "{text}");
        check("1970-01-01T00:00:00Z", Some(0));
        check("2026-03-12T10:04:17.969Z", Some(1_773_309_857_969));
        check("2026-03-12T10:04:17.9Z", Some(1_773_309_857_900));
        check("2026-03-12T10:04:17Z", Some(1_773_309_857_000));
        check("2026-03-12", Some(1_773_273_600_000));
        check("1773309857969", Some(1_773_309_857_969));
        check("2026-03-12T10:04:17+09:00", None);
        check("2026-13-12", None);
        check("yesterday", None);
    }

    #[test]
    fn the_date_header_is_read() {
        let expected = Some(1_773_309_857_000);
        assert_eq!(parse_header("Thu, 12 Mar 2026 10:04:17 GMT"), expected);
        assert_eq!(parse_header("12/03/2026"), None);
    }

    #[test]
    fn formatting_and_parsing_agree_over_four_centuries() {
        for day in (-80_000..80_000).step_by(13) {
            let ms = day * DAY_MS + 12_345_678;
            assert_eq!(parse(&format(ms)), Some(ms));
        }
        assert_eq!(format(1_773_309_857_969), "2026-03-12T10:04:17.969Z");
        assert_eq!(format_date(-1), "1969-12-31");
        assert_eq!(format_date(951_782_400_000), "2000-02-29");
    }
}
