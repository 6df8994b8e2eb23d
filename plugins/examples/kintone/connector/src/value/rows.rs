//! Records of an answer, and rows made of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::bindings::renkei::plugin::http::Method;
use crate::bindings::renkei::plugin::types::{Row, Value};
use crate::client::Job;
use crate::client::form::Form;
use crate::client::query::records_path;
use crate::config::App;
use crate::error::CallFailure;
use crate::value::read_value;
use crate::value::time::{parse_http_date, parse_moment};

/// The most records of one answer (K-read-1).
pub(crate) const RECORDS_MAX: u32 = 500;

#[derive(Debug, Deserialize)]
struct RecordsAnswer {
    records: Vec<BTreeMap<String, Cell>>,
}

#[derive(Debug, Deserialize)]
struct Cell {
    #[serde(default)]
    value: Json,
}

/// One record as kintone shows it.
#[derive(Debug)]
pub(crate) struct Record(BTreeMap<String, Cell>);

/// Some records in the order of their ids.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) records: Vec<Record>,
    /// The server's clock, from the header `date`.
    pub(crate) server_time: Option<i64>,
}

/// The records that meet a condition, in the order of ids.
pub(crate) fn list_records(
    job: &Job,
    app: &App,
    condition: &str,
    limit: u32,
    fields: &[&str],
) -> Result<Listing, CallFailure> {
    let path = records_path(app.id, condition, limit, fields);
    let answer = job.send(app, Method::Get, &path, None, true)?;
    let date = answer.headers.iter().find(|(name, _)| name == "date");
    let server_time = date.and_then(|(_, text)| parse_http_date(text));
    let read: Result<RecordsAnswer, _> = serde_json::from_slice(&answer.body);
    let records = read.map_err(|error| {
        let reason = format!("kintone's answer was not understood: {error}");
        CallFailure::Unanswered(crate::bindings::renkei::plugin::http::Failure::NoAnswer(reason))
    })?;
    Ok(Listing { records: records.records.into_iter().map(Record).collect(), server_time })
}

impl Record {
    fn text(&self, code: &str) -> Option<&str> {
        self.0.get(code).and_then(|cell| cell.value.as_str())
    }

    /// The id as text, and as the number by which pages go on.
    pub(crate) fn id(&self) -> Option<(&str, u64)> {
        let text = self.text("$id")?;
        Some((text, text.parse().ok()?))
    }

    pub(crate) fn revision(&self) -> Option<&str> {
        self.text("$revision")
    }

    /// The text of a field, for a comparison.
    pub(crate) fn field_text(&self, code: &str) -> Option<&str> {
        self.text(code)
    }

    /// The row with these columns; cells that cannot be read are absent and named.
    pub(crate) fn make_row(
        &self,
        form: &Form,
        columns: &[String],
        unreadable: &mut Vec<(String, Value)>,
    ) -> Option<Row> {
        let (id, _) = self.id()?;
        let mut cells = Vec::with_capacity(columns.len());
        for column in columns {
            let cell = form.field(column).zip(self.0.get(column));
            let Some((field, cell)) = cell else {
                cells.push(None);
                continue;
            };
            let value = read_value(field.kind, &cell.value);
            if value.is_none() {
                let place = vec![id.to_owned(), column.clone(), "kind".to_owned()];
                unreadable.push(("unreadable-cell".to_owned(), Value::Choices(place)));
            }
            cells.push(value);
        }
        let updated = form.updated.as_deref().and_then(|code| self.text(code));
        Some(Row {
            id: id.to_owned(),
            version: self.revision().map(str::to_owned),
            modified: updated.and_then(parse_moment),
            cells,
            facts: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Record, Value};
    use crate::client::form::tests::form;

    #[test]
    fn row_has_columns_version_and_minute() {
        let record = json!({
            "$id": { "type": "__ID__", "value": "7" },
            "$revision": { "type": "__REVISION__", "value": "3" },
            "更新日時": { "type": "UPDATED_TIME", "value": "2024-02-29T23:59:00Z" },
            "mail": { "type": "SINGLE_LINE_TEXT", "value": "a@example.jp" },
            "price": { "type": "NUMBER", "value": "many" },
        });
        let record = Record(serde_json::from_value(record).unwrap());
        let columns = ["price", "mail", "rows"].map(str::to_owned);
        let mut unreadable = Vec::new();
        let row = record.make_row(&form(), &columns, &mut unreadable).unwrap();
        assert_eq!((row.id.as_str(), row.version.as_deref()), ("7", Some("3")));
        assert_eq!(row.modified, Some(1_709_251_140_000));
        assert_eq!(row.cells, [None, Some(Value::Text("a@example.jp".to_owned())), None]);
        assert_eq!(unreadable.len(), 1);
    }
}
