//! The guest's lines in the host's log: named, escaped, and few (TRUST.md 2.4).
//!
//! A log line is an attack surface: control characters could forge lines or drive a terminal, and a
//! flood could fill a disk. The line says which plugin and system it came from, because the guest
//! cannot.

use renkei_sync::plugin::Generation;

use super::lines::Lines;

const LINES_PER_CALL: u32 = 200;
pub(super) const LINE_BYTES_MAX: usize = 8 << 10;

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct GuestLog {
    plugin: Generation,
    system: String,
    lines_left: u32,
    dropped: u64,
    stdout: Lines,
    stderr: Lines,
}

impl GuestLog {
    /// `system` is empty for a transform.
    pub(crate) fn new(plugin: Generation, system: &str) -> Self {
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let system = system.to_owned();
        Self { plugin, system, lines_left: LINES_PER_CALL, dropped: 0, stdout, stderr }
    }

    pub(crate) fn begin_call(&mut self) {
        self.end_lines();
        self.count_dropped();
        self.lines_left = LINES_PER_CALL;
    }

    pub(crate) fn write(&mut self, level: Level, message: &str, attributes: &[(String, String)]) {
        let Some(left) = self.lines_left.checked_sub(1) else {
            self.dropped += 1;
            return;
        };
        self.lines_left = left;
        let line = line(message, attributes);
        let (plugin, version, system) = (&self.plugin.plugin, &self.plugin.version, &self.system);
        match level {
            Level::Debug => {
                tracing::debug!(target: "renkei::plugin", %plugin, %version, %system, "{line}")
            }
            Level::Info => {
                tracing::info!(target: "renkei::plugin", %plugin, %version, %system, "{line}")
            }
            Level::Warn => {
                tracing::warn!(target: "renkei::plugin", %plugin, %version, %system, "{line}")
            }
            Level::Error => {
                tracing::error!(target: "renkei::plugin", %plugin, %version, %system, "{line}")
            }
        }
    }

    /// What the guest's language prints: each line of standard output is a line at `info`, of
    /// standard error at `warn`.
    pub(crate) fn print(&mut self, error: bool, bytes: &[u8]) {
        let level = if error { Level::Warn } else { Level::Info };
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
        }
    }
}

impl Drop for GuestLog {
    fn drop(&mut self) {
        self.end_lines();
        self.count_dropped();
    }
}

/// Message and attributes on one line of at most [`LINE_BYTES_MAX`], control and direction
/// characters escaped.
fn line(message: &str, attributes: &[(String, String)]) -> String {
    let mut line = String::new();
    let attributes = attributes.iter().flat_map(|(name, value)| [" ", name, "=", value]);
    for character in std::iter::once(message).chain(attributes).flat_map(str::chars) {
        if line.len() > LINE_BYTES_MAX {
            line.push('…');
            break;
        }
        if character.is_control() || is_direction(character) {
            line.extend(character.escape_unicode());
        } else {
            line.push(character);
        }
    }
    line
}

/// Characters that reorder what a reader sees.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

    #[test]
    fn a_flood_is_counted_and_dropped() {
        let plugin = Generation { plugin: "p".into(), version: "1".into(), digest: String::new() };
        let mut guest_log = GuestLog::new(plugin, "s");
        for _ in 0..LINES_PER_CALL + 7 {
            guest_log.write(Level::Info, "x", &[]);
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
}
