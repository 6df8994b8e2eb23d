//! `renkei plugin`: `build`, `pack`, `new` and `inspect` need no configuration and are here; `test`
//! and what is about the plugins of a host are in `plugin/`.

mod file;
pub(crate) mod plugin_status;
mod preview;
mod requests;
mod test;

use std::path::Path;

use renkei_admin::plugins::PluginRequest;
use renkei_package::{
    BuildError, BuildOptions, BuildProgress, Built, Manifest, Package, PluginTemplate,
    SourceLanguage,
};
use renkei_runtime::CompileLimits;
use serde_json::{Value, json};

use crate::cli::{PluginCommand, PluginKind, PluginLanguage};
use crate::command_error::CommandError;
use crate::output::Output;

/// Dispatches.
pub(crate) async fn run(command: &PluginCommand, output: Output) -> Result<(), CommandError> {
    match command {
        PluginCommand::Build { path, out } => build(path, out, output),
        PluginCommand::Pack { file, manifest, out } => pack(file, manifest, out, output),
        PluginCommand::New { name, kind, language, into, sdk } => {
            new(name, ((*kind).into(), (*language).into()), into, sdk.as_deref(), output)
        }
        PluginCommand::Inspect { file } => inspect(file, output).await,
        PluginCommand::Test(args) => test::run(args, output).await,
        PluginCommand::List(args) => requests::list(&args.dir, output).await,
        PluginCommand::Preview { file, id, show_values, dir } => {
            preview::run(&dir.dir, file, id.clone(), *show_values, output).await
        }
        PluginCommand::Reload { plugin, dir } => {
            requests::run(&dir.dir, PluginRequest::Reload(plugin.clone()), output).await
        }
        PluginCommand::Rollback { id, dir } => {
            requests::run(&dir.dir, PluginRequest::RollBack(id.clone()), output).await
        }
        PluginCommand::Hold { id, off, dir } => {
            let request = PluginRequest::Hold { id: id.clone(), on: !off };
            requests::run(&dir.dir, request, output).await
        }
        PluginCommand::Grants { id, allow, deny, dir } => {
            let (id, allow, deny) = (id.clone(), allow.clone(), deny.clone());
            requests::run(&dir.dir, PluginRequest::Grants { id, allow, deny }, output).await
        }
    }
}

impl From<PluginKind> for PluginTemplate {
    fn from(kind: PluginKind) -> Self {
        match kind {
            PluginKind::Connector => Self::Connector,
            PluginKind::Transform => Self::Transform,
        }
    }
}

impl From<PluginLanguage> for SourceLanguage {
    fn from(language: PluginLanguage) -> Self {
        match language {
            PluginLanguage::Rust => Self::Rust,
            PluginLanguage::JavaScript => Self::JavaScript,
            PluginLanguage::Python => Self::Python,
        }
    }
}

fn build(path: &Path, out: &Path, output: Output) -> Result<(), CommandError> {
    let bar = output.progress("building");
    let options = BuildOptions { out_dir: Some(out.to_owned()), ..BuildOptions::default() };
    let built = renkei_package::build(path, &options, &mut |progress| {
        if progress == BuildProgress::AddingTarget {
            output.note(&progress.to_string());
        }
        bar.set_message(progress.to_string());
        bar.tick();
    });
    bar.finish_and_clear();
    wrote(&built.map_err(CommandError::plugin)?, output)
}

fn pack(file: &Path, manifest: &Path, out: &Path, output: Output) -> Result<(), CommandError> {
    let packed = renkei_package::pack(file, manifest, out).map_err(|error| match error {
        BuildError::Io { .. } => CommandError::usage(error).hint("check the path of the file"),
        other => CommandError::plugin(other),
    });
    wrote(&packed?, output)
}

fn wrote(built: &Built, output: Output) -> Result<(), CommandError> {
    let file = built.path.display().to_string();
    output.result(&facts(&file, &built.package), || {
        format!("wrote {}", describe(&file, &built.package))
    })?;
    Ok(())
}

fn new(
    name: &str,
    (kind, language): (PluginTemplate, SourceLanguage),
    into: &Path,
    sdk: Option<&Path>,
    output: Output,
) -> Result<(), CommandError> {
    // The new crate names it by its path.
    let whole = |sdk: &Path| sdk.canonicalize().unwrap_or_else(|_| sdk.to_owned());
    let sdk = sdk.map_or_else(renkei_package::sdk_dir, whole);
    let files = renkei_package::new_plugin(kind, language, name, into, &sdk)?;
    let dir = into.join(name).display().to_string();
    output.result(&json!({ "dir": dir, "files": files }), || match language {
        SourceLanguage::Rust => format!(
            "made {dir}\nNext: `cargo test` there, then `renkei plugin build {dir}`\n\
             Its Cargo.toml names the SDK by its path on this machine, {}; change it where that moves",
            sdk.display()
        ),
        SourceLanguage::JavaScript | SourceLanguage::Python => format!(
            "made {dir}\nNext: `renkei plugin build {dir}`; \
             its first run installs the tools below {dir}"
        ),
    })?;
    Ok(())
}

async fn inspect(path: &Path, output: Output) -> Result<(), CommandError> {
    let name = path.display().to_string();
    let package = file::read_package_file(path, &CompileLimits::default()).await?;
    output.result(&facts(&name, &package), || describe(&name, &package))?;
    Ok(())
}

fn facts(file: &str, package: &Package) -> Value {
    json!({
        "file": file,
        "id": package.manifest.id,
        "version": package.manifest.version,
        "kind": package.manifest.kind.name(),
        "digest": package.digest,
        "size": package.bytes().len(),
        "imports": package.imports,
        "exports": package.exports,
        "manifest": package.manifest.to_json(),
    })
}

fn describe(file: &str, package: &Package) -> String {
    let Manifest { id, version, title, publisher, kind, .. } = &package.manifest;
    format!(
        "{file}\n  {title}: {} {id} {version} by {publisher}\n  {} bytes, sha256 {}\n  imports {}",
        kind.name(),
        package.bytes().len(),
        package.digest,
        if package.imports.is_empty() { "nothing".to_owned() } else { package.imports.join(", ") },
    )
}
