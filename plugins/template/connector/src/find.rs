//! Contacts by id, and by the value of a field.

use renkei_sdk::http::Request;
use renkei_sdk::{Error, FindRequest, Found, Page, Value};
use serde_json::json;

use crate::client::send;
use crate::value::make_page;

/// These contacts as they are now; what is gone is in `removed`.
///
/// # Errors
/// Only what stops the whole call.
pub(crate) fn read_records(columns: &[String], ids: &[String]) -> Result<Page, Error> {
    let post = Request::post("/contacts/read").json(&json!({ "ids": ids })).repeatable();
    Ok(make_page(columns, send(&post)?.json()?))
}

/// All contacts whose field has one of the values. The API compares one field.
///
/// # Errors
/// `unsupported` for several fields together.
pub(crate) fn find_records(request: &FindRequest) -> Result<Found, Error> {
    let (key, values) = request.key()?;
    let values: Vec<&str> = values.into_iter().filter_map(Value::as_text).collect();
    let body = json!({ "field": key, "values": values });
    let post = Request::post("/contacts/find").json(&body).repeatable();
    Ok(Found::all(make_page(&request.columns, send(&post)?.json()?).batch))
}
