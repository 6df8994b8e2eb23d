//! Cargo, rustc and rustup as child processes.
//!
//! Renkei may itself run under `cargo run` or `cargo test`, or in a CI with a compiler wrapper.
//! Then it inherits variables that are meant for the host's build. Those that would change a guest
//! are removed; the choice of toolchain stays.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde::Deserialize;

use super::error::{BuildError, crate_error};
use super::progress::{BuildProgress, TARGET};

/// Variables of an outer build that would change a guest's: flags, wrappers, targets, a job server.
const FOREIGN: [&str; 16] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_MAKEFLAGS",
    "CARGO_TARGET_DIR",
    "CLIPPY_ARGS",
    "LLVM_PROFILE_FILE",
    "MAKEFLAGS",
    "MFLAGS",
    "RUSTC",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
];

/// The answer of `cargo metadata`.
#[derive(Deserialize)]
pub(super) struct CargoWorkspace {
    pub(super) workspace_root: PathBuf,
    pub(super) target_directory: PathBuf,
    packages: Vec<CargoCrate>,
}

/// One package of the workspace.
#[derive(Deserialize)]
pub(super) struct CargoCrate {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    #[serde(rename = "manifest_path", deserialize_with = "parent")]
    pub(super) dir: PathBuf,
    targets: Vec<CargoTarget>,
}

#[derive(Deserialize)]
struct CargoTarget {
    crate_types: Vec<String>,
}

impl CargoWorkspace {
    /// The workspace of the crate, or of the workspace root, in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, BuildError> {
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            let error = crate_error(dir, "no Cargo.toml in it");
            return Err(error.with_hint("give the directory of a crate or a workspace"));
        }
        let mut metadata = command("cargo", dir);
        metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
        let output = output("cargo", &mut metadata)?;
        if !output.status.success() {
            return Err(crate_error(dir, String::from_utf8_lossy(&output.stderr).trim_end()));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| crate_error(dir, &format!("cargo metadata: {error}")))
    }

    pub(super) fn crate_in(&self, dir: &Path) -> Result<&CargoCrate, BuildError> {
        let dir =
            dir.canonicalize().map_err(|source| BuildError::Io { path: dir.to_owned(), source })?;
        let found = self.packages.iter().find(|p| p.dir.canonicalize().is_ok_and(|d| d == dir));
        let missing = || {
            let error = crate_error(&dir, "a workspace, not a plugin crate");
            error.with_hint("give the directory of one of its plugin crates")
        };
        found.ok_or_else(missing)?.plugin()
    }

    pub(super) fn package(&self, name: &str) -> Result<&CargoCrate, BuildError> {
        let found = self.packages.iter().find(|p| p.name == name);
        let missing = || crate_error(&self.workspace_root, &format!("no package {name} in it"));
        found.ok_or_else(missing)?.plugin()
    }

    /// The profile `guest` where the workspace has it, else `release`.
    fn profile(&self) -> &'static str {
        #[derive(Deserialize)]
        struct Root {
            profile: Option<BTreeMap<String, toml::Value>>,
        }
        let text = renkei_files::read_text(&self.workspace_root.join("Cargo.toml"));
        let root: Option<Root> = text.ok().and_then(|text| toml::from_str(&text).ok());
        let profiles = root.and_then(|root| root.profile).unwrap_or_default();
        if profiles.contains_key("guest") { "guest" } else { "release" }
    }
}

impl CargoCrate {
    fn plugin(&self) -> Result<&Self, BuildError> {
        if self.targets.iter().any(CargoTarget::is_cdylib) {
            return Ok(self);
        }
        let hint = "add `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` in Cargo.toml";
        Err(crate_error(&self.dir, "not a plugin crate").with_hint(hint))
    }
}

