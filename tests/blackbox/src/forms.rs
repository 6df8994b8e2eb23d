//! The forms of values: what people mean by a value, and how a system's column holds it.
//!
//! The ledger and the judge compare meanings. They are those that the example configuration gives
//! both systems: a stage by its table, a day in the accounts' zone.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use renkei_test_support::example::{STAGES, Stage};
use serde_json::{Value, json};

use crate::history::{AMOUNT, CLOSE_DATE, Field, STAGE};
use crate::systems::{Record, Side};

/// Both accounts' zone.
const ZONE: &str = "Asia/Tokyo";

/// The value that a person types as the n-th.
pub(crate) fn nth_value(field: &Field, n: u64) -> String {
    match field.name {
        "phone" | "mobile" => format!("03-{:04}-{:04}", 1000 + n, 2000 + n),
        "postal_code" => format!("{:03}-{:04}", 100 + n % 900, 1000 + n),
        _ if *field == AMOUNT => format!("{}", 5_000 + n),
        _ if *field == CLOSE_DATE => {
            let days = Span::new().days(i64::try_from(n % 3_000).unwrap_or_default());
            date(2027, 1, 1).saturating_add(days).to_string()
        }
        _ if *field == STAGE => stage_of(n).0.to_owned(),
        _ => format!("v{n}"),
    }
}

fn stage_of(n: u64) -> Stage {
    let many = STAGES.len() as u64;
    usize::try_from(n % many).ok().and_then(|at| STAGES.get(at)).copied().unwrap_or(STAGES[0])
}

/// The cell of a column that means a value; null where it is empty.
pub(crate) fn cell(field: &Field, side: Side, value: &str) -> Value {
    if value.is_empty() {
        return Value::Null;
    }
    match side {
        Side::Salesforce if *field == AMOUNT => json!(value.parse::<f64>().unwrap_or_default()),
        Side::HubSpot if *field == CLOSE_DATE => json!(moment_of(value)),
        _ if *field == STAGE => {
            let stage = STAGES.iter().find(|(name, ..)| *name == value).unwrap_or(&STAGES[0]);
            match side {
                Side::HubSpot => json!(stage.1),
                // Not the word that the program would write.
                Side::Salesforce => json!(stage.2.last()),
            }
        }
        _ => json!(value),
    }
}

/// A moment of the day, by the zone's clock: HubSpot keeps the hour in which somebody chose it.
fn moment_of(day: &str) -> Option<String> {
    let day: Date = day.parse().ok()?;
    let hour = day.day() % 24;
    let zone = TimeZone::get(ZONE).ok()?;
    Some(day.at(hour, 30, 0, 0).to_zoned(zone).ok()?.timestamp().to_string())
}

/// The meaning of a record's column.
pub(crate) fn meaning(field: &Field, record: &Record) -> String {
    let text = record.text(field.column(&record.object));
    if *field == AMOUNT {
        return text.parse::<f64>().map_or(text, |number| number.to_string());
    }
    if *field == CLOSE_DATE {
        let zone = TimeZone::get(ZONE).ok();
        let day = zone.and_then(|zone| Some(text.parse::<Timestamp>().ok()?.to_zoned(zone).date()));
        return day.map_or(text, |day| day.to_string());
    }
    if *field == STAGE {
        let is = |(_, hubspot, salesforce): &&Stage| {
            *hubspot == text || salesforce.contains(&text.as_str())
        };
        return STAGES.iter().find(is).map_or(text.clone(), |(name, ..)| (*name).to_owned());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::DEAL_FIELDS;

    #[test]
    fn every_value_means_the_same_in_both_systems() {
        for n in 0..40 {
            for field in DEAL_FIELDS {
                let value = nth_value(&field, n);
                for (side, object) in [(Side::HubSpot, "deals"), (Side::Salesforce, "Opportunity")]
                {
                    let fields = [(field.column(object).to_owned(), cell(&field, side, &value))];
                    let record = Record {
                        object: object.to_owned(),
                        id: "1".to_owned(),
                        fields: fields.into_iter().collect(),
                        archived: false,
                        created_by: String::new(),
                        references: Default::default(),
                        primary: Default::default(),
                    };
                    assert_eq!(meaning(&field, &record), value);
                }
            }
        }
    }
}
