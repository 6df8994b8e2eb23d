//! Between the contract's types and the engine's: values, rows, batches and errors.
//! `sandbox/convert/connector.rs` has what only connectors exchange, `sandbox/convert/lent.rs` what
//! transforms take without a copy.
//!
//! Towards a guest nothing can go wrong. From a guest everything can: each value is checked against
//! its form in `wit/v0.2/types.wit`, each row against its header, and a breach becomes a
//! [`ContractBreach`] that says what and where but never a field's value.

pub(crate) mod connector;
pub(crate) mod lent;
pub(crate) mod scans;

#[cfg(test)]
mod tests;

use renkei_model::plugin::{Generation, PluginError};
use renkei_model::record::UNREADABLE_CELL;
use renkei_model::record::{Attributes, Batch, Problem, Remedy, Row};
use renkei_model::value::{Cell, SmolStr, Value};
use renkei_package::is_invisible;

use crate::sandbox::bindings::v0_2::types;
use crate::sandbox::limits::{LimitReached, StopCause};
use renkei_egress::escape::words;

/// The longest that a guest may put its work off, ms: it is asked again after 30 days.
pub(crate) const RETRY_AFTER_MS_MAX: u64 = 30 * 24 * 3_600_000;

/// A rule of the contract that a guest's answer breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContractBreach {
    #[error("it broke the contract: {0}")]
    Rule(String),
    #[error("it broke the contract: {0}")]
    Limit(LimitReached),
}

impl ContractBreach {
    /// The rule that was broken; words of the guest in it are escaped.
    pub(crate) fn new(rule: impl AsRef<str>) -> Self {
        Self::Rule(words(rule.as_ref()))
    }

    /// The plugin error of a guest that breaks the contract.
    pub(crate) fn into_error(self, plugin: &Generation) -> PluginError {
        let (plugin, cause) = (plugin.clone(), self.cause());
        PluginError::Broken { plugin, cause, reason: self.to_string() }
    }

    pub(crate) fn cause(&self) -> StopCause {
        match self {
            Self::Rule(_) => StopCause::Contract,
            Self::Limit(reached) => StopCause::Limit(reached.cap),
        }
    }
}

pub(crate) fn value_to_guest(value: &Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Boolean(flag) => types::Value::Boolean(*flag),
        Value::Integer(number) => types::Value::Integer(*number),
        Value::Decimal(text) => types::Value::Decimal(text.to_string()),
        Value::Text(text) => types::Value::Text(text.to_string()),
        Value::Date(text) => types::Value::Date(text.to_string()),
        Value::Timestamp(ms) => types::Value::Timestamp(*ms),
        Value::Choices(items) => types::Value::Choices(strings(items)),
        Value::References(ids) => types::Value::References(strings(ids)),
        Value::Other(parts) => types::Value::Other(strings(parts)),
    }
}

