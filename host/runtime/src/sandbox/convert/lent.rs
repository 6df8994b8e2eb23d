//! The engine's batches as a guest takes them, without a copy on the way: what the generated types
//! of `wit/v0.2/types.wit` say, with texts and lists that stay where they are.
//!
//! A batch for a transform is written once, from the engine's rows into the guest's memory.
//! wasmtime checks these types against the guest's own at each call ([`Func::typed`]), so they
//! cannot drift from the contract unnoticed.
//!
//! [`Func::typed`]: wasmtime::component::Func::typed

use wasmtime::component::{ComponentType, Lower};

use renkei_model::{record, value};

/// `types.value`.
#[derive(Debug, Clone, ComponentType, Lower)]
#[component(variant)]
pub(crate) enum LentValue<'a> {
    #[component(name = "null")]
    Null,
    #[component(name = "boolean")]
    Boolean(bool),
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "decimal")]
    Decimal(&'a str),
    #[component(name = "text")]
    Text(&'a str),
    #[component(name = "date")]
    Date(&'a str),
    #[component(name = "timestamp")]
    Timestamp(i64),
    #[component(name = "choices")]
    Choices(Vec<&'a str>),
    #[component(name = "references")]
    References(Vec<&'a str>),
    #[component(name = "other")]
    Other(Vec<&'a str>),
}

/// `types.row`.
#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct LentRow<'a> {
    #[component(name = "id")]
    id: &'a str,
    #[component(name = "version")]
    version: Option<&'a str>,
    #[component(name = "modified")]
    modified: Option<i64>,
    #[component(name = "cells")]
    cells: Vec<Option<LentValue<'a>>>,
    #[component(name = "facts")]
    facts: LentAttributes<'a>,
}

/// `types.batch`.
#[derive(Debug, Clone, ComponentType, Lower)]
#[component(record)]
pub(crate) struct LentBatch<'a> {
    #[component(name = "columns")]
    columns: &'a [String],
    #[component(name = "rows")]
    rows: Vec<LentRow<'a>>,
}

/// `types.attributes`.
pub(crate) type LentAttributes<'a> = Vec<(&'a str, LentValue<'a>)>;

impl<'a> From<&'a value::Value> for LentValue<'a> {
    fn from(value: &'a value::Value) -> Self {
        match value {
            value::Value::Null => Self::Null,
            value::Value::Boolean(flag) => Self::Boolean(*flag),
            value::Value::Integer(number) => Self::Integer(*number),
            value::Value::Decimal(text) => Self::Decimal(text),
            value::Value::Text(text) => Self::Text(text),
            value::Value::Date(text) => Self::Date(text),
            value::Value::Timestamp(ms) => Self::Timestamp(*ms),
            value::Value::Choices(items) => Self::Choices(lent(items)),
            value::Value::References(ids) => Self::References(lent(ids)),
            value::Value::Other(parts) => Self::Other(lent(parts)),
        }
    }
}

fn lent(items: &[value::SmolStr]) -> Vec<&str> {
    items.iter().map(value::SmolStr::as_str).collect()
}

impl<'a> From<&'a record::Batch> for LentBatch<'a> {
    fn from(batch: &'a record::Batch) -> Self {
        let row = |row: &'a record::Row| LentRow {
            id: &row.id,
            version: row.version.as_deref(),
            modified: row.modified_ms,
            cells: row.cells.iter().map(|cell| cell.as_ref().map(LentValue::from)).collect(),
            facts: Vec::new(),
        };
        Self { columns: &batch.columns, rows: batch.rows.iter().map(row).collect() }
    }
}

/// Attributes for a guest.
pub(crate) fn attributes(attributes: &record::Attributes) -> LentAttributes<'_> {
    attributes.iter().map(|(name, value)| (name.as_str(), value.into())).collect()
}
