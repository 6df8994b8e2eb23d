//! Records by id and by value (`API.md`, H-batch-2).
//!
//! Batch reads see every record at once. Searches lag behind writes, so they serve only
//! properties whose values are not unique; the stamp and the e-mail address never depend on them.

use std::collections::BTreeSet;

use renkei_sdk::http::Request;
use renkei_sdk::{Batch, Error, Page, Value};
use serde_json::{Value as Json, json};

use crate::client::call;
use crate::client::search;
use crate::client::wire::{Record, Results};
use crate::error::CallFailure;
use crate::schema::Properties;
use crate::value;
use crate::value::rows::{self, LinkSource, Selection};

/// Inputs of one batch read.
const BATCH_MAX: usize = 100;

/// These records as they are now; what was archived or merged away is in `removed`.
pub(crate) fn read_records(selection: &Selection<'_>, ids: &[String]) -> Result<Page, Error> {
    let wanted: BTreeSet<&String> = ids.iter().collect();
    let ids: Vec<String> = wanted.iter().map(|id| (*id).clone()).collect();
    let mut found = read_batch(selection.object, &selection.properties(), None, &ids, false)?;
    // A merged-away id answers as its survivor, perhaps beside the survivor's own id.
    let mut seen = BTreeSet::new();
    found.retain(|record| seen.insert(record.id.clone()));
    let mut removed = rows::merged_tombstones(&found);
    removed.retain(|tombstone| wanted.contains(&tombstone.id));
    let merged: BTreeSet<&String> = removed.iter().map(|tombstone| &tombstone.id).collect();
    let missing = ids.iter().filter(|id| !seen.contains(*id) && !merged.contains(id));
    let missing: Vec<String> = missing.cloned().collect();
    let merges = selection.merge_properties();
    let put_away = read_batch(selection.object, &merges, None, &missing, true)?;
    let survivors: BTreeSet<&String> = put_away.iter().map(|record| &record.id).collect();
    let mut archived = rows::archived_tombstones(&put_away);
    archived.retain(|told| wanted.contains(&told.id) || survivors.contains(&told.id));
    removed.extend(archived);
    let batch = selection.make_batch(&found, LinkSource::Apart)?;
    Ok(Page { removed, ..Page::last(batch, Vec::new()) }.lag(0))
}

/// All records whose `key` is one of the values, as HubSpot compares them.
pub(crate) fn find_records(
    selection: &Selection<'_>,
    properties: &Properties,
    key: &str,
    wanted: &[Value],
) -> Result<Batch, Error> {
    if properties.kind(key).is_none() {
        return Err(Error::invalid("unknown-key", format!("no property {key} to find by")));
    }
    let unique = properties.is_unique(selection.object, key);
    // Addresses are kept in lower case, and a search compares with the value in lower case.
    let text = |value: &Value| match value {
        Value::Text(text) if !unique || key == "email" => text.to_lowercase(),
        other => value::write_text(other),
    };
    let texts: BTreeSet<String> = wanted.iter().map(text).collect();
    let texts: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    let found = if unique {
        let id_property = Some(key).filter(|key| *key != "hs_object_id");
        read_batch(selection.object, &selection.properties(), id_property, &texts, false)?
    } else {
        search_records(selection, key, texts)?
    };
    selection.make_batch(&found, LinkSource::Apart)
}

fn search_records(
    selection: &Selection<'_>,
    key: &str,
    texts: Vec<String>,
) -> Result<Vec<Record>, Error> {
    let mut found = Vec::new();
    for chunk in search::split_values(texts) {
        let filter = search::filter_one_of(key, &chunk);
        let mut last_id: Option<String> = None;
        loop {
            let properties = selection.properties();
            let after = last_id.as_deref();
            let request = search::request_page(
                selection.object,
                &filter,
                after,
                &properties,
                search::PAGE_MAX,
            );
            let answer = call::<Results<Record>>(&request)?.body;
            let more = answer.after().is_some();
            last_id = answer.results.last().map(|record| record.id.clone());
            found.extend(answer.results);
            if !more || last_id.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

/// Reads records by id, or by a unique property; those that do not exist are missing.
///
/// # Errors
/// Any refusal but that a record does not exist.
pub(crate) fn read_batch(
    object: &str,
    properties: &[String],
    id_property: Option<&str>,
    ids: &[String],
    archived: bool,
) -> Result<Vec<Record>, Error> {
    let mut found = Vec::new();
    for chunk in ids.chunks(BATCH_MAX) {
        let request = make_read_request(object, properties, id_property, chunk, archived);
        match call::<Results<Record>>(&request) {
            Ok(answer) => {
                if let Some(refusal) = answer.body.errors.iter().find(|one| !one.is_not_found()) {
                    return Err(refusal.error(207));
                }
                found.extend(answer.body.results);
            }
            Err(CallFailure::Refused(_, refusal)) if refusal.is_not_found() => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(found)
}

fn make_read_request(
    object: &str,
    properties: &[String],
    id_property: Option<&str>,
    ids: &[String],
    archived: bool,
) -> Request {
    let inputs: Vec<Json> = ids.iter().map(|id| json!({ "id": id })).collect();
    let mut body = json!({ "properties": properties, "inputs": inputs });
    if let (Some(name), Some(body)) = (id_property, body.as_object_mut()) {
        body.insert("idProperty".to_owned(), name.into());
    }
    let query = if archived { "?archived=true" } else { "" };
    Request::post(format!("/crm/v3/objects/{object}/batch/read{query}")).json(&body).repeatable()
}
