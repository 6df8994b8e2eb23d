//! The child's side: limits itself, reads, checks, compiles, writes.
//!
//! Runs before anything else of the program: no runtime, no configuration, no secret is in this
//! process, and it cannot write a file. A limit inherited from outside that is lower than ours
//! stays: the parent knows it too and says whose it is.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use renkei_package::FILE_BYTES_MAX;
use rlimit::{Resource, getrlimit, setrlimit};

use super::work::{self, Verdict};
use crate::engine;

/// The program's first argument when it is started to check or compile a plugin; the task, memory
/// in bytes and processor time in seconds follow.
pub const COMPILER_ARGUMENT: &str = "compile-plugin";

/// The signal of a process that used up its processor time; the same on Linux and macOS.
pub(super) const SIGXCPU: i32 = 24;

/// Processor time for checking the bytes, s: a good file of 30 MB takes less than one.
pub(super) const CHECK_SECONDS: u64 = 10;

/// What the child is to do after the check; its first argument of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Nothing more.
    Check,
    /// Compile.
    Compile,
}

impl Task {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Compile => "compile",
        }
    }
}

/// Checks and compiles if the program was started to ([`COMPILER_ARGUMENT`] is its first argument),
/// and gives the exit code; nothing where it was started for something else. Call it before
/// anything else.
pub fn compile_as_child(mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let _program = arguments.next();
    if arguments.next()? != COMPILER_ARGUMENT {
        return None;
    }
    let task = arguments.next();
    let task = [Task::Check, Task::Compile]
        .into_iter()
        .find(|known| task.as_ref().is_some_and(|task| task == known.word()));
    let mut number = || arguments.next()?.to_str()?.parse::<u64>().ok();
    let outcome = match (task, number(), number()) {
        (Some(task), Some(memory_bytes), Some(cpu_seconds)) => run(task, memory_bytes, cpu_seconds),
        _ => Err("usage: compile-plugin check|compile MEMORY_BYTES CPU_SECONDS".to_owned()),
    };
    let Err(reason) = outcome else { return Some(ExitCode::SUCCESS) };
    // Nobody reads it where the parent is gone.
    io::stderr().write_all(reason.as_bytes()).ok();
    Some(ExitCode::FAILURE)
}

/// Sets a limit, or leaves a lower one that was inherited.
fn limit(resource: Resource, soft: u64, hard: u64) -> Result<(), String> {
    let inherited = getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard);
    setrlimit(resource, soft.min(inherited), hard.min(inherited))
        .map_err(|error| format!("no limits can be set: {error}"))
}

fn run(task: Task, memory_bytes: u64, cpu_seconds: u64) -> Result<(), String> {
    // One second more as the hard limit: the soft one says what happened, the hard one kills.
    let hard_seconds = cpu_seconds.saturating_add(1);
    limit(Resource::AS, memory_bytes, memory_bytes)?;
    limit(Resource::CPU, cpu_seconds.min(CHECK_SECONDS), hard_seconds)?;
    for (resource, most) in [(Resource::CORE, 0), (Resource::FSIZE, 0), (Resource::NOFILE, 16)] {
        limit(resource, most, most)?;
    }
    let mut wasm = Vec::new();
    let most = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = io::stdin().lock().take(most.saturating_add(1)).read_to_end(&mut wasm);
    read.map_err(|error| format!("standard input: {error}"))?;
    let verdict = work::check(&wasm);
    let mut line = serde_json::to_vec(&verdict).map_err(|error| error.to_string())?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    let mut write = |bytes: &[u8]| {
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| error.to_string())
    };
    write(&line)?;
    if task == Task::Check || matches!(verdict, Verdict::Refused(_)) {
        return Ok(());
    }
    limit(Resource::CPU, cpu_seconds, hard_seconds)?;
    let engine = engine::for_compiling().map_err(|error| error.to_string())?;
    write(&work::compile(&engine, &wasm)?)
}
