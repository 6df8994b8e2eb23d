//! Days and moments: a day is one in the time zone of the account that holds it (`RULES.md` V7),
//! and a moment is as fine as its column keeps it (V21).
//!
//! The engine asks no clock and no system for a zone. The host sets the account's zone, its
//! moment columns and their units before anything is read. Until then no day is read from a moment
//! and none is written.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::plugin::{Schema, SchemaField};
use crate::value::{Cell, Value};

/// The time zone with this IANA name, such as `Asia/Tokyo`.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// The time zone and the moment columns of one object of an account.
#[derive(Debug, Clone, Default)]
pub struct DayFacts {
    /// The account's time zone.
    pub zone: Option<TimeZone>,
    /// The columns that hold moments, each with the smallest difference that it keeps, ms.
    pub moments: BTreeMap<String, i64>,
}

impl DayFacts {
    /// The facts of an object with this schema.
    pub fn new(zone: Option<TimeZone>, schema: &Schema) -> Self {
        let moments = schema.fields.iter().filter(|field| field.kind == "timestamp");
        Self { zone, moments: moments.map(|field| (field.name.clone(), unit_ms(field))).collect() }
    }
}

/// The smallest difference that a column keeps, ms, as its fact `resolution` says; 1 where it says
/// nothing that is known.
fn unit_ms(field: &SchemaField) -> i64 {
    let fact = field.facts.iter().find(|(code, _)| code == "resolution");
    match fact.and_then(|(_, value)| value.as_text()) {
        Some("s") => 1_000,
        Some("minute") => 60_000,
        Some("day") => 86_400_000,
        _ => 1,
    }
}

/// The facts of one object, shared by all copies and set once.
#[derive(Debug, Clone)]
pub struct Days(Arc<OnceLock<DayFacts>>);

impl Default for Days {
    /// Facts that are known from the start: moments are no days, and no column holds moments.
    fn default() -> Self {
        Self(Arc::new(OnceLock::from(DayFacts::default())))
    }
}

impl Days {
    /// Facts that the host sets before anything is read.
    pub fn unknown() -> Self {
        Self(Arc::default())
    }

    /// Sets the facts, once: the first ones stay.
    pub fn set_facts(&self, facts: DayFacts) {
        // Facts that are set already stay.
        drop(self.0.set(facts));
    }

    /// True if the facts are set.
    pub fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    /// True if the column is known to hold moments; false before the facts are set.
    pub(crate) fn is_moment(&self, column: &str) -> bool {
        self.0.get().is_some_and(|facts| facts.moments.contains_key(column))
    }

    /// The smallest difference between moments that this column keeps, ms.
    pub fn unit_ms(&self, column: &str) -> i64 {
        self.0.get().and_then(|facts| facts.moments.get(column)).copied().unwrap_or(1)
    }

    /// The account's time zone.
    pub fn zone(&self) -> Option<&TimeZone> {
        self.0.get()?.zone.as_ref()
    }

    /// A cell of a field of days as this column takes it. `None` while the facts are not set,
    /// and for a day over a column of moments without a time zone.
    pub fn outward(&self, column: &str, cell: Cell) -> Option<Cell> {
        let Some(Value::Date(day)) = &cell else { return Some(cell) };
        if !self.0.get()?.moments.contains_key(column) {
            return Some(cell);
        }
        Some(Some(Value::Timestamp(start_of_day(day, self.zone()?)?)))
    }
}

/// The day of a moment.
pub(crate) fn day_of(ms: i64, zone: &TimeZone) -> Option<String> {
    let moment = jiff::Timestamp::from_millisecond(ms).ok()?;
    Some(moment.to_zoned(zone.clone()).date().to_string())
}

/// The first moment of a day, ms; where midnight is left out, the moment after the gap.
fn start_of_day(day: &str, zone: &TimeZone) -> Option<i64> {
    let day: Date = day.parse().ok()?;
    Some(day.to_zoned(zone.clone()).ok()?.start_of_day().ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(zone: &str) -> Days {
        let days = Days::unknown();
        let moments = [("closedate".to_owned(), 1)].into();
        days.set_facts(DayFacts { zone: Some(time_zone(zone).unwrap()), moments });
        days
    }

    /// `RULES.md` V7, over changes of the clock and in both directions.
    #[test]
    fn day_begins_in_the_zone_of_the_account() {
        let check = |zone: &str, day: &str, moment: &str| {
            let days = days(zone);
            let start: jiff::Timestamp = moment.parse().unwrap();
            let expected = Some(Some(Value::Timestamp(start.as_millisecond())));
            assert_eq!(days.outward("closedate", Some(Value::Date(day.into()))), expected);
            let zone = days.zone().unwrap();
            let of = |ms| day_of(ms, zone).unwrap();
            assert_eq!(of(start.as_millisecond()), day, "{zone:?}");
            assert_ne!(of(start.as_millisecond() - 1), day, "{zone:?}");
        };
        check("Asia/Tokyo", "2026-04-01", "2026-03-31T15:00:00Z");
        check("UTC", "2026-04-01", "2026-04-01T00:00:00Z");
        check("America/New_York", "2026-03-08", "2026-03-08T05:00:00Z");
        check("America/New_York", "2026-03-09", "2026-03-09T04:00:00Z");
        check("America/New_York", "2026-11-02", "2026-11-02T05:00:00Z");
        // Midnight is left out on the day that summer time begins.
        check("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z");
        check("US/Eastern", "2026-07-01", "2026-07-01T04:00:00Z");
    }

    #[test]
    fn columns_of_days_and_other_values_stay_as_they_are() {
        let days = days("Asia/Tokyo");
        let day = Some(Value::Date("2026-04-01".into()));
        assert_eq!(days.outward("birthday", day.clone()), Some(day.clone()));
        assert_eq!(days.outward("closedate", Some(Value::Null)), Some(Some(Value::Null)));
        assert_eq!(Days::default().outward("closedate", day.clone()), Some(day.clone()));
        assert_eq!(Days::unknown().outward("closedate", day), None);
        assert!(time_zone("Asia/Nowhere").is_none());
    }
}
