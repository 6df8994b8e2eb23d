//! Operations that the write checks send, and their outcomes in words.

use renkei_model::record::{Action, Applied, Operation, Outcome as Written, WriteRequest};
use renkei_model::value::{Cell, Value};

use super::fields::ChosenFields;
use super::trial::ConnectorTrial;
use crate::report::NotPassed;

/// A create of one record, unlike all others of this run.
pub(super) fn create_request(
    trial: &ConnectorTrial<'_>,
    object: &str,
    chosen: &ChosenFields,
    word: &str,
) -> WriteRequest {
    let columns = write_columns(chosen);
    let intent = format!("{}-{object}-{word}", trial.run);
    let cells = row_cells(&columns, &chosen.fill, &[(&chosen.text, kit_text(word))]);
    let operation = new_operation(&intent, Action::Create, None, cells);
    let object = object.to_owned();
    WriteRequest { object, columns, operations: vec![operation], options: Vec::new() }
}

/// The columns of every write to an object.
pub(super) fn write_columns(chosen: &ChosenFields) -> Vec<String> {
    let mut columns = vec![chosen.text.clone()];
    let fill = chosen.fill.iter().map(|(name, _)| name.clone());
    let bad = chosen.bad.as_ref().map(|(name, ..)| name.clone());
    for name in chosen.other.iter().chain(&chosen.stamp).cloned().chain(fill).chain(bad) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns
}

/// The cells of one row: a value that is set, else one that a create needs, else absent.
pub(super) fn row_cells(
    columns: &[String],
    fill: &[(String, Value)],
    set: &[(&String, Value)],
) -> Vec<Cell> {
    let cell = |column: &String| {
        let set = set.iter().find(|(name, _)| *name == column).map(|(_, value)| value.clone());
        set.or_else(|| fill.iter().find(|(name, _)| name == column).map(|(_, v)| v.clone()))
    };
    columns.iter().map(cell).collect()
}

/// A text that the kit writes, recognisable by its beginning.
pub(super) fn kit_text(word: &str) -> Value {
    Value::Text(format!("Renkei kit 試験 {word}").into())
}

/// An operation without a key and without a version to compare.
pub(super) fn new_operation(
    intent: &str,
    action: Action,
    id: Option<&str>,
    cells: Vec<Cell>,
) -> Operation {
    let (intent, id) = (intent.to_owned(), id.map(str::to_owned));
    Operation { intent, action, id, key: Vec::new(), if_version: None, cells }
}

/// The applied writes; an outcome that is none is a finding.
pub(super) fn require_applied(outcomes: Vec<Written>) -> Result<Vec<Applied>, NotPassed> {
    let mut all = Vec::with_capacity(outcomes.len());
    for (place, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Written::Applied(applied) => all.push(applied),
            other => return Err(NotPassed::failed(format!("row {place}: {}", describe(&other)))),
        }
    }
    Ok(all)
}

/// An outcome in words.
pub(super) fn describe(outcome: &Written) -> String {
    match outcome {
        Written::Applied(applied) => format!("applied to {}", applied.id),
        Written::Rejected(problems) if problems.is_empty() => {
            "rejected without a reason".to_owned()
        }
        Written::Rejected(problems) => {
            let words =
                problems.iter().map(|problem| format!("{}: {}", problem.code, problem.message));
            format!("rejected ({})", words.collect::<Vec<_>>().join("; "))
        }
        other => format!("{other:?}"),
    }
}
