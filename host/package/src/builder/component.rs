//! The first and last steps of every build: read the manifest, make the component, embed the
//! manifest, check the file, write it in one step.

use std::path::{Path, PathBuf};

use renkei_files::FileAccess;
use wasm_encoder::{ComponentSection as _, CustomSection};
use wit_component::ComponentEncoder;

use super::error::BuildError;
use crate::manifest::{Manifest, SECTION};
use crate::package::Package;

/// A plugin file that was made.
#[derive(Debug)]
pub struct Built {
    /// `<out_dir>/<id>.wasm`.
    pub path: PathBuf,
    /// The file, read back.
    pub package: Package,
}

/// `version` is the default of a manifest that says none.
pub(super) fn read_manifest(path: &Path, version: Option<&str>) -> Result<Manifest, BuildError> {
    let text = renkei_files::read_text(path)
        .map_err(|source| BuildError::Io { path: path.to_owned(), source })?;
    Manifest::from_toml(&text, version)
        .map_err(|source| BuildError::Manifest { path: path.to_owned(), source })
}

/// Makes `<out_dir>/<id>.wasm` of a component: embeds the manifest, checks, writes.
pub(super) fn write(
    mut component: Vec<u8>,
    manifest: &Manifest,
    out_dir: &Path,
) -> Result<Built, BuildError> {
    let data = manifest.to_json().to_string().into_bytes();
    CustomSection { name: SECTION.into(), data: data.into() }.append_to_component(&mut component);
    let file_name = format!("{}.wasm", manifest.id);
    let package = Package::read(&file_name, component)?;

    let path = out_dir.join(&file_name);
    // A host that watches the folder sees the old file or the new one.
    std::fs::create_dir_all(out_dir)
        .and_then(|()| renkei_files::replace_with(&path, FileAccess::Umask, &[package.bytes()]))
        .map_err(|source| BuildError::Io { path: path.clone(), source })?;
    Ok(Built { path, package })
}

/// The component of a core module that wit-bindgen made.
pub(super) fn componentize(
    crate_name: &str,
    module: &[u8],
    manifest: &Manifest,
) -> Result<Vec<u8>, BuildError> {
    let failed = |reason: String, hint: Option<String>| {
        let package = crate_name.to_owned();
        BuildError::Component { package, reason, hint }
    };
    if !has_component_type(module) {
        let macro_name = match manifest.kind.name() {
            "connector" => "renkei_sdk::export_connector!",
            _ => "renkei_sdk::export_transform!",
        };
        let hint = format!("call `{macro_name}` in its lib.rs");
        return Err(failed("exports no plugin".to_owned(), Some(hint)));
    }
    ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| failed(format!("{error:#}"), None))
}

/// True for a module in which wit-bindgen left its description of the world.
fn has_component_type(module: &[u8]) -> bool {
    wasmparser::Parser::new(0).parse_all(module).flatten().any(|payload| match payload {
        wasmparser::Payload::CustomSection(section) => section.name().starts_with("component-type"),
        _ => false,
    })
}
