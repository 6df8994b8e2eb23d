//! Records by id and by value (`API.md`, H-batch-2).
//!
//! Batch reads see every record at once. Searches lag behind writes, so they serve only
//! properties whose values are not unique; the stamp and the e-mail address never depend on them.

use std::collections::BTreeSet;

use renkei_sdk::http::Request;
use renkei_sdk::{Batch, Error, FindRequest, Page, Value};
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

/// All records whose keys equal one of the values, as HubSpot compares them; an empty value equals
/// nothing.
pub(crate) fn find_records(
    selection: &Selection<'_>,
    properties: &Properties,
    request: &FindRequest,
) -> Result<Batch, Error> {
    if let Some(key) = request.keys.iter().find(|key| properties.kind(key).is_none()) {
        return Err(Error::invalid("unknown-key", format!("no property {key} to find by")));
    }
    let found = match request.keys.as_slice() {
        [key] if properties.is_unique(selection.object, key) => {
            let id_property = Some(key.as_str()).filter(|key| *key != "hs_object_id");
            let texts: BTreeSet<String> =
                request.key()?.1.into_iter().map(|value| write_unique(key, value)).collect();
            let texts: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
            read_batch(selection.object, &selection.properties(), id_property, &texts, false)?
        }
        [key] => {
            let texts: BTreeSet<String> =
                request.key()?.1.into_iter().map(write_compared).collect();
            let texts = texts.into_iter().filter(|text| !text.is_empty()).collect();
            let chunks = search::split_values(texts).into_iter();
            let filters = chunks.map(|chunk| vec![vec![search::filter_one_of(key, &chunk)]]);
            search_records(selection, filters.collect())?
        }
        _ => search_records(selection, search_by_keys(request)?)?,
    };
    selection.make_batch(&found, LinkSource::Apart)
}

/// A value of a property with unique values, to read by. Addresses are kept in lower case.
fn write_unique(key: &str, value: &Value) -> String {
    if key == "email" { write_compared(value) } else { value::write_text(value) }
}

/// A value to search by: searches compare with the value in lower case (H-search-9).
fn write_compared(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_lowercase(),
        other => value::write_text(other),
    }
}

/// The filters of each search for records by several properties together.
///
/// # Errors
/// `unsupported` for more properties than one search compares at once.
fn search_by_keys(request: &FindRequest) -> Result<Vec<search::Groups>, Error> {
    let texts = |list: &Vec<Value>| list.iter().map(write_compared).collect::<Vec<String>>();
    let lists: BTreeSet<Vec<String>> = request.values.iter().map(texts).collect();
    let whole = lists.into_iter().filter(|list| !list.iter().any(String::is_empty));
    search::group_by_keys(&request.keys, whole.collect()).ok_or_else(|| {
        let count = request.keys.len();
        Error::unsupported(format!("a search by {count} properties together"))
    })
}

fn search_records(
    selection: &Selection<'_>,
    searches: Vec<search::Groups>,
) -> Result<Vec<Record>, Error> {
    let mut found = Vec::new();
    for groups in searches {
        let mut last_id: Option<String> = None;
        loop {
            let properties = selection.properties();
            let after = last_id.as_deref();
            let request = search::request_page(
                selection.object,
                &groups,
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
