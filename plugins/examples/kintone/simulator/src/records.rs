//! Writes of several records: whole or not at all (K-write-1).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::app::{App, Record};
use crate::form::FieldType;
use crate::refusal::Refusal;
use crate::time;

const RECORDS_MAX: usize = 100;

type Errors = BTreeMap<String, Vec<String>>;

/// `POST records.json`.
pub fn add(app: &mut App, body: &Json) -> Result<Json, Refusal> {
    let records = records_of(body, "一度に100件までのレコードを追加できます。")?;
    let mut errors = Errors::new();
    let mut made = Vec::new();
    for (index, sent) in records.iter().enumerate() {
        let id = app.last_id + 1 + index as u64;
        made.push(merge(app, &blank(app, id), sent, index, &mut errors));
    }
    check_all(app, &made, &mut errors);
    Refusal::invalid(errors)?;
    let ids: Vec<String> = made.iter().map(|record| record.id.to_string()).collect();
    let revisions = vec!["1"; made.len()];
    store(app, made);
    Ok(json!({ "ids": ids, "revisions": revisions }))
}

/// `PUT records.json`, with or without `upsert`.
pub fn update(app: &mut App, body: &Json) -> Result<Json, Refusal> {
    let records = records_of(body, "一度に100件までのレコードを更新できます。")?;
    let upsert = body["upsert"] == true || body["upsert"] == "true";
    let mut errors = Errors::new();
    let mut changed = Vec::new();
    let mut answers = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next_id = app.last_id;
    for (index, sent) in records.iter().enumerate() {
        let target = target_of(app, sent, index)?;
        let before = match target {
            Target::Record(id) => match app.records.get(&id) {
                Some(record) => record.clone(),
                None if upsert => fresh(app, &mut next_id),
                None => return Err(Refusal::no_record(id)),
            },
            Target::Missing(code, ref value) if upsert => {
                let mut record = fresh(app, &mut next_id);
                record.cells.insert(code, value.clone());
                record
            }
            Target::Missing(..) => {
                let message =
                    "updateKeyフィールドで指定した条件に一致するレコードが見つかりません。";
                return Err(Refusal::new(404, "GAIA_RE20", message));
            }
        };
        if !seen.insert(before.id) {
            let message = "同じレコードが複数回指定されています。";
            return Err(Refusal::invalid_at(&format!("records[{index}]"), message));
        }
        check_revision(&before, &sent["revision"])?;
        let inserts = before.revision == 0;
        let after = merge(app, &before, &sent["record"], index, &mut errors);
        let (id, revision) = (after.id.to_string(), after.revision.to_string());
        let operation = if inserts { "INSERT" } else { "UPDATE" };
        answers.push(match upsert {
            true => json!({ "id": id, "revision": revision, "operation": operation }),
            false => json!({ "id": id, "revision": revision }),
        });
        changed.push(after);
    }
    check_all(app, &changed, &mut errors);
    Refusal::invalid(errors)?;
    store(app, changed);
    Ok(json!({ "records": answers }))
}

/// `DELETE records.json` (K-write-5).
pub fn delete(app: &mut App, body: &Json) -> Result<Json, Refusal> {
    let empty = Vec::new();
    let ids = body["ids"].as_array().unwrap_or(&empty);
    if ids.is_empty() || ids.len() > RECORDS_MAX {
        let message = "一度に1件から100件までのレコードを削除できます。";
        return Err(Refusal::invalid_at("ids", message));
    }
    let mut gone = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let place = format!("ids[{index}]");
        let id =
            number(id).ok_or_else(|| Refusal::invalid_at(&place, "整数でなければなりません。"))?;
        let record = app.records.get(&id).ok_or_else(|| Refusal::no_record(id))?;
        check_revision(record, &body["revisions"][index])?;
        gone.push(id);
    }
    for id in gone {
        app.records.remove(&id);
        app.deleted.insert(id);
    }
    Ok(json!({}))
}

fn records_of<'a>(body: &'a Json, too_many: &str) -> Result<&'a Vec<Json>, Refusal> {
    let records =
        body["records"].as_array().ok_or_else(|| Refusal::invalid_at("records", "必須です。"))?;
    if records.len() > RECORDS_MAX {
        return Err(Refusal::invalid_at("records", too_many));
    }
    Ok(records)
}

