//! Webhooks: none, because the API calls nobody.
//!
//! A connector that takes calls verifies their signature with `renkei_sdk::signing` and answers
//! with the records to read again.

use renkei_sdk::{Error, Hook, Reply};

/// Refuses every call.
///
/// # Errors
/// `unsupported`, always.
pub(crate) fn receive(_: &Hook) -> Result<Reply, Error> {
    Err(Error::unsupported("webhook"))
}
