//! One request of records of one lane, and what was made of each.
//!
//! Additions are K-write-2, changes K-write-3, upserts K-write-4 and deletions K-write-5.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::bindings::exports::renkei::plugin::connector::Applied;
use crate::bindings::renkei::plugin::http::{Method, Response};
use crate::client::Job;
use crate::client::form::STAMP;
use crate::config::App;
use crate::error::CallFailure;

use super::plan::{Item, Lane};

const PATH: &str = "records.json";

#[derive(Deserialize)]
struct Added {
    ids: Vec<String>,
    revisions: Vec<String>,
}

#[derive(Deserialize)]
struct Updated {
    records: Vec<UpdatedRecord>,
}

#[derive(Deserialize)]
struct UpdatedRecord {
    id: String,
    revision: String,
    #[serde(default)]
    operation: String,
}

/// Sends items of one lane. Gives what was made, in order; none for an answer that does not fit.
pub(super) fn send(
    job: &Job,
    app: &App,
    group: &[Item],
) -> Result<Option<Vec<Applied>>, CallFailure> {
    let Some(first) = group.first() else {
        return Ok(Some(Vec::new()));
    };
    let method = match first.lane {
        Lane::Insert => Method::Post,
        Lane::Update | Lane::Upsert => Method::Put,
        Lane::Delete => Method::Delete,
    };
    // The stamp prohibits duplicates, so the same records cannot be made twice.
    let repeatable =
        group.iter().all(|item| item.lane != Lane::Insert || item.cells.contains_key(STAMP));
    let body = make_body(app.id, first.lane, group);
    let answer = job.send(app, method, PATH, Some(&body), repeatable)?;
    Ok(read_answer(first.lane, group, &answer))
}

fn make_body(app: i64, lane: Lane, group: &[Item]) -> Json {
    match lane {
        Lane::Insert => {
            let records: Vec<&serde_json::Map<String, Json>> =
                group.iter().map(|item| &item.cells).collect();
            json!({ "app": app, "records": records })
        }
        Lane::Update | Lane::Upsert => {
            let records: Vec<Json> = group.iter().map(make_update).collect();
            match lane {
                Lane::Upsert => json!({ "app": app, "upsert": true, "records": records }),
                _ => json!({ "app": app, "records": records }),
            }
        }
        Lane::Delete => {
            let ids: Vec<Option<u64>> = group.iter().map(|item| item.id).collect();
            let revisions: Vec<&str> =
                group.iter().map(|item| item.revision.as_deref().unwrap_or("-1")).collect();
            json!({ "app": app, "ids": ids, "revisions": revisions })
        }
    }
}

fn make_update(item: &Item) -> Json {
    let mut update = serde_json::Map::new();
    match (&item.id, &item.key) {
        (Some(id), _) => {
            update.insert("id".to_owned(), (*id).into());
        }
        (None, Some((field, value))) => {
            update.insert("updateKey".to_owned(), json!({ "field": field, "value": value }));
        }
        (None, None) => {}
    }
    if let Some(revision) = &item.revision {
        update.insert("revision".to_owned(), revision.as_str().into());
    }
    update.insert("record".to_owned(), item.cells.clone().into());
    update.into()
}

fn read_answer(lane: Lane, group: &[Item], answer: &Response) -> Option<Vec<Applied>> {
    let applied: Vec<Applied> = match lane {
        Lane::Insert => {
            let added: Added = serde_json::from_slice(&answer.body).ok()?;
            let pairs = added.ids.into_iter().zip(added.revisions);
            pairs.map(|(id, revision)| make_applied(id, Some(revision), true)).collect()
        }
        Lane::Update | Lane::Upsert => {
            let updated: Updated = serde_json::from_slice(&answer.body).ok()?;
            let records = updated.records.into_iter();
            records
                .map(|one| make_applied(one.id, Some(one.revision), one.operation == "INSERT"))
                .collect()
        }
        Lane::Delete => {
            let ids = group.iter().filter_map(|item| item.id);
            ids.map(|id| make_applied(id.to_string(), None, false)).collect()
        }
    };
    (applied.len() == group.len()).then_some(applied)
}

/// No answer says when or what was stored (K-write-7), so the host reads it.
pub(super) fn make_applied(id: String, version: Option<String>, created: bool) -> Applied {
    Applied { id, created, version, modified: None, after: Vec::new(), facts: Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::{Item, Lane, Response, make_body, read_answer};

    fn item(lane: Lane, id: Option<u64>, revision: Option<&str>) -> Item {
        let mut cells = Map::new();
        cells.insert("memo".to_owned(), json!({ "value": "x" }));
        Item { index: 0, lane, id, key: None, revision: revision.map(str::to_owned), cells }
    }

    #[test]
    fn bodies_are_those_of_the_api() {
        let body = make_body(1, Lane::Update, &[item(Lane::Update, Some(3), Some("7"))]);
        let update = json!({ "id": 3, "revision": "7", "record": { "memo": { "value": "x" } } });
        assert_eq!(body, json!({ "app": 1, "records": [update] }));
        let deletes = [item(Lane::Delete, Some(3), None), item(Lane::Delete, Some(4), Some("2"))];
        let body = make_body(1, Lane::Delete, &deletes);
        assert_eq!(body, json!({ "app": 1, "ids": [3, 4], "revisions": ["-1", "2"] }));
        let keyed =
            Item { key: Some(("mail".to_owned(), "a".into())), ..item(Lane::Upsert, None, None) };
        let body = make_body(1, Lane::Upsert, &[keyed]);
        assert_eq!(body["upsert"], true);
        assert_eq!(body["records"][0]["updateKey"], json!({ "field": "mail", "value": "a" }));
    }

    #[test]
    fn answer_of_another_length_is_none() {
        let body = br#"{"ids":["1"],"revisions":["1"]}"#.to_vec();
        let answer = Response { status: 200, headers: vec![], body, facts: vec![] };
        let one = item(Lane::Insert, None, None);
        assert!(read_answer(Lane::Insert, &[one.clone(), one.clone()], &answer).is_none());
        let made = read_answer(Lane::Insert, &[one], &answer).unwrap();
        assert!(made[0].created && made[0].id == "1");
    }
}
