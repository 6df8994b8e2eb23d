//! The apps and their first records. Hundreds share one minute, as after an import (K-value-3).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::app::{App, Record};
use crate::form::{Field, FieldType};

/// The import: 2024-04-01T09:00:00Z.
const IMPORTED: i64 = 1_711_962_000;
const CUSTOMERS: u64 = 730;
const DEALS: u64 = 130;

/// Both apps, with ids 1 and 2.
pub fn apps() -> Vec<App> {
    vec![
        app(1, "customers", "顧客リスト", customer_fields(), CUSTOMERS, customer),
        app(2, "deals", "案件管理", deal_fields(), DEALS, deal),
    ]
}

fn app(
    id: u64,
    object: &'static str,
    name: &'static str,
    fields: Vec<Field>,
    count: u64,
    make: fn(u64) -> BTreeMap<&'static str, Json>,
) -> App {
    let records = (1..=count).map(|id| {
        let updated = IMPORTED + if id.is_multiple_of(100) { 60 } else { 0 };
        (id, Record { id, revision: 1, created: IMPORTED, updated, cells: make(id) })
    });
    let records = records.collect();
    App { id, object, name, fields, records, deleted: BTreeSet::new(), last_id: count }
}

fn system_fields() -> Vec<Field> {
    vec![
        Field::new("レコード番号", "レコード番号", FieldType::RecordNumber),
        Field::new("作成者", "作成者", FieldType::Creator),
        Field::new("作成日時", "作成日時", FieldType::CreatedTime),
        Field::new("更新日時", "更新日時", FieldType::UpdatedTime),
        Field {
            unique: true,
            max_length: Some(64),
            ..Field::new("renkei_key", "Renkei", FieldType::Text)
        },
    ]
}

fn customer_fields() -> Vec<Field> {
    let text = |code, label| Field::new(code, label, FieldType::Text);
    let mut fields = system_fields();
    fields.extend([
        Field { required: true, max_length: Some(128), ..text("会社名", "会社名") },
        Field { unique: true, max_length: Some(64), ..text("mail", "メールアドレス") },
        text("tel", "電話番号"),
        Field::new("memo", "備考", FieldType::LongText),
        Field::new("site", "サイト", FieldType::Link),
        Field { unique: true, ..Field::new("code", "顧客番号", FieldType::Number) },
        Field {
            options: &["見込み", "取引中", "休眠"],
            ..Field::new("rank", "区分", FieldType::DropDown)
        },
        Field {
            options: &["展示会", "紹介", "Web"],
            ..Field::new("sources", "きっかけ", FieldType::CheckBox)
        },
        Field::new("since", "取引開始日", FieldType::Date),
        Field::new("persons", "担当者表", FieldType::Table),
    ]);
    fields
}

fn deal_fields() -> Vec<Field> {
    let mut fields = system_fields();
    fields.extend([
        Field { required: true, ..Field::new("title", "案件名", FieldType::Text) },
        Field::new("amount", "金額", FieldType::Number),
        Field::new("next", "次回予定", FieldType::DateTime),
        Field {
            options: &["A", "B", "C"],
            default: Some("C"),
            ..Field::new("degree", "確度", FieldType::RadioButton)
        },
    ]);
    fields
}

fn customer(id: u64) -> BTreeMap<&'static str, Json> {
    let rank = ["見込み", "取引中", "休眠"].into_iter().cycle().nth(id as usize % 3);
    BTreeMap::from([
        ("会社名", json!(format!("株式会社サンプル{id}"))),
        ("mail", json!(format!("info{id}@sample{id}.example.jp"))),
        ("tel", json!(format!("03-{:04}-{:04}", id % 10_000, id * 7 % 10_000))),
        ("memo", json!(if id.is_multiple_of(5) { "一行目\n二行目 \"引用\"" } else { "" })),
        ("site", json!("")),
        ("code", json!((10_000 + id).to_string())),
        ("rank", json!(rank)),
        ("sources", if id.is_multiple_of(2) { json!(["紹介", "Web"]) } else { json!([]) }),
        ("since", if id.is_multiple_of(4) { json!("2020-02-29") } else { Json::Null }),
        ("persons", json!([])),
        ("renkei_key", json!("")),
    ])
}

fn deal(id: u64) -> BTreeMap<&'static str, Json> {
    BTreeMap::from([
        ("title", json!(format!("案件{id}"))),
        ("amount", json!(format!("{}.50", id * 1000))),
        ("next", if id.is_multiple_of(3) { json!("2024-05-01T01:30:00Z") } else { Json::Null }),
        ("degree", json!(if id.is_multiple_of(2) { "A" } else { "C" })),
        ("renkei_key", json!("")),
    ])
}
