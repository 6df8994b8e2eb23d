//! Operations that were sent, read as their member would read them.

use crate::read::fields::{RowsKind, read_rows};
use crate::read::transforms::TransformCalls;
use renkei_model::index::PerField;
use renkei_model::plugin::PluginError;
use renkei_model::record::{Batch, Row};
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::OutboxEntry;
use renkei_model::value::Cell;

/// The union of the columns that operations write.
pub(crate) fn written_columns(batch: &[OutboxEntry]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for write in batch.iter().flat_map(|entry| &entry.columns) {
        if !columns.contains(&write.column) {
            columns.push(write.column.clone());
        }
    }
    columns
}

/// The cells that operations sent, as their member reads them: per operation and field.
///
/// # Errors
/// A transform failed.
pub(crate) async fn sent_cells(
    transforms: &TransformCalls<'_>,
    entity: &EntitySpec,
    member: &MemberSpec,
    entries: &[OutboxEntry],
) -> Result<Vec<PerField<Cell>>, PluginError> {
    let columns = written_columns(entries);
    let cells = |entry| columns.iter().map(|column| sent_cell(entry, column)).collect();
    let rows = entries.iter().map(|entry| Row { cells: cells(entry), ..Row::default() }).collect();
    let batch = Batch { columns: columns.clone(), rows };
    let readings = read_rows(
        transforms,
        entity,
        member,
        (&batch, RowsKind::Carried),
        &vec![None; entries.len()],
    )
    .await?;
    Ok(readings.into_iter().map(|reading| reading.cells).collect())
}

/// The cell that an operation writes to a column; `None` where it leaves the column alone.
pub(crate) fn sent_cell(entry: &OutboxEntry, column: &str) -> Cell {
    let write = entry.columns.iter().find(|write| write.column == column);
    write.and_then(|write| write.cell.clone())
}
