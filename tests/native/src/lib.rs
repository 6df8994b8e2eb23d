//! Between the SDK's types and the engine's, for plugins that are compiled into a test or a
//! measurement. `_in` is towards the plugin, `_out` comes from it. The runtime does the same with
//! the types of a component, and checks them.

use renkei_model::plugin::{Account, Generation, PluginError, Schema, SchemaField, StopCause};
use renkei_model::record::{
    Action, Applied, Attributes, Batch, Operation, Outcome, Page, PageRequest, Problem, Remedy,
    Removal, Row, Scan, Tombstone, VendorJob, WriteRequest,
};
use renkei_model::value::{Cell, SmolStr, Value};
use renkei_sdk as sdk;

pub fn value_in(value: &Value) -> sdk::Value {
    match value {
        Value::Null => sdk::Value::Null,
        Value::Boolean(flag) => sdk::Value::Boolean(*flag),
        Value::Integer(number) => sdk::Value::Integer(*number),
        Value::Decimal(text) => sdk::Value::Decimal(text.to_string()),
        Value::Text(text) => sdk::Value::Text(text.to_string()),
        Value::Date(text) => sdk::Value::Date(text.to_string()),
        Value::Timestamp(ms) => sdk::Value::Timestamp(*ms),
        Value::Choices(items) => {
            sdk::Value::Choices(items.iter().map(ToString::to_string).collect())
        }
        Value::References(ids) => {
            sdk::Value::References(ids.iter().map(ToString::to_string).collect())
        }
        Value::Other(parts) => sdk::Value::Other(parts.iter().map(ToString::to_string).collect()),
    }
}

fn value_out(value: sdk::Value) -> Value {
    match value {
        sdk::Value::Null => Value::Null,
        sdk::Value::Boolean(flag) => Value::Boolean(flag),
        sdk::Value::Integer(number) => Value::Integer(number),
        sdk::Value::Decimal(text) => Value::Decimal(text.into()),
        sdk::Value::Text(text) => Value::Text(text.into()),
        sdk::Value::Date(text) => Value::Date(text.into()),
        sdk::Value::Timestamp(ms) => Value::Timestamp(ms),
        sdk::Value::Choices(items) => {
            Value::Choices(items.into_iter().map(SmolStr::from).collect())
        }
        sdk::Value::References(ids) => {
            Value::References(ids.into_iter().map(SmolStr::from).collect())
        }
        sdk::Value::Other(parts) => Value::Other(parts.into_iter().map(SmolStr::from).collect()),
    }
}

fn cells_in(cells: &[Cell]) -> Vec<sdk::Cell> {
    cells.iter().map(|cell| cell.as_ref().map(value_in)).collect()
}

fn cells_out(cells: Vec<sdk::Cell>) -> Vec<Cell> {
    cells.into_iter().map(|cell| cell.map(value_out)).collect()
}

pub fn attributes_in(attributes: &Attributes) -> sdk::Attributes {
    attributes.iter().map(|(code, value)| (code.clone(), value_in(value))).collect()
}

fn attributes_out(attributes: sdk::Attributes) -> Attributes {
    attributes.into_iter().map(|(code, value)| (code, value_out(value))).collect()
}

pub fn batch_in(batch: &Batch) -> sdk::Batch {
    let rows = batch.rows.iter().map(|row| sdk::Row {
        version: row.version.clone(),
        modified: row.modified_ms,
        ..sdk::Row::new(&row.id, cells_in(&row.cells))
    });
    sdk::Batch { columns: batch.columns.clone(), rows: rows.collect() }
}

pub fn batch_out(batch: sdk::Batch) -> Batch {
    let rows = batch.rows.into_iter().map(|row| Row {
        id: row.id,
        version: row.version,
        modified_ms: row.modified,
        cells: cells_out(row.cells),
    });
    Batch { columns: batch.columns, rows: rows.collect() }
}

pub fn page_request_in(request: &PageRequest) -> sdk::PageRequest {
    let filter = request.filter.iter().map(|(column, operator, values)| {
        (column.clone(), operator.clone(), values.iter().map(value_in).collect())
    });
    let scan = match request.scan {
        Scan::Backfill => sdk::Scan::Backfill,
        Scan::Changes => sdk::Scan::Changes,
        Scan::Sweep => sdk::Scan::Sweep,
    };
    sdk::PageRequest {
        cursor: request.cursor.clone(),
        filter: filter.collect(),
        limit: request.limit,
        options: attributes_in(&request.options),
        ..sdk::PageRequest::new(&request.object, &request.columns, scan)
    }
}

pub fn find_request_in(
    object: &str,
    columns: &[String],
    key: &str,
    values: &[Value],
) -> sdk::FindRequest {
    sdk::FindRequest::new(object, columns, key, values.iter().map(value_in))
}

/// All that a connector finds, however many calls it takes.
pub fn find_all(
    connector: &mut impl sdk::Connector,
    mut request: sdk::FindRequest,
) -> Result<sdk::Batch, sdk::Error> {
    let mut all = sdk::Batch::new(&request.columns);
    loop {
        let found = connector.find(&request)?;
        all.rows.extend(found.batch.rows);
        request.cursor = found.cursor;
        if request.cursor.is_none() {
            return Ok(all);
        }
    }
}

