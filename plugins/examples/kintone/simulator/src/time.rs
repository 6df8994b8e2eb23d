//! Times as the API writes them: UTC, seconds cut to zero (K-value-3).

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: i64 = 86_400;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The server's clock in seconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The server's clock, cut to the minute.
pub fn now_minute() -> i64 {
    cut(now())
}

/// The server's clock as the header `Date` has it.
pub fn http_date() -> String {
    format_http_date(now())
}

fn format_http_date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let (year, month, day) = civil(days);
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
    };
    let (weekday, month) = (name(&DAYS, days.rem_euclid(7)), name(&MONTHS, month - 1));
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

fn cut(seconds: i64) -> i64 {
    seconds - seconds.rem_euclid(60)
}

/// `YYYY-MM-DDTHH:MM:SSZ`.
pub fn format(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Reads a moment in UTC or with an offset, seconds cut to zero; `T` and after may be left out.
pub fn parse(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let mut parts = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, offset) = match rest.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => {
            let at = rest.rfind(['+', '-'])?;
            let (clock, offset) = rest.split_at_checked(at)?;
            let (sign, offset) = offset.split_at_checked(1)?;
            let minutes = clock_minutes(offset)?;
            (clock, if sign == "-" { -minutes } else { minutes })
        }
    };
    let seconds = days_of(year, month, day) * DAY_S + (clock_minutes(clock)? - offset) * 60;
    Some(cut(seconds))
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.mmm` in minutes.
fn clock_minutes(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let second: f64 = parts.next().unwrap_or("0").parse().ok()?;
    let sound =
        (0..24).contains(&hour) && (0..60).contains(&minute) && (0.0..61.0).contains(&second);
    sound.then_some(hour * 60 + minute)
}

/// True for a date that the calendar has.
pub fn is_date(text: &str) -> bool {
    let shape = text.len() == 10 && text.is_ascii();
    shape && parse(text).is_some_and(|seconds| format(seconds).starts_with(text))
}

fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let in_era = year.rem_euclid(400);
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
    use super::{format, format_http_date, is_date, parse};

    #[test]
    fn moment_is_read_with_offset_and_cut_to_the_minute() {
        let moment = parse("2012-03-22T14:17:59+09:00").unwrap();
        assert_eq!(format(moment), "2012-03-22T05:17:00Z");
        assert_eq!(parse("2024-02-29"), parse("2024-02-29T00:00:30Z"));
        assert_eq!(format_http_date(1_709_251_147), "Thu, 29 Feb 2024 23:59:07 GMT");
        assert!(parse("yesterday").is_none());
        assert!(is_date("2024-02-29") && !is_date("2023-02-29") && !is_date("2024-2-29"));
    }
}
