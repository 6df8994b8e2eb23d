//! Looks at a stranger's bytes, in a process of its own: checks them and turns them into native
//! code.
//!
//! A few kilobytes can make a validator or a compiler take for ever or eat all memory, and wasmtime
//! calls that no fault of its own. So the program lets a child do both: itself, started again as
//! [`COMPILER_ARGUMENT`], without environment, with limits of memory and processor time that it
//! sets on itself before it reads a byte ([`child`]), and with a deadline that the parent keeps.
//! Whatever happens to the child is a typed error of one file. One new file is looked at at a time;
//! what served before does not wait for new files.
//!
//! Protocol: WebAssembly on standard input; on standard output one line of JSON
//! ([`CompileVerdict`]), then the artefact where one was asked for and made. Exit code 0, or 1 with
//! a reason on standard error, or 3 where it could not even begin. What comes out is native code
//! that the parent trusts, because the child is this program; nobody else holds the pipe.
//!
//! An error that comes from the host's own lack says so and blames no file ([`ending`]).

mod child;
mod ending;
mod limits;
mod work;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use renkei_package::{Package, PackageFacts, PackagePart};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use crate::sandbox::engine::EngineError;
use crate::sandbox::limits::{Cap, LimitReached};
use crate::sandbox::plugin_bytes::{HashedReader, PluginBytes};
use child::ChildTask;
use ending::{ChildEnding, InheritedLimits, inherited};
use work::CompileVerdict;

pub use child::{COMPILER_ARGUMENT, compile_as_child};
pub(crate) use ending::lacks_memory;
pub use limits::CompileLimits;
pub(crate) use work::CompileRefusal;

/// The most that the compiler makes of one plugin, bytes.
pub(crate) const ARTEFACT_BYTES_MAX: u64 = 512 << 20;
const STDERR_BYTES_MAX: u64 = 8 << 10;

/// The place where plugins are compiled.
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

/// The kind of bytes that wait for the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompilePriority {
    /// Bytes that were never looked at before.
    New,
    /// A version that served.
    Known,
}

/// A checked and compiled plugin.
pub(crate) struct Compiled {
    pub(crate) facts: PackageFacts,
    /// For [`crate::sandbox::cache::ArtefactCache::adopt`].
    pub(crate) artefact: Vec<u8>,
}

/// The reason why bytes were not compiled.
#[derive(Debug)]
pub(crate) enum CompileError {
    /// They are no plugin for this host.
    Refused(CompileRefusal),
    /// The check passed, and compiling failed.
    Engine(Box<PackageFacts>, EngineError),
    /// Not even the check ended.
    Unchecked(EngineError),
    /// They went while they waited for their turn, or are others than those of the digest.
    Moved,
}

/// The compiler with its limits and its queue.
pub(crate) struct CompileQueue {
    way: Compiler,
    limits: CompileLimits,
    new_files: Semaphore,
    known: Semaphore,
    /// The host's own limits.
    inherited: InheritedLimits,
}

/// Reads a plugin file of a stranger: checked, as everything else is done to it, by a process with
/// limits. `name` is only for errors.
pub async fn read_package(
    way: &Compiler,
    limits: &CompileLimits,
    name: &str,
    bytes: Vec<u8>,
) -> Result<Package, PackageReadError> {
    let compile = CompileQueue::new(way.clone(), limits.clone());
    let failed = |part, reason: String, hint: Option<String>| {
        let name = name.to_owned();
        PackageReadError { name, part, reason, hint }
    };
    let broken = |error: EngineError| {
        failed(PackagePart::File, error.to_string(), error.hint().map(str::to_owned))
    };
    let bytes = Arc::new(bytes);
    let shared: Arc<dyn PluginBytes> = bytes.clone();
    let reader = HashedReader::open(shared).await;
    let unread = || failed(PackagePart::File, "it cannot be read".to_owned(), None);
    let reader = reader.ok_or_else(unread)?;
    let (verdict, outcome) = compile.start(ChildTask::Check, None, &reader).await;
    drop(reader);
    match (verdict, outcome) {
        (Some(CompileVerdict::Plugin(facts)), Ok(_)) => {
            let bytes = Arc::unwrap_or_clone(bytes);
            Package::from_facts(name, bytes, facts)
                .map_err(|error| failed(error.part(), error.to_string(), error.hint()))
        }
        (Some(CompileVerdict::Refused(CompileRefusal { part, reason, hint })), _) => {
            Err(failed(part, reason, hint))
        }
        (_, Err(error)) => Err(broken(error)),
        (None, Ok(_)) => Err(broken(EngineError::silent())),
    }
}

