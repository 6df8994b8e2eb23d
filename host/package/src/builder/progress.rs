//! The steps that a build reports.

use std::path::PathBuf;

/// The compile target of guests.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A step of a build, for whoever waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildProgress {
    /// The compile target is missing; `rustup` installs it.
    AddingTarget,
    /// A line of Cargo, such as `Compiling serde v1.0.0`, or the tool that runs.
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
