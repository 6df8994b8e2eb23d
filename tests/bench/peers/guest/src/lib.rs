//! `tidy` for Extism, twice: trims and lower-cases every text of a batch that comes and goes as
//! JSON.
//!
//! `tidy` has our own shape (a header and rows of cells, no names repeated), so that what differs
//! is the encoding. Texts are borrowed from the input where JSON allows it, and the answer is
//! written once, as a careful author would. `tidy_objects` is what the documentation shows: the
//! PDK's `Json`, and each record an object with its columns' names.

use std::borrow::Cow;

use extism_pdk::{FnResult, Json, plugin_fn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Deserialize, Serialize)]
struct Batch<'a> {
    #[serde(borrow)]
    columns: Vec<Text<'a>>,
    #[serde(borrow)]
    rows: Vec<Vec<Option<Text<'a>>>>,
}

/// Serde borrows a `Cow` only where it is a field of its own.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Trims and lower-cases every text.
#[plugin_fn]
pub fn tidy(input: Vec<u8>) -> FnResult<Vec<u8>> {
    let mut batch: Batch<'_> = serde_json::from_slice(&input)?;
    for cell in batch.rows.iter_mut().flatten().flatten() {
        cell.0 = Cow::Owned(cell.0.trim().to_lowercase());
    }
    Ok(serde_json::to_vec(&batch)?)
}

/// The same for records that are objects.
#[plugin_fn]
pub fn tidy_objects(
    Json(mut records): Json<Vec<Map<String, Value>>>,
) -> FnResult<Json<Vec<Map<String, Value>>>> {
    for value in records.iter_mut().flat_map(Map::values_mut) {
        if let Value::String(text) = value {
            *text = text.trim().to_lowercase();
        }
    }
    Ok(Json(records))
}
