//! Activities: none. A comment on a record would be the place, but nothing makes adding one twice
//! harmless.

use crate::bindings::exports::renkei::plugin::connector::{Activity, Outcome};
use crate::bindings::renkei::plugin::types::Error;

/// Refuses every activity.
pub(crate) fn add_activities(_: &[Activity]) -> Result<Vec<Outcome>, Error> {
    Err(Error::Unsupported("add-activities".to_owned()))
}
