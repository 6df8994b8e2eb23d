//! Webhooks: none.
//!
//! Salesforce calls nobody by HTTP unless an admin sets up outbound messages, and those carry no
//! signature that the connector could verify. Changes are found by reading.

use renkei_sdk::{Error, Reply};

/// Refuses every call.
///
/// # Errors
/// `unsupported`, always.
pub(crate) fn refuse_call() -> Result<Reply, Error> {
    Err(Error::unsupported("webhook"))
}
