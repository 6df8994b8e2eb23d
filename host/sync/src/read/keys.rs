//! Match keys of records: compare-only values, stored apart from the fields and never written.
//!
//! A key at which a transform fails is stored as an empty value, which no made key has
//! ([`UNMADE_KEY`]).
//! Until it can be made, no less sure key links the record. The same holds for a key with a part
//! that the system did not answer and that was not known before.

use crate::read::transforms::TransformCalls;
use crate::read::unreadable::was_not_answered;
use renkei_model::canonical::{comparable, plain_text};
use renkei_model::plugin::PluginError;
use renkei_model::reason::Reason;
use renkei_model::spec::{EntitySpec, MatchKey};
use renkei_model::state::{RecordKey, RecordState};
use renkei_model::value::Cell;

/// Between the parts of a key of several fields; no text of a CRM holds it.
const SEPARATOR: &str = "\u{1f}";

/// The value of a key that could not be made.
pub const UNMADE_KEY: &str = "";

/// A record with the names and values of its match keys.
pub type RecordKeys = (RecordKey, Vec<(String, String)>);

/// The match keys of these records, and the keys that could not be made, with the reason. A key
/// with an empty part is left out.
///
/// # Errors
/// A transform failed as a whole.
pub async fn match_keys(
    transforms: &TransformCalls<'_>,
    entity: &EntitySpec,
    records: &[&RecordState],
) -> Result<(Vec<RecordKeys>, Vec<(RecordKey, Reason)>), PluginError> {
    let mut failed = Vec::new();
    let mut found: Vec<RecordKeys> =
        records.iter().map(|record| (record.key.clone(), Vec::new())).collect();
    for key in &entity.match_keys {
        let mut made = Vec::new();
        let mut parts = Vec::new();
        for (record, keys) in records.iter().zip(&mut found) {
            match parts_of(entity, key, record) {
                Parts::Known(cells) => {
                    made.push(keys);
                    parts.push(cells);
                }
                Parts::NotAnswered => keys.1.push((key.name.clone(), UNMADE_KEY.to_owned())),
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
        for ((record, keys), value) in made.into_iter().zip(values) {
            match value {
                Ok(value) => keys.extend(value.map(|value| (key.name.clone(), value))),
                Err(reason) => {
                    keys.push((key.name.clone(), UNMADE_KEY.to_owned()));
                    failed.push((record.clone(), reason));
                }
            }
        }
    }
    Ok((found, failed))
}

/// The parts of a key in a record.
enum Parts {
    /// All of it, ready to be compared.
    Known(Vec<Cell>),
    /// A part is empty, so the record has no such key.
    Lacking,
    /// A part was not answered, and nothing was known of it before.
    NotAnswered,
}

fn parts_of(entity: &EntitySpec, key: &MatchKey, record: &RecordState) -> Parts {
    let mut parts = Vec::with_capacity(key.fields.len());
    for index in &key.fields {
        let (field, state) = (&entity[*index], &record.fields[*index]);
        // A stopped field counts with its base.
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
