//! The requests of a write, and the operations in each. Pure.
//!
//! A batch takes 100 inputs of one verb and refuses an id that it holds twice (`API.md`,
//! H-batch-6). So two operations on one record go into two requests, in their order.

use std::collections::BTreeSet;

use renkei_sdk::{Action, Operation, Outcome, Problem, Remedy, Value, WriteRequest};
use serde_json::{Map, Value as Json, json};

use crate::associations;
use crate::value;

/// Inputs of one batch (H-batch-1).
const BATCH_MAX: usize = 100;

/// The endpoint of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BatchVerb {
    Create,
    Update,
    /// Create or update by this unique property.
    Upsert(String),
    Archive,
}

/// One operation in a request.
#[derive(Debug, Clone)]
pub(super) struct PlannedOperation<'a> {
    /// Its place in the host's request; also its `objectWriteTraceId`.
    pub(super) index: usize,
    /// The id, or the value of an upsert's property; empty for a create.
    pub(super) key: String,
    pub(super) operation: &'a Operation,
}

/// Operations that go out together.
#[derive(Debug)]
pub(super) struct WriteBatch<'a> {
    pub(super) verb: BatchVerb,
    pub(super) items: Vec<PlannedOperation<'a>>,
    keys: BTreeSet<String>,
}

/// The plan for one operation.
#[derive(Debug)]
pub(super) enum PlannedStep {
    Send(BatchVerb, String),
    /// Nothing but associations changes in the record with this id.
    RelateOnly(String),
    Refuse(Outcome),
}

/// Decides how an operation is sent; `stamp` is the property that holds intents, if there is one.
pub(super) fn plan_step(
    request: &WriteRequest,
    operation: &Operation,
    stamp: Option<&str>,
) -> PlannedStep {
    let id = operation.id.clone().unwrap_or_default();
    let key = operation.one_key();
    match (operation.action, stamp, key) {
        (Action::Create, Some(stamp), _) => {
            PlannedStep::Send(BatchVerb::Upsert(stamp.to_owned()), operation.intent.clone())
        }
        (Action::Create, None, _) => PlannedStep::Send(BatchVerb::Create, String::new()),
        (Action::Upsert, _, Some(key)) => match request.cell(operation, key).map(value::write_text)
        {
            Some(value) if !value.is_empty() => {
                PlannedStep::Send(BatchVerb::Upsert(key.to_owned()), value)
            }
            _ => refuse("key-missing", "the upsert has no value for its key"),
        },
        (Action::Update | Action::Archive, ..) if id.is_empty() => {
            refuse("id-missing", "the operation names no record")
        }
        (Action::Update, ..) if written_properties(request, operation).is_empty() => {
            PlannedStep::RelateOnly(id)
        }
        (Action::Update, ..) => PlannedStep::Send(BatchVerb::Update, id),
        (Action::Archive, ..) => PlannedStep::Send(BatchVerb::Archive, id),
        (Action::Upsert, ..) if !operation.key.is_empty() => {
            refuse("unsupported", "HubSpot upserts by one property")
        }
        (Action::Upsert, ..) => refuse("key-missing", "the upsert names no key"),
        // H-merge-5.
        (Action::Restore, ..) => refuse("unsupported", "HubSpot restores records by hand only"),
    }
}

fn refuse(code: &str, message: &str) -> PlannedStep {
    PlannedStep::Refuse(Outcome::rejected(Problem::new(code, message, Remedy::Plugin)))
}

impl<'a> WriteBatch<'a> {
    /// Puts an item into the first batch of its verb that has room and not yet its record.
    pub(super) fn place_operation(
        batches: &mut Vec<Self>,
        verb: BatchVerb,
        item: PlannedOperation<'a>,
    ) {
        let fits = |batch: &&mut Self| {
            batch.verb == verb
                && batch.items.len() < BATCH_MAX
                && (item.key.is_empty() || !batch.keys.contains(&item.key))
        };
        match batches.iter_mut().find(fits) {
            Some(batch) => {
                batch.keys.insert(item.key.clone());
                batch.items.push(item);
            }
            None => {
                let keys = BTreeSet::from([item.key.clone()]);
                batches.push(Self { verb, items: vec![item], keys });
            }
        }
    }
}

