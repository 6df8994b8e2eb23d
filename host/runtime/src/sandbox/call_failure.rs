//! A call of a guest that failed, with the evidence that tells whose fault it is.

use renkei_egress::CallEvidence;
use renkei_model::plugin::PluginError;

/// A call that failed, and who says so.
#[derive(Debug)]
pub(crate) enum CallFailure {
    /// The host: it stopped the guest, could not take its answer, or never asked it.
    Host(PluginError),
    /// The guest, with what its requests came to; a transform has no way to send one.
    Guest(PluginError, Option<CallEvidence>),
}

impl From<PluginError> for CallFailure {
    fn from(error: PluginError) -> Self {
        Self::Host(error)
    }
}

impl From<CallFailure> for PluginError {
    fn from(failed: CallFailure) -> Self {
        match failed {
            CallFailure::Host(error) | CallFailure::Guest(error, _) => error,
        }
    }
}
