//! Calling a transform plugin as a lens between a member's columns and an entity's fields.
//!
//! Which way the plugin's `forward` goes is the mapping's choice ([`Orientation`]); here there are
//! only two directions, towards the entity and towards the member. The other side's present values
//! go along as the complement (SYNC.md 3.5).

use crate::plugin::PluginError;
use crate::ports::Transforms;
use crate::record::{Batch, Row};
use crate::spec::{Orientation, TransformRef, TransformUse};
use crate::value::Cell;

/// Rows of one call: enough for the call itself to cost nothing, few enough for the memory and the
/// bytes that a transform may use. Rows stand for themselves, so where they are cut is of no
/// consequence.
const CALL_ROWS: usize = 1_000;

/// Rows of cells.
pub type Rows = Vec<Vec<Cell>>;

/// From columns to fields.
///
/// # Errors
/// What the plugin says.
pub async fn to_fields(
    transforms: &dyn Transforms,
    lens: &TransformUse,
    columns: Rows,
    old_fields: Rows,
) -> Result<Rows, PluginError> {
    match lens.orientation {
        Orientation::ForwardReads => forward(transforms, &lens.function, columns, old_fields).await,
        Orientation::ForwardWrites => {
            backward(transforms, &lens.function, columns, old_fields).await
        }
    }
}

/// From fields to columns.
///
/// # Errors
/// What the plugin says.
pub async fn to_columns(
    transforms: &dyn Transforms,
    lens: &TransformUse,
    fields: Rows,
    old_columns: Rows,
) -> Result<Rows, PluginError> {
    match lens.orientation {
        Orientation::ForwardReads => {
            backward(transforms, &lens.function, fields, old_columns).await
        }
        Orientation::ForwardWrites => {
            forward(transforms, &lens.function, fields, old_columns).await
        }
    }
}

/// Runs a function forward.
///
/// # Errors
/// What the plugin says.
pub async fn forward(
    transforms: &dyn Transforms,
    function: &TransformRef,
    input: Rows,
    old: Rows,
) -> Result<Rows, PluginError> {
    let TransformRef { plugin, function: name, parameters, .. } = function;
    let mut found = Rows::with_capacity(input.len());
    for (input, old) in parts(input, old) {
        let (input, old) = (batch(&function.input, input), batch(&function.output, old));
        let answer = transforms.forward(plugin, name, parameters, &input, &old).await?;
        found.extend(rows(answer));
    }
    Ok(found)
}

async fn backward(
    transforms: &dyn Transforms,
    function: &TransformRef,
    input: Rows,
    old: Rows,
) -> Result<Rows, PluginError> {
    let TransformRef { plugin, function: name, parameters, .. } = function;
    let mut found = Rows::with_capacity(input.len());
    for (input, old) in parts(input, old) {
        let (input, old) = (batch(&function.output, input), batch(&function.input, old));
        let answer = transforms.backward(plugin, name, parameters, &input, &old).await?;
        found.extend(rows(answer));
    }
    Ok(found)
}

/// The rows of each call with the other side's, which may be none at all.
fn parts(mut input: Rows, mut old: Rows) -> Vec<(Rows, Rows)> {
    let mut parts = Vec::new();
    while !input.is_empty() {
        let later = input.split_off(input.len().min(CALL_ROWS));
        let old_later = old.split_off(old.len().min(CALL_ROWS));
        parts.push((std::mem::replace(&mut input, later), std::mem::replace(&mut old, old_later)));
    }
    parts
}

fn batch(columns: &[String], rows: Rows) -> Batch {
    let rows = rows.into_iter().map(|cells| Row { cells, ..Row::default() }).collect();
    Batch { columns: columns.to_vec(), rows }
}

fn rows(batch: Batch) -> Rows {
    batch.rows.into_iter().map(|row| row.cells).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_rows_make_several_calls_with_their_other_side() {
        let rows = |from: usize, to: usize| -> Rows {
            let cell = |n: usize| Some(n.to_string().as_str().into());
            (from..to).map(|n| vec![cell(n)]).collect()
        };
        assert_eq!(parts(rows(0, 0), rows(0, 0)), []);
        assert_eq!(parts(rows(0, 1_000), Rows::new()), [(rows(0, 1_000), Rows::new())]);
        let cut = parts(rows(0, 2_001), rows(0, 2_001));
        let part = |from, to| (rows(from, to), rows(from, to));
        assert_eq!(cut, [part(0, 1_000), part(1_000, 2_000), part(2_000, 2_001)]);
    }
}