/// The body's `inputs` entry of one operation.
pub(super) fn make_input(
    request: &WriteRequest,
    verb: &BatchVerb,
    item: &PlannedOperation<'_>,
) -> Json {
    let mut properties = written_properties(request, item.operation);
    let trace = item.index.to_string();
    match verb {
        BatchVerb::Archive => json!({ "id": item.key }),
        BatchVerb::Update => {
            json!({ "id": item.key, "properties": properties, "objectWriteTraceId": trace })
        }
        BatchVerb::Create => json!({ "properties": properties, "objectWriteTraceId": trace }),
        BatchVerb::Upsert(property) => {
            properties.insert(property.clone(), item.key.clone().into());
            json!({
                "id": item.key,
                "idProperty": property,
                "properties": properties,
                "objectWriteTraceId": trace,
            })
        }
    }
}

/// The properties that an operation writes. A create has nothing to clear.
fn written_properties(request: &WriteRequest, operation: &Operation) -> Map<String, Json> {
    let create = operation.action == Action::Create;
    let clears_nothing = |value: &Value| create && value.is_null();
    let written = request
        .present(operation)
        .filter(|(column, value)| !associations::is_column(column) && !clears_nothing(value));
    written.map(|(column, value)| (column.to_owned(), value::write_text(value).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(action: Action, id: Option<&str>, cells: Vec<Option<Value>>) -> Operation {
        Operation::new("i-1", action, id, cells)
    }

    fn request(operations: Vec<Operation>) -> WriteRequest {
        let columns = ["email", "phone", "associations.companies"];
        WriteRequest::new("contacts", columns, operations)
    }

    fn body(
        action: Action,
        id: Option<&str>,
        cells: Vec<Option<Value>>,
        stamp: Option<&str>,
    ) -> Json {
        let request = request(vec![operation(action, id, cells)]);
        let operation = &request.operations[0];
        let PlannedStep::Send(verb, key) = plan_step(&request, operation, stamp) else {
            panic!("not sent")
        };
        make_input(&request, &verb, &PlannedOperation { index: 4, key, operation })
    }

    fn cells() -> Vec<Option<Value>> {
        vec![
            Some("a@example.jp".into()),
            Some(Value::Null),
            Some(Value::References(vec!["5".into()])),
        ]
    }

    #[test]
    fn create_is_an_upsert_by_its_intent_where_that_can_be_kept() {
        assert_eq!(
            body(Action::Create, None, cells(), Some("renkei_id")),
            json!({
                "id": "i-1", "idProperty": "renkei_id", "objectWriteTraceId": "4",
                "properties": { "email": "a@example.jp", "renkei_id": "i-1" }
            })
        );
        assert_eq!(
            body(Action::Create, None, cells(), None),
            json!({ "objectWriteTraceId": "4", "properties": { "email": "a@example.jp" } })
        );
    }

    #[test]
    fn update_clears_what_is_null_and_leaves_alone_what_is_absent() {
        assert_eq!(
            body(Action::Update, Some("9"), vec![None, Some(Value::Null), None], Some("renkei_id")),
            json!({ "id": "9", "objectWriteTraceId": "4", "properties": { "phone": "" } })
        );
    }

    #[test]
    fn unsendable_operation_is_refused_or_only_related() {
        let check = |action, id, cells, expected: &str| {
            let request = request(vec![operation(action, id, cells)]);
            let step = format!("{:?}", plan_step(&request, &request.operations[0], None));
            assert!(step.contains(expected), "{step}");
        };
        check(Action::Update, None, cells(), "id-missing");
        check(Action::Restore, Some("9"), cells(), "unsupported");
        check(Action::Upsert, None, cells(), "key-missing");
        let twice = operation(Action::Upsert, None, cells()).by_key("email").by_key("phone");
        let step = plan_step(&request(vec![twice.clone()]), &twice, None);
        assert!(matches!(&step, PlannedStep::Refuse(_)), "{step:?}");
        let only_companies = vec![None, None, Some(Value::Null)];
        check(Action::Update, Some("9"), only_companies, "RelateOnly(\"9\")");
    }

    #[test]
    fn batches_hold_a_hundred_and_no_record_twice() {
        let operations: Vec<Operation> =
            (0..250).map(|_| operation(Action::Update, Some("1"), Vec::new())).collect();
        let sizes = |ids: &dyn Fn(usize) -> String| {
            let mut batches = Vec::new();
            for (index, operation) in operations.iter().enumerate() {
                let item = PlannedOperation { index, key: ids(index), operation };
                WriteBatch::place_operation(&mut batches, BatchVerb::Update, item);
            }
            batches.iter().map(|batch| batch.items.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&|index| index.to_string()), [100, 100, 50]);
        assert_eq!(sizes(&|index| (index % 125).to_string()), [100, 100, 50]);
        assert_eq!(sizes(&|_| String::new()), [100, 100, 50]);
        assert_eq!(sizes(&|_| "same".into()).len(), 250);
    }
}
