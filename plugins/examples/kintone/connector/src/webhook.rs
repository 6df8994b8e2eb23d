//! Webhooks: none. kintone signs none (K-hook-1), and the contract wants a signature checked.

use crate::bindings::exports::renkei::plugin::connector::{Hook, Reply};
use crate::bindings::renkei::plugin::types::Error;

/// Refuses every call.
pub(crate) fn receive(_: &Hook) -> Result<Reply, Error> {
    Err(Error::Unsupported("webhook".to_owned()))
}
