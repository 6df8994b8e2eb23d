//! The CSV of an upload: one row per operation (`API.md`, S-bulk-5, S-bulk-6).
//!
//! An empty cell leaves a field alone and `#N/A` clears it. So an empty text, which REST takes for
//! null, is written as `#N/A`, and a text that *is* `#N/A` cannot travel this way.

use std::borrow::Cow;

use renkei_sdk::{Action, Error, Operation, Value, text_of_parts};

use crate::value::format_moment;
use crate::write::call::{IngestJob, WriteVerb};

/// Clears a field.
const NULL: &str = "#N/A";
/// The most characters of a cell and of a row.
const CELL_CHARS_MAX: usize = 32_000;
const ROW_CHARS_MAX: usize = 400_000;

/// The text that distinguishes a row from the others of its job: its key for an upsert, else the
/// first 15 characters of its id, as the other three only repeat their capitals.
pub(crate) fn row_key<'a>(job: &IngestJob<'a>, operation: &'a Operation) -> Option<&'a str> {
    match (job.verb, operation.action) {
        (WriteVerb::Upsert(_), Action::Create) => Some(operation.intent.as_str()),
        (WriteVerb::Upsert(key), _) => job.request.cell(operation, key)?.as_text(),
        (WriteVerb::Insert, _) => None,
        (WriteVerb::Update | WriteVerb::Delete, _) => operation.id.as_deref().map(short_id),
    }
}

/// The 15 characters of an id that tell it from others.
pub(super) fn short_id(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

/// True for an operation that can be a row of an upload.
pub(crate) fn fits_csv(job: &IngestJob<'_>, operation: &Operation) -> bool {
    let mut chars = 0;
    let mut small = |(_, value): (&str, &Value)| {
        let cell = write_cell(value);
        let length = cell.chars().count();
        chars += length;
        length <= CELL_CHARS_MAX && !(cell == NULL && matches!(value, Value::Text(_)))
            || is_null(value)
    };
    let small = job.request.present(operation).all(&mut small);
    small && chars <= ROW_CHARS_MAX && row_key(job, operation).is_some_and(|name| !name.is_empty())
}

/// About how many bytes the row of an operation has.
pub(crate) fn count_bytes(job: &IngestJob<'_>, operation: &Operation) -> usize {
    let cells = job.request.present(operation).map(|(_, value)| write_cell(value).len() + 3);
    cells.sum::<usize>() + job.request.columns.len() + operation.intent.len() + 20
}

/// The upload of a job.
pub(super) fn write_sheet(job: &IngestJob<'_>) -> Result<Vec<u8>, Error> {
    let broken = |_| Error::bug("an upload cannot be written as CSV");
    let key = key_column(job);
    let columns = used_columns(job, key);
    let mut writer =
        csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    let header = std::iter::once(key).chain(columns.iter().copied());
    writer.write_record(header).map_err(broken)?;
    for operation in job.operations() {
        let name = match job.verb {
            WriteVerb::Update | WriteVerb::Delete => operation.id.as_deref(),
            _ => row_key(job, operation),
        };
        writer.write_field(name.unwrap_or_default()).map_err(broken)?;
        for column in &columns {
            let value = job.request.cell(operation, column);
            writer
                .write_field(value.map_or(Cow::Borrowed(""), write_cell).as_ref())
                .map_err(broken)?;
        }
        writer.write_record(None::<&[u8]>).map_err(broken)?;
    }
    writer.into_inner().map_err(|_| Error::bug("an upload cannot be written as CSV"))
}

/// The column that names a row.
pub(super) fn key_column<'a>(job: &IngestJob<'a>) -> &'a str {
    match job.verb {
        WriteVerb::Upsert(key) => key,
        _ => "Id",
    }
}

/// The columns that any row has a value for, the key aside.
fn used_columns<'a>(job: &IngestJob<'a>, key: &str) -> Vec<&'a str> {
    let all = job.request.columns.iter().filter(|column| **column != key);
    let used = all.filter(|column| {
        *job.verb != WriteVerb::Delete
            && job.operations().any(|operation| job.request.cell(operation, column).is_some())
    });
    used.map(String::as_str).collect()
}

fn is_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        Value::Choices(chosen) => chosen.is_empty(),
        Value::References(ids) => ids.is_empty(),
        _ => false,
    }
}

/// A value as a cell.
fn write_cell(value: &Value) -> Cow<'_, str> {
    match value {
        value if is_null(value) => NULL.into(),
        Value::Null => NULL.into(),
        Value::Boolean(value) => if *value { "true" } else { "false" }.into(),
        Value::Integer(value) => value.to_string().into(),
        Value::Decimal(text) | Value::Text(text) | Value::Date(text) => text.as_str().into(),
        Value::Timestamp(at_ms) => format_moment(*at_ms).into(),
        Value::Choices(chosen) => chosen.join(";").into(),
        Value::References(ids) => ids.first().map_or(NULL, String::as_str).into(),
        Value::Other(parts) => text_of_parts(parts).into(),
    }
}
