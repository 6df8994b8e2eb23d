//! The settings of one HubSpot account (`plugin.toml`, `[[setting]]`).
//!
//! The host has checked names and kinds against the manifest; what is left is their meaning. The
//! defaults are the manifest's, repeated for tests that give no settings.

use renkei_sdk::{Attributes, Error, Facts};

/// Checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The property with unique values that holds the intent of a create.
    pub(crate) stamp_property: String,
    /// The time by which a scan of changes reaches back before the last one.
    pub(crate) lookback_ms: i64,
}

impl Config {
    /// # Errors
    /// `invalid` for a look-back that lies in the future.
    pub(crate) fn read(settings: &Attributes) -> Result<Self, Error> {
        let lookback_ms = settings.amount("lookback_ms", 90_000)?;
        let stamp_property = settings.text("stamp_property").unwrap_or("renkei_id").to_owned();
        Ok(Self { stamp_property, lookback_ms })
    }
}
