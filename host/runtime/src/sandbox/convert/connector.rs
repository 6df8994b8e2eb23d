//! Pages, writes, outcomes and schemas: what only connectors exchange with the engine.

use std::collections::BTreeSet;

use renkei_model::plugin::{Account, ObjectInfo, Schema, SchemaField};
use renkei_model::record::{
    Action, Applied, Operation, Outcome, Page, PageRequest, Removal, Scan, Tombstone, VendorJob,
    WriteRequest,
};
use renkei_model::value::Value;

use super::scans::ScanProgress;
use super::{
    ContractBreach, RETRY_AFTER_MS_MAX, after_from_guest, attributes_from_guest,
    attributes_to_guest, cells_to_guest, is_id, problem_from_guest, records_from_guest,
    value_to_guest, without_nul,
};
use crate::sandbox::bindings::v0_2::{calls, types};
use crate::sandbox::limits::{Cap, LimitReached};
use renkei_egress::escape::words;

/// The largest cursor that is kept, bytes: it is written with every page.
const CURSOR_BYTES_MAX: usize = 64 << 10;
/// The largest memo of a schema, bytes.
const MEMO_BYTES_MAX: usize = 64 << 10;
/// The longest token of a job at a vendor, bytes.
const TOKEN_BYTES_MAX: usize = 1024;
/// The longest pause between two pages, ms.
const PAGE_WAIT_MS_MAX: i64 = 600_000;

pub(crate) fn page_request_to_guest(
    request: &PageRequest,
    memo: Option<Vec<u8>>,
) -> calls::PageRequest {
    calls::PageRequest {
        object: request.object.clone(),
        columns: request.columns.clone(),
        scan: match request.scan {
            Scan::Backfill => calls::Scan::Backfill,
            Scan::Changes => calls::Scan::Changes,
            Scan::Sweep => calls::Scan::Sweep,
        },
        cursor: request.cursor.clone(),
        memo,
        filter: request
            .filter
            .iter()
            .map(|(column, operator, values)| {
                (column.clone(), operator.clone(), values.iter().map(value_to_guest).collect())
            })
            .collect(),
        limit: request.limit,
        options: attributes_to_guest(&request.options),
    }
}

/// Takes a page of a scan: besides the rows, its cursor must move if there is more.
pub(crate) fn scanned_from_guest(
    page: calls::Page,
    asked: &PageRequest,
    scans: &mut ScanProgress,
) -> Result<Page, ContractBreach> {
    let page = page_from_guest(page, &asked.columns)?;
    if page.more && asked.cursor.as_ref() == Some(&page.cursor) {
        return Err(ContractBreach::new("it promises more but its cursor does not move"));
    }
    scans.follow(asked, &page)?;
    Ok(page)
}

pub(crate) fn page_from_guest(
    page: calls::Page,
    columns: &[String],
) -> Result<Page, ContractBreach> {
    if page.cursor.len() > CURSOR_BYTES_MAX {
        return Err(ContractBreach::Limit(LimitReached::new(Cap::Cursor, CURSOR_BYTES_MAX)));
    }
    let (batch, unreadable) = records_from_guest(page.batch, columns)?;
    let facts = attributes_from_guest(page.facts)?.into_iter().map(bounded_wait);
    Ok(Page {
        batch,
        removed: page.removed.into_iter().map(tombstone).collect::<Result<_, _>>()?,
        cursor: page.cursor,
        more: page.more,
        server_time_ms: page.server_time,
        facts: facts.chain(unreadable).collect(),
    })
}

/// The pause that a page asks for is taken by the engine: not for ever.
fn bounded_wait((code, value): (String, Value)) -> (String, Value) {
    match value {
        Value::Integer(ms) if code == "wait-ms" => {
            (code, Value::Integer(ms.clamp(0, PAGE_WAIT_MS_MAX)))
        }
        value => (code, value),
    }
}

