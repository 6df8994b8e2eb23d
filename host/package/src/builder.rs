//! From a crate to a plugin file: compile, wrap, embed the manifest, check, write.
//!
//! The crate is compiled to wasm32-unknown-unknown, which gives guests no WASI import at all; the
//! core module becomes a component here, with no external tool (WASM.md T). What is written was
//! read back by [`Package::read`] before, and it appears under its name in one step, so that a host
//! that watches the folder never sees half a file.

mod cargo;
mod component;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::manifest::{Manifest, ManifestError};
use crate::package::{Package, PackageError};
use cargo::{Crate, Workspace};

/// The compile target of guests.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where a build puts things.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Cargo's directory for intermediate files. Default: `guests` below the workspace's own target
    /// directory, so that building guests waits for no other build.
    pub target_dir: Option<PathBuf>,
    /// The folder of the plugin files, made if need be. Default: `plugins` below the target
    /// directory.
    pub out_dir: Option<PathBuf>,
}

/// A plugin file that was made.
#[derive(Debug)]
pub struct Built {
    /// `<out_dir>/<id>.wasm`.
    pub path: PathBuf,
    /// The file, read back.
    pub package: Package,
}

/// What a build is doing, for whoever waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The compile target is not installed; `rustup` is asked for it.
    AddingTarget,
    /// A line of Cargo's, such as `Compiling serde v1.0.0`.
    Cargo(String),
    /// A plugin file stands at this path.
    Written(PathBuf),
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AddingTarget => {
                write!(f, "adding the compile target: rustup target add {TARGET}")
            }
            Self::Cargo(line) => f.write_str(line),
            Self::Written(path) => write!(f, "wrote {}", path.display()),
        }
    }
}

/// Why no plugin file was made. An older file of the same name is still as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A tool is not installed.
    #[error("{tool} cannot be started: {source}; install Rust with rustup (https://rustup.rs)")]
    Tool {
        /// `cargo` or `rustc`.
        tool: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// Cargo cannot make sense of the crate.
    #[error("{}: {reason}", .path.display())]
    Crate {
        /// The crate's or the workspace's directory.
        path: PathBuf,
        /// Cargo's words, or what is missing.
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
    /// The crate does not compile.
    #[error("cargo failed:\n{diagnostics}")]
    Compile {
        /// Errors and warnings as Cargo prints them.
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

/// Builds the plugin crate in `crate_dir`.
///
/// ```no_run
/// use renkei_package::{BuildOptions, build};
///
/// let built = build("plugins/transforms/names".as_ref(), &BuildOptions::default(), &mut |step| {
///     eprintln!("{step}");
/// })?;
/// println!("{} imports {:?}", built.path.display(), built.package.imports);
/// # Ok::<(), renkei_package::BuildError>(())
/// ```
pub fn build(
    crate_dir: &Path,
    options: &BuildOptions,
    report: &mut dyn FnMut(Progress),
) -> Result<Built, BuildError> {
    let workspace = Workspace::of(crate_dir)?;
    let guest = workspace.crate_in(crate_dir)?;
    let mut built = build_crates(&workspace, vec![guest], options, report)?;
    built.pop().ok_or_else(|| crate_error(crate_dir, "cargo made nothing"))
}

/// Builds several plugin crates of one workspace, by their package names; gives them in the same
/// order.
pub fn build_many(
    workspace_dir: &Path,
    packages: &[&str],
    options: &BuildOptions,
    report: &mut dyn FnMut(Progress),
) -> Result<Vec<Built>, BuildError> {
    let workspace = Workspace::of(workspace_dir)?;
    let guests: Result<Vec<_>, _> = packages.iter().map(|name| workspace.package(name)).collect();
    build_crates(&workspace, guests?, options, report)
}

fn build_crates(
    workspace: &Workspace,
    guests: Vec<&Crate>,
    options: &BuildOptions,
    report: &mut dyn FnMut(Progress),
) -> Result<Vec<Built>, BuildError> {
    let manifests: Result<Vec<_>, _> = guests.iter().map(|guest| read_manifest(guest)).collect();
    let manifests = manifests?;
    cargo::ensure_target(workspace, report)?;
    let target_dir = match &options.target_dir {
        Some(dir) => dir.clone(),
        None => workspace.target_directory.join("guests"),
    };
    // Cargo unifies features over all crates of one call, and a guest with both worlds' features on
    // would have to export both; so there is one call per kind.
    let mut by_kind: BTreeMap<&str, Vec<&Crate>> = BTreeMap::new();
    for (guest, manifest) in guests.iter().zip(&manifests) {
        by_kind.entry(manifest.kind.name()).or_default().push(guest);
    }
    let mut modules = BTreeMap::new();
    for crates in by_kind.values() {
        modules.extend(cargo::compile(workspace, crates, &target_dir, report)?);
    }
    let out_dir = options.out_dir.clone().unwrap_or_else(|| target_dir.join("plugins"));
    std::fs::create_dir_all(&out_dir)
        .map_err(|source| BuildError::Io { path: out_dir.clone(), source })?;
    let mut all = Vec::new();
    for (guest, manifest) in guests.iter().zip(&manifests) {
        let module = modules
            .get(&guest.id)
            .ok_or_else(|| crate_error(&guest.dir, "cargo made no module"))?;
        let built = component::pack(&guest.name, module, manifest, &out_dir)?;
        report(Progress::Written(built.path.clone()));
        all.push(built);
    }
    Ok(all)
}

fn read_manifest(guest: &Crate) -> Result<Manifest, BuildError> {
    let path = guest.dir.join("plugin.toml");
    let text = std::fs::read_to_string(&path)
        .map_err(|source| BuildError::Io { path: path.clone(), source })?;
    Manifest::from_toml(&text, Some(&guest.version))
        .map_err(|source| BuildError::Manifest { path, source })
}

fn crate_error(path: &Path, reason: &str) -> BuildError {
    BuildError::Crate { path: path.to_owned(), reason: reason.to_owned() }
}
