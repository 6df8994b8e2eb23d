//! The guest's lines in the host's log: named, escaped, and few.
//!
//! A log line is an attack surface: control characters could forge lines or drive a terminal, and a
//! flood could fill a disk. The line says which plugin and system it came from, because the guest
//! cannot.

use std::sync::Arc;

use tokio::time::Instant;

use renkei_model::plugin::Generation;

use crate::sandbox::limits::{Cap, StopCause, StopCounters};
use renkei_egress::escape::{plain, plain_chars};

use super::lines::{LINE_BYTES_MAX, PrintedLines};

const LINES_PER_CALL: u32 = 200;
const BYTES_PER_CALL: usize = 64 << 10;
/// Over many calls of one job: lines at once, and how many come back per second.
const LINES_AT_ONCE: u32 = 1_000;
const LINES_PER_SECOND: u32 = 50;

/// The level of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GuestLogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

/// The log of one guest.
#[derive(Debug)]
pub(crate) struct GuestLog {
    plugin: Generation,
    system: String,
    stops: Arc<StopCounters>,
    lines_left: u32,
    bytes_left: usize,
    line_budget: LineBudget,
    dropped: u64,
    stdout: PrintedLines,
    stderr: PrintedLines,
    panic: Option<String>,
}

/// The most bytes of a panic's message that are repeated in an error.
const PANIC_BYTES_MAX: usize = 500;
/// The beginning of a panic that the SDK reports or a language's runtime prints.
const PANIC_SIGN: &str = "panicked at ";

/// Bounds the lines of many short calls in a row. Real time: it guards a disk.
#[derive(Debug)]
struct LineBudget {
    lines: u32,
    filled: Instant,
}

impl LineBudget {
    fn spend(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.filled).as_secs();
        if seconds > 0 {
            let back = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(LINES_PER_SECOND);
            self.lines = self.lines.saturating_add(back).min(LINES_AT_ONCE);
            self.filled = now;
        }
        let left = self.lines.checked_sub(1);
        self.lines = left.unwrap_or_default();
        left.is_some()
    }
}

impl GuestLog {
    /// `system` is empty for a transform.
    pub(crate) fn new(plugin: Generation, system: &str, stops: Arc<StopCounters>) -> Self {
        Self {
            plugin,
            system: system.to_owned(),
            stops,
            lines_left: LINES_PER_CALL,
            bytes_left: BYTES_PER_CALL,
            line_budget: LineBudget { lines: LINES_AT_ONCE, filled: Instant::now() },
            dropped: 0,
            stdout: PrintedLines::default(),
            stderr: PrintedLines::default(),
            panic: None,
        }
    }

    /// The guest's report of a panic in this call: file, line and message, escaped.
    pub(crate) fn panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }

    /// Remembers a panic. Rust's own runtime prints the place on one line and the message on the
    /// next.
    fn note_panic(&mut self, message: &str) {
        match (&mut self.panic, message.find(PANIC_SIGN)) {
            (panic, Some(at)) => {
                *panic = message.get(at..).map(|text| plain(text, PANIC_BYTES_MAX));
            }
            (Some(panic), None) if panic.ends_with(':') => {
                panic.push(' ');
                panic.push_str(&plain(message, PANIC_BYTES_MAX));
            }
            _ => {}
        }
    }

    pub(crate) fn begin_call(&mut self) {
        self.end_lines();
        self.count_dropped();
        self.lines_left = LINES_PER_CALL;
        self.bytes_left = BYTES_PER_CALL;
        self.panic = None;
    }

    pub(crate) fn write(
        &mut self,
        level: GuestLogLevel,
        message: &str,
        attributes: &[(String, String)],
    ) {
        if matches!(level, GuestLogLevel::Warn | GuestLogLevel::Error) {
            self.note_panic(message);
        }
        if self.lines_left == 0 || self.bytes_left == 0 || !self.line_budget.spend(Instant::now()) {
            self.dropped += 1;
            return;
        }
        self.lines_left -= 1;
        let line = line(message, attributes);
        self.bytes_left = self.bytes_left.saturating_sub(line.len());
        let (plugin, version, system) = (&self.plugin.plugin, &self.plugin.version, &self.system);
        match level {
            GuestLogLevel::Debug => {
                tracing::debug!(target: "renkei::plugin", %plugin, %version, %system, "{line}")
            }
            GuestLogLevel::Info => {
                tracing::info!(target: "renkei::plugin", %plugin, %version, %system, "{line}")
            }
            GuestLogLevel::Warn => {
                tracing::warn!(target: "renkei::plugin", %plugin, %version, %system, "{line}")
            }
            GuestLogLevel::Error => {
                tracing::error!(target: "renkei::plugin", %plugin, %version, %system, "{line}")
            }
        }
    }

    /// Logs what the guest's language prints: each line of standard output is a line at `info`, of
    /// standard error at `warn`.
    pub(crate) fn print(&mut self, error: bool, bytes: &[u8]) {
        let level = if error { GuestLogLevel::Warn } else { GuestLogLevel::Info };
        let mut lines = std::mem::take(if error { &mut self.stderr } else { &mut self.stdout });
        lines.push(bytes, |line| self.write(level, line, &[]));
        *if error { &mut self.stderr } else { &mut self.stdout } = lines;
    }

    fn end_lines(&mut self) {
        self.print(false, b"\n");
        self.print(true, b"\n");
    }

    fn count_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            let (plugin, version, system) =
                (&self.plugin.plugin, &self.plugin.version, &self.system);
            tracing::warn!(target: "renkei::plugin", %plugin, %version, %system, dropped,
                "the plugin wrote more lines than it may; the rest is dropped");
            self.stops.record(&self.plugin, &self.system, StopCause::Limit(Cap::Log));
        }
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        self.end_lines();
        self.count_dropped();
    }
}

