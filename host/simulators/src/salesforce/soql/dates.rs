//! Date literals such as `TODAY` and `LAST_N_DAYS:7`, as ranges of days in UTC.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

/// First day of the literal's range and the first day after it; `None` for an unknown literal.
pub(super) fn range(name: &str, count: Option<i64>, today: Date) -> Option<(Date, Date)> {
    let month = today.first_of_month();
    let year = today.first_of_year();
    let week = shift(today, (-i64::from(today.weekday().to_sunday_zero_offset())).days())?;
    let span = |start: Date, from: Span, to: Span| Some((shift(start, from)?, shift(start, to)?));
    match (name, count) {
        ("YESTERDAY", None) => span(today, (-1).days(), 0.days()),
        ("TODAY", None) => span(today, 0.days(), 1.day()),
        ("TOMORROW", None) => span(today, 1.day(), 2.days()),
        ("LAST_WEEK", None) => span(week, (-1).week(), 0.days()),
        ("THIS_WEEK", None) => span(week, 0.days(), 1.week()),
        ("NEXT_WEEK", None) => span(week, 1.week(), 2.weeks()),
        ("LAST_MONTH", None) => span(month, (-1).month(), 0.days()),
        ("THIS_MONTH", None) => span(month, 0.days(), 1.month()),
        ("NEXT_MONTH", None) => span(month, 1.month(), 2.months()),
        ("LAST_YEAR", None) => span(year, (-1).year(), 0.days()),
        ("THIS_YEAR", None) => span(year, 0.days(), 1.year()),
        ("NEXT_YEAR", None) => span(year, 1.year(), 2.years()),
        ("LAST_90_DAYS", None) => span(today, (-90).days(), 1.day()),
        ("NEXT_90_DAYS", None) => span(today, 1.day(), 91.days()),
        ("LAST_N_DAYS", Some(n)) => span(today, days(-n)?, 1.day()),
        ("NEXT_N_DAYS", Some(n)) => span(today, 1.day(), days(n.checked_add(1)?)?),
        _ => None,
    }
}

fn days(count: i64) -> Option<Span> {
    Span::new().try_days(count).ok()
}

fn shift(day: Date, by: Span) -> Option<Date> {
    day.checked_add(by).ok()
}
