//! Plugins in JavaScript and Python: the componentizer that their lock file pins makes the
//! component.
//!
//! `build/` (and npm's `node_modules/`) below the plugin's directory hold the contract as WIT, the
//! tools and the component. A changed lock file alone installs the tools again, so a second build
//! needs no network. A package could run code on the author's machine when it is installed, so npm
//! runs no scripts of packages and pip accepts nothing without a hash.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::component::read_manifest;
use super::error::{BuildError, crate_error};
use super::progress::BuildProgress;
use crate::manifest::Manifest;
use crate::world::WIT;

/// The languages of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScriptLanguage {
    JavaScript,
    Python,
}

/// A plugin in a scripting language, and the folder of its sources.
pub(super) struct ScriptPlugin {
    dir: PathBuf,
    language: ScriptLanguage,
}

/// The keys of `package.json` that a build reads.
#[derive(Deserialize)]
struct NpmPackage {
    version: Option<String>,
    main: Option<String>,
}

impl ScriptPlugin {
    /// The plugin in `dir`, if it is one in a language of this module.
    pub(super) fn find(dir: &Path) -> Option<Self> {
        let language = if dir.join("package.json").is_file() {
            ScriptLanguage::JavaScript
        } else if dir.join("requirements.txt").is_file() {
            ScriptLanguage::Python
        } else {
            return None;
        };
        Some(Self { dir: dir.to_owned(), language })
    }

    /// The folder of intermediate files.
    pub(super) fn work_dir(&self) -> PathBuf {
        self.dir.join("build")
    }

    /// `plugin.toml`; its version may come from `package.json`.
    pub(super) fn manifest(&self) -> Result<Manifest, BuildError> {
        let path = self.dir.join("plugin.toml");
        if !path.is_file() {
            return read_manifest(&path, None);
        }
        let version = match self.language {
            ScriptLanguage::JavaScript => self.npm_package()?.version,
            ScriptLanguage::Python => None,
        };
        read_manifest(&path, version.as_deref())
    }

    /// Installs the tools if need be and makes the component.
    pub(super) fn componentize(
        &self,
        manifest: &Manifest,
        report: &mut dyn FnMut(BuildProgress),
    ) -> Result<Vec<u8>, BuildError> {
        let source = self.source()?;
        let wit = self.write_contract()?;
        let output = absolute(&self.work_dir().join("component.wasm"))?;
        let world = format!("{}-plugin", manifest.kind.name());
        let mut make = match self.language {
            ScriptLanguage::JavaScript => {
                let tool = self.install_npm(report)?;
                let mut make = self.command("node");
                make.arg(tool).arg("--wit").arg(&wit).args(["--world", &world, "--sync", "--js"]);
                make.arg(source).arg("-o").arg(&output);
                make
            }
            ScriptLanguage::Python => {
                let venv = self.install_pip(report)?;
                let mut make = self.command(venv.join("bin/componentize-py"));
                make.env("VIRTUAL_ENV", &venv).arg("-q").arg("-d").arg(&wit);
                make.args(["-w", &world, "componentize", "plugin", "-p"]);
                make.arg(absolute(&self.dir.join("src"))?).arg("-o").arg(&output);
                make
            }
        };
        let tool = match self.language {
            ScriptLanguage::JavaScript => "componentize-qjs",
            ScriptLanguage::Python => "componentize-py",
        };
        report(BuildProgress::Step(format!("{tool}: making the component")));
        run(tool, &mut make)?;
        std::fs::read(&output).map_err(io(&output))
    }

    /// The entry point, which must be there before anything is installed; the lock file too.
    fn source(&self) -> Result<PathBuf, BuildError> {
        let name = match self.language {
            ScriptLanguage::JavaScript => {
                if !self.dir.join("package-lock.json").is_file() {
                    let error = crate_error(&self.dir, "no package-lock.json in it");
                    return Err(error.with_hint("run `npm install` there once"));
                }
                self.npm_package()?.main.unwrap_or_else(|| "index.js".to_owned())
            }
            ScriptLanguage::Python => "src/plugin.py".to_owned(),
        };
        let path = self.dir.join(&name);
        if path.is_file() {
            return absolute(&path);
        }
        let hint = match self.language {
            ScriptLanguage::JavaScript => "make it, or name another one as `main` in package.json",
            ScriptLanguage::Python => "make it: it is the plugin",
        };
        Err(crate_error(&self.dir, &format!("no {name} in it")).with_hint(hint))
    }

