//! `tidy`: trims and lower-cases every text. What it does to a text is cheap on purpose, so that
//! the bench sees what the way there and back costs.
//!
//! The bench runs it as a plugin and links it natively; [`tidy`] is what both do to one text, and
//! what a peer is given to do. The parameter `times` does it again and again within one call.

use renkei_sdk::{Attributes, Batch, Cell, Error, Facts as _, Row, Transform, Value};

/// The plugin.
pub struct Tidy;

impl Transform for Tidy {
    fn forward(
        _function: &str,
        parameters: &Attributes,
        input: &Batch,
        _old: &Batch,
    ) -> Result<Batch, Error> {
        // What one time more costs, the boundary has no part in.
        for _ in 1..parameters.integer("times").unwrap_or(1) {
            std::hint::black_box(batch(std::hint::black_box(input)));
        }
        Ok(batch(input))
    }
}

renkei_sdk::export_transform!(Tidy);

fn batch(input: &Batch) -> Batch {
    let mut output = Batch::new(input.columns.iter().map(String::as_str));
    let row = |row: &Row| Row::from_cells(row.cells.iter().map(cell).collect());
    output.rows = input.rows.iter().map(row).collect();
    output
}

fn cell(cell: &Cell) -> Cell {
    match cell {
        Some(Value::Text(text)) => Some(Value::Text(tidy(text))),
        other => other.clone(),
    }
}

/// Work on one text.
pub fn tidy(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_trimmed_and_lower_cased_and_nothing_else_changes() {
        let mut batch = Batch::new(["a", "b"]);
        batch.rows.push(Row::from_cells(vec![Some(Value::Text(" TARŌ 太郎 ".into())), None]));
        for parameters in [vec![], vec![("times".to_owned(), Value::Integer(3))]] {
            let tidied = Tidy::forward("tidy-2", &parameters, &batch, &Batch::default()).unwrap();
            assert_eq!(tidied.columns, batch.columns);
            assert_eq!(tidied.rows[0].cells, [Some(Value::Text("tarō 太郎".into())), None]);
        }
    }
}
