//! What the plugin says while it is tried: its last lines, for the report instead of the log.
//!
//! Hundreds of calls that end the same way would write hundreds of times the same lines. So the
//! guest's lines are kept, a few of one call, and the report shows them once, beside what failed.
//! The audit says nothing that the report does not. Every other line goes where it always went.

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use renkei_sync::model::plugin::PluginError;
use renkei_sync::model::record::Batch;
use renkei_sync::ports::{TransformCall, Transforms};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher, span};

/// Where the host writes what guests say, and what it does about them.
const GUEST: &str = "renkei::plugin";
const AUDIT: &str = "renkei::audit";
/// The last lines that are kept; the last is the one that names an error.
const LINES: usize = 8;
/// Characters of a line.
const LINE_CHARS: usize = 300;

/// The lines heard since they were last taken; clones hear the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ears(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    /// Of this call, where calls are told apart.
    now: VecDeque<String>,
    /// Of the last call that was stopped.
    of_stopped: VecDeque<String>,
}

impl Ears {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, line: &str) {
        let now = &mut self.heard().now;
        if now.len() == LINES {
            now.pop_front();
        }
        now.push_back(line.chars().take(LINE_CHARS).collect());
    }

    /// The lines that belong to a check, which are forgotten then; `stopped` says whether it failed
    /// because a call was stopped.
    pub(crate) fn take(&self, stopped: bool) -> Vec<String> {
        let Heard { now, of_stopped } = std::mem::take(&mut *self.heard());
        let lines = if stopped && !of_stopped.is_empty() { of_stopped } else { now };
        lines.into()
    }

    /// What hears; everything that is not about the guest goes on to who listens now.
    pub(crate) fn listener(&self) -> impl Subscriber + Send + Sync + 'static {
        let outer = dispatcher::get_default(Dispatch::clone);
        let level = LevelFilter::current().max(LevelFilter::DEBUG);
        Listener { ears: self.clone(), outer, level }
    }
}

/// A transform whose calls are told apart.
pub(crate) struct Told<'a> {
    pub(crate) transforms: &'a dyn Transforms,
    pub(crate) ears: Ears,
}

#[async_trait]
impl Transforms for Told<'_> {
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
        self.ears.heard().now.clear();
        let answer = self.transforms.run(call).await;
        let heard = &mut *self.ears.heard();
        let now = std::mem::take(&mut heard.now);
        if matches!(answer, Err(PluginError::Broken { .. })) && !now.is_empty() {
            heard.of_stopped = now;
        }
        answer
    }
}

struct Listener {
    ears: Ears,
    outer: Dispatch,
    level: LevelFilter,
}

impl Subscriber for Listener {
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
            let mut message = Message(String::new());
            event.record(&mut message);
            self.ears.hear(&message.0);
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

/// The words of a line, without its fields.
struct Message(String);

impl Visit for Message {
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
    fn the_last_lines_of_the_guest_are_kept_and_the_audit_is_not() {
        let (inner, outer) = (Ears::default(), Ears::default());
        tracing::subscriber::with_default(outer.listener(), || {
            tracing::subscriber::with_default(inner.listener(), || {
                for line in 0..=LINES {
                    tracing::info!(target: "renkei::plugin", system = "s", "line {line}");
                }
                tracing::warn!(target: "renkei::audit", "a plugin was stopped");
            });
            tracing::warn!(target: "renkei::plugin", "{}", "x".repeat(1_000));
        });
        let lines = inner.take(false);
        assert_eq!((lines.len(), lines[0].as_str()), (LINES, "line 1"));
        assert_eq!(inner.take(false), Vec::<String>::new(), "they are taken once");
        let lines = outer.take(true);
        assert_eq!((lines.len(), lines[0].len()), (1, LINE_CHARS), "the inner one's are not here");
    }
}
