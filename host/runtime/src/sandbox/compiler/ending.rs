//! Reads the end of the child: which limit was reached, and whose it is.
//!
//! Whatever ends the child before it reads a byte is the host's, and so is a kill. A limit that the
//! host itself runs under (`ulimit`) and that is lower than ours is the host's lack.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rlimit::{Resource, getrlimit};

use super::child;
use super::limits::CompileLimits;
use crate::sandbox::engine::EngineError;
use crate::sandbox::limits::{Cap, LimitReached};
use renkei_egress::escape::words;

/// The messages of Rust's and the C library's allocators and of the loader when there is no memory
/// left.
const STARVED: [&str; 4] =
    ["memory allocation of", "Cannot allocate memory", "os error 12", "cannot allocate"];
/// The messages where no thread can be started.
const THREADLESS: [&str; 2] = ["os error 11", "Resource temporarily unavailable"];
/// The exit code of a panic.
const PANIC: i32 = 101;
const SIGKILL: i32 = 9;

/// Looks up the limit that this process, and so each child of it, runs under; none where it is
/// unlimited.
pub(super) type InheritedLimits = fn(Resource) -> Option<u64>;

/// The limit that the system reports; soft limits do not count, because the child raises its own.
pub(super) fn inherited(resource: Resource) -> Option<u64> {
    getrlimit(resource).ok().map(|(_, hard)| hard).filter(|hard| *hard != rlimit::INFINITY)
}

/// The end of a child.
pub(super) struct ChildEnding<'a> {
    pub(super) status: ExitStatus,
    /// The check was over.
    pub(super) is_checked: bool,
    /// The text on its standard error.
    pub(super) said: &'a str,
}

impl ChildEnding<'_> {
    /// The verdict for the file.
    pub(super) fn judge(
        &self,
        limits: &CompileLimits,
        inherited: InheritedLimits,
    ) -> Result<(), EngineError> {
        if self.status.success() {
            return Ok(());
        }
        let CompileLimits { memory_bytes, cpu_seconds, .. } = *limits;
        let (code, signal) = (self.status.code(), self.status.signal());
        let is_starved = says(self.said, &STARVED);
        let is_verdict = code == Some(child::FAILED) || signal == Some(child::SIGXCPU);
        if let Some(lack) = memory_lack(inherited, memory_bytes)
            && (is_starved || !is_verdict)
        {
            let wants = memory_bytes >> 20;
            let lack = format!("{lack}, and compiling plugins wants {wants} MiB");
            return Err(EngineError::HostLacks(lack));
        }
        if code == Some(child::NOT_STARTED) {
            return Err(not_started(self.said, inherited));
        }
        if is_starved {
            let reached = LimitReached { cap: Cap::CompileMemory, limit: memory_bytes };
            return Err(EngineError::Limit(reached));
        }
        let allowed =
            if self.is_checked { cpu_seconds } else { cpu_seconds.min(child::CHECK_SECONDS) };
        Err(match (code, signal) {
            (Some(child::FAILED), _) => EngineError::Compile(words(self.said.trim())),
            (_, Some(signal @ (child::SIGXCPU | SIGKILL))) => {
                // The soft limit comes a second before the hard one where there is room for that.
                let lowest = if signal == SIGKILL { 1 } else { allowed };
                match inherited(Resource::CPU) {
                    Some(has) if has <= lowest.min(allowed) => EngineError::HostLacks(format!(
                        "{has} s of processor time for a process (`ulimit -t`), and compiling \
                         plugins wants {} s",
                        allowed.saturating_add(1)
                    )),
                    _ if signal == SIGKILL => EngineError::Killed,
                    _ => EngineError::Limit(LimitReached { cap: Cap::CompileTime, limit: allowed }),
                }
            }
            (_, Some(signal)) => EngineError::Crashed(format!("signal {signal}")),
            (code, None) => {
                let first = self.said.lines().next().unwrap_or_default();
                let code = code.unwrap_or_default();
                let how = words(&format!("exit code {code}: {first}"));
                // Any other code is that of a program that did not get as far as its own code.
                if code == PANIC { EngineError::Crashed(how) } else { EngineError::NoCompiler(how) }
            }
        })
    }
}

fn not_started(said: &str, inherited: InheritedLimits) -> EngineError {
    match inherited(Resource::NPROC).filter(|_| says(said, &THREADLESS)) {
        Some(has) => EngineError::HostLacks(format!(
            "{has} processes and threads of this user (`ulimit -u`), too few to compile plugins"
        )),
        None => EngineError::NoCompiler(words(said.trim())),
    }
}

