//! Between the SDK's types and the engine's, for connectors that are linked natively. The runtime
//! does the same with the types of a component.

use renkei_sdk as sdk;
use renkei_sync::plugin::{Account, Schema, SchemaField};
use renkei_sync::record::{
    Action, Applied, Attributes, Batch, Operation, Outcome, Page, PageRequest, Problem, Remedy,
    Removal, Row, Scan, Tombstone, WriteRequest,
};
use renkei_sync::value::{Cell, Value};

pub(crate) fn value_out(value: Value) -> sdk::Value {
    match value {
        Value::Null => sdk::Value::Null,
        Value::Boolean(flag) => sdk::Value::Boolean(flag),
        Value::Integer(number) => sdk::Value::Integer(number),
        Value::Decimal(text) => sdk::Value::Decimal(text),
        Value::Text(text) => sdk::Value::Text(text),
        Value::Date(text) => sdk::Value::Date(text),
        Value::Timestamp(ms) => sdk::Value::Timestamp(ms),
        Value::Choices(items) => sdk::Value::Choices(items),
        Value::References(ids) => sdk::Value::References(ids),
    }
}

fn value_in(value: sdk::Value) -> Value {
    match value {
        sdk::Value::Null => Value::Null,
        sdk::Value::Boolean(flag) => Value::Boolean(flag),
        sdk::Value::Integer(number) => Value::Integer(number),
        sdk::Value::Decimal(text) => Value::Decimal(text),
        sdk::Value::Text(text) => Value::Text(text),
        sdk::Value::Date(text) => Value::Date(text),
        sdk::Value::Timestamp(ms) => Value::Timestamp(ms),
        sdk::Value::Choices(items) => Value::Choices(items),
        sdk::Value::References(ids) => Value::References(ids),
    }
}

fn cells_out(cells: &[Cell]) -> Vec<sdk::Cell> {
    cells.iter().map(|cell| cell.clone().map(value_out)).collect()
}

fn cells_in(cells: Vec<sdk::Cell>) -> Vec<Cell> {
    cells.into_iter().map(|cell| cell.map(value_in)).collect()
}

fn attributes_out(attributes: &Attributes) -> sdk::Attributes {
    attributes.iter().map(|(name, value)| (name.clone(), value_out(value.clone()))).collect()
}

fn attributes_in(attributes: sdk::Attributes) -> Attributes {
    attributes.into_iter().map(|(name, value)| (name, value_in(value))).collect()
}

pub(crate) fn account(account: sdk::Account) -> Account {
    Account { id: account.id, name: account.name, facts: attributes_in(account.facts) }
}

pub(crate) fn schema(schema: sdk::Schema) -> Schema {
    let field = |field: sdk::Field| SchemaField {
        name: field.name,
        label: field.label,
        kind: field.kind,
        readable: field.readable,
        creatable: field.creatable,
        updatable: field.updatable,
        required: field.required,
        unique: field.unique,
        nullable: field.nullable,
        max_length: field.max_length,
        choices: field.choices,
        targets: field.targets,
        facts: attributes_in(field.facts),
    };
    Schema {
        object: schema.object,
        label: schema.label,
        fields: schema.fields.into_iter().map(field).collect(),
        facts: attributes_in(schema.facts),
    }
}

pub(crate) fn batch(batch: sdk::Batch) -> Batch {
    let row = |row: sdk::Row| Row {
        id: row.id,
        version: row.version,
        modified_ms: row.modified,
        cells: cells_in(row.cells),
    };
    Batch { columns: batch.columns, rows: batch.rows.into_iter().map(row).collect() }
}

pub(crate) fn page_request(request: &PageRequest) -> sdk::PageRequest {
    let filter = |(column, operator, values): &(String, String, Vec<Value>)| {
        let values = values.iter().cloned().map(value_out).collect();
        (column.clone(), operator.clone(), values)
    };
    sdk::PageRequest {
        object: request.object.clone(),
        columns: request.columns.clone(),
        scan: match request.scan {
            Scan::Backfill => sdk::Scan::Backfill,
            Scan::Changes => sdk::Scan::Changes,
            Scan::Sweep => sdk::Scan::Sweep,
        },
        cursor: request.cursor.clone(),
        filter: request.filter.iter().map(filter).collect(),
        limit: request.limit,
        options: attributes_out(&request.options),
    }
}

pub(crate) fn page(page: sdk::Page) -> Page {
    let tombstone = |gone: sdk::Tombstone| Tombstone {
        id: gone.id,
        removal: match gone.removal {
            sdk::Removal::Deleted => Removal::Deleted,
            sdk::Removal::Archived => Removal::Archived,
            sdk::Removal::MergedInto(id) => Removal::MergedInto(id),
            sdk::Removal::ConvertedTo(targets) => Removal::ConvertedTo(targets),
        },
        at_ms: gone.at,
    };
    Page {
        batch: batch(page.batch),
        removed: page.removed.into_iter().map(tombstone).collect(),
        cursor: page.cursor,
        more: page.more,
        server_time_ms: page.server_time,
        facts: attributes_in(page.facts),
    }
}

/// Nothing where an operation is no write.
pub(crate) fn write_request(request: &WriteRequest) -> Option<sdk::WriteRequest> {
    let operation = |operation: &Operation| {
        Some(sdk::Operation {
            intent: operation.intent.clone(),
            action: match operation.action {
                Action::Create => sdk::Action::Create,
                Action::Update => sdk::Action::Update,
                Action::Upsert => sdk::Action::Upsert,
                Action::Archive => sdk::Action::Archive,
                Action::Restore => sdk::Action::Restore,
                Action::Merge => return None,
            },
            id: operation.id.clone(),
            key: operation.key.clone(),
            if_version: operation.if_version.clone(),
            cells: cells_out(&operation.cells),
        })
    };
    Some(sdk::WriteRequest {
        object: request.object.clone(),
        columns: request.columns.clone(),
        operations: request.operations.iter().map(operation).collect::<Option<_>>()?,
        options: attributes_out(&request.options),
    })
}

pub(crate) fn outcome(outcome: sdk::Outcome) -> Outcome {
    let problem = |problem: sdk::Problem| Problem {
        code: problem.code,
        message: problem.message,
        field: problem.field,
        remedy: Remedy::Nobody,
    };
    match outcome {
        sdk::Outcome::Applied(applied) => Outcome::Applied(Applied {
            id: applied.id,
            created: applied.created,
            version: applied.version,
            modified_ms: applied.modified,
            after: cells_in(applied.after),
        }),
        sdk::Outcome::Conflict => Outcome::Conflict,
        sdk::Outcome::Exists(id) => Outcome::Exists(id),
        sdk::Outcome::Gone => Outcome::Gone,
        sdk::Outcome::Rejected(problems) => {
            Outcome::Rejected(problems.into_iter().map(problem).collect())
        }
        sdk::Outcome::RetryAfter(ms) => Outcome::RetryAfter(ms),
        sdk::Outcome::Uncertain(reason) => Outcome::Uncertain(reason),
    }
}
