//! The reasons why a build makes no plugin file.

use std::path::{Path, PathBuf};

use super::progress::TARGET;
use crate::manifest::ManifestError;
use crate::package::PackageError;

/// A reason why no plugin file was made. An older file of the same name stays as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A tool is not installed.
    #[error("{tool} cannot be started: {source}")]
    Tool {
        /// `cargo`, `rustc`, `npm`, `node` or `python3`.
        tool: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// The directory holds no plugin's sources.
    #[error("{}: {reason}", .path.display())]
    Crate {
        /// The plugin's or the workspace's directory.
        path: PathBuf,
        /// The words of a tool, or the file that is missing.
        reason: String,
        /// The next step.
        hint: Option<&'static str>,
    },
    /// `plugin.toml` is refused.
    #[error("{}: {source}", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: ManifestError,
    },
    /// The compile target is missing and could not be added.
    #[error("the compile target {TARGET} is missing and could not be added ({reason})")]
    Target {
        /// The command to run by hand.
        command: String,
        /// The answer of rustup.
        reason: String,
    },
    /// The plugin does not compile, or what it is compiled with cannot be installed.
    #[error("{tool} failed:\n{diagnostics}")]
    Compile {
        /// The tool.
        tool: &'static str,
        /// Errors and warnings as it prints them.
        diagnostics: String,
    },
    /// The compiled module is no plugin.
    #[error("{package}: {reason}")]
    Component {
        /// The crate's name.
        package: String,
        /// The fault of it.
        reason: String,
        /// The next step.
        hint: Option<String>,
    },
    /// The file that was made does not fit its world.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A directory or file cannot be written or read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

impl BuildError {
    /// The next step.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Tool { tool, .. } => Some(install(tool).to_owned()),
            Self::Crate { hint, .. } => hint.map(str::to_owned),
            Self::Manifest { source, .. } => source.hint(),
            Self::Target { command, .. } => Some(format!("run `{command}`")),
            Self::Component { hint, .. } => hint.clone(),
            Self::Package(error) => error.hint(),
            Self::Compile { .. } | Self::Io { .. } => None,
        }
    }

    /// The same error with a next step, where its kind has one.
    pub(super) fn with_hint(mut self, next: &'static str) -> Self {
        if let Self::Crate { hint, .. } = &mut self {
            *hint = Some(next);
        }
        self
    }
}

/// The source of a tool that is missing.
fn install(tool: &str) -> &'static str {
    match tool {
        "npm" | "node" => "install Node.js 18 or later (https://nodejs.org)",
        "python3" => "install Python 3.10 or later with its venv module",
        _ => "install Rust with rustup (https://rustup.rs)",
    }
}

/// The error of a directory that holds no sources that can be built.
pub(super) fn crate_error(path: &Path, reason: &str) -> BuildError {
    BuildError::Crate { path: path.to_owned(), reason: reason.to_owned(), hint: None }
}
