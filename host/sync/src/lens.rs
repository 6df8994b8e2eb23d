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
    if input.is_empty() {
        return Ok(Rows::new());
    }
    let (input, old) = (batch(&function.input, input), batch(&function.output, old));
    let TransformRef { plugin, function, parameters, .. } = function;
    let answer = transforms.forward(plugin, function, parameters, &input, &old).await?;
    Ok(rows(answer))
}

async fn backward(
    transforms: &dyn Transforms,
    function: &TransformRef,
    input: Rows,
    old: Rows,
) -> Result<Rows, PluginError> {
    if input.is_empty() {
        return Ok(Rows::new());
    }
    let (input, old) = (batch(&function.output, input), batch(&function.input, old));
    let TransformRef { plugin, function, parameters, .. } = function;
    let answer = transforms.backward(plugin, function, parameters, &input, &old).await?;
    Ok(rows(answer))
}

fn batch(columns: &[String], rows: Rows) -> Batch {
    let rows = rows.into_iter().map(|cells| Row { cells, ..Row::default() }).collect();
    Batch { columns: columns.to_vec(), rows }
}

fn rows(batch: Batch) -> Rows {
    batch.rows.into_iter().map(|row| row.cells).collect()
}
