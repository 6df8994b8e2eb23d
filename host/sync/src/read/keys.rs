//! Match keys of records: compare-only values that are kept apart from what is shown and written.
//!
//! A key that a transform fails at is kept as an empty value, which no made key has: the record is
//! not linked by anything less sure until the key can be made ([`HELD`]). So is a key of which the
//! system did not answer a part that nobody knows.

use crate::model::plugin::PluginError;
use crate::model::reason::Reason;
use crate::model::spec::{EntitySpec, MatchKey};
use crate::model::state::{RecordKey, RecordState};
use crate::model::value::Cell;
use crate::read::canonical::{comparable, plain_text};
use crate::read::transforms::TransformCalls;
use crate::read::unreadable::was_not_answered;

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
    transforms: &TransformCalls<'_>,
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
            match parts_of(entity, key, record) {
                Parts::Known(cells) => {
                    positions.push(position);
                    parts.push(cells);
                }
                Parts::NotAnswered => {
                    if let Some((_, keys)) = found.get_mut(position) {
                        keys.push((key.name.clone(), HELD.to_owned()));
                    }
                }
                Parts::Lacking => {}
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

/// What a record has of a key.
enum Parts {
    /// All of it, ready to be compared.
    Known(Vec<Cell>),
    /// A part is empty.
    Lacking,
    /// A part was not answered, and nothing was known of it before.
    NotAnswered,
}

fn parts_of(entity: &EntitySpec, key: &MatchKey, record: &RecordState) -> Parts {
    let mut parts = Vec::with_capacity(key.fields.len());
    for index in &key.fields {
        let field = entity.fields.get(index.0).zip(record.fields.get(index.0));
        let Some((field, state)) = field else { return Parts::Lacking };
        // What stands still is what was known of it.
        let cell = if state.is_still() { &state.base } else { &state.seen };
        match cell {
            Some(value) if !value.is_null() => parts.push(comparable(&field.kind, cell)),
            None if was_not_answered(&record.failures, &field.name) => return Parts::NotAnswered,
            _ => return Parts::Lacking,
        }
    }
    Parts::Known(parts)
}

fn join(cells: &[Cell]) -> Option<String> {
    let texts: Option<Vec<String>> =
        cells.iter().map(|cell| cell.as_ref().and_then(plain_text)).collect();
    let joined = texts?.join(SEPARATOR);
    (!joined.is_empty()).then_some(joined)
}