    fn npm_package(&self) -> Result<NpmPackage, BuildError> {
        let path = self.dir.join("package.json");
        let text = renkei_files::read_text(&path).map_err(io(&path))?;
        serde_json::from_str(&text)
            .map_err(|error| crate_error(&self.dir, &format!("package.json: {error}")))
    }

    /// The contract as files, for the tools; the directory.
    fn write_contract(&self) -> Result<PathBuf, BuildError> {
        let dir = self.work_dir().join("wit");
        std::fs::create_dir_all(&dir).map_err(io(&dir))?;
        for (name, text) in WIT {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(io(&path))?;
        }
        absolute(&dir)
    }

    /// The script of `componentize-qjs`.
    fn install_npm(&self, report: &mut dyn FnMut(BuildProgress)) -> Result<PathBuf, BuildError> {
        let tool = self.dir.join("node_modules/componentize-qjs/cli.mjs");
        self.once("package-lock.json", &tool, || {
            report(BuildProgress::Step("npm: installing what package-lock.json pins".to_owned()));
            let mut npm = self.command("npm");
            run("npm", npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))
        })?;
        absolute(&tool)
    }

    /// The virtual environment with `componentize-py` and the plugin's own packages.
    fn install_pip(&self, report: &mut dyn FnMut(BuildProgress)) -> Result<PathBuf, BuildError> {
        let venv = self.work_dir().join("venv");
        self.once("requirements.txt", &venv.join("bin/componentize-py"), || {
            report(BuildProgress::Step("pip: installing what requirements.txt pins".to_owned()));
            let mut python = self.command("python3");
            run("python3", python.args(["-m", "venv", "--clear"]).arg(absolute(&venv)?))?;
            let mut pip = self.command(absolute(&venv)?.join("bin/pip"));
            pip.args(["install", "--quiet", "--disable-pip-version-check", "--require-hashes"]);
            run("pip", pip.args(["-r", "requirements.txt"]))
        })?;
        absolute(&venv)
    }

    /// Runs `install` unless it was done for this very lock file and `tool` is there.
    fn once(
        &self,
        lock: &str,
        tool: &Path,
        install: impl FnOnce() -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let lock = self.dir.join(lock);
        let digest = hex::encode(Sha256::digest(renkei_files::read(&lock).map_err(io(&lock))?));
        let stamp = self.work_dir().join("installed");
        let installed = renkei_files::read_text(&stamp).is_ok_and(|found| found == digest);
        if installed && tool.is_file() {
            return Ok(());
        }
        install()?;
        if !tool.is_file() {
            let name = tool.file_name().unwrap_or_default().to_string_lossy();
            let error = crate_error(&self.dir, &format!("its lock file pins no {name}"));
            return Err(error.with_hint("pin it as the lock file of `renkei plugin new` does"));
        }
        std::fs::write(&stamp, digest).map_err(io(&stamp))
    }

    fn command(&self, tool: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(tool);
        command.current_dir(&self.dir).stdin(Stdio::null());
        command
    }
}

/// Runs a tool to its end; what it printed is the error if it fails.
fn run(tool: &'static str, command: &mut Command) -> Result<(), BuildError> {
    let output = command.output().map_err(|source| BuildError::Tool { tool, source })?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let diagnostics = plugin_part(&String::from_utf8_lossy(&text)).to_owned();
    Err(BuildError::Compile { tool, diagnostics })
}

/// The part of a tool's output that is about the plugin: without the tool's backtrace, and of
/// Python's tracebacks the last one, which is the plugin's.
pub(super) fn plugin_part(printed: &str) -> &str {
    const TRACEBACK: &str = "Traceback (most recent call last):";
    let head = |text: &str, sign: &str| text.find(sign).unwrap_or(text.len());
    let output = printed.get(..head(printed, "Stack backtrace:")).unwrap_or(printed);
    let of_python = output.rfind(TRACEBACK).and_then(|at| output.get(at..));
    let output = match of_python {
        Some(last) => last.get(..head(last, "\nCaused by:")).unwrap_or(last),
        None => output,
    };
    if output.trim().is_empty() { printed.trim_end() } else { output.trim_end() }
}

/// Tools run in the plugin's directory, so paths must not be relative to ours.
fn absolute(path: &Path) -> Result<PathBuf, BuildError> {
    std::path::absolute(path).map_err(io(path))
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::Io { path, source }
}