fn strings(items: &[SmolStr]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

pub(crate) fn value_from_guest(value: types::Value) -> Result<Value, ContractBreach> {
    Ok(match value {
        types::Value::Null => Value::Null,
        types::Value::Boolean(flag) => Value::Boolean(flag),
        types::Value::Integer(number) => Value::Integer(number),
        types::Value::Decimal(text) if is_decimal(&text) => Value::Decimal(text.into()),
        types::Value::Decimal(_) => {
            return Err(ContractBreach::new("a decimal is not `-?[0-9]+(.[0-9]+)?`"));
        }
        types::Value::Text(text) => Value::Text(without_nul(text)?.into()),
        types::Value::Date(text) if is_date(&text) => Value::Date(text.into()),
        types::Value::Date(_) => return Err(ContractBreach::new("a date is not `YYYY-MM-DD`")),
        types::Value::Timestamp(ms) => Value::Timestamp(ms),
        types::Value::Choices(items) => Value::Choices(texts(items)?),
        types::Value::References(ids) => Value::References(texts(ids)?),
        types::Value::Other(parts) => Value::Other(texts(parts)?),
    })
}

pub(crate) fn cells_to_guest(cells: &[Cell]) -> Vec<Option<types::Value>> {
    cells.iter().map(|cell| cell.as_ref().map(value_to_guest)).collect()
}

pub(crate) fn cells_from_guest(
    cells: Vec<Option<types::Value>>,
) -> Result<Vec<Cell>, ContractBreach> {
    cells.into_iter().map(|cell| cell.map(value_from_guest).transpose()).collect()
}

pub(crate) fn attributes_to_guest(attributes: &Attributes) -> Vec<(String, types::Value)> {
    attributes.iter().map(|(name, value)| (name.clone(), value_to_guest(value))).collect()
}

pub(crate) fn attributes_from_guest(
    attributes: Vec<(String, types::Value)>,
) -> Result<Attributes, ContractBreach> {
    attributes.into_iter().map(|(name, value)| Ok((name, value_from_guest(value)?))).collect()
}

/// Takes a batch whose header must be `columns`, with as many cells in each row.
pub(crate) fn batch_from_guest(
    batch: types::Batch,
    columns: &[String],
) -> Result<Batch, ContractBreach> {
    if batch.columns != columns {
        return Err(ContractBreach::new(format!(
            "it answered with the columns {:?} instead of {columns:?}",
            batch.columns
        )));
    }
    let rows = batch.rows.into_iter().enumerate().map(|(index, row)| {
        if row.cells.len() != columns.len() {
            let (cells, expected) = (row.cells.len(), columns.len());
            return Err(ContractBreach::new(format!(
                "row {index} has {cells} cells for {expected} columns"
            )));
        }
        Ok(Row {
            id: without_nul(row.id)?,
            version: row.version,
            modified_ms: row.modified,
            cells: cells_from_guest(row.cells)?,
        })
    });
    Ok(Batch { columns: batch.columns, rows: rows.collect::<Result<_, _>>()? })
}

/// A connector's batch: as [`batch_from_guest`], and every row has an id. A text with a NUL comes
/// from the system's data and is no breach: its cell is absent and named in a fact
/// (`host/sync/RULES.md` V10).
pub(crate) fn records_from_guest(
    mut batch: types::Batch,
    columns: &[String],
) -> Result<(Batch, Attributes), ContractBreach> {
    let mut unreadable = Attributes::new();
    for row in &mut batch.rows {
        for (column, cell) in columns.iter().zip(&mut row.cells) {
            if cell.as_ref().is_some_and(has_nul) {
                *cell = None;
                let place = [row.id.as_str(), column, "nul"].map(SmolStr::from).to_vec();
                unreadable.push((UNREADABLE_CELL.to_owned(), Value::Choices(place)));
            }
        }
    }
    let batch = batch_from_guest(batch, columns)?;
    match batch.rows.iter().position(|row| row.id.is_empty()) {
        Some(index) => Err(ContractBreach::new(format!("row {index} has no id"))),
        None => Ok((batch, unreadable)),
    }
}

/// The cells that a system holds after a write; a text with a NUL is as if the answer did not say.
pub(crate) fn after_from_guest(
    mut cells: Vec<Option<types::Value>>,
) -> Result<Vec<Cell>, ContractBreach> {
    for cell in &mut cells {
        if cell.as_ref().is_some_and(has_nul) {
            *cell = None;
        }
    }
    cells_from_guest(cells)
}

fn has_nul(value: &types::Value) -> bool {
    // Every text of every guest comes by here: this search is the fastest there is.
    let in_text = |text: &String| memchr::memchr(0, text.as_bytes()).is_some();
    match value {
        types::Value::Text(text) => in_text(text),
        types::Value::Choices(items)
        | types::Value::References(items)
        | types::Value::Other(items) => items.iter().any(in_text),
        _ => false,
    }
}

pub(crate) fn problem_from_guest(problem: types::Problem) -> Problem {
    let remedy = match problem.remedy.as_str() {
        "retry" => Remedy::Retry,
        "admin" => Remedy::Admin,
        "source-data" => Remedy::SourceData,
        "target-data" => Remedy::TargetData,
        "plugin" => Remedy::Plugin,
        _ => Remedy::Nobody,
    };
    Problem {
        code: words(&problem.code),
        message: words(&problem.message),
        field: problem.field.map(|field| words(&field)),
        remedy,
    }
}

/// The engine's error for a guest's own error.
pub(crate) fn error_from_guest(error: types::Error, plugin: &Generation) -> PluginError {
    let plugin = plugin.clone();
    match error {
        types::Error::RetryAfter(after_ms) => {
            PluginError::RetryAfter { plugin, after_ms: after_ms.min(RETRY_AFTER_MS_MAX) }
        }
        types::Error::Unauthorized(problem) => {
            let (code, message) = (words(&problem.code), words(&problem.message));
            PluginError::Unauthorized { plugin, code, message }
        }
        types::Error::Forbidden(problem) => {
            PluginError::Forbidden { plugin, problem: problem_from_guest(problem) }
        }
        types::Error::NotFound(problem) => {
            PluginError::NotFound { plugin, problem: problem_from_guest(problem) }
        }
        types::Error::Invalid(problem) => {
            PluginError::Invalid { plugin, problem: problem_from_guest(problem) }
        }
        types::Error::CursorLost(problem) => {
            PluginError::CursorLost { plugin, problem: problem_from_guest(problem) }
        }
        types::Error::Unsupported(what) => PluginError::Unsupported { plugin, what: words(&what) },
        types::Error::Host(reason) => PluginError::Host { plugin, reason: words(&reason) },
        types::Error::Bug(fault) => PluginError::Broken {
            plugin,
            cause: StopCause::OwnFault,
            reason: format!("it found a fault of its own: {}", words(&fault)),
        },
        // No code of it is known yet.
        types::Error::Other(problem) => {
            PluginError::Invalid { plugin, problem: problem_from_guest(problem) }
        }
    }
}

fn texts(items: Vec<String>) -> Result<Vec<SmolStr>, ContractBreach> {
    items.into_iter().map(|item| without_nul(item).map(SmolStr::from)).collect()
}

pub(crate) fn without_nul(text: String) -> Result<String, ContractBreach> {
    // Every text of every guest comes by here: this search is the fastest there is.
    if memchr::memchr(0, text.as_bytes()).is_some() {
        Err(ContractBreach::new("a text has a NUL"))
    } else {
        Ok(text)
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_decimal(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    match text.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(text),
    }
}

/// The form only: a day that no calendar has is one cell that cannot be read, which the engine
/// says, and no breach that costs the whole page.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut part =
        |len: usize| parts.next().is_some_and(|part| part.len() == len && is_digits(part));
    part(4) && part(2) && part(2)
}

/// The longest id of a record, bytes.
const ID_BYTES_MAX: usize = 512;

/// True where a text can be the id of a record that a write is about. It is stored, shown and sent
/// back in paths: what moves in a path, ends a line or hides is no id, whatever the server says.
fn is_id(id: &str) -> bool {
    let bad = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || is_invisible(c)
            || matches!(c, '/' | '\\' | '?' | '#')
    };
    !id.is_empty() && id.len() <= ID_BYTES_MAX && !matches!(id, "." | "..") && !id.chars().any(bad)
}