fn tombstone(tombstone: types::Tombstone) -> Result<Tombstone, ContractBreach> {
    if tombstone.id.is_empty() {
        return Err(ContractBreach::new("a removed record has no id"));
    }
    Ok(Tombstone {
        id: without_nul(tombstone.id)?,
        removal: match tombstone.removal {
            types::Removal::Deleted => Removal::Deleted,
            types::Removal::Archived => Removal::Archived,
            types::Removal::MergedInto(id) => Removal::MergedInto(without_nul(id)?),
            types::Removal::ConvertedTo(targets) => Removal::ConvertedTo(targets),
            // No code of another is known yet.
            types::Removal::Hidden | types::Removal::Other(_) => Removal::Hidden,
        },
        at_ms: tombstone.at,
    })
}

pub(crate) fn write_request_to_guest(
    request: &WriteRequest,
    memo: Option<Vec<u8>>,
) -> calls::WriteRequest {
    let operation = |operation: &Operation| calls::Operation {
        intent: operation.intent.clone(),
        action: action_to_guest(operation.action),
        id: operation.id.clone(),
        key: operation.key.clone(),
        if_version: operation.if_version.clone(),
        cells: cells_to_guest(&operation.cells),
        options: Vec::new(),
    };
    calls::WriteRequest {
        object: request.object.clone(),
        columns: request.columns.clone(),
        operations: request.operations.iter().map(operation).collect(),
        memo,
        options: attributes_to_guest(&request.options),
    }
}

fn action_to_guest(action: Action) -> calls::Action {
    match action {
        Action::Create => calls::Action::Create,
        Action::Update => calls::Action::Update,
        Action::Upsert => calls::Action::Upsert,
        Action::Archive => calls::Action::Archive,
        Action::Restore => calls::Action::Restore,
    }
}

/// Takes the outcomes of a write of `operations` operations over `columns` columns.
pub(crate) fn outcomes_from_guest(
    outcomes: Vec<calls::Outcome>,
    operations: usize,
    columns: usize,
) -> Result<Vec<Outcome>, ContractBreach> {
    if outcomes.len() != operations {
        let found = outcomes.len();
        return Err(ContractBreach::new(format!(
            "it gave {found} outcomes for {operations} operations"
        )));
    }
    outcomes.into_iter().map(|outcome| outcome_from_guest(outcome, columns)).collect()
}

pub(crate) fn outcome_from_guest(
    outcome: calls::Outcome,
    columns: usize,
) -> Result<Outcome, ContractBreach> {
    Ok(match outcome {
        calls::Outcome::Applied(applied) => {
            if applied.id.is_empty() {
                return Err(ContractBreach::new("an applied write has no id"));
            }
            let cells = applied.after.len();
            if cells != 0 && cells != columns {
                return Err(ContractBreach::new(format!(
                    "an applied write tells {cells} cells for {columns} columns"
                )));
            }
            if !is_id(&applied.id) {
                return Ok(no_id());
            }
            Outcome::Applied(Applied {
                id: without_nul(applied.id)?,
                created: applied.created,
                version: applied.version,
                modified_ms: applied.modified,
                after: after_from_guest(applied.after)?,
            })
        }
        calls::Outcome::Conflict => Outcome::Conflict,
        calls::Outcome::Exists(ids) if ids.is_empty() || !ids.iter().all(|id| is_id(id)) => no_id(),
        calls::Outcome::Exists(ids) => {
            Outcome::Exists(ids.into_iter().map(without_nul).collect::<Result<_, _>>()?)
        }
        calls::Outcome::Gone => Outcome::Gone,
        calls::Outcome::Rejected(problems) => {
            Outcome::Rejected(problems.into_iter().map(problem_from_guest).collect())
        }
        calls::Outcome::RetryAfter(ms) => Outcome::RetryAfter(ms.min(RETRY_AFTER_MS_MAX)),
        calls::Outcome::Uncertain(reason) => Outcome::Uncertain(words(&reason)),
        calls::Outcome::Pending(job) => {
            if job.token.len() > TOKEN_BYTES_MAX {
                return Err(ContractBreach::Limit(LimitReached::new(Cap::Token, TOKEN_BYTES_MAX)));
            }
            Outcome::Pending(VendorJob { token: without_nul(job.token)?, after_ms: job.after })
        }
        // No code of another is known yet.
        calls::Outcome::Other(problem) => Outcome::Uncertain(words(&problem.message)),
    })
}

