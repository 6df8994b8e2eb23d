//! Match keys of records: compare-only values that are kept apart from what is shown and written.

use crate::canonical::plain_text;
use crate::lens;
use crate::plugin::PluginError;
use crate::ports::Transforms;
use crate::spec::{EntitySpec, MatchKey};
use crate::state::{RecordKey, RecordState};
use crate::value::Cell;

/// Between the parts of a key of several fields; no text of a CRM holds it.
const SEPARATOR: &str = "\u{1f}";

/// A record with the names and values of its match keys.
pub type RecordKeys = (RecordKey, Vec<(String, String)>);

/// The match keys of these records. A key with a missing part is left out.
///
/// # Errors
/// What a transform says.
pub async fn match_keys(
    transforms: &dyn Transforms,
    entity: &EntitySpec,
    records: &[&RecordState],
) -> Result<Vec<RecordKeys>, PluginError> {
    let mut found: Vec<RecordKeys> =
        records.iter().map(|record| (record.key.clone(), Vec::new())).collect();
    for key in &entity.match_keys {
        let mut positions = Vec::new();
        let mut parts = Vec::new();
        for (position, record) in records.iter().enumerate() {
            if let Some(cells) = parts_of(key, record) {
                positions.push(position);
                parts.push(cells);
            }
        }
        let values = match &key.transform {
            None => parts.iter().map(|cells| join(cells)).collect(),
            Some(function) => {
                let rows = lens::forward(transforms, function, parts, Vec::new()).await?;
                rows.iter().map(|row| join(row.get(..1).unwrap_or_default())).collect::<Vec<_>>()
            }
        };
        for (position, value) in positions.into_iter().zip(values) {
            if let (Some((_, keys)), Some(value)) = (found.get_mut(position), value) {
                keys.push((key.name.clone(), value));
            }
        }
    }
    Ok(found)
}

fn parts_of(key: &MatchKey, record: &RecordState) -> Option<Vec<Cell>> {
    let part = |field: &crate::spec::FieldIndex| {
        let cell = record.fields.get(field.0)?.seen.clone();
        cell.as_ref().is_some_and(|value| !value.is_null()).then_some(cell)
    };
    key.fields.iter().map(part).collect()
}

fn join(cells: &[Cell]) -> Option<String> {
    let texts: Option<Vec<String>> =
        cells.iter().map(|cell| cell.as_ref().and_then(plain_text)).collect();
    let joined = texts?.join(SEPARATOR);
    (!joined.is_empty()).then_some(joined)
}
