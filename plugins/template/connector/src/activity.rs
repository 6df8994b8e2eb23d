//! Activities: none, because the API has no place for a note or a call.

use renkei_sdk::{Activity, Error, Outcome};

/// Refuses every activity.
///
/// # Errors
/// `unsupported`, always.
pub(crate) fn add_activities(_: &[Activity]) -> Result<Vec<Outcome>, Error> {
    Err(Error::unsupported("add-activities"))
}