pub fn page_out(page: sdk::Page) -> Page {
    let removed = page.removed.into_iter().map(|gone| Tombstone {
        id: gone.id,
        removal: match gone.removal {
            sdk::Removal::Deleted => Removal::Deleted,
            sdk::Removal::Archived => Removal::Archived,
            sdk::Removal::MergedInto(id) => Removal::MergedInto(id),
            sdk::Removal::ConvertedTo(targets) => Removal::ConvertedTo(targets),
            sdk::Removal::Hidden | sdk::Removal::Other(_) => Removal::Hidden,
        },
        at_ms: gone.at,
    });
    Page {
        batch: batch_out(page.batch),
        removed: removed.collect(),
        cursor: page.cursor,
        more: page.more,
        server_time_ms: page.server_time,
        facts: attributes_out(page.facts),
    }
}

pub fn write_request_in(request: &WriteRequest) -> sdk::WriteRequest {
    let operation = |operation: &Operation| {
        let action = match operation.action {
            Action::Create => sdk::Action::Create,
            Action::Update => sdk::Action::Update,
            Action::Upsert => sdk::Action::Upsert,
            Action::Archive => sdk::Action::Archive,
            Action::Restore => sdk::Action::Restore,
        };
        sdk::Operation {
            key: operation.key.clone(),
            if_version: operation.if_version.clone(),
            ..sdk::Operation::new(
                &operation.intent,
                action,
                operation.id.as_deref(),
                cells_in(&operation.cells),
            )
        }
    };
    let operations = request.operations.iter().map(operation).collect();
    sdk::WriteRequest {
        options: attributes_in(&request.options),
        ..sdk::WriteRequest::new(&request.object, &request.columns, operations)
    }
}

pub fn outcome_out(outcome: sdk::Outcome) -> Outcome {
    match outcome {
        sdk::Outcome::Applied(applied) => Outcome::Applied(Applied {
            id: applied.id,
            created: applied.created,
            version: applied.version,
            modified_ms: applied.modified,
            after: cells_out(applied.after),
        }),
        sdk::Outcome::Conflict => Outcome::Conflict,
        sdk::Outcome::Exists(ids) => Outcome::Exists(ids),
        sdk::Outcome::Gone => Outcome::Gone,
        sdk::Outcome::Rejected(problems) => {
            Outcome::Rejected(problems.into_iter().map(problem_out).collect())
        }
        sdk::Outcome::RetryAfter(ms) => Outcome::RetryAfter(ms),
        sdk::Outcome::Uncertain(reason) => Outcome::Uncertain(reason),
        sdk::Outcome::Pending(job) => {
            Outcome::Pending(VendorJob { token: job.token, after_ms: job.after })
        }
        sdk::Outcome::Other(problem) => Outcome::Uncertain(problem.message),
    }
}

fn problem_out(problem: sdk::Problem) -> Problem {
    let remedy = match problem.remedy.as_str() {
        "retry" => Remedy::Retry,
        "admin" => Remedy::Admin,
        "source-data" => Remedy::SourceData,
        "target-data" => Remedy::TargetData,
        "plugin" => Remedy::Plugin,
        _ => Remedy::Nobody,
    };
    Problem { code: problem.code, message: problem.message, field: problem.field, remedy }
}

pub fn account_out(account: sdk::Account) -> Account {
    Account { id: account.id, name: account.name, facts: attributes_out(account.facts) }
}

pub fn schema_out(schema: sdk::Schema) -> Schema {
    let fields = schema.fields.into_iter().map(|field| SchemaField {
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
        facts: attributes_out(field.facts),
    });
    Schema {
        object: schema.object,
        label: schema.label,
        fields: fields.collect(),
        facts: attributes_out(schema.facts),
    }
}

pub fn error_out(error: sdk::Error, plugin: &Generation) -> PluginError {
    let plugin = plugin.clone();
    match error {
        sdk::Error::RetryAfter(after_ms) => PluginError::RetryAfter { plugin, after_ms },
        sdk::Error::Unauthorized(problem) => {
            let (code, message) = (problem.code, problem.message);
            PluginError::Unauthorized { plugin, code, message }
        }
        sdk::Error::Forbidden(problem) => {
            PluginError::Forbidden { plugin, problem: problem_out(problem) }
        }
        sdk::Error::NotFound(problem) => {
            PluginError::NotFound { plugin, problem: problem_out(problem) }
        }
        sdk::Error::Invalid(problem) => {
            PluginError::Invalid { plugin, problem: problem_out(problem) }
        }
        sdk::Error::CursorLost(problem) => {
            PluginError::CursorLost { plugin, problem: problem_out(problem) }
        }
        sdk::Error::Unsupported(what) => PluginError::Unsupported { plugin, what },
        sdk::Error::Host(reason) => PluginError::Host { plugin, reason },
        sdk::Error::Bug(reason) => {
            PluginError::Broken { plugin, cause: StopCause::OwnFault, reason }
        }
        sdk::Error::Other(problem) => {
            PluginError::Invalid { plugin, problem: problem_out(problem) }
        }
    }
}
