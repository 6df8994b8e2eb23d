//! A two-way transform between text as people type it and the same in small letters.
//!
//! `old` is what keeps a two-way function from changing what still means the same:
//! `Taro@Example.jp` stays as it is while the other side says `taro@example.jp`. The laws are in
//! `wit/v0.2/transform.wit`.

use renkei_sdk::{Attributes, Batch, Error, Facts, Row, Transform, Value};

/// The plugin.
pub struct SmallLetters;

impl Transform for SmallLetters {
    fn forward(
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        _old: &Batch,
    ) -> Result<Batch, Error> {
        known(function)?;
        let trim = trims(parameters);
        let mut output = Batch::new(["small"]);
        for text in input.values("text") {
            output.rows.push(Row::from_cells(vec![text.map(|text| small(text, trim))]));
        }
        Ok(output)
    }

    fn backward(
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, Error> {
        known(function)?;
        let trim = trims(parameters);
        let mut output = Batch::new(["text"]);
        // There is one old row per row, or none at all.
        let mut old = old.values("text");
        for wanted in input.values("small") {
            let kept = old.next().flatten();
            let same = kept.filter(|kept| Some(small(kept, trim)).as_ref() == wanted);
            let cell = wanted.map(|wanted| same.unwrap_or(wanted).clone());
            output.rows.push(Row::from_cells(vec![cell]));
        }
        Ok(output)
    }
}

renkei_sdk::export_transform!(SmallLetters);

fn known(function: &str) -> Result<(), Error> {
    if function == "small-letters" { Ok(()) } else { Err(Error::unsupported(function)) }
}

fn trims(parameters: &Attributes) -> bool {
    parameters.boolean("trim").unwrap_or(true)
}

/// A value that is no text is its own small form.
fn small(value: &Value, trim: bool) -> Value {
    let Value::Text(text) = value else { return value.clone() };
    Value::text_or_null(&if trim { text.trim() } else { text }.to_lowercase())
}

#[cfg(test)]
mod tests;
