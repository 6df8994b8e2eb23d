//! `matchkeys`: one-way functions that turn what people type into keys that are equal where the
//! thing is the same.
//!
//! A key is for matching and is never shown or written back. Two different things with
//! one key are worse than one thing with two keys, because an equal key links records; so nothing
//! here guesses, and what gives no key is null.

pub mod company;
pub mod fold;
pub mod person;
pub mod phone;
pub mod web;

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
            "person" => {
                let country = country(parameters)?;
                let phone = |text: &str| phone::key(text, country);
                let name = person::name_key;
                let parts: [Part<'_>; 3] =
                    [("phone", &phone), ("family_name", &name), ("given_name", &name)];
                Ok(compound(input, &parts))
            }
            "company" => Ok(keys(input, "name", company::key)),
            "company-in-city" => {
                Ok(compound(input, &[("name", &company::key), ("city", &fold::key)]))
            }
            "company-by-phone" => {
                let country = country(parameters)?;
                let phone = |text: &str| phone::key(text, country);
                Ok(compound(input, &[("phone", &phone), ("name", &company::key)]))
            }
            "website" => Ok(keys(input, "website", web::address_key)),
            "mail-domain" => Ok(keys(input, "mail", web::mail_domain)),
            "corporate-number" => Ok(keys(input, "number", web::corporate_number)),
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
    let rows = input.values(column).map(|value| Row::from_cells(vec![Cell::from(value.map(cell))]));
    Batch { rows: rows.collect(), ..Batch::new(["key"]) }
}

/// A column and what makes its part of a compound key.
type Part<'a> = (&'a str, &'a dyn Fn(&str) -> Option<String>);

/// One key per row out of several columns; without one of its parts there is no key.
fn compound(input: &Batch, parts: &[Part<'_>]) -> Batch {
    let columns: Vec<Batch> = parts.iter().map(|(column, key)| keys(input, column, key)).collect();
    let rows = (0..input.rows.len()).map(|row| {
        let part = |keys: &Batch| keys.rows.get(row)?.cell(0)?.as_text().map(str::to_owned);
        let key: Option<Vec<String>> = columns.iter().map(part).collect();
        Row::from_cells(vec![Some(key.map(|parts| parts.join("|")).into())])
    });
    Batch { rows: rows.collect(), ..Batch::new(["key"]) }
}

#[cfg(test)]
mod tests;
