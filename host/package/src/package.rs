//! Reading a plugin file: bytes in, a checked package or one clear error out.
//!
//! Any file can lie in the plugin folder. It may be made to crash the reader, to cost hours, to be
//! native code, or to be exchanged between the check and the use. So nothing in it is run or
//! compiled here, caps come before any work that grows with the input, precompiled code (`.cwasm`)
//! is refused, and the package keeps the bytes that it checked and hashed: the runtime compiles
//! those.

mod error;
mod scan;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

pub use error::{PackageError, PackagePart};
pub use scan::{
    BODY_BYTES_MAX, CUSTOM_BYTES_MAX, FILE_BYTES_MAX, FUNCTIONS_MAX, MANIFEST_BYTES_MAX,
    NESTING_MAX,
};

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::manifest::{Manifest, ManifestKind};
use crate::wasi;
use crate::world::{self, ContractWorld};

/// A plugin file that was read and fits its world.
#[derive(Clone)]
pub struct Package {
    bytes: Vec<u8>,
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// The manifest in it.
    pub manifest: Manifest,
    /// Names of its imports, such as `renkei:plugin/log@0.2.0`.
    pub imports: Vec<String>,
    /// Names of its exports.
    pub exports: Vec<String>,
}

/// The contents of a checked file as plain data. A child process that reads a stranger's file
/// hands them to its parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// The manifest, as the file holds it.
    pub manifest: serde_json::Value,
    /// Names of its imports.
    pub imports: Vec<String>,
    /// Names of its exports.
    pub exports: Vec<String>,
}

impl Package {
    /// Reads and checks the file at `path`, which errors name.
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        let bytes = Self::bytes_at(path)?;
        Self::read(&path.display().to_string(), bytes)
    }

    /// The bytes of the file at `path`, not checked; of one that is too large so many that
    /// [`Package::read`] refuses them.
    pub fn bytes_at(path: &Path) -> Result<Vec<u8>, PackageError> {
        let name = path.display().to_string();
        let io = |source| PackageError::Io { name: name.clone(), source };
        let mut bytes = Vec::new();
        let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
        let file = match renkei_files::open(OpenOptions::new().read(true), path) {
            Err(error) if error.kind() == ErrorKind::InvalidInput => {
                return Err(PackageError::NotAFile { name });
            }
            opened => opened.map_err(io)?,
        };
        file.take(most).read_to_end(&mut bytes).map_err(io)?;
        Ok(bytes)
    }

    /// Checks the bytes of a plugin file; `name` is only for errors.
    pub fn read(name: &str, bytes: Vec<u8>) -> Result<Self, PackageError> {
        let CheckedContents { manifest, imports, exports } = check(name, &bytes)?;
        let digest = hex::encode(Sha256::digest(&bytes));
        Ok(Self { bytes, digest, manifest, imports, exports })
    }

    /// Checks as [`Package::read`] does; the bytes stay with the caller.
    pub fn check(name: &str, bytes: &[u8]) -> Result<PackageFacts, PackageError> {
        let CheckedContents { manifest, imports, exports } = check(name, bytes)?;
        Ok(PackageFacts { manifest: manifest.to_json(), imports, exports })
    }

    /// Joins the facts that [`Package::check`] found in another process with the bytes that it
    /// checked.
    pub fn from_facts(
        name: &str,
        bytes: Vec<u8>,
        facts: PackageFacts,
    ) -> Result<Self, PackageError> {
        let manifest = Manifest::from_json(facts.manifest.to_string().as_bytes())
            .map_err(|source| PackageError::Manifest { name: name.to_owned(), source })?;
        let PackageFacts { imports, exports, .. } = facts;
        let digest = hex::encode(Sha256::digest(&bytes));
        Ok(Self { bytes, digest, manifest, imports, exports })
    }

    /// The file, to be compiled as it is.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }
}

impl std::fmt::Debug for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Package({}@{} {})", self.manifest.id, self.manifest.version, self.digest)
    }
}

/// Manifest, imports and exports of a checked file.
struct CheckedContents {
    manifest: Manifest,
    imports: Vec<String>,
    exports: Vec<String>,
}

fn check(name: &str, bytes: &[u8]) -> Result<CheckedContents, PackageError> {
    let scan = scan::scan_file(name, bytes)?;
    let manifest = Manifest::from_json(scan.manifest)
        .map_err(|source| PackageError::Manifest { name: name.to_owned(), source })?;
    let (imports, exports) = (scan.imports, scan.exports);
    fit(name, &manifest, &imports, &exports, bytes)?;
    Ok(CheckedContents { manifest, imports, exports })
}

/// Accepts a component that fits the world of its kind.
fn fit(
    name: &str,
    manifest: &Manifest,
    imports: &[String],
    exports: &[String],
    bytes: &[u8],
) -> Result<(), PackageError> {
    let kind = manifest.kind.name();
    let name = name.to_owned();
    let world = match &manifest.kind {
        ManifestKind::Connector(_) => world::connector(),
        ManifestKind::Transform(_) => world::transform(),
    };
    let world: &ContractWorld = match world {
        Ok(world) => world,
        Err(reason) => return Err(PackageError::Contract { name, reason }),
    };
    let known = |import: &String| world.imports.contains(import) || wasi::is_offered(import);
    if let Some(import) = imports.iter().find(|import| !known(import)) {
        let (import, hint) = (import.clone(), hint(import));
        return Err(PackageError::Import { name, import, kind, hint });
    }
    if let Some(export) = world.exports.iter().find(|export| !exports.contains(export)) {
        return Err(PackageError::Export { name, export: export.clone(), kind });
    }
    let fits = if imports.iter().any(|import| wasi::is_offered(import)) {
        world.fits_with_wasi(bytes)
    } else {
        world.fits(bytes)
    };
    fits.map_err(|reason| PackageError::Types { name, reason })
}

fn hint(import: &str) -> &'static str {
    if import.starts_with("wasi:") {
        "a plugin may list only the interfaces of WASI 0.2 in host/runtime/README.md, and sends \
         through `http` of wit/v0.2"
    } else if import.starts_with("renkei:plugin/") {
        "the kind in its manifest or the version of its SDK is wrong"
    } else {
        "a plugin has no imports but those of wit/v0.2"
    }
}
