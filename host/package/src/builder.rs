//! From a plugin's sources to a plugin file: compile, wrap, embed the manifest, check, write.
//!
//! The file that names the dependencies tells the language: `Cargo.toml` (Rust), `package.json`
//! (JavaScript), `requirements.txt` (Python). A crate is compiled to wasm32-unknown-unknown, which
//! gives guests no WASI import at all. The core module becomes a component here, without an
//! external tool. Each file is checked as a host checks it before it is written. It appears under
//! its name in one step, so a host that watches the folder never sees half a file.

mod cargo;
mod component;
mod error;
mod progress;
mod script;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use component::Built;
pub use error::BuildError;
pub use progress::{BuildProgress, TARGET};

use cargo::{CargoCrate, CargoWorkspace};
use component::read_manifest;
use error::crate_error;

use crate::package::FILE_BYTES_MAX;

/// The folders of a build.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// Cargo's directory for intermediate files. Default: `guests` below the workspace's own target
    /// directory, so that building guests waits for no other build.
    pub target_dir: Option<PathBuf>,
    /// The folder of the plugin files, made if need be. Default: `plugins` below the target
    /// directory.
    pub out_dir: Option<PathBuf>,
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
        let hint = "give the directory of a plugin, or use `renkei plugin pack` for a component of \
                    another language";
        crate_error(dir, "no Cargo.toml, package.json or requirements.txt in it").with_hint(hint)
    })?;
    let manifest = script.manifest()?;
    let component = script.componentize(&manifest, report)?;
    let out_dir = options.out_dir.clone().unwrap_or_else(|| script.work_dir());
    let built = component::write(component, &manifest, &out_dir)?;
    report(BuildProgress::Written(built.path.clone()));
    Ok(built)
}

/// Makes `<out_dir>/<id>.wasm` of any component of a world of `wit/v0.2`, whatever made it, and the
/// manifest in a file like `plugin.toml`.
pub fn pack(component: &Path, manifest: &Path, out_dir: &Path) -> Result<Built, BuildError> {
    let bytes_max = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let bytes = renkei_files::read_at_most(component, bytes_max)
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
