//! From contacts on the wire to rows and tombstones, and from values back to JSON.

use renkei_sdk::{Batch, Page, Removal, Row, Tombstone, Value};
use serde_json::Value as Json;

use crate::client::wire::{Contact, Listing};

/// A page with the columns asked for, in their order. A field that the API does not send stays
/// absent.
pub(crate) fn make_page(columns: &[String], listing: Listing) -> Page {
    let mut batch = Batch::new(columns);
    let mut removed = Vec::new();
    for Contact { id, changed, deleted, fields } in listing.items {
        if deleted {
            removed.push(Tombstone::new(id, Removal::Deleted).at(changed));
            continue;
        }
        let cells = columns.iter().map(|column| fields.get(column).map(read_json)).collect();
        batch.rows.push(Row::new(id, cells).version(changed.to_string()).modified(changed));
    }
    Page { removed, server_time: Some(listing.now), ..Page::last(batch, Vec::new()) }
}

/// A field of a contact as a value; empty text is null.
fn read_json(json: &Json) -> Value {
    Value::text_or_null(json.as_str().unwrap_or_default())
}

/// A value as a field of a contact.
pub(crate) fn write_json(value: &Value) -> Json {
    value.as_text().map_or(Json::Null, Json::from)
}
