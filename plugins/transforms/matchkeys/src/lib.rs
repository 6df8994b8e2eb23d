//! `matchkeys`: one-way functions that turn what people type into keys that are equal where the thing is the same.
//!
//! A key is for matching and is never shown or written back (SYNC.md 6). Two different things with one key are worse than
//! one thing with two keys, because an equal key links records; so nothing here guesses, and what gives no key is null.

pub mod company;
pub mod fold;
pub mod person;
pub mod phone;

use renkei_sdk::{Attributes, Batch, Cell, Error, Facts, Row, Transform, Value};

use phone::Country;

/// The plugin.
pub struct MatchKeys;

impl Transform for MatchKeys {
    fn forward(
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        _old: &Batch,
    ) -> Result<Batch, Error> {
        match function {
            "phone" => {
                let country = country(parameters)?;
                Ok(keys(input, "phone", |text| phone::key(text, country)))
            }
            "company" => Ok(keys(input, "name", company::key)),
            "mail" => Ok(keys(input, "mail", person::mail_key)),
            "name" => Ok(keys(input, "name", person::name_key)),
            other => Err(Error::unsupported(other)),
        }
    }
}

renkei_sdk::export_transform!(MatchKeys);

fn country(parameters: &Attributes) -> Result<&'static Country, Error> {
    let code = parameters.text("country").unwrap_or("JP");
    Country::by_code(code).ok_or_else(|| {
        Error::invalid("parameter", format!("country {code} is none of {}", Country::codes()))
    })
}

/// One key per row: absent for absent, null for null and for what gives no key.
fn keys(input: &Batch, column: &str, key: impl Fn(&str) -> Option<String>) -> Batch {
    let cell = |value: &Value| match value {
        // A spreadsheet makes numbers of telephone numbers.
        Value::Integer(number) => key(&number.to_string()).into(),
        other => other.as_text().and_then(&key).into(),
    };
    let rows = input.values(column).map(|value| Row::of(vec![Cell::from(value.map(cell))]));
    Batch { rows: rows.collect(), ..Batch::new(["key"]) }
}

#[cfg(test)]
mod tests;
