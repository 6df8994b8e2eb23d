//! Capture of the plugin's log lines: the report shows its last lines, the log none of them.
//!
//! Hundreds of calls that end the same way would log hundreds of equal lines. So the kit keeps a
//! few lines of one call, and the report shows them once, beside the check that failed. Lines of
//! the audit are dropped, because the report says the same. Every other line goes on to the log.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use renkei_model::plugin::PluginError;
use renkei_model::ports::{TransformCall, Transforms};
use renkei_model::record::Batch;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher, span};

/// The log targets of the host for lines of guests and for lines about them.
const GUEST: &str = "renkei::plugin";
const AUDIT: &str = "renkei::audit";
/// The number of last lines that are kept; the last one names an error.
const LINES: usize = 8;
/// Characters of a line.
const LINE_CHARS: usize = 300;

/// The lines captured since they were last taken; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct GuestOutput(Arc<Mutex<CapturedLines>>);

#[derive(Debug, Default)]
struct CapturedLines {
    /// Lines of this call, where calls are separated.
    now: VecDeque<String>,
    /// Lines of the last call that the host stopped.
    of_stopped: VecDeque<String>,
}

impl GuestOutput {
    fn lines(&self) -> MutexGuard<'_, CapturedLines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_line(&self, line: &str) {
        let now = &mut self.lines().now;
        if now.len() == LINES {
            now.pop_front();
        }
        now.push_back(line.chars().take(LINE_CHARS).collect());
    }

    /// Removes and gives the lines that belong to a check. `stopped` is true for a check that
    /// failed because the host stopped a call.
    pub(crate) fn take_lines(&self, stopped: bool) -> Vec<String> {
        let CapturedLines { now, of_stopped } = std::mem::take(&mut *self.lines());
        let lines = if stopped && !of_stopped.is_empty() { of_stopped } else { now };
        lines.into()
    }

    /// Captures lines of guests; every other line goes on to the current subscriber.
    pub(crate) fn subscriber(&self) -> impl Subscriber + Send + Sync + 'static {
        let outer = dispatcher::get_default(Dispatch::clone);
        let level = LevelFilter::current().max(LevelFilter::DEBUG);
        GuestSubscriber { output: self.clone(), outer, level }
    }
}

/// A transform whose calls have separate lines.
pub(crate) struct CapturingTransforms<'a> {
    pub(crate) transforms: &'a dyn Transforms,
    pub(crate) output: GuestOutput,
}

#[async_trait]
impl Transforms for CapturingTransforms<'_> {
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
        self.output.lines().now.clear();
        let answer = self.transforms.run(call).await;
        let heard = &mut *self.output.lines();
        let now = std::mem::take(&mut heard.now);
        if matches!(answer, Err(PluginError::Broken { .. })) && !now.is_empty() {
            heard.of_stopped = now;
        }
        answer
    }
}

struct GuestSubscriber {
    output: GuestOutput,
    outer: Dispatch,
    level: LevelFilter,
}

impl Subscriber for GuestSubscriber {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        match metadata.target() {
            GUEST => true,
            AUDIT => false,
            _ => self.outer.enabled(metadata),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == GUEST {
            let mut message = MessageVisitor(String::new());
            event.record(&mut message);
            self.output.add_line(&message.0);
        } else {
            self.outer.event(event);
        }
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.outer.new_span(span)
    }

    fn record(&self, span: &span::Id, values: &span::Record<'_>) {
        self.outer.record(span, values);
    }

    fn record_follows_from(&self, span: &span::Id, follows: &span::Id) {
        self.outer.record_follows_from(span, follows);
    }

    fn enter(&self, span: &span::Id) {
        self.outer.enter(span);
    }

    fn exit(&self, span: &span::Id) {
        self.outer.exit(span);
    }

    fn clone_span(&self, id: &span::Id) -> span::Id {
        self.outer.clone_span(id)
    }

    fn try_close(&self, id: span::Id) -> bool {
        self.outer.try_close(id)
    }
}

/// The message of a line, without its fields.
struct MessageVisitor(String);

impl Visit for MessageVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing into a string does not fail.
            fmt::Write::write_fmt(&mut self.0, format_args!("{value:?}")).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_keeps_the_last_guest_lines_and_drops_audit_lines() {
        let (inner, outer) = (GuestOutput::default(), GuestOutput::default());
        tracing::subscriber::with_default(outer.subscriber(), || {
            tracing::subscriber::with_default(inner.subscriber(), || {
                for line in 0..=LINES {
                    tracing::info!(target: "renkei::plugin", system = "s", "line {line}");
                }
                tracing::warn!(target: "renkei::audit", "a plugin was stopped");
            });
            tracing::warn!(target: "renkei::plugin", "{}", "x".repeat(1_000));
        });
        let lines = inner.take_lines(false);
        assert_eq!((lines.len(), lines[0].as_str()), (LINES, "line 1"));
        assert_eq!(inner.take_lines(false), Vec::<String>::new(), "they are taken once");
        let lines = outer.take_lines(true);
        assert_eq!((lines.len(), lines[0].len()), (1, LINE_CHARS), "the inner one's are not here");
    }
}
