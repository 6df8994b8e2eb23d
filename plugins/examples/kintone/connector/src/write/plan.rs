//! From operations to requests: which records go out together, and what is said of each.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::bindings::exports::renkei::plugin::connector::{
    Action, Operation, Outcome, WriteRequest,
};
use crate::bindings::renkei::plugin::types::{Problem, Value};
use crate::client::form::{Form, STAMP};
use crate::error::problem;
use crate::find::read_id;
use crate::value::write_value;

/// The most records of a request (K-write-1).
const RECORDS_MAX: usize = 100;

/// The kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Insert,
    Update,
    Upsert,
    Delete,
}

/// One operation, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The place of its operation, and so of its outcome.
    pub(super) index: usize,
    pub(super) lane: Lane,
    /// The record that an update or a deletion names.
    pub(super) id: Option<u64>,
    /// Field and value of an `updateKey`.
    pub(super) key: Option<(String, Json)>,
    pub(super) revision: Option<String>,
    /// Cells by field code.
    pub(super) cells: Map<String, Json>,
}

impl Item {
    /// The value that a field gets, as kintone compares it.
    pub(super) fn sent_text(&self, field: &str) -> Option<&str> {
        let key = self.key.as_ref().filter(|(name, _)| name == field).map(|(_, value)| value);
        let sent = key.or_else(|| self.cells.get(field)?.get("value"))?;
        sent.as_str().filter(|text| !text.is_empty())
    }

    /// The record that it touches, so that no request names one twice (K-write-6).
    fn target(&self) -> Option<String> {
        match (&self.id, &self.key) {
            (Some(id), _) => Some(id.to_string()),
            (None, Some((_, value))) => Some(value.to_string()),
            (None, None) => None,
        }
    }
}

/// The operations as items, and outcomes of those that no request can carry.
pub(super) fn plan(form: &Form, request: &WriteRequest) -> (Vec<Item>, Vec<(usize, Outcome)>) {
    let mut items = Vec::new();
    let mut refused = Vec::new();
    for (index, operation) in request.operations.iter().enumerate() {
        match make_item(form, &request.columns, index, operation) {
            Ok(item) => items.push(item),
            Err(outcome) => refused.push((index, outcome)),
        }
    }
    (items, refused)
}

fn rejected(problem: Problem) -> Outcome {
    Outcome::Rejected(vec![problem])
}

fn make_item(
    form: &Form,
    columns: &[String],
    index: usize,
    operation: &Operation,
) -> Result<Item, Outcome> {
    let lane = match operation.action {
        Action::Create => Lane::Insert,
        Action::Update => Lane::Update,
        Action::Upsert => Lane::Upsert,
        Action::Archive => Lane::Delete,
        Action::Restore => {
            let message = "kintone brings no deleted record back";
            return Err(rejected(problem("restore", message, "nobody")));
        }
    };
    let revision = operation.if_version.clone();
    let mut item = Item { index, lane, id: None, key: None, revision, cells: Map::new() };
    if matches!(lane, Lane::Update | Lane::Delete) {
        // What is no number was never an id of kintone's, so nothing is there.
        let id = operation.id.as_deref().and_then(read_id);
        item.id = Some(id.ok_or(Outcome::Gone)?);
    }
    if lane == Lane::Delete {
        return Ok(item);
    }
    for (column, cell) in columns.iter().zip(&operation.cells) {
        let Some(value) = cell else { continue };
        let sent = make_cell(form, column, value).map_err(rejected)?;
        item.cells.insert(column.clone(), json!({ "value": sent }));
    }
    match lane {
        Lane::Insert if form.has_stamp() => {
            item.cells.insert(STAMP.to_owned(), json!({ "value": operation.intent }));
        }
        Lane::Upsert => item.key = Some(take_key(form, operation, &mut item.cells)?),
        _ => {}
    }
    Ok(item)
}

/// kintone takes unknown fields and ignores them (K-form-3), so they are refused here.
fn make_cell(form: &Form, column: &str, value: &Value) -> Result<Json, Problem> {
    let blame =
        |message| Problem { field: Some(column.to_owned()), ..problem("field", message, "admin") };
    let field = form.field(column).ok_or_else(|| blame("the app has no such field"))?;
    if !field.writable {
        return Err(blame("kintone alone writes this field"));
    }
    write_value(field, value)
}

