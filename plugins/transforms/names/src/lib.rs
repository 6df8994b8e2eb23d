//! `names`: a two-way function, `full-name`, between a full name and its family and given name, and
//! a merge function, [`fuller-name`](fuller).
//!
//! Splitting a name is guesswork, so the other side's present value (the lens's complement) decides
//! wherever it can: what still means the same stays as it is written, letter by letter.
//! [`layout::read`] is that "means the same"; both laws of `wit/v0.2/transform.wit` follow from it,
//! because every split and every join is checked against it.

pub mod fuller;
pub mod join;
pub mod layout;
pub mod split;

use renkei_sdk::{Attributes, Batch, Cell, Error, Facts, Row, Transform, Value};

/// The rules for names where nothing else tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Habits {
    /// A name in Latin script has the family name first.
    pub western_family_first: bool,
    /// The text between the parts of a new Japanese full name.
    pub separator: String,
}

impl Habits {
    fn from_parameters(parameters: &Attributes) -> Result<Self, Error> {
        let western_family_first = match parameters.text("western_order") {
            None | Some("given-family") => false,
            Some("family-given") => true,
            Some(_) => return Err(bad("western_order is given-family or family-given")),
        };
        let separator = parameters.text("separator").unwrap_or(" ");
        if separator.is_empty() || !separator.chars().all(char::is_whitespace) {
            return Err(bad("separator is made of spaces"));
        }
        Ok(Self { western_family_first, separator: separator.to_owned() })
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self { western_family_first: false, separator: " ".to_owned() }
    }
}

fn bad(message: &str) -> Error {
    Error::invalid("parameter", message)
}

/// The two parts of a name; `None` where there is no such part. Never empty, never with spaces at
/// an end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// The family name, particles and suffixes included.
    pub family: Option<String>,
    /// The given name and everything between.
    pub given: Option<String>,
}

impl Parts {
    /// Parts from texts; blank is none.
    pub fn new(family: &str, given: &str) -> Self {
        let part = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Self { family: part(family), given: part(given) }
    }

    /// The parts in two cells; `None` unless both are present and text or null.
    fn from_cells(family: Option<&Value>, given: Option<&Value>) -> Option<Self> {
        Some(Self::new(part(family?)?, part(given?)?))
    }

    fn into_cells(self) -> Vec<Cell> {
        vec![Some(self.family.into()), Some(self.given.into())]
    }
}

/// The text of a cell, empty for null; `None` for what is no text.
fn part(value: &Value) -> Option<&str> {
    if value.is_null() { Some("") } else { value.as_text() }
}

/// The plugin.
pub struct Names;

impl Transform for Names {
    fn forward(
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, Error> {
        known(function)?;
        let habits = Habits::from_parameters(parameters)?;
        let mut output = Batch::new(["family_name", "given_name"]);
        let (full, family, given) =
            (input.column("full_name"), old.column("family_name"), old.column("given_name"));
        for (index, row) in input.rows.iter().enumerate() {
            let kept = old.rows.get(index);
            let cell = |column: Option<usize>| kept?.cell(column?);
            output.rows.push(Row::from_cells(forward(
                full.and_then(|column| row.cell(column)),
                cell(family),
                cell(given),
                &habits,
            )));
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
        let habits = Habits::from_parameters(parameters)?;
        let mut output = Batch::new(["full_name"]);
        let (family, given, full) =
            (input.column("family_name"), input.column("given_name"), old.column("full_name"));
        for (index, row) in input.rows.iter().enumerate() {
            let cell = |column: Option<usize>| row.cell(column?);
            let kept = full.and_then(|column| old.rows.get(index)?.cell(column));
            output.rows.push(Row::from_cells(vec![backward(
                cell(family),
                cell(given),
                kept,
                &habits,
            )]));
        }
        Ok(output)
    }

    fn merge(
        function: &str,
        _: &Attributes,
        base: &[Value],
        left: &[Value],
        right: &[Value],
    ) -> Result<Vec<Value>, Error> {
        match function {
            "fuller-name" => Ok(fuller::merge(base, left, right)),
            _ => Err(Error::unsupported(function)),
        }
    }
}

renkei_sdk::export_transform!(Names);

fn known(function: &str) -> Result<(), Error> {
    if function == "full-name" { Ok(()) } else { Err(Error::unsupported(function)) }
}

/// Splits one full name. The old parts stay where they are still what it says.
pub fn forward(
    full: Option<&Value>,
    old_family: Option<&Value>,
    old_given: Option<&Value>,
    habits: &Habits,
) -> Vec<Cell> {
    let Some(text) = full.and_then(part) else { return vec![None, None] };
    let old = Parts::from_cells(old_family, old_given);
    if old.is_some_and(|old| layout::read(text, &old).is_some()) {
        return vec![old_family.cloned(), old_given.cloned()];
    }
    split::split(text, habits).into_cells()
}

/// Joins one name. The old full name stays where it still says the same; a part that was not read
/// is taken from it.
pub fn backward(
    family: Option<&Value>,
    given: Option<&Value>,
    old_full: Option<&Value>,
    habits: &Habits,
) -> Cell {
    let old = old_full.and_then(part);
    let parts = match (family, given, old) {
        (None, None, _) => return None,
        (Some(_), Some(_), _) => Parts::from_cells(family, given)?,
        (Some(family), None, Some(old)) => {
            Parts { given: split::split(old, habits).given, ..Parts::new(part(family)?, "") }
        }
        (None, Some(given), Some(old)) => {
            Parts { family: split::split(old, habits).family, ..Parts::new("", part(given)?) }
        }
        (_, _, None) => return None,
    };
    if old.is_some_and(|old| layout::read(old, &parts).is_some()) {
        return old_full.cloned();
    }
    Some(join::join(&parts, old.unwrap_or_default(), habits).into())
}

#[cfg(test)]
mod tests;