/// The answer to a write names a record by what cannot be an id: the write may have been done, and
/// the system is asked about it.
fn no_id() -> Outcome {
    Outcome::Uncertain("the answer names a record by what cannot be an id".to_owned())
}

/// Id, name and facts are words for people.
pub(crate) fn account_from_guest(account: calls::Account) -> Result<Account, ContractBreach> {
    let facts = attributes_from_guest(account.facts)?.into_iter().map(|(code, value)| {
        let value = match value {
            Value::Text(text) => Value::Text(words(&text).into()),
            value => value,
        };
        (words(&code), value)
    });
    Ok(Account { id: words(&account.id), name: words(&account.name), facts: facts.collect() })
}

/// Takes the objects of an account: each has a name, and no two have the same.
pub(crate) fn objects_from_guest(
    objects: Vec<calls::ObjectInfo>,
) -> Result<Vec<ObjectInfo>, ContractBreach> {
    let mut names = BTreeSet::new();
    let object = |object: calls::ObjectInfo| {
        let name = without_nul(object.name)?;
        if name.is_empty() {
            return Err(ContractBreach::new("an object has no name"));
        }
        if !names.insert(name.clone()) {
            let name = words(&name);
            return Err(ContractBreach::new(format!("it lists the object {name} twice")));
        }
        Ok(ObjectInfo {
            name,
            label: words(&object.label),
            actions: object.actions.iter().map(|action| words(action)).collect(),
            custom: object.custom,
            facts: attributes_from_guest(object.facts)?,
        })
    };
    objects.into_iter().map(object).collect()
}

/// The memo of an object's schema, if it has one.
type ObjectMemo = (String, Option<Vec<u8>>);

/// Takes the memos out of schemas, by object.
pub(crate) fn memos_from_guest(
    schemas: &mut [calls::Schema],
) -> Result<Vec<ObjectMemo>, ContractBreach> {
    let memo = |schema: &mut calls::Schema| {
        let memo = schema.memo.take();
        if memo.as_ref().is_some_and(|memo| memo.len() > MEMO_BYTES_MAX) {
            return Err(ContractBreach::Limit(LimitReached::new(Cap::Memo, MEMO_BYTES_MAX)));
        }
        Ok((schema.object.clone(), memo))
    };
    schemas.iter_mut().map(memo).collect()
}

/// Takes one schema per object asked for, in any order.
pub(crate) fn schemas_from_guest(
    schemas: Vec<calls::Schema>,
    objects: &[String],
) -> Result<Vec<Schema>, ContractBreach> {
    if let Some(object) =
        objects.iter().find(|object| !schemas.iter().any(|schema| schema.object == **object))
    {
        return Err(ContractBreach::new(format!("it gave no schema of {object:?}")));
    }
    schemas.into_iter().map(schema_from_guest).collect()
}

fn schema_from_guest(schema: calls::Schema) -> Result<Schema, ContractBreach> {
    let field = |field: calls::Field| -> Result<SchemaField, ContractBreach> {
        Ok(SchemaField {
            name: field.name,
            label: words(&field.label),
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
            facts: attributes_from_guest(field.facts)?,
        })
    };
    Ok(Schema {
        object: schema.object,
        label: words(&schema.label),
        fields: schema.fields.into_iter().map(field).collect::<Result<_, _>>()?,
        facts: attributes_from_guest(schema.facts)?,
    })
}
