//! Turns a plugin into native code, in a process of its own.
//!
//! wasmtime calls it no fault of its own when its compiler takes for ever or eats all memory
//! (TRUST.md 2.1), so the program lets a child compile: itself, started again as
//! [`COMPILER_ARGUMENT`], without environment, with limits of memory and processor time that it
//! sets on itself before it reads a byte ([`child`]), and with a deadline that the parent keeps.
//! Whatever happens to the child is a typed error of one file. One plugin compiles at a time.
//!
//! Protocol: WebAssembly on standard input, the artefact on standard output with exit code 0, or a
//! reason on standard error with exit code 1. What comes out is native code that the parent trusts,
//! because the child is this program; nobody else holds the pipe.

mod child;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::engine::EngineError;
use crate::limits::{Cap, LimitReached};
use crate::text::words;

pub use child::{COMPILER_ARGUMENT, compile_as_child};

/// The most that the compiler makes of one plugin, bytes.
const ARTEFACT_BYTES_MAX: u64 = 512 << 20;
const STDERR_BYTES_MAX: u64 = 8 << 10;
/// Threads of the child: each costs address space.
const THREADS: &str = "4";

/// Where plugins are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compiler {
    /// In this process: for tests and tools that load plugins of their own. Only the deadline
    /// holds, and the thread goes on when it is over.
    InProcess,
    /// In a child: the program to start and the arguments before ours. It must call
    /// [`compile_as_child`] first of all.
    Child {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
}

impl Compiler {
    /// This program, started again. On Linux by its open file, so that an update of the program on
    /// disk does not bring another compiler than the one that loads.
    pub fn this_program() -> std::io::Result<Self> {
        let open = PathBuf::from("/proc/self/exe");
        let program = if open.exists() { open } else { std::env::current_exe()? };
        Ok(Self::Child { program, arguments: vec![OsString::from(COMPILER_ARGUMENT)] })
    }
}

/// What compiling one plugin may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space of the child, bytes.
    pub memory_bytes: u64,
    /// Processor time of the child over all its threads, s.
    pub cpu_seconds: u64,
    /// How long the parent waits.
    pub deadline: Duration,
}

impl CompileLimits {
    /// Bounds of `memory_mb` and `seconds` in the configuration.
    pub const MEMORY_MB: (u64, u64) = (256, 16_384);
    /// See [`Self::MEMORY_MB`].
    pub const SECONDS: (u64, u64) = (1, 3_600);

    /// So many seconds of processor time, and five times as long by the clock: the processor may
    /// be busy with others.
    pub fn new(memory_bytes: u64, cpu_seconds: u64) -> Self {
        let deadline = Duration::from_secs(cpu_seconds.saturating_mul(5));
        Self { memory_bytes, cpu_seconds, deadline }
    }
}

impl Default for CompileLimits {
    /// 2 GiB and 60 s of processor time: an 18 MB Python guest fits.
    fn default() -> Self {
        Self::new(2 << 30, 60)
    }
}

/// See the module's text.
pub(crate) struct Compile {
    way: Compiler,
    limits: CompileLimits,
    turn: Semaphore,
}

impl Compile {
    pub(crate) fn new(way: Compiler, limits: CompileLimits) -> Self {
        Self { way, limits, turn: Semaphore::new(1) }
    }

    /// The artefact of a component, for [`crate::cache::Cache::adopt`].
    pub(crate) async fn artefact(
        &self,
        engine: &Engine,
        wasm: Vec<u8>,
    ) -> Result<Vec<u8>, EngineError> {
        // Never closed: it gives a permit or keeps one waiting.
        let _turn = self.turn.acquire().await.ok();
        match &self.way {
            Compiler::InProcess => self.here(engine.clone(), wasm).await,
            Compiler::Child { program, arguments } => {
                let mut command = Command::new(program);
                command.args(arguments);
                let work = self.there(command, wasm);
                // Given up, the child is killed as it is dropped.
                let made = tokio::time::timeout(self.limits.deadline, work).await;
                made.unwrap_or(Err(EngineError::Slow(self.limits.deadline.as_secs())))
            }
        }
    }

    async fn here(&self, engine: Engine, wasm: Vec<u8>) -> Result<Vec<u8>, EngineError> {
        let work = tokio::task::spawn_blocking(move || engine.precompile_component(&wasm));
        match tokio::time::timeout(self.limits.deadline, work).await {
            Ok(Ok(made)) => {
                made.map_err(|error| EngineError::Compile(words(&format!("{error:#}"))))
            }
            Ok(Err(_)) => Err(EngineError::Crashed("it panicked".to_owned())),
            Err(_) => Err(EngineError::Slow(self.limits.deadline.as_secs())),
        }
    }

