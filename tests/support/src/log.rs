//! The log of one thread, captured. A test of tokio runs on one thread, and so does its runtime.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber, span};

/// One line: the target, the message, and all fields with the message as `field=value `.
#[derive(Debug, Default)]
struct LogLine {
    target: &'static str,
    message: String,
    text: String,
}

type Lines = Arc<Mutex<Vec<LogLine>>>;

/// What this thread logs to some targets, until the capture is dropped.
#[derive(Debug)]
pub struct CapturedLog {
    lines: Lines,
    _guard: DefaultGuard,
}

impl CapturedLog {
    /// Begins to capture the lines of each target that begins with `target`.
    pub fn start(target: &'static str) -> Self {
        let lines = Lines::default();
        let capture = Capture { target, lines: Arc::clone(&lines) };
        Self { lines, _guard: tracing::subscriber::set_default(capture) }
    }

    /// The lines of one target so far, each as `field=value ` in the order of the fields.
    pub fn lines(&self, target: &str) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| line.target == target).map(|line| line.text.clone()).collect()
    }

    /// Removes and returns all lines, each as `field=value ...`.
    pub fn drain_lines(&self) -> Vec<String> {
        let mut lines = self.lines.lock().unwrap();
        lines.drain(..).map(|line| line.text.trim_end().to_owned()).collect()
    }

    /// The messages of all lines so far, without their fields.
    pub fn messages(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|line| line.message.clone()).collect()
    }
}

struct Capture {
    target: &'static str,
    lines: Lines,
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(self.target)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = LogLine { target: event.metadata().target(), ..LogLine::default() };
        event.record(&mut line);
        self.lines.lock().unwrap().push(line);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl LogLine {
    fn push(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if field.name() == "message" {
            self.message = value.to_string();
        }
        write!(self.text, "{field}={value} ").expect("a string takes all");
    }
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_log_holds_lines_of_its_targets() {
        let log = CapturedLog::start("renkei");
        tracing::warn!(target: "renkei::audit", plugin = "acme", times = 2, "stopped {}", 1);
        tracing::warn!(target: "another", "unheard");
        tracing::info!(target: "renkei", "second");
        assert_eq!(log.messages(), ["stopped 1", "second"]);
        assert_eq!(log.lines("renkei::audit"), ["message=stopped 1 plugin=acme times=2 "]);
        assert_eq!(log.drain_lines().len(), 2);
        assert_eq!(log.drain_lines(), Vec::<String>::new());
    }
}
