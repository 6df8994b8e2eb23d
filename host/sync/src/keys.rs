//! Match keys of records: compare-only values that are kept apart from what is shown and written.
//!
//! A key that a transform fails at is kept as an empty value, which no made key has: the record is
//! not linked by anything less sure until the key can be made ([`HELD`]).

use crate::canonical::{comparable, plain_text};
use crate::lens::Lenses;
use crate::plugin::PluginError;
use crate::reason::Reason;
use crate::spec::{EntitySpec, MatchKey};
use crate::state::{RecordKey, RecordState};
use crate::value::Cell;

/// Between the parts of a key of several fields; no text of a CRM holds it.
const SEPARATOR: &str = "\u{1f}";

/// The value of a key that could not be made.
pub const HELD: &str = "";

/// A record with the names and values of its match keys.
pub type RecordKeys = (RecordKey, Vec<(String, String)>);

/// The match keys of these records, and which could not be made. A key with a missing part is left
/// out.
///
/// # Errors
/// What a transform says.
pub async fn match_keys(
    transforms: &Lenses<'_>,
    entity: &EntitySpec,
    records: &[&RecordState],
) -> Result<(Vec<RecordKeys>, Vec<(RecordKey, Reason)>), PluginError> {
    let mut failed = Vec::new();
    let mut found: Vec<RecordKeys> =
        records.iter().map(|record| (record.key.clone(), Vec::new())).collect();
    for key in &entity.match_keys {
        let mut positions = Vec::new();
        let mut parts = Vec::new();
        for (position, record) in records.iter().enumerate() {
            if let Some(cells) = parts_of(entity, key, record) {
                positions.push(position);
                parts.push(cells);
            }
        }
        let values = match &key.transform {
            None => parts.iter().map(|cells| Ok(join(cells))).collect(),
            Some(function) => {
                let answers = transforms.forward(function, parts).await?.into_iter();
                let first = |row: Vec<Cell>| join(row.get(..1).unwrap_or_default());
                answers.map(|answer| answer.map(first)).collect::<Vec<_>>()
            }
        };
        for (position, value) in positions.into_iter().zip(values) {
            let Some((record, keys)) = found.get_mut(position) else { continue };
            match value {
                Ok(value) => keys.extend(value.map(|value| (key.name.clone(), value))),
                Err(reason) => {
                    keys.push((key.name.clone(), HELD.to_owned()));
                    failed.push((record.clone(), reason));
                }
            }
        }
    }
    Ok((found, failed))
}

fn parts_of(entity: &EntitySpec, key: &MatchKey, record: &RecordState) -> Option<Vec<Cell>> {
    let part = |field: &crate::spec::FieldIndex| {
        let cell = &record.fields.get(field.0)?.seen;
        let filled = cell.as_ref().is_some_and(|value| !value.is_null());
        let kind = &entity.fields.get(field.0)?.kind;
        filled.then(|| comparable(kind, cell))
    };
    key.fields.iter().map(part).collect()
}

fn join(cells: &[Cell]) -> Option<String> {
    let texts: Option<Vec<String>> =
        cells.iter().map(|cell| cell.as_ref().and_then(plain_text)).collect();
    let joined = texts?.join(SEPARATOR);
    (!joined.is_empty()).then_some(joined)
}