    async fn there(&self, mut command: Command, wasm: Vec<u8>) -> Result<Vec<u8>, EngineError> {
        let lost = |error: std::io::Error| EngineError::NoCompiler(error.to_string());
        let CompileLimits { memory_bytes, cpu_seconds, .. } = self.limits;
        let mut child = command
            .args([memory_bytes.to_string(), cpu_seconds.to_string()])
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS)
            .env("MALLOC_ARENA_MAX", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(lost)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(EngineError::NoCompiler("it has no pipes".to_owned()));
        };
        let give = async move {
            // A child that dies early closes the pipe; its exit says why.
            stdin.write_all(&wasm).await.ok();
        };
        let (mut artefact, mut said) = (Vec::new(), Vec::new());
        let (mut out, mut told) =
            (stdout.take(ARTEFACT_BYTES_MAX + 1), stderr.take(STDERR_BYTES_MAX));
        let take = async {
            let (out, told) =
                futures::join!(out.read_to_end(&mut artefact), told.read_to_end(&mut said));
            out.and(told)
        };
        let ((), taken) = futures::join!(give, take);
        taken.map_err(lost)?;
        if artefact.len() > usize::try_from(ARTEFACT_BYTES_MAX).unwrap_or(usize::MAX) {
            return Err(EngineError::Limit(LimitReached::new(Cap::File, ARTEFACT_BYTES_MAX)));
        }
        drop((out, told));
        let status = child.wait().await.map_err(lost)?;
        self.judge(status, artefact, &String::from_utf8_lossy(&said))
    }

    fn judge(
        &self,
        status: ExitStatus,
        artefact: Vec<u8>,
        said: &str,
    ) -> Result<Vec<u8>, EngineError> {
        use std::os::unix::process::ExitStatusExt as _;
        let limit = |cap, limit: u64| Err(EngineError::Limit(LimitReached { cap, limit }));
        if status.success() {
            return Ok(artefact);
        }
        // What Rust's and the C library's allocators say when there is nothing left.
        let starved = ["memory allocation of", "Cannot allocate memory", "os error 12"];
        if starved.iter().any(|words| said.contains(words)) {
            return limit(Cap::CompileMemory, self.limits.memory_bytes);
        }
        match (status.code(), status.signal()) {
            (Some(1), _) => Err(EngineError::Compile(words(said.trim()))),
            (_, Some(child::SIGXCPU)) => limit(Cap::CompileTime, self.limits.cpu_seconds),
            (_, Some(signal)) => Err(EngineError::Crashed(format!("signal {signal}"))),
            (code, None) => {
                let first = said.lines().next().unwrap_or_default();
                let code = code.unwrap_or_default();
                Err(EngineError::Crashed(words(&format!("exit code {code}: {first}"))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Pooling, start};

    #[tokio::test]
    async fn refuses_what_is_not_a_component() {
        let engine = start(Pooling::Off).unwrap();
        let compile = Compile::new(Compiler::InProcess, CompileLimits::default());
        for bytes in [&b"garbage"[..], b"", b"\0asm\x01\0\0\0"] {
            let outcome = compile.artefact(&engine, bytes.to_vec()).await;
            assert!(matches!(outcome, Err(EngineError::Compile(_))), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_child_that_cannot_be_had_or_dies_is_an_error_of_one_file() {
        let engine = start(Pooling::Off).unwrap();
        let run = async |program: &str, arguments: &[&str]| {
            let arguments = arguments.iter().map(OsString::from).collect();
            let way = Compiler::Child { program: program.into(), arguments };
            let limits = CompileLimits { deadline: Duration::from_secs(2), ..Default::default() };
            Compile::new(way, limits).artefact(&engine, vec![0; 1 << 20]).await.unwrap_err()
        };
        assert!(matches!(run("/no/such/program", &[]).await, EngineError::NoCompiler(_)));
        for (script, expected) in [
            ("exit 1", "it does not compile: "),
            ("echo 'bad \u{1b}[31m' >&2; exit 1", "it does not compile: bad \\u{1b}[31m"),
            ("kill -SEGV $$", "the compiler crashed on it (signal 11)"),
            ("kill -XCPU $$", "compiling it took longer than 60 s"),
            ("exit 101", "the compiler crashed on it (exit code 101: )"),
            (
                "echo memory allocation of 9 bytes failed >&2; kill -ABRT $$",
                "compiling it took more than 2048 MiB of memory",
            ),
            ("cat >/dev/null; exec sleep 600", "compiling did not end within 2 s"),
            ("while :; do :; done", "compiling did not end within 2 s"),
        ] {
            assert_eq!(run("/bin/sh", &["-c", script]).await.to_string(), expected, "{script}");
        }
    }
}
