//! Times: kintone's, and that of the header `date`.

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The beginning of the minute.
pub(crate) fn floor_to_minute(ms: i64) -> i64 {
    ms - ms.rem_euclid(MINUTE_MS)
}

/// `YYYY-MM-DDTHH:MM:00Z`: kintone ignores seconds (K-value-3).
pub(crate) fn format_moment(ms: i64) -> String {
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let minutes = ms.rem_euclid(DAY_MS) / MINUTE_MS;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:00Z", minutes / 60, minutes % 60)
}

/// Reads `YYYY-MM-DDTHH:MM:SSZ`.
pub(crate) fn parse_moment(text: &str) -> Option<i64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    Some(days_in(date)? * DAY_MS + clock_ms(clock)?)
}

/// True for `YYYY-MM-DD` that the calendar has.
pub(crate) fn is_date(text: &str) -> bool {
    text.len() == 10
        && days_in(text).is_some_and(|days| format_moment(days * DAY_MS).starts_with(text))
}

/// Reads `Tue, 01 Dec 2026 10:00:00 GMT`.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once(", ")?;
    let mut words = rest.split(' ');
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let year = words.next()?.parse().ok()?;
    let clock = clock_ms(words.next()?)?;
    Some(days_of(year, i64::try_from(month).ok()? + 1, day) * DAY_MS + clock)
}

fn days_in(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let sound = (1..=12).contains(&month) && (1..=31).contains(&day);
    sound.then(|| days_of(year, month, day))
}

fn clock_ms(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let (second, part) = match parts.next() {
        Some(text) => text.split_once('.').unwrap_or((text, "")),
        None => ("0", ""),
    };
    let second: i64 = second.parse().ok()?;
    let part: i64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    Some(((hour * 60 + minute) * 60 + second) * 1000 + part)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, in_era) = (year.div_euclid(400), year.rem_euclid(400));
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, in_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{floor_to_minute, format_moment, is_date, parse_http_date, parse_moment};

    #[test]
    fn moment_goes_both_ways() {
        let ms = parse_moment("2024-02-29T23:59:00Z").unwrap();
        assert_eq!(ms, 1_709_251_140_000);
        assert_eq!(format_moment(ms + 59_999), "2024-02-29T23:59:00Z");
        assert_eq!(floor_to_minute(ms + 59_999), ms);
        assert_eq!(parse_moment("2024-02-29T23:59:00.250Z"), Some(ms + 250));
        assert_eq!(parse_moment("2024-02-29"), None);
    }

    #[test]
    fn header_date_is_read() {
        let ms = parse_http_date("Thu, 29 Feb 2024 23:59:07 GMT");
        assert_eq!(ms, Some(1_709_251_147_000));
        assert_eq!(parse_http_date("now"), None);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert!(is_date("2024-02-29"));
        assert!(!is_date("2023-02-29") && !is_date("2024-2-29") && !is_date("20240229"));
    }
}
