//! From a plugin's sources to a plugin file: compile, wrap, embed the manifest, check, write.
//!
//! The language is that of the file that names the dependencies: `Cargo.toml` (Rust),
//! `package.json` (JavaScript), `requirements.txt` (Python). A crate is compiled to
//! wasm32-unknown-unknown, which gives guests no WASI import at all; the core module becomes a
//! component here, with no external tool (WASM.md T). What is written was read back by
//! [`Package::read`] before, and it appears under its name in one step, so that a host that watches
//! the folder never sees half a file.

mod cargo;
mod component;
mod script;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::manifest::{Manifest, ManifestError};
use crate::package::{Package, PackageError};
use cargo::{CargoCrate, CargoWorkspace};

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

/// Builds the plugin in `dir`, in whichever language it is.
///
/// For JavaScript and Python the tools are installed below `dir` first, in the versions and with
/// the hashes that the plugin's lock file has, which needs their registry the first time.
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
    dir: &Path,
    options: &BuildOptions,
    report: &mut dyn FnMut(BuildProgress),
) -> Result<Built, BuildError> {
    if dir.join("Cargo.toml").is_file() {
        return build_crate(dir, options, report);
    }
    let script = script::ScriptPlugin::find(dir).ok_or_else(|| {
        let reason = "no Cargo.toml, package.json or requirements.txt in it; give the directory of \
                      a plugin, or use `renkei plugin pack` for a component of another language";
        crate_error(dir, reason)
    })?;
    let manifest = script.manifest()?;
    let component = script.componentize(&manifest, report)?;
    let out_dir = options.out_dir.clone().unwrap_or_else(|| script.work_dir());
    let built = component::write(component, &manifest, &out_dir)?;
    report(BuildProgress::Written(built.path.clone()));
    Ok(built)
}

/// Makes `<out_dir>/<id>.wasm` of any component of a world of `wit/v1`, whatever made it, and the
/// manifest in a file like `plugin.toml`.
pub fn pack(component: &Path, manifest: &Path, out_dir: &Path) -> Result<Built, BuildError> {
    let bytes = std::fs::read(component)
        .map_err(|source| BuildError::Io { path: component.to_owned(), source })?;
    component::write(bytes, &read_manifest(manifest, None)?, out_dir)
}

fn build_crate(
    crate_dir: &Path,
    options: &BuildOptions,
    report: &mut dyn FnMut(BuildProgress),
) -> Result<Built, BuildError> {
    let workspace = CargoWorkspace::read(crate_dir)?;
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
    report: &mut dyn FnMut(BuildProgress),
) -> Result<Vec<Built>, BuildError> {
    let workspace = CargoWorkspace::read(workspace_dir)?;
    let guests: Result<Vec<_>, _> = packages.iter().map(|name| workspace.package(name)).collect();
    build_crates(&workspace, guests?, options, report)
}

fn build_crates(
    workspace: &CargoWorkspace,
    guests: Vec<&CargoCrate>,
    options: &BuildOptions,
    report: &mut dyn FnMut(BuildProgress),
) -> Result<Vec<Built>, BuildError> {
    let manifest =
        |guest: &&CargoCrate| read_manifest(&guest.dir.join("plugin.toml"), Some(&guest.version));
    let manifests: Result<Vec<_>, _> = guests.iter().map(manifest).collect();
    let manifests = manifests?;
    cargo::ensure_target(workspace, report)?;
    let target_dir = match &options.target_dir {
        Some(dir) => dir.clone(),
        None => workspace.target_directory.join("guests"),
    };
    // Cargo unifies features over all crates of one call, and a guest with both worlds' features on
    // would have to export both; so there is one call per kind.
    let mut by_kind: BTreeMap<&str, Vec<&CargoCrate>> = BTreeMap::new();
    for (guest, manifest) in guests.iter().zip(&manifests) {
        by_kind.entry(manifest.kind.name()).or_default().push(guest);
    }
    let mut modules = BTreeMap::new();
    for crates in by_kind.values() {
        modules.extend(cargo::compile(workspace, crates, &target_dir, report)?);
    }
    let out_dir = options.out_dir.clone().unwrap_or_else(|| target_dir.join("plugins"));
    let mut all = Vec::new();
    for (guest, manifest) in guests.iter().zip(&manifests) {
        let module = modules
            .get(&guest.id)
            .ok_or_else(|| crate_error(&guest.dir, "cargo made no module"))?;
        let module = std::fs::read(module)
            .map_err(|source| BuildError::Io { path: module.clone(), source })?;
        let component = component::componentize(&guest.name, &module, manifest)?;
        let built = component::write(component, manifest, &out_dir)?;
        report(BuildProgress::Written(built.path.clone()));
        all.push(built);
    }
    Ok(all)
}

/// `version` is the default of a manifest that says none.
fn read_manifest(path: &Path, version: Option<&str>) -> Result<Manifest, BuildError> {
    let text = renkei_files::read_text(path)
        .map_err(|source| BuildError::Io { path: path.to_owned(), source })?;
    Manifest::from_toml(&text, version)
        .map_err(|source| BuildError::Manifest { path: path.to_owned(), source })
}

fn crate_error(path: &Path, reason: &str) -> BuildError {
    BuildError::Crate { path: path.to_owned(), reason: reason.to_owned() }
}
