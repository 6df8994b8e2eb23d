//! The reasons why a file is no plugin for this host. Every message begins with the file's name;
//! the next step is a hint of its own.

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
    #[error("{name}: not a WebAssembly file")]
    NotWasm {
        /// The file.
        name: String,
    },
    /// A core module, as rustc writes it.
    #[error("{name}: a core module, not a component")]
    CoreModule {
        /// The file.
        name: String,
    },
    /// Native code.
    #[error("{name}: precompiled native code, which is never loaded")]
    Precompiled {
        /// The file.
        name: String,
    },
    /// The file ends in the middle of a section.
    #[error("{name}: cut off after {bytes} bytes")]
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
    #[error("{name}: {what} {found}, at most {max}")]
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
    #[error("{name}: no manifest in it (custom section `renkei:manifest`)")]
    NoManifest {
        /// The file.
        name: String,
    },
    /// A file that `build` or `pack` made is packed again.
    #[error("{name}: has a manifest already")]
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
    #[error("{name}: imports {import}, which a {kind} does not get")]
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
    #[error("{name}: not of contract {}: {reason}", crate::CONTRACT)]
    Types {
        /// The file.
        name: String,
        /// The type that differs.
        reason: String,
    },
    /// This build of Renkei has a broken contract in it.
    #[error("{name}: cannot be checked, which is a fault of Renkei: {reason}")]
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

    /// The next step.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotWasm { .. } | Self::CoreModule { .. } | Self::NoManifest { .. } => {
                "build it with `renkei plugin build`"
            }
            Self::Precompiled { .. } => "give the .wasm that it was made from",
            Self::NotAFile { .. } => "give a .wasm file",
            Self::Export { .. } => "export it, or correct `kind` in the manifest",
            Self::Truncated { .. } => "copy the whole file again",
            Self::ManyManifests { .. } => {
                "give `renkei plugin pack` a component without a manifest; to change the manifest, \
                 build the plugin again"
            }
            Self::Manifest { source, .. } => return source.hint(),
            Self::Import { hint, .. } => hint,
            Self::Types { .. } => "rebuild it with the SDK of that contract",
            Self::TooLarge { .. } => "leave out what it does not need, such as debug information",
            Self::Invalid { .. } => "build it again with the tools of its language",
            Self::Io { .. } | Self::Contract { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
