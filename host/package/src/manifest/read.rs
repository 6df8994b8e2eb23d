//! Reading a manifest: TOML as authors write it, JSON as a plugin file holds it.

use super::check::check_manifest;
use super::error::ManifestError;
use super::raw::{RawContract, RawManifest};
use super::{CONTRACT, Manifest};

impl Manifest {
    /// Reads an author's `plugin.toml`. `crate_version` stands in for a missing `version`.
    pub fn from_toml(text: &str, crate_version: Option<&str>) -> Result<Self, ManifestError> {
        Self::check_contract(toml::from_str(text))?;
        let mut raw: RawManifest =
            toml::from_str(text).map_err(|e| ManifestError::Syntax(e.to_string()))?;
        if raw.version.is_none() {
            raw.version = crate_version.map(str::to_owned);
        }
        check_manifest(raw)
    }

    /// Reads the custom section of a component.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        Self::check_contract(serde_json::from_slice(bytes))?;
        let raw: RawManifest =
            serde_json::from_slice(bytes).map_err(|e| ManifestError::Syntax(e.to_string()))?;
        check_manifest(raw)
    }

    /// Refuses another contract first, because its manifest may have keys that this host does not
    /// know.
    fn check_contract<E>(contract: Result<RawContract, E>) -> Result<(), ManifestError> {
        match contract.ok().and_then(|raw| raw.contract) {
            Some(found) if found != CONTRACT => Err(ManifestError::Contract { found }),
            _ => Ok(()),
        }
    }
}
