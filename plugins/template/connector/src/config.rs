//! The settings of one system (`plugin.toml`, `[[setting]]`).
//!
//! The host has checked names and kinds against the manifest; what is left is their meaning. The
//! defaults are the manifest's, repeated for tests that give no settings.

use renkei_sdk::{Attributes, Error, Facts};

/// Checked settings.
pub(crate) struct Config {
    /// The time by which a change may become visible later than its stamp says, ms.
    pub(crate) lookback_ms: i64,
}

impl Config {
    /// Reads the settings; one that is missing has the manifest's default.
    ///
    /// # Errors
    /// `invalid` for a look-back that lies in the future.
    pub(crate) fn read(settings: &Attributes) -> Result<Self, Error> {
        Ok(Self { lookback_ms: settings.amount("lookback_ms", 60_000)? })
    }
}