/// The lower limit of memory below `wants`.
fn memory_lack(inherited: InheritedLimits, wants: u64) -> Option<String> {
    let limits = [
        (Resource::AS, "address space (`ulimit -v`)"),
        (Resource::DATA, "memory for data (`ulimit -d`)"),
    ];
    let limits = limits.into_iter().filter_map(|(resource, of)| Some((inherited(resource)?, of)));
    let (has, of) = limits.filter(|(has, _)| *has < wants).min_by_key(|(has, _)| *has)?;
    Some(format!("{} MiB of {of}", has >> 20))
}

/// The host's lack, where something fails in these words because this process cannot have more
/// memory.
pub(crate) fn lacks_memory(reason: &str) -> Option<EngineError> {
    if !says(reason, &STARVED) {
        return None;
    }
    let lack = memory_lack(inherited, u64::MAX);
    let lack = lack.unwrap_or_else(|| "the memory that is free".to_owned());
    Some(EngineError::HostLacks(format!("{lack}, too little to start a plugin")))
}

fn says(said: &str, words: &[&str]) -> bool {
    words.iter().any(|words| said.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: InheritedLimits = |_| None;

    /// The verdict on a shell's end.
    fn end(script: &str, is_checked: bool, inherited: InheritedLimits) -> EngineError {
        let child = std::process::Command::new("/bin/sh").args(["-c", script]).output().unwrap();
        let said = String::from_utf8(child.stderr).unwrap();
        let ending = ChildEnding { status: child.status, is_checked, said: &said };
        ending.judge(&CompileLimits::default(), inherited).unwrap_err()
    }

    const STARVES: &str = "echo memory allocation of 9 bytes failed >&2; kill -ABRT $$";
    const THREADS: &str = "echo 'no threads: Resource temporarily unavailable' >&2; exit 3";

    /// `RULES.md R6`.
    #[test]
    fn a_limit_that_the_host_runs_under_is_the_hosts_lack() {
        let memory: InheritedLimits = |of| (of == Resource::AS).then_some(300 << 20);
        let data: InheritedLimits = |of| match of {
            Resource::AS => Some(1 << 30),
            Resource::DATA => Some(100 << 20),
            _ => None,
        };
        let time: InheritedLimits = |of| (of == Resource::CPU).then_some(5);
        let second: InheritedLimits = |of| (of == Resource::CPU).then_some(1);
        let threads: InheritedLimits = |of| (of == Resource::NPROC).then_some(7);
        for (script, inherited, expected) in [
            (STARVES, memory, "only 300 MiB of address space (`ulimit -v`)"),
            ("kill -SEGV $$", memory, "only 300 MiB of address space (`ulimit -v`)"),
            ("echo cannot allocate >&2; exit 127", memory, "only 300 MiB of address space"),
            (STARVES, data, "only 100 MiB of memory for data (`ulimit -d`)"),
            ("kill -XCPU $$", time, "only 5 s of processor time for a process (`ulimit -t`)"),
            ("kill -KILL $$", second, "only 1 s of processor time for a process (`ulimit -t`)"),
            ("kill -KILL $$", time, "was killed"),
            ("kill -KILL $$", NONE, "was killed"),
            (THREADS, threads, "only 7 processes and threads of this user (`ulimit -u`)"),
            (THREADS, NONE, "cannot be run: no threads"),
            ("echo no libc >&2; exit 127", NONE, "cannot be run: exit code 127: no libc"),
        ] {
            let error = end(script, true, inherited);
            assert!(error.to_string().contains(expected), "{script}: {error}");
            assert!(error.is_passing() && !error.is_lasting(), "{script}");
        }
        assert!(lacks_memory("mmap failed: Cannot allocate memory (os error 12)").is_some());
        assert!(lacks_memory("it traps").is_none());
    }

    #[test]
    fn childs_end_by_the_file_is_the_files_fault() {
        let roomy: InheritedLimits = |_| Some(1 << 40);
        for (script, is_checked, expected) in [
            ("exit 1", true, "it does not compile: "),
            ("echo 'bad \u{1b}[31m' >&2; exit 1", true, "it does not compile: bad \\u{1b}[31m"),
            ("kill -SEGV $$", true, "the compiler crashed on it (signal 11)"),
            ("kill -XCPU $$", false, "compiling it took longer than 10 s"),
            ("kill -XCPU $$", true, "compiling it took longer than 60 s"),
            ("exit 101", true, "the compiler crashed on it (exit code 101: )"),
            (STARVES, true, "compiling it took more than 2048 MiB of memory"),
        ] {
            for inherited in [NONE, roomy] {
                let error = end(script, is_checked, inherited);
                assert_eq!(error.to_string(), expected, "{script}");
                assert!(error.is_lasting() && !error.is_passing(), "{script}");
            }
        }
    }
}
