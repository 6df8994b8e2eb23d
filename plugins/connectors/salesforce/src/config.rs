//! The system's settings, raw attributes to checked values. The manifest holds their documentation.

use renkei_sdk::{Attributes, Error, Facts};

use crate::client::soql::check_name;

/// The path that all versions are below.
const VERSIONS: &str = "/services/data/";

/// Checked settings.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// `/services/data/v60.0`, the path that every resource is below.
    pub(crate) root: String,
    /// The unique external id that holds the host's key of a create.
    pub(crate) stamp_field: String,
    /// The time by which a read of changes reaches back, for transactions that commit late.
    pub(crate) lookback_ms: i64,
    /// Remaining rows from which a Bulk 2.0 job is considered.
    pub(crate) bulk_rows: u64,
    /// Jobs may change and delete too, not only create.
    pub(crate) bulk_changes: bool,
}

impl Config {
    /// Reads the settings; one that is not given has the manifest's default.
    ///
    /// # Errors
    /// `invalid` for a value that the manifest's schema cannot rule out.
    pub(crate) fn read(settings: &Attributes) -> Result<Self, Error> {
        let version = settings.text("api_version").unwrap_or("60.0");
        if version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(Error::invalid("setting", "api_version is a number such as 60.0"));
        }
        let stamp_field = settings.text("stamp_field").unwrap_or("Renkei_Id__c").to_owned();
        check_name("stamp_field", &stamp_field)?;
        Ok(Self {
            root: format!("{VERSIONS}v{version}"),
            stamp_field,
            lookback_ms: settings.amount("lookback_ms", 120_000)?,
            bulk_rows: settings.amount("bulk_rows", 2000)?.unsigned_abs(),
            bulk_changes: settings.boolean("bulk_changes").unwrap_or(false),
        })
    }

    /// The root as the address of a subrequest has it, such as `v60.0`.
    pub(crate) fn version(&self) -> &str {
        self.root.trim_start_matches(VERSIONS)
    }
}

#[cfg(test)]
mod tests {
    use renkei_sdk::Value;

    use super::*;

    fn read(code: &str, value: impl Into<Value>) -> Result<Config, Error> {
        Config::read(&vec![(code.to_owned(), value.into())])
    }

    #[test]
    fn missing_setting_has_its_default() {
        let config = read("api_version", "66.0").unwrap();
        assert_eq!(config.root, "/services/data/v66.0");
        assert_eq!(config.stamp_field, "Renkei_Id__c");
        assert_eq!((config.lookback_ms, config.bulk_rows), (120_000, 2000));
        assert!(!config.bulk_changes);
    }

    #[test]
    fn invalid_setting_is_refused() {
        assert!(read("api_version", "v60").is_err());
        let refused = format!("{:?}", read("stamp_field", "a b").unwrap_err());
        assert!(refused.contains("stamp_field"), "{refused}");
        assert!(read("lookback_ms", -1).is_err());
    }
}
