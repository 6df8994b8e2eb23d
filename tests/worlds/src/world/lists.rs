//! Columns that hold several records: a write names what it adds and what goes, the rest stays.

use renkei_model::record::{Operation, WriteRequest};
use renkei_model::value::{SmolStr, Value};

use super::{Place, World};

impl World {
    /// The operation with the whole of the lists that it changes: what they hold besides stays.
    pub(super) fn beside_others(
        &self,
        at: &Place,
        request: &WriteRequest,
        operation: &Operation,
    ) -> Operation {
        let ids = |value: &Value| match value {
            Value::References(ids) => ids.clone(),
            _ => Vec::new(),
        };
        let goes = |column: &str, id: &str| {
            let named = format!("{} {column} {id}", operation.intent);
            request.options.iter().any(|(code, value)| {
                code == "removes"
                    && matches!(value, Value::Choices(all) if all.iter().any(|one| *one == named))
            })
        };
        let mut operation = operation.clone();
        let table = self.tables.get(at);
        for (column, cell) in request.columns.iter().zip(&mut operation.cells) {
            let held =
                operation.id.as_ref().and_then(|id| table?.records.get(id)?.cells.get(column));
            let (Some(cell), Some(held)) = (cell, held) else { continue };
            if table.is_some_and(|table| table.lists.contains(column)) {
                let mut all = ids(cell);
                let rest = ids(held).into_iter().filter(|id| !id.is_empty() && !all.contains(id));
                let rest: Vec<SmolStr> = rest.filter(|id| !goes(column, id)).collect();
                if all.is_empty() && !rest.is_empty() {
                    all.push(SmolStr::default());
                }
                all.extend(rest);
                *cell = if all.is_empty() { Value::Null } else { Value::References(all) };
            }
        }
        operation
    }
}
