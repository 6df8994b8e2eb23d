//! A plugin file of anybody, read without trusting it.

use std::path::Path;

use renkei_package::Package;
use renkei_runtime::{CompileLimits, Compiler};

use crate::command_error::CommandError;

/// The bytes of a plugin file, not checked.
pub(super) fn read_bytes(file: &Path) -> Result<Vec<u8>, CommandError> {
    Package::bytes_at(file).map_err(|error| {
        let error = CommandError::usage(error).at(file.display());
        error.hint("check the path: it must be a plugin file that can be read")
    })
}

/// Reads a plugin file of anybody, in the process with limits that looks at such files.
pub(super) async fn read_package_file(
    file: &Path,
    limits: &CompileLimits,
) -> Result<Package, CommandError> {
    let bytes = read_bytes(file)?;
    let name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let compiler = Compiler::this_program()?;
    renkei_runtime::read_package(&compiler, limits, &name, bytes)
        .await
        .map_err(CommandError::plugin)
}