/// A number, sent as one or as text.
pub fn number(json: &Json) -> Option<u64> {
    json.as_u64().or_else(|| json.as_str()?.parse().ok())
}

enum Target {
    Record(u64),
    Missing(&'static str, Json),
}

fn target_of(app: &App, sent: &Json, index: usize) -> Result<Target, Refusal> {
    let key = &sent["updateKey"];
    if key.is_null() {
        let place = format!("records[{index}].id");
        let id = number(&sent["id"]).ok_or_else(|| Refusal::invalid_at(&place, "必須です。"))?;
        return Ok(Target::Record(id));
    }
    let place = format!("records[{index}].updateKey");
    let field = key["field"].as_str().and_then(|code| app.field(code));
    let Some(field) = field
        .filter(|field| field.unique && matches!(field.kind, FieldType::Text | FieldType::Number))
    else {
        return Err(Refusal::invalid_at(&place, "キーに指定できないフィールドです。"));
    };
    let value = field.normalize(&key["value"]).ok().filter(|value| !is_empty(value));
    let value = value.ok_or_else(|| Refusal::invalid_at(&place, "必須です。"))?;
    let found = app.records.values().find(|record| record.cells.get(field.code) == Some(&value));
    Ok(match found {
        Some(record) => Target::Record(record.id),
        None => Target::Missing(field.code, value),
    })
}

fn check_revision(record: &Record, wanted: &Json) -> Result<(), Refusal> {
    let any = wanted.is_null() || wanted == "" || wanted == -1 || wanted == "-1";
    if any || number(wanted) == Some(record.revision) {
        return Ok(());
    }
    Err(Refusal::old_revision())
}

/// A record that is not there yet; its revision is 0.
fn blank(app: &App, id: u64) -> Record {
    let own = app.fields.iter().filter(|field| !field.kind.is_system());
    let cells = own.map(|field| (field.code, field.initial())).collect();
    let now = time::now_minute();
    Record { id, revision: 0, created: now, updated: now, cells }
}

fn fresh(app: &App, next_id: &mut u64) -> Record {
    *next_id += 1;
    blank(app, *next_id)
}

/// The record with what was sent. Unknown fields are ignored (K-form-3).
fn merge(app: &App, before: &Record, sent: &Json, index: usize, errors: &mut Errors) -> Record {
    let mut after = before.clone();
    after.revision += 1;
    after.updated = time::now_minute();
    for field in app.fields.iter().filter(|field| !field.kind.is_system()) {
        let Some(cell) = sent.get(field.code) else {
            continue;
        };
        if field.kind == FieldType::Table {
            continue;
        }
        match field.normalize(&cell["value"]) {
            Ok(value) => {
                after.cells.insert(field.code, value);
            }
            Err((rest, message)) => {
                let place = match rest.as_str() {
                    "[]" => format!("records[{index}][{}].value", field.code),
                    rest => format!("records[{index}].{}{rest}", field.code),
                };
                errors.entry(place).or_default().push(message);
            }
        }
    }
    after
}

/// Required fields and unique values (K-value-5), over what is stored and what comes together.
fn check_all(app: &App, changed: &[Record], errors: &mut Errors) {
    let ids: BTreeSet<u64> = changed.iter().map(|record| record.id).collect();
    for (index, record) in changed.iter().enumerate() {
        for field in &app.fields {
            let value = record.cells.get(field.code).unwrap_or(&Json::Null);
            let suffix = if field.kind == FieldType::CheckBox { "values" } else { "value" };
            let place = format!("records[{index}].{}.{suffix}", field.code);
            if field.required && is_empty(value) {
                errors.entry(place).or_default().push("必須です。".to_owned());
                continue;
            }
            if !field.unique || is_empty(value) {
                continue;
            }
            let same = |other: &Record| other.cells.get(field.code) == Some(value);
            let stored = app.records.values().filter(|other| !ids.contains(&other.id)).any(same);
            if stored || changed.iter().take(index).any(same) {
                let message = "値がほかのレコードと重複しています。".to_owned();
                errors.entry(place).or_default().push(message);
            }
        }
    }
}

fn is_empty(value: &Json) -> bool {
    value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)
}

fn store(app: &mut App, records: Vec<Record>) {
    for record in records {
        app.last_id = app.last_id.max(record.id);
        app.records.insert(record.id, record);
    }
}
