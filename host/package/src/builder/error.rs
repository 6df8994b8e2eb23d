//! Why a build makes no plugin file.

use std::path::{Path, PathBuf};

use super::progress::TARGET;
use crate::manifest::ManifestError;
use crate::package::PackageError;

/// Why no plugin file was made. An older file of the same name is still as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A tool is not installed.
    #[error("{tool} cannot be started: {source}; {}", install(.tool))]
    Tool {
        /// `cargo`, `rustc`, `npm`, `node` or `python3`.
        tool: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The directory holds no plugin's sources.
    #[error("{}: {reason}", .path.display())]
    Crate {
        /// The plugin's or the workspace's directory.
        path: PathBuf,
        /// A tool's words, or what is missing.
        reason: String,
    },
    /// `plugin.toml` is refused.
    #[error("{}: {source}", .path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ManifestError,
    },
    /// The compile target is missing and could not be added.
    #[error(
        "the compile target {TARGET} is missing and could not be added; run `{command}` ({reason})"
    )]
    Target {
        /// What to run by hand.
        command: String,
        /// What rustup said.
        reason: String,
    },
    /// The plugin does not compile, or what it is compiled with cannot be installed.
    #[error("{tool} failed:\n{diagnostics}")]
    Compile {
        /// Which tool.
        tool: &'static str,
        /// Errors and warnings as it prints them.
        diagnostics: String,
    },
    /// The compiled module is no plugin.
    #[error("{package}: {reason}")]
    Component {
        /// The crate's name.
        package: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that was made does not fit its world.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A directory or file cannot be written or read.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// Where to get a tool that is not there.
fn install(tool: &str) -> &'static str {
    match tool {
        "npm" | "node" => "install Node.js 18 or later (https://nodejs.org)",
        "python3" => "install Python 3.10 or later with its venv module",
        _ => "install Rust with rustup (https://rustup.rs)",
    }
}

/// The error of a directory that holds no sources that can be built.
pub(super) fn crate_error(path: &Path, reason: &str) -> BuildError {
    BuildError::Crate { path: path.to_owned(), reason: reason.to_owned() }
}