impl CargoTarget {
    fn is_cdylib(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

/// Installs the compile target where it is missing, and reports that.
pub(super) fn ensure_target(
    workspace: &CargoWorkspace,
    report: &mut dyn FnMut(BuildProgress),
) -> Result<(), BuildError> {
    let mut query = command("rustc", &workspace.workspace_root);
    query.args(["--print", "target-libdir", "--target", TARGET]);
    let answer = output("rustc", &mut query)?;
    let libdir = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    if answer.status.success() && Path::new(&libdir).is_dir() {
        return Ok(());
    }
    report(BuildProgress::AddingTarget);
    let mut add = command("rustup", &workspace.workspace_root);
    add.args(["target", "add", TARGET]);
    let reason = match add.output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("rustup cannot be started: {error}"),
    };
    Err(BuildError::Target { command: format!("rustup target add {TARGET}"), reason })
}

/// Compiles these crates in one call of Cargo; the core modules by package id.
pub(super) fn compile(
    workspace: &CargoWorkspace,
    crates: &[&CargoCrate],
    target_dir: &Path,
    report: &mut dyn FnMut(BuildProgress),
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let mut cargo = command("cargo", &workspace.workspace_root);
    cargo.args(["build", "--lib", "--message-format", "json-render-diagnostics"]);
    cargo.args(["--target", TARGET, "--profile", workspace.profile(), "--target-dir"]);
    cargo.arg(target_dir);
    for guest in crates {
        cargo.args(["--package", &guest.id]);
    }
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| BuildError::Tool { tool: "cargo", source })?;
    let (messages, diagnostics) = drain(&mut child, report);
    let status = child.wait().map_err(|source| BuildError::Tool { tool: "cargo", source })?;
    if !status.success() {
        return Err(BuildError::Compile { tool: "cargo", diagnostics });
    }
    Ok(modules(&messages))
}

/// Reads both pipes to their ends at once, so that neither fills up: messages whole, the other line
/// by line.
fn drain(child: &mut Child, report: &mut dyn FnMut(BuildProgress)) -> (String, String) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let messages = scope.spawn(move || {
            let mut text = Vec::new();
            // Lines before a broken pipe are still good; the exit status tells the rest.
            let _read = stdout.map(|mut pipe| pipe.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut diagnostics = String::new();
        for line in stderr.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
            let Ok(line) = line else { break };
            match line.trim_start() {
                step if is_step(step) => report(BuildProgress::Step(step.to_owned())),
                _ => {
                    diagnostics.push_str(&line);
                    diagnostics.push('\n');
                }
            }
        }
        (messages.join().unwrap_or_default(), diagnostics)
    })
}

/// True for a line of Cargo that is progress and no diagnostic.
fn is_step(line: &str) -> bool {
    let steps = [
        "Adding ",
        "Blocking ",
        "Compiling ",
        "Downloaded ",
        "Downloading ",
        "Finished ",
        "Locking ",
        "Updating ",
    ];
    steps.iter().any(|step| line.starts_with(step))
}

/// The wasm files that Cargo's messages name, by package id.
fn modules(messages: &str) -> BTreeMap<String, PathBuf> {
    #[derive(Deserialize)]
    struct Artifact {
        package_id: String,
        target: CargoTarget,
        filenames: Vec<PathBuf>,
    }
    let mut modules = BTreeMap::new();
    for line in messages.lines() {
        // Messages of other shapes are not about artifacts.
        let Ok(artifact) = serde_json::from_str::<Artifact>(line) else { continue };
        let wasm = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
        if !artifact.target.is_cdylib() {
            continue;
        }
        if let Some(module) = artifact.filenames.into_iter().find(wasm) {
            modules.insert(artifact.package_id, module);
        }
    }
    modules
}

fn command(tool: &str, dir: &Path) -> Command {
    let mut command = Command::new(tool);
    command.current_dir(dir).env("CARGO_TERM_COLOR", "never");
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

fn output(tool: &'static str, command: &mut Command) -> Result<Output, BuildError> {
    command.output().map_err(|source| BuildError::Tool { tool, source })
}

fn parent<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok(path.parent().unwrap_or(&path).to_owned())
}
