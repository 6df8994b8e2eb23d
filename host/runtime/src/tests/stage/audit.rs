//! Hears what is said to the audit on this thread.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber, span};

/// The lines so far; listens until it is dropped. A test of tokio runs on one thread.
pub(crate) struct Audit {
    lines: Arc<Mutex<Vec<String>>>,
    _listening: DefaultGuard,
}

impl Audit {
    pub(crate) fn listen() -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let _listening = tracing::subscriber::set_default(Ears(Arc::clone(&lines)));
        Self { lines, _listening }
    }

    /// The lines about what the way out refused, since the last time; those about plugins that are
    /// loaded are not among them.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let mut lines = self.lines();
        lines.retain(|line| line.starts_with("message=egress refused"));
        lines
    }

    /// What was said since the last time, each as `field=value ...` in the order of the fields.
    pub(crate) fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

struct Ears(Arc<Mutex<Vec<String>>>);

impl Subscriber for Ears {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "renkei::audit"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0.trim_end().to_owned());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, "{field}={value} ").unwrap();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}
