//! The program that keeps the two systems in step, as whoever runs it sees it.

use std::rc::Rc;

use serde_json::Value;

/// Somebody acts in the middle of something.
pub type Meanwhile = Rc<dyn Fn() -> anyhow::Result<()>>;

/// A program under test. An error is a trial that could not be played; what the program does wrong
/// is for the judge.
pub trait Program {
    /// One cycle to its end.
    ///
    /// # Errors
    /// It could not be started.
    fn sync(&mut self) -> anyhow::Result<Synced>;

    /// One cycle; after so many calls to the systems somebody acts.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn sync_while(&mut self, calls: u64, meanwhile: Meanwhile) -> anyhow::Result<()>;

    /// One cycle that dies after so many calls.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn sync_killed(&mut self, calls: u64) -> anyhow::Result<()>;

    /// Two cycles started at once.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn sync_twice(&mut self) -> anyhow::Result<()>;

    /// Serves for so long; somebody may act in the middle of it.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn serve(&mut self, service: &Service) -> anyhow::Result<()>;

    /// Time passes while nothing runs, ms.
    fn wait(&mut self, ms: u64);

    /// Copies what is remembered.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn back_up(&mut self) -> anyhow::Result<()>;

    /// Puts the last copy back, if there is one; why it could not, where it is refused.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn restore(&mut self) -> anyhow::Result<Option<String>>;

    /// An admin lifts the pauses that systems have asked for.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn lift_pauses(&mut self) -> anyhow::Result<()>;

    /// All that is said of a record (`system.object/id`), as `renkei why --json` gives it; null
    /// where nothing is known.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn why(&self, key: &str) -> anyhow::Result<Value>;

    /// The open questions about anything, each as text.
    ///
    /// # Errors
    /// As [`Program::sync`].
    fn questions(&self) -> anyhow::Result<Vec<String>>;
}

/// Result of a cycle.
#[derive(Debug, Clone, Default)]
pub struct Synced {
    /// Everything was done that was to be done, and nothing was written.
    pub quiet: bool,
    /// Text about it.
    pub told: String,
}

/// A service for a while.
pub struct Service {
    /// Duration, ms.
    pub ms: u64,
    /// Somebody acts in the middle of it.
    pub meanwhile: Option<Meanwhile>,
    /// A plugin's file is copied anew in the middle of it.
    pub swap: bool,
    /// It is killed, not stopped.
    pub kill: bool,
}
