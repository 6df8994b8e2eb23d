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

use super::work::{self, CompileVerdict};
use crate::sandbox::engine;

/// The program's first argument when it is started to check or compile a plugin; the task, memory
/// in bytes and processor time in seconds follow.
pub const COMPILER_ARGUMENT: &str = "compile-plugin";

/// The signal of a process that used up its processor time; the same on Linux and macOS.
pub(super) const SIGXCPU: i32 = 24;

/// The exit code where the bytes are no good.
pub(super) const FAILED: i32 = 1;

/// The exit code where it could not even begin.
pub(super) const NOT_STARTED: i32 = 3;

/// Threads of the compiler: each costs address space.
const THREADS: usize = 4;

/// The stack of the thread that works, bytes: as much as systems commonly give the first one.
const STACK_BYTES: usize = 8 << 20;

/// Processor time for checking the bytes, s: a good file of 30 MB takes less than one.
pub(super) const CHECK_SECONDS: u64 = 10;

/// The task of the child after the check; its first argument of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildTask {
    /// Nothing more.
    Check,
    /// Compile.
    Compile,
}

impl ChildTask {
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
    let task = [ChildTask::Check, ChildTask::Compile]
        .into_iter()
        .find(|known| task.as_ref().is_some_and(|task| task == known.word()));
    let mut number = || arguments.next()?.to_str()?.parse::<u64>().ok();
    let outcome = match (task, number(), number()) {
        (Some(task), Some(memory_bytes), Some(cpu_seconds)) => {
            begin(task, memory_bytes, cpu_seconds)
        }
        _ => Err("usage: compile-plugin check|compile MEMORY_BYTES CPU_SECONDS".to_owned()),
    };
    let (code, reason) = match outcome {
        Ok(Ok(())) => return Some(ExitCode::SUCCESS),
        Ok(Err(reason)) => (FAILED, reason),
        Err(reason) => (NOT_STARTED, reason),
    };
    // Nobody reads it where the parent is gone.
    io::stderr().write_all(reason.as_bytes()).ok();
    Some(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

/// Takes what the work needs of the system before a byte is read, so that whatever is not to be had
/// is the host's lack; then works, and gives what came of that.
fn begin(
    task: ChildTask,
    memory_bytes: u64,
    cpu_seconds: u64,
) -> Result<Result<(), String>, String> {
    let hard_seconds = hard_seconds(cpu_seconds);
    limit(Resource::AS, memory_bytes, memory_bytes)?;
    limit(Resource::DATA, memory_bytes, memory_bytes)?;
    limit(Resource::CPU, cpu_seconds.min(CHECK_SECONDS), hard_seconds)?;
    for (resource, most) in [(Resource::CORE, 0), (Resource::FSIZE, 0), (Resource::NOFILE, 16)] {
        limit(resource, most, most)?;
    }
    let no_threads = |error: String| format!("no threads can be started: {error}");
    if task == ChildTask::Compile {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(THREADS);
        threads.build_global().map_err(|error| no_threads(format!("{error:?}")))?;
    }
    // A stack of its own: that of the first thread is as large as the host's limit says.
    let work = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || run(task, cpu_seconds))
        .map_err(|error| no_threads(error.to_string()))?;
    Ok(work.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// One second more: the soft limit says what happened, the hard one kills.
fn hard_seconds(cpu_seconds: u64) -> u64 {
    cpu_seconds.saturating_add(1)
}

/// Sets a limit, or leaves a lower one that was inherited. Of that one's seconds the last is left
/// for the kill, too.
fn limit(resource: Resource, soft: u64, hard: u64) -> Result<(), String> {
    let inherited = getrlimit(resource).map_or(u64::MAX, |(_, hard)| hard);
    let (mut soft, hard) = (soft.min(inherited), hard.min(inherited));
    if resource == Resource::CPU {
        soft = soft.min(hard.saturating_sub(1)).max(1);
    }
    setrlimit(resource, soft, hard).map_err(|error| format!("no limits can be set: {error}"))
}

fn run(task: ChildTask, cpu_seconds: u64) -> Result<(), String> {
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
    if task == ChildTask::Check || matches!(verdict, CompileVerdict::Refused(_)) {
        return Ok(());
    }
    limit(Resource::CPU, cpu_seconds, hard_seconds(cpu_seconds))?;
    let engine = engine::for_compiling().map_err(|error| error.to_string())?;
    write(&work::compile(&engine, &wasm)?)
}