/// The reason why a file is not read.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {reason}")]
pub struct PackageReadError {
    name: String,
    /// The part of the file that is refused.
    pub part: PackagePart,
    reason: String,
    hint: Option<String>,
}

impl PackageReadError {
    /// The next step.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl CompileQueue {
    pub(crate) fn new(way: Compiler, limits: CompileLimits) -> Self {
        let (new_files, known) = (Semaphore::new(1), Semaphore::new(1));
        Self { way, limits, new_files, known, inherited }
    }

    /// The limits of compiling.
    pub(crate) fn limits(&self) -> &CompileLimits {
        &self.limits
    }

    /// Checks and compiles the bytes, which are opened when it is their turn. What comes of other
    /// bytes than those of the digest is dropped.
    pub(crate) async fn plugin(
        &self,
        engine: &Engine,
        priority: CompilePriority,
        digest: &str,
        bytes: Arc<dyn PluginBytes>,
    ) -> Result<Compiled, CompileError> {
        let turn = match priority {
            CompilePriority::New => &self.new_files,
            CompilePriority::Known => &self.known,
        };
        // Never closed: it gives a permit or keeps one waiting.
        let _turn = turn.acquire().await.ok();
        let reader = HashedReader::open(bytes).await.ok_or(CompileError::Moved)?;
        let (verdict, outcome) = self.start(ChildTask::Compile, Some(engine), &reader).await;
        if !reader.has_digest(digest).await {
            return Err(CompileError::Moved);
        }
        match (verdict, outcome) {
            (Some(CompileVerdict::Plugin(facts)), Ok(artefact)) => Ok(Compiled { facts, artefact }),
            (Some(CompileVerdict::Refused(refused)), _) => Err(CompileError::Refused(refused)),
            (Some(CompileVerdict::Plugin(facts)), Err(error)) => {
                Err(CompileError::Engine(Box::new(facts), error))
            }
            (None, Ok(_)) => Err(CompileError::Unchecked(EngineError::silent())),
            (None, Err(error)) => Err(CompileError::Unchecked(error)),
        }
    }

