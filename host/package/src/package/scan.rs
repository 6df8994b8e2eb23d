//! One pass over the sections of a file: manifest, imports, exports, and the caps.
//!
//! The pass steps from section to section and needs no memory of its own. Full validation comes
//! after the caps, because it costs more than the pass.

use wasmparser::{Chunk, Parser, Payload, Validator, WasmFeatures};

use super::error::PackageError;
use crate::manifest::SECTION;

/// The largest plugin file, in bytes: a Python guest has 18 MB.
pub const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The largest manifest, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 256 * 1024;
/// The most bytes of custom sections, those of nested modules included: names and producers, never
/// executed.
pub const CUSTOM_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The most functions, over all modules of the file.
pub const FUNCTIONS_MAX: usize = 50_000;
/// The largest body of a function, in bytes: compiling is not linear in it.
pub const BODY_BYTES_MAX: usize = 512 * 1024;
/// The deepest nesting of components, and of component and instance types in one section.
pub const NESTING_MAX: usize = 100;

/// Features of guests: WebAssembly 2 with extended constants, and the component model without its
/// asynchronous ABI. No threads, GC, exceptions, 64-bit memories or tail calls; the runtime's
/// engine refuses them as well.
const FEATURES: WasmFeatures =
    WasmFeatures::WASM2.union(WasmFeatures::EXTENDED_CONST).union(WasmFeatures::COMPONENT_MODEL);

/// The contents that one pass finds.
pub(super) struct FileScan<'a> {
    pub(super) manifest: &'a [u8],
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

#[derive(Default)]
struct SectionTotals<'a> {
    /// The number of modules and components that enclose the payload; 0 at the root.
    depth: usize,
    type_depth: usize,
    custom_bytes: usize,
    functions: usize,
    largest_body: usize,
    manifests: Vec<&'a [u8]>,
    imports: Vec<String>,
    exports: Vec<String>,
}

pub(super) fn scan_file<'a>(name: &str, bytes: &'a [u8]) -> Result<FileScan<'a>, PackageError> {
    let name = name.to_owned();
    if bytes.len() > FILE_BYTES_MAX {
        let (found, max) = (bytes.len(), FILE_BYTES_MAX);
        return Err(PackageError::TooLarge { name, what: "size in bytes", found, max });
    }
    // wasmtime's precompiled files are ELF images.
    if bytes.starts_with(b"\x7fELF") {
        return Err(PackageError::Precompiled { name });
    }
    if Parser::is_core_wasm(bytes) {
        return Err(PackageError::CoreModule { name });
    }
    if !Parser::is_component(bytes) {
        return Err(PackageError::NotWasm { name });
    }
    let totals = walk(&name, bytes)?;
    Validator::new_with_features(FEATURES)
        .validate_all(bytes)
        .map_err(|error| PackageError::Invalid { name: name.clone(), reason: error.to_string() })?;
    let manifest = match totals.manifests.as_slice() {
        [] => return Err(PackageError::NoManifest { name }),
        [manifest] => *manifest,
        _ => return Err(PackageError::ManyManifests { name }),
    };
    Ok(FileScan { manifest, imports: totals.imports, exports: totals.exports })
}

fn walk<'a>(name: &str, bytes: &'a [u8]) -> Result<SectionTotals<'a>, PackageError> {
    let invalid = |error: wasmparser::Error| PackageError::Invalid {
        name: name.to_owned(),
        reason: error.to_string(),
    };
    let truncated = || PackageError::Truncated { name: name.to_owned(), bytes: bytes.len() };
    let mut totals = SectionTotals::default();
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    let mut parents = Vec::new();
    let mut rest = bytes;
    loop {
        let (used, payload) = match parser.parse(rest, false).map_err(invalid)? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            // The end of the file is an end where a section may begin, and a cut anywhere else.
            Chunk::NeedMoreData(_) => match parser.parse(rest, true) {
                Ok(Chunk::Parsed { consumed, payload }) => (consumed, payload),
                Ok(Chunk::NeedMoreData(_)) | Err(_) => return Err(truncated()),
            },
        };
        rest = rest.get(used..).unwrap_or_default();
        match &payload {
            Payload::ModuleSection { parser: inner, unchecked_range }
            | Payload::ComponentSection { parser: inner, unchecked_range } => {
                if unchecked_range.end > bytes.len() {
                    return Err(truncated());
                }
                parents.push(std::mem::replace(&mut parser, inner.clone()));
            }
            Payload::End(_) => match parents.pop() {
                Some(parent) => parser = parent,
                None => return Ok(totals),
            },
            _ => {}
        }
        totals.depth = parents.len();
        if let Payload::ComponentTypeSection(section) = &payload {
            let types = bytes.get(section.range()).unwrap_or_default();
            totals.type_depth = totals.type_depth.max(type_depth(types));
        }
        totals.count(payload).map_err(invalid)?;
        totals.check(name)?;
    }
}

/// No less than how deep the component and instance types of a section are nested: a type within a
/// type begins with the declaration 0x01 and 0x41 or 0x42. The validator walks them by recursion,
/// and would take the stack of the whole program with it.
fn type_depth(section: &[u8]) -> usize {
    section.windows(2).filter(|pair| matches!(pair, [0x01, 0x41 | 0x42])).count()
}

impl<'a> SectionTotals<'a> {
    fn count(&mut self, payload: Payload<'a>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::CustomSection(section) => {
                self.custom_bytes = self.custom_bytes.saturating_add(section.data().len());
                if self.depth == 0 && section.name() == SECTION {
                    self.manifests.push(section.data());
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                self.functions = self.functions.saturating_add(count);
            }
            Payload::CodeSectionEntry(body) => {
                self.largest_body = self.largest_body.max(body.as_bytes().len());
            }
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                for import in section {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 0 => {
                for export in section {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&self, name: &str) -> Result<(), PackageError> {
        let manifest = self.manifests.first().map_or(0, |manifest| manifest.len());
        for (what, found, max) in [
            ("manifest bytes", manifest, MANIFEST_BYTES_MAX),
            ("bytes of custom sections", self.custom_bytes, CUSTOM_BYTES_MAX),
            ("functions", self.functions, FUNCTIONS_MAX),
            ("bytes of one function", self.largest_body, BODY_BYTES_MAX),
            ("levels of nested components", self.depth, NESTING_MAX),
            ("levels of nested types", self.type_depth, NESTING_MAX),
        ] {
            if found > max {
                return Err(PackageError::TooLarge { name: name.to_owned(), what, found, max });
            }
        }
        Ok(())
    }
}
