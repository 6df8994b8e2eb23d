//! Writes, 50 contacts in a request; one outcome per operation, in order.

use renkei_sdk::http::Request;
use renkei_sdk::{Action, Applied, Operation, Outcome, Problem, Remedy, WriteRequest};
use serde_json::{Map, Value as Json};

use crate::client::send;
use crate::client::wire::{Change, Changed};
use crate::value::write_json;

/// The most changes that the API takes in one request.
const WRITE_ROWS_MAX: usize = 50;

/// Writes all operations of a request.
pub(crate) fn write_records(request: &WriteRequest) -> Vec<Outcome> {
    let chunks = request.operations.chunks(WRITE_ROWS_MAX);
    chunks.flat_map(|operations| write_chunk(request, operations)).collect()
}

/// One request. Whatever happens to it, each operation has its outcome.
fn write_chunk(request: &WriteRequest, operations: &[Operation]) -> Vec<Outcome> {
    let changes: Vec<Change> = operations.iter().map(|it| make_change(request, it)).collect();
    // Keys make it safe to repeat: the host may send it again.
    let post = Request::post("/contacts/write").json(&changes).repeatable();
    let all = |outcome: Outcome| vec![outcome; operations.len()];
    let answer = match send(&post) {
        Ok(answer) => answer,
        Err(failure) => return all(failure.into()),
    };
    match answer.json::<Vec<Changed>>() {
        Ok(changed) if changed.len() == operations.len() => {
            changed.into_iter().map(read_outcome).collect()
        }
        _ => all(Outcome::Uncertain("the answer does not fit the request".to_owned())),
    }
}

fn make_change(request: &WriteRequest, operation: &Operation) -> Change {
    let fields: Map<String, Json> = request
        .present(operation)
        .map(|(column, value)| (column.to_owned(), write_json(value)))
        .collect();
    Change {
        key: operation.intent.clone(),
        id: operation.id.clone(),
        delete: operation.action == Action::Archive,
        fields,
    }
}

fn read_outcome(changed: Changed) -> Outcome {
    match changed {
        Changed::Created { id } => Applied::created(id).into(),
        Changed::Updated { id } | Changed::Deleted { id } => Applied::updated(id).into(),
        Changed::Gone => Outcome::Gone,
        Changed::Exists { id } => Outcome::exists(id),
        Changed::Invalid { code, message, field } => {
            let problem = Problem::new(code, message, Remedy::SourceData);
            Outcome::rejected(Problem { field, ..problem })
        }
    }
}
