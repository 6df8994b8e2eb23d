//! Standard output: text for people, or JSON for scripts. The one owner of printing.
//!
//! Logs and progress go to standard error, so that `--json` output can be piped.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use renkei_admin::text;
use serde::Serialize;

use crate::command_error::CommandError;

/// The way to talk to whoever started the program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// JSON or text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints one line. A reader that has gone away is not an error.
    pub(crate) fn line(self, text: &str) {
        drop(writeln!(std::io::stdout().lock(), "{text}"));
    }

    /// Prints `value` as one line of JSON, or `text` for people.
    pub(crate) fn result(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<(), serde_json::Error> {
        if self.json {
            self.line(&text::json(&serde_json::to_string(value)?));
        } else {
            self.line(&text::visible(&text()));
        }
        Ok(())
    }

    /// Prints `value` as one line of JSON for scripts; people read the log.
    pub(crate) fn event(self, value: &impl Serialize) -> Result<(), serde_json::Error> {
        if self.json {
            self.line(&text::json(&serde_json::to_string(value)?));
        }
        Ok(())
    }

    /// Tells a person what happens now, on standard error; scripts get nothing.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            drop(writeln!(std::io::stderr().lock(), "{text}"));
        }
    }

    /// Prints why the command failed: lines `error:` and `hint:` on standard error, or an object
    /// with `error`, `where` and `hint` on standard output.
    pub(crate) fn failure(self, failure: &CommandError) {
        if !self.json {
            let hints = failure.hints().map(|hint| format!("\nhint: {hint}"));
            let hints = hints.collect::<String>();
            drop(writeln!(std::io::stderr().lock(), "error: {failure}{hints}"));
        } else if !failure.is_reported()
            && let Ok(report) = serde_json::to_string(&failure.report())
        {
            self.line(&text::json(&report));
        }
    }

    /// A progress line on standard error, hidden where nobody watches.
    pub(crate) fn progress(self, title: &str) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, self.target());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg} [{elapsed}]") {
            bar.set_style(style);
        }
        bar.with_prefix(title.to_owned())
    }

    fn target(self) -> ProgressDrawTarget {
        if self.json || !std::io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        }
    }
}
