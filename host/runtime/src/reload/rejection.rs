//! A file of the plugin folder that is not taken: counted, written down and told, all of it in one
//! place, so that counts and lines agree.
//!
//! A version that is only tried (a preview, one to go back to) is no file of the folder: whoever
//! asked is told, and nothing is counted.

use renkei_model::plugin::Generation;

use crate::lifecycle::event::ReloadEvent;
use crate::lifecycle::registry::Registry;
use crate::sandbox::limits::{CountedCause, StopCounters};
use crate::sandbox::loader::LoadFailure;

/// The reason why a file is not taken.
pub(crate) struct FileRejection {
    /// The id of the plugin that it says it is; empty where it does not get so far.
    pub(crate) plugin: String,
    /// Its SHA-256, hex; empty where it was not read.
    pub(crate) digest: String,
    pub(crate) cause: CountedCause,
    /// For people.
    pub(crate) reason: String,
    /// The next step.
    pub(crate) hint: Option<String>,
}

impl FileRejection {
    /// Of a file that was not even read.
    pub(crate) fn unread(reason: String, hint: Option<&str>) -> Self {
        let (plugin, digest) = (String::new(), String::new());
        Self { plugin, digest, cause: CountedCause::Refused, reason, hint: hint.map(str::to_owned) }
    }

    /// `serving` goes on instead.
    pub(crate) fn publish(
        self,
        registry: &Registry,
        stops: &StopCounters,
        file: &str,
        serving: Option<Generation>,
    ) {
        let Self { plugin, digest, cause, reason, hint } = self;
        stops.refused(file, &plugin, cause);
        let file = file.to_owned();
        let refused = ReloadEvent::Refused { file, plugin, digest, cause, reason, hint, serving };
        registry.publish(refused);
    }
}

impl From<LoadFailure> for FileRejection {
    fn from(refused: LoadFailure) -> Self {
        let LoadFailure { plugin, digest, error } = refused;
        let (cause, reason, hint) = (error.cause(), error.to_string(), error.hint());
        Self { plugin, digest, cause, reason, hint }
    }
}