    /// The verdict as far as it got, and the artefact; an empty one where none was asked for.
    async fn start(
        &self,
        task: ChildTask,
        engine: Option<&Engine>,
        wasm: &HashedReader,
    ) -> (Option<CompileVerdict>, Result<Vec<u8>, EngineError>) {
        let Compiler::Child { program, arguments } = &self.way else {
            return self.work_here(engine, wasm.rest().await).await;
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(task.word());
        let mut written = Vec::new();
        let work = self.run_child(command, wasm, &mut written);
        // Given up, the child is killed as it is dropped.
        let ended = tokio::time::timeout(self.limits.deadline, work).await;
        let ended = ended.unwrap_or(Err(EngineError::Slow(self.limits.deadline.as_secs())));
        let Some(end) = memchr::memchr(b'\n', &written) else {
            return (None, ended.map(|()| written));
        };
        let artefact = written.split_off(end.saturating_add(1));
        let verdict = serde_json::from_slice(&written).ok();
        (verdict, ended.map(|()| artefact))
    }

    async fn work_here(
        &self,
        engine: Option<&Engine>,
        wasm: Vec<u8>,
    ) -> (Option<CompileVerdict>, Result<Vec<u8>, EngineError>) {
        let engine = engine.cloned();
        let work = tokio::task::spawn_blocking(move || {
            let verdict = work::check(&wasm);
            let artefact = match (&verdict, engine) {
                (CompileVerdict::Plugin(_), Some(engine)) => work::compile(&engine, &wasm),
                _ => Ok(Vec::new()),
            };
            (verdict, artefact.map_err(EngineError::Compile))
        });
        match tokio::time::timeout(self.limits.deadline, work).await {
            Ok(Ok((verdict, artefact))) => (Some(verdict), artefact),
            Ok(Err(_)) => (None, Err(EngineError::Crashed("it panicked".to_owned()))),
            Err(_) => (None, Err(EngineError::Slow(self.limits.deadline.as_secs()))),
        }
    }

    async fn run_child(
        &self,
        mut command: Command,
        wasm: &HashedReader,
        written: &mut Vec<u8>,
    ) -> Result<(), EngineError> {
        let lost = |error: std::io::Error| EngineError::NoCompiler(error.to_string());
        let CompileLimits { memory_bytes, cpu_seconds, .. } = self.limits;
        let mut child = command
            .args([memory_bytes.to_string(), cpu_seconds.to_string()])
            .env_clear()
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
            while let Some(piece) = wasm.next_piece().await {
                // A child that dies early closes the pipe; its exit says why.
                if stdin.write_all(&piece).await.is_err() {
                    break;
                }
            }
        };
        let mut said = Vec::new();
        let (mut out, mut told) =
            (stdout.take(ARTEFACT_BYTES_MAX + 1), stderr.take(STDERR_BYTES_MAX));
        let take = async {
            let (out, told) = futures::join!(out.read_to_end(written), told.read_to_end(&mut said));
            out.and(told)
        };
        let ((), taken) = futures::join!(give, take);
        taken.map_err(lost)?;
        if written.len() > usize::try_from(ARTEFACT_BYTES_MAX).unwrap_or(usize::MAX) {
            return Err(EngineError::Limit(LimitReached::new(Cap::File, ARTEFACT_BYTES_MAX)));
        }
        drop((out, told));
        let status = child.wait().await.map_err(lost)?;
        let is_checked = memchr::memchr(b'\n', written).is_some();
        let said = String::from_utf8_lossy(&said);
        ChildEnding { status, is_checked, said: &said }.judge(&self.limits, self.inherited)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::sandbox::engine::{Pooling, start};

    async fn run(
        compile: &CompileQueue,
        engine: &Engine,
        wasm: &[u8],
    ) -> Result<Compiled, CompileError> {
        let (digest, bytes) = (hex::encode(Sha256::digest(wasm)), Arc::new(wasm.to_vec()));
        compile.plugin(engine, CompilePriority::New, &digest, bytes).await
    }

    #[tokio::test]
    async fn compiler_refuses_what_is_no_component() {
        let engine = start(Pooling::Off).unwrap();
        let compile = CompileQueue::new(Compiler::InProcess, CompileLimits::default());
        for bytes in [&b"garbage"[..], b"", b"\0asm\x01\0\0\0"] {
            let outcome = run(&compile, &engine, bytes).await;
            assert!(matches!(outcome, Err(CompileError::Refused(_))), "{bytes:?}");
        }
    }

    /// `SECURITY.md` S3: whatever the compiler says of bytes that changed is said of no file.
    #[tokio::test]
    async fn what_comes_of_other_bytes_than_those_of_the_digest_is_dropped() {
        let engine = start(Pooling::Off).unwrap();
        let arguments = ["-c", "exit 1"].map(OsString::from).to_vec();
        let deaf = Compiler::Child { program: "/bin/sh".into(), arguments };
        for way in [Compiler::InProcess, deaf] {
            let compile = CompileQueue::new(way, CompileLimits::default());
            let bytes = Arc::new(vec![0; 1 << 20]);
            let digest = hex::encode(Sha256::digest(b"others"));
            let outcome = compile.plugin(&engine, CompilePriority::New, &digest, bytes);
            assert!(matches!(outcome.await, Err(CompileError::Moved)));
        }
    }

    #[tokio::test]
    async fn a_child_that_cannot_be_had_or_dies_is_an_error_of_one_file() {
        let engine = start(Pooling::Off).unwrap();
        let run = async |program: &str, arguments: &[&str]| {
            let arguments = arguments.iter().map(OsString::from).collect();
            let way = Compiler::Child { program: program.into(), arguments };
            let limits = CompileLimits { deadline: Duration::from_secs(2), ..Default::default() };
            match run(&CompileQueue::new(way, limits), &engine, &vec![0; 1 << 20]).await {
                Err(CompileError::Unchecked(error)) => error,
                _ => panic!("it ended well"),
            }
        };
        assert!(matches!(run("/no/such/program", &[]).await, EngineError::NoCompiler(_)));
        for (script, expected) in [
            ("exit 1", "it does not compile: "),
            ("kill -XCPU $$", "compiling it took longer than 10 s"),
            ("cat >/dev/null; exec sleep 600", "compiling did not end within 2 s"),
            ("while :; do :; done", "compiling did not end within 2 s"),
        ] {
            assert_eq!(run("/bin/sh", &["-c", script]).await.to_string(), expected, "{script}");
        }
    }
}
