//! The fields of contacts as the contract's schema.

use renkei_sdk::http::Request;
use renkei_sdk::{Error, Field, Kind, Schema};

use crate::client::send;
use crate::client::wire::FieldInfo;

/// The live schema of these objects, in order.
///
/// # Errors
/// `not-found` for anything but contacts.
pub(crate) fn discover(objects: &[String]) -> Result<Vec<Schema>, Error> {
    if let Some(unknown) = objects.iter().find(|object| *object != "contacts") {
        return Err(Error::not_found("object", format!("there is no {unknown}")));
    }
    let fields: Vec<FieldInfo> = send(&Request::get("/fields"))?.json()?;
    let schema = Schema::new("contacts", "Contacts");
    let schema = schema.fact("creatable", true).fact("archivable", true);
    Ok(vec![fields.into_iter().map(make_field).fold(schema, Schema::field)])
}

fn make_field(info: FieldInfo) -> Field {
    let field = Field::new(info.name, Kind::Text).label(info.label);
    if info.unique { field.unique() } else { field }
}
