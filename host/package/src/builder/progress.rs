//! The steps that a build reports.

use std::path::PathBuf;

/// The compile target of guests.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// What a build is doing, for whoever waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildProgress {
    /// The compile target is not installed; `rustup` is asked for it.
    AddingTarget,
    /// A line of Cargo's, such as `Compiling serde v1.0.0`, or the tool that runs.
    Step(String),
    /// A plugin file stands at this path.
    Written(PathBuf),
}

impl std::fmt::Display for BuildProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AddingTarget => {
                write!(f, "adding the compile target: rustup target add {TARGET}")
            }
            Self::Step(line) => f.write_str(line),
            Self::Written(path) => write!(f, "wrote {}", path.display()),
        }
    }
}
