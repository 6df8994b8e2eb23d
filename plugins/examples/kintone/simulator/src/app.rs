//! One app: its fields, its records, and what a query finds among them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use crate::form::{Field, FieldType};
use crate::query::{Condition, Query};
use crate::refusal::Refusal;
use crate::time;

/// One record. Cells of system fields are made when it is read.
#[derive(Debug, Clone)]
pub struct Record {
    pub id: u64,
    pub revision: u64,
    pub created: i64,
    pub updated: i64,
    pub cells: BTreeMap<&'static str, Json>,
}

/// An app and all its records.
#[derive(Debug)]
pub struct App {
    pub id: u64,
    /// The name of the object that the conformance kit asks for.
    pub object: &'static str,
    pub name: &'static str,
    pub fields: Vec<Field>,
    pub records: BTreeMap<u64, Record>,
    pub deleted: BTreeSet<u64>,
    pub last_id: u64,
}

impl App {
    pub fn field(&self, code: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.code == code)
    }

    /// `app.json` (K-app-1).
    pub fn to_json(&self) -> Json {
        let person = json!({ "code": "admin", "name": "Administrator" });
        json!({
            "appId": self.id.to_string(), "code": "", "name": self.name, "description": "",
            "createdAt": "2024-04-01T01:02:03.000Z", "creator": person,
            "modifiedAt": "2024-04-02T01:02:03.000Z", "modifier": person,
            "spaceId": null, "threadId": null,
        })
    }

    /// `app/form/fields.json`.
    pub fn form(&self) -> Json {
        let fields = self.fields.iter();
        let properties: Map<String, Json> =
            fields.map(|field| (field.code.to_owned(), field.to_json())).collect();
        json!({ "properties": properties, "revision": "3" })
    }

    /// The records that a query finds, with these fields or all.
    pub fn find(&self, query: &Query, fields: &[String]) -> Result<Vec<Json>, Refusal> {
        self.check(&query.condition)?;
        for (field, _) in &query.order {
            self.kind_of(field)?;
        }
        let all = self.records.values();
        let mut found: Vec<&Record> =
            all.filter(|record| self.holds(&query.condition, record)).collect();
        found.sort_by(|a, b| self.compare(&query.order, a, b));
        let page = found.into_iter().skip(query.offset).take(query.limit);
        Ok(page.map(|record| self.show(record, fields)).collect())
    }

    pub fn count(&self, query: &Query) -> usize {
        self.records.values().filter(|record| self.holds(&query.condition, record)).count()
    }

    fn kind_of(&self, code: &str) -> Result<FieldType, Refusal> {
        if code == "$id" {
            return Ok(FieldType::RecordNumber);
        }
        self.field(code).map(|field| field.kind).ok_or_else(|| {
            let message = format!("指定されたフィールド（{code}）が見つかりません。");
            Refusal::new(400, "GAIA_IQ11", message)
        })
    }

    fn check(&self, condition: &Condition) -> Result<(), Refusal> {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => {
                parts.iter().try_for_each(|part| self.check(part))
            }
            Condition::Compare { field, operator, .. } => {
                if self.kind_of(field)?.allows(operator) {
                    return Ok(());
                }
                let message = format!(
                    "{field}フィールドのフィールドタイプには演算子{operator}を使用できません。"
                );
                Err(Refusal::new(400, "GAIA_IQ03", message))
            }
        }
    }

    fn holds(&self, condition: &Condition, record: &Record) -> bool {
        match condition {
            Condition::All(parts) => parts.iter().all(|part| self.holds(part, record)),
            Condition::Any(parts) => parts.iter().any(|part| self.holds(part, record)),
            Condition::Compare { field, operator, values } => {
                let Ok(kind) = self.kind_of(field) else {
                    return false;
                };
                let cell = self.cell(record, field);
                let orders = values.iter().map(|value| compare_cell(kind, &cell, value));
                let mut orders = orders.collect::<Vec<_>>().into_iter();
                match *operator {
                    "=" | "in" => orders.any(|order| order == Some(Ordering::Equal)),
                    "!=" | "not in" => orders.all(|order| order != Some(Ordering::Equal)),
                    "<" => orders.any(|order| order == Some(Ordering::Less)),
                    ">" => orders.any(|order| order == Some(Ordering::Greater)),
                    "<=" => orders.any(|order| order.is_some_and(Ordering::is_le)),
                    _ => orders.any(|order| order.is_some_and(Ordering::is_ge)),
                }
            }
        }
    }

    /// The order asked for; without one, the newest first.
    fn compare(&self, order: &[(String, bool)], a: &Record, b: &Record) -> Ordering {
        for (field, ascending) in order {
            let Ok(kind) = self.kind_of(field) else {
                continue;
            };
            let other = self.cell(b, field);
            let other = other.as_str().unwrap_or_default();
            let found = compare_cell(kind, &self.cell(a, field), other).unwrap_or(Ordering::Equal);
            let found = if *ascending { found } else { found.reverse() };
            if found != Ordering::Equal {
                return found;
            }
        }
        b.id.cmp(&a.id)
    }

    fn cell(&self, record: &Record, code: &str) -> Json {
        if code == "$id" {
            return record.id.to_string().into();
        }
        match self.field(code).map(|field| field.kind) {
            Some(FieldType::RecordNumber) => record.id.to_string().into(),
            Some(FieldType::CreatedTime) => time::format(record.created).into(),
            Some(FieldType::UpdatedTime) => time::format(record.updated).into(),
            Some(FieldType::Creator) => json!({ "code": "admin", "name": "Administrator" }),
            _ => record.cells.get(code).cloned().unwrap_or_default(),
        }
    }

    /// A record as the API shows it (K-value-1, K-value-2).
    fn show(&self, record: &Record, fields: &[String]) -> Json {
        let wanted = |code: &str| fields.is_empty() || fields.iter().any(|field| field == code);
        let mut shown = Map::new();
        for field in self.fields.iter().filter(|field| wanted(field.code)) {
            let value = self.cell(record, field.code);
            let cell = json!({ "type": field.kind.name(), "value": value });
            shown.insert(field.code.to_owned(), cell);
        }
        if wanted("$id") {
            let cell = json!({ "type": "__ID__", "value": record.id.to_string() });
            shown.insert("$id".to_owned(), cell);
        }
        if wanted("$revision") {
            let cell = json!({ "type": "__REVISION__", "value": record.revision.to_string() });
            shown.insert("$revision".to_owned(), cell);
        }
        shown.into()
    }
}

/// The order of a cell and a value of a query; none where they cannot be compared.
fn compare_cell(kind: FieldType, cell: &Json, value: &str) -> Option<Ordering> {
    if let Some(all) = cell.as_array() {
        let has = all.iter().any(|one| one == value) || (all.is_empty() && value.is_empty());
        return has.then_some(Ordering::Equal);
    }
    let text = cell.as_str().unwrap_or_default();
    match kind {
        FieldType::RecordNumber | FieldType::Number if !value.is_empty() => {
            text.parse::<f64>().ok()?.partial_cmp(&value.parse::<f64>().ok()?)
        }
        FieldType::CreatedTime | FieldType::UpdatedTime | FieldType::DateTime
            if !value.is_empty() =>
        {
            Some(time::parse(text)?.cmp(&time::parse(value)?))
        }
        FieldType::Date if text.is_empty() && !value.is_empty() => None,
        _ => Some(text.cmp(value)),
    }
}
