//! The compiler's side: limits itself, reads, compiles, writes.
//!
//! Runs before anything else of the program: no runtime, no configuration, no secret is in this
//! process, and it cannot write a file.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use renkei_package::FILE_BYTES_MAX;
use rlimit::{Resource, setrlimit};

use crate::engine;

/// The program's first argument when it is started to compile; memory in bytes and processor time
/// in seconds follow.
pub const COMPILER_ARGUMENT: &str = "compile-plugin";

/// The signal of a process that used up its processor time; the same on Linux and macOS.
pub(super) const SIGXCPU: i32 = 24;

/// Compiles if the program was started to ([`COMPILER_ARGUMENT`] is its first argument), and gives
/// the exit code; nothing where it was started for something else. Call it before anything else.
pub fn compile_as_child(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let _program = arguments.next();
    if arguments.next()? != COMPILER_ARGUMENT {
        return None;
    }
    let mut number = || arguments.next()?.to_str()?.parse::<u64>().ok();
    let outcome = match (number(), number()) {
        (Some(memory_bytes), Some(cpu_seconds)) => compile(memory_bytes, cpu_seconds),
        _ => Err("usage: compile-plugin MEMORY_BYTES CPU_SECONDS".to_owned()),
    };
    let Err(reason) = outcome else { return Some(ExitCode::SUCCESS) };
    // Nobody reads it where the parent is gone.
    io::stderr().write_all(reason.as_bytes()).ok();
    Some(ExitCode::FAILURE)
}

fn compile(memory_bytes: u64, cpu_seconds: u64) -> Result<(), String> {
    for (resource, most) in [
        (Resource::AS, memory_bytes),
        (Resource::CPU, cpu_seconds),
        (Resource::CORE, 0),
        (Resource::FSIZE, 0),
        (Resource::NOFILE, 16),
    ] {
        // One second more as the hard limit: the soft one says what happened, the hard one kills.
        let hard = if resource == Resource::CPU { most.saturating_add(1) } else { most };
        setrlimit(resource, most, hard)
            .map_err(|error| format!("no limits can be set: {error}"))?;
    }
    let mut wasm = Vec::new();
    let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut wasm);
    read.map_err(|error| format!("standard input: {error}"))?;
    if wasm.len() > FILE_BYTES_MAX {
        return Err(format!("more than {FILE_BYTES_MAX} bytes"));
    }
    let engine = engine::for_compiling().map_err(|error| error.to_string())?;
    let artefact = engine.precompile_component(&wasm).map_err(|error| format!("{error:#}"))?;
    let mut out = io::stdout().lock();
    out.write_all(&artefact).and_then(|()| out.flush()).map_err(|error| error.to_string())
}