/// The key of an upsert, out of the cells: kintone fills it in by itself (K-write-4).
fn take_key(
    form: &Form,
    operation: &Operation,
    cells: &mut Map<String, Json>,
) -> Result<(String, Json), Outcome> {
    let refuse = |message, remedy| {
        Err(rejected(Problem {
            field: operation.key.first().cloned(),
            ..problem("key", message, remedy)
        }))
    };
    let [key] = operation.key.as_slice() else {
        return refuse("an upsert needs one key", "plugin");
    };
    if !form.field(key).is_some_and(|field| field.is_key) {
        let message = "only text of one line and numbers that prohibit duplicates can be a key";
        return refuse(message, "admin");
    }
    match cells.remove(key).and_then(|mut cell| cell.get_mut("value").map(Json::take)) {
        Some(Json::String(value)) if !value.is_empty() => Ok((key.clone(), value.into())),
        _ => refuse("an upsert whose key is empty", "source-data"),
    }
}

/// Items of one lane together, no more than a request takes, and no record twice in one.
pub(super) fn group(items: Vec<Item>) -> Vec<Vec<Item>> {
    let mut groups = Vec::new();
    for lane in [Lane::Insert, Lane::Update, Lane::Upsert, Lane::Delete] {
        let mut waiting: Vec<Item> =
            items.iter().filter(|item| item.lane == lane).cloned().collect();
        while !waiting.is_empty() {
            let mut seen = BTreeSet::new();
            let (mut group, mut later) = (Vec::new(), Vec::new());
            for item in waiting {
                let is_free = item.target().is_none_or(|target| !seen.contains(&target));
                if group.len() < RECORDS_MAX && is_free {
                    seen.extend(item.target());
                    group.push(item);
                } else {
                    // What follows of the same record keeps its order.
                    seen.extend(item.target());
                    later.push(item);
                }
            }
            groups.push(group);
            waiting = later;
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::{Action, Lane, Operation, Outcome, Value, WriteRequest, group, plan};
    use crate::client::form::tests::form;

    fn operation(action: Action, id: Option<&str>, cells: Vec<Option<Value>>) -> Operation {
        let key = (action == Action::Upsert).then(|| "mail".to_owned()).into_iter().collect();
        let (intent, id) = ("i".to_owned(), id.map(str::to_owned));
        Operation { intent, action, id, key, if_version: None, cells, options: vec![] }
    }

    fn request(columns: &[&str], operations: Vec<Operation>) -> WriteRequest {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        let object = "customers".to_owned();
        WriteRequest { object, columns, operations, memo: None, options: vec![] }
    }

    fn text(text: &str) -> Option<Value> {
        Some(Value::Text(text.to_owned()))
    }

    #[test]
    fn create_carries_the_stamp_and_upsert_its_key() {
        let operations = vec![
            operation(Action::Create, None, vec![text("a@x"), None]),
            operation(Action::Upsert, None, vec![text("b@x"), text("note")]),
        ];
        let (items, refused) = plan(&form(), &request(&["mail", "memo"], operations));
        assert!(refused.is_empty(), "{refused:?}");
        assert_eq!(items[0].sent_text("renkei_key"), Some("i"));
        assert!(!items[0].cells.contains_key("memo"), "absent is left out");
        assert_eq!(items[1].key, Some(("mail".to_owned(), "b@x".into())));
        assert!(!items[1].cells.contains_key("mail") && items[1].cells.contains_key("memo"));
    }

    #[test]
    fn what_no_request_can_carry_is_refused_here() {
        for (columns, one) in [
            (["rows"], operation(Action::Create, None, vec![text("x")])),
            (["price"], operation(Action::Update, Some("3"), vec![text("1")])),
            (["mail"], operation(Action::Upsert, None, vec![Some(Value::Null)])),
            (["mail"], operation(Action::Restore, Some("3"), vec![None])),
        ] {
            let (items, refused) = plan(&form(), &request(&columns, vec![one]));
            assert!(items.is_empty(), "{items:?}");
            assert!(matches!(refused[..], [(0, Outcome::Rejected(_))]), "{refused:?}");
        }
        let gone = operation(Action::Archive, Some("no number"), vec![None]);
        let (_, refused) = plan(&form(), &request(&["mail"], vec![gone]));
        assert_eq!(refused, [(0, Outcome::Gone)]);
    }

    #[test]
    fn groups_are_small_and_name_no_record_twice() {
        let one = |index: usize| operation(Action::Update, Some(["4", "5"][index % 2]), vec![None]);
        let mut operations: Vec<Operation> = (0..4).map(one).collect();
        operations.extend((0..230).map(|_| operation(Action::Create, None, vec![None])));
        let (items, _) = plan(&form(), &request(&["memo"], operations));
        let groups = group(items);
        let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
        assert_eq!(sizes, [100, 100, 30, 2, 2]);
        let updates: Vec<usize> = groups[3..].iter().flatten().map(|item| item.index).collect();
        assert_eq!(updates, [0, 1, 2, 3]);
        assert!(groups.iter().flatten().all(|item| item.lane != Lane::Delete));
    }
}
