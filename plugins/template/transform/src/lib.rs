//! A two-way transform between a boolean and a word for it.
//!
//! `old` is what keeps a two-way function from changing what still means the same: `Y` stays `Y` while the flag is true.
//! The laws are in `wit/v1/transform.wit`.

use renkei_sdk::{Attributes, Batch, Cell, Error, Facts, Row, Transform, Value};

/// Spellings that are understood, in small letters, besides the words that the parameters name.
const YES: &[&str] = &["yes", "y", "true", "1", "はい", "有"];
const NO: &[&str] = &["no", "n", "false", "0", "いいえ", "無"];

/// The plugin.
pub struct YesNo;

impl Transform for YesNo {
    fn forward(
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, Error> {
        known(function)?;
        let words = Words::from_parameters(parameters)?;
        Ok(each(input, "flag", old, "text", |flag, old| words.forward(flag, old)))
    }

    fn backward(
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, Error> {
        known(function)?;
        let words = Words::from_parameters(parameters)?;
        Ok(each(input, "text", old, "flag", |text, old| words.backward(text, old)))
    }
}

renkei_sdk::export_transform!(YesNo);

fn known(function: &str) -> Result<(), Error> {
    if function == "yes-no" { Ok(()) } else { Err(Error::unsupported(function)) }
}

/// One row out per row in. What was not read (absent) stays so.
fn each(
    input: &Batch,
    from: &str,
    old: &Batch,
    to: &str,
    convert: impl Fn(&Value, Option<&Value>) -> Cell,
) -> Batch {
    let mut output = Batch::new([to]);
    let old_column = old.column(to);
    for (index, value) in input.values(from).enumerate() {
        let old = old_column.and_then(|column| old.rows.get(index)?.cell(column));
        output.rows.push(Row::of(vec![value.and_then(|value| convert(value, old))]));
    }
    output
}

struct Words<'a> {
    yes: &'a str,
    no: &'a str,
}

impl<'a> Words<'a> {
    fn from_parameters(parameters: &'a Attributes) -> Result<Self, Error> {
        let words = Self {
            yes: parameters.text("yes").unwrap_or("yes"),
            no: parameters.text("no").unwrap_or("no"),
        };
        let differ = words.read(words.yes) == Some(true) && words.read(words.no) == Some(false);
        if differ { Ok(words) } else { Err(Error::invalid("parameter", "yes and no are alike")) }
    }

    fn read(&self, text: &str) -> Option<bool> {
        let small = text.trim().to_lowercase();
        if text == self.yes || (text != self.no && YES.contains(&small.as_str())) {
            Some(true)
        } else if text == self.no || NO.contains(&small.as_str()) {
            Some(false)
        } else {
            None
        }
    }

    fn forward(&self, flag: &Value, old: Option<&Value>) -> Cell {
        let Some(flag) = flag.as_boolean() else { return Some(Value::Null) };
        let kept = old.filter(|old| old.as_text().and_then(|text| self.read(text)) == Some(flag));
        let word = if flag { self.yes } else { self.no };
        Some(kept.cloned().unwrap_or_else(|| word.into()))
    }

    /// A word that means nothing leaves the flag alone.
    fn backward(&self, text: &Value, old: Option<&Value>) -> Cell {
        match text.as_text() {
            Some(text) => self.read(text).map(Value::Boolean).or_else(|| old.cloned()),
            None => Some(Value::Null),
        }
    }
}

#[cfg(test)]
mod tests;
