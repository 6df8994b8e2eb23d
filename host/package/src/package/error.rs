//! The reasons why a file is no plugin for this host. Every message begins with the file's name.

use serde::{Deserialize, Serialize};

use crate::manifest::ManifestError;

/// The part of a file that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackagePart {
    /// The file as such.
    File,
    /// A cap of the file is passed.
    Size,
    /// Its manifest.
    Manifest,
    /// Its imports, exports and their types.
    World,
}

/// A reason why a file is no plugin for this host. Every message begins with the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The file cannot be read.
    #[error("{name}: cannot be read: {source}")]
    Io {
        /// The file.
        name: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A directory, a device, a pipe.
    #[error("{name}: not a regular file")]
    NotAFile {
        /// The file.
        name: String,
    },
    /// Neither a component nor anything near it.
    #[error("{name}: not a WebAssembly file; build it with `renkei plugin build`")]
    NotWasm {
        /// The file.
        name: String,
    },
    /// A core module, as rustc writes it.
    #[error("{name}: a core module, not a component; build it with `renkei plugin build`")]
    CoreModule {
        /// The file.
        name: String,
    },
    /// Native code.
    #[error(
        "{name}: precompiled native code, which is never loaded; \
         give the .wasm that it was made from"
    )]
    Precompiled {
        /// The file.
        name: String,
    },
    /// The file ends in the middle of a section.
    #[error("{name}: cut off after {bytes} bytes; copy the whole file again")]
    Truncated {
        /// The file.
        name: String,
        /// The number of bytes.
        bytes: usize,
    },
    /// Not valid, or using a feature of WebAssembly that plugins do not have (threads, GC,
    /// exceptions, ...).
    #[error("{name}: not a valid component: {reason}")]
    Invalid {
        /// The file.
        name: String,
        /// The validator's words, with the offset.
        reason: String,
    },
    /// A cap is passed.
    #[error("{name}: {what} {found}; the most is {max}")]
    TooLarge {
        /// The file.
        name: String,
        /// The thing that is too large.
        what: &'static str,
        /// The size of it.
        found: usize,
        /// The cap.
        max: usize,
    },
    /// A component without our custom section.
    #[error(
        "{name}: no manifest in it (custom section `renkei:manifest`); \
         build it with `renkei plugin build`"
    )]
    NoManifest {
        /// The file.
        name: String,
    },
    /// A file that `build` or `pack` made is packed again.
    #[error(
        "{name}: has a manifest already; `pack` takes a bare component (to change the manifest, \
         build it again)"
    )]
    ManyManifests {
        /// The file.
        name: String,
    },
    /// The manifest is refused.
    #[error("{name}: manifest: {source}")]
    Manifest {
        /// The file.
        name: String,
        /// The reason.
        source: ManifestError,
    },
    /// It wants something that its world does not offer.
    #[error("{name}: imports {import}, which a {kind} does not get; {hint}")]
    Import {
        /// The file.
        name: String,
        /// The import.
        import: String,
        /// `connector` or `transform`.
        kind: &'static str,
        /// The next step.
        hint: &'static str,
    },
    /// It lacks what the host calls.
    #[error("{name}: exports no {export}, although its manifest says that it is a {kind}")]
    Export {
        /// The file.
        name: String,
        /// The export that is missing.
        export: String,
        /// `connector` or `transform`.
        kind: &'static str,
    },
    /// The names are right, the types are not.
    #[error(
        "{name}: not of contract {}: {reason}; rebuild it with the SDK of that contract",
        crate::CONTRACT
    )]
    Types {
        /// The file.
        name: String,
        /// The type that differs.
        reason: String,
    },
    /// This build of Renkei has a broken contract in it.
    #[error("{name}: cannot be checked: {reason}; this is a fault of Renkei")]
    Contract {
        /// The file.
        name: String,
        /// The fault of it.
        reason: String,
    },
}

impl PackageError {
    /// The part of the file that is refused.
    pub fn part(&self) -> PackagePart {
        match self {
            Self::TooLarge { .. } => PackagePart::Size,
            Self::Manifest { .. } | Self::NoManifest { .. } => PackagePart::Manifest,
            Self::Import { .. } | Self::Export { .. } | Self::Types { .. } => PackagePart::World,
            _ => PackagePart::File,
        }
    }
}
