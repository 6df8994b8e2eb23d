//! Checks and compiles a stranger's bytes. Plain data goes in and out,
//! so that it can be done in another process.

use renkei_package::{Package, PackageFacts, PackagePart};
use serde::{Deserialize, Serialize};
use wasmtime::Engine;

use renkei_egress::escape::words;

/// The result of checking the bytes: the first line that the child writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CompileVerdict {
    /// A plugin.
    Plugin(PackageFacts),
    /// No plugin for this host.
    Refused(CompileRefusal),
}

/// The reason why bytes are no plugin, without the name of the file that holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompileRefusal {
    pub(crate) part: PackagePart,
    /// Words of the file are escaped.
    pub(crate) reason: String,
    /// The next step.
    pub(crate) hint: Option<String>,
}

/// Checks the bytes without compiling them.
pub(crate) fn check(wasm: &[u8]) -> CompileVerdict {
    // The name stands before each reason and is cut off again: the same bytes may have several.
    const NAME: &str = "file";
    match Package::check(NAME, wasm) {
        Ok(facts) => CompileVerdict::Plugin(facts),
        Err(error) => {
            let (part, text) = (error.part(), error.to_string());
            let reason = text.strip_prefix(NAME).and_then(|text| text.strip_prefix(": "));
            let (reason, hint) = (words(reason.unwrap_or(&text)), error.hint());
            let hint = hint.map(|hint| words(&hint));
            CompileVerdict::Refused(CompileRefusal { part, reason, hint })
        }
    }
}

/// The artefact of checked bytes, or why there is none.
pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, String> {
    engine.precompile_component(wasm).map_err(|error| words(&format!("{error:#}")))
}