/// Message and attributes on one line of at most [`LINE_BYTES_MAX`] and one escape more.
fn line(message: &str, attributes: &[(String, String)]) -> String {
    let attributes = attributes.iter().flat_map(|(name, value)| [" ", name, "=", value]);
    plain_chars(std::iter::once(message).chain(attributes).flat_map(str::chars), LINE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_escaped_and_bounded() {
        let attributes = [("page".to_owned(), "3\n".to_owned())];
        assert_eq!(line("読\x1b[2J\u{202e}", &attributes), "読\\u{1b}[2J\\u{202e} page=3\\u{a}");
        assert!(line(&"x".repeat(1 << 20), &[]).len() < LINE_BYTES_MAX + 16);
    }

    fn guest_log() -> GuestLog {
        let plugin = Generation { plugin: "p".into(), version: "1".into(), digest: String::new() };
        GuestLog::new(plugin, "s", Arc::default())
    }

    #[test]
    fn a_flood_is_counted_and_dropped() {
        let mut guest_log = guest_log();
        for _ in 0..LINES_PER_CALL + 7 {
            guest_log.write(GuestLogLevel::Info, "x", &[]);
        }
        assert_eq!(guest_log.dropped, 7);
        guest_log.begin_call();
        assert_eq!((guest_log.dropped, guest_log.lines_left), (0, LINES_PER_CALL));
        // What it prints is held to the same number, however it is cut.
        guest_log.print(false, &b"\n\nx\ny".repeat(LINES_PER_CALL as usize));
        guest_log.print(true, b"no end of line");
        // The last `y` is not at its end.
        let dropped = u64::from(LINES_PER_CALL) - 1;
        assert_eq!((guest_log.dropped, guest_log.lines_left), (dropped, 0));
    }
    #[test]
    fn few_long_lines_are_a_flood_too() {
        let mut guest_log = guest_log();
        for _ in 0..20 {
            guest_log.write(GuestLogLevel::Info, &"x".repeat(10 << 20), &[]);
        }
        assert_eq!(guest_log.dropped, 12, "eight lines of 8 KiB are 64 KiB");
    }

    #[test]
    fn many_calls_share_a_line_budget() {
        let mut line_budget = LineBudget { lines: 3, filled: Instant::now() };
        let now = line_budget.filled;
        assert_eq!((0..5).filter(|_| line_budget.spend(now)).count(), 3);
        let later = now + std::time::Duration::from_secs(2);
        assert_eq!((0..200).filter(|_| line_budget.spend(later)).count(), 100);
        let much_later = later + std::time::Duration::from_secs(1 << 40);
        assert_eq!((0..2_000).filter(|_| line_budget.spend(much_later)).count(), 1_000);
    }
}
