//! The loads under way, at most one per file.

use std::collections::{BTreeMap, BTreeSet};

use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::sandbox::compiler::CompilePriority;
use crate::sandbox::generation::PluginGeneration;
use crate::sandbox::loader::LoadFailure;

/// The outcome of one load.
pub(super) struct LoadOutcome {
    pub(super) file: String,
    pub(super) digest: String,
    pub(super) outcome: Result<PluginGeneration, LoadFailure>,
    /// True where its private copy was made.
    pub(super) kept: std::io::Result<()>,
}

/// One load that was begun and not taken.
struct LoadUnderWay {
    digest: String,
    priority: CompilePriority,
    /// Some process looked at these bytes before: they are ready at once.
    is_known: bool,
    /// The look that found the content.
    look: u64,
    task: AbortHandle,
}

/// The loads under way, at most one per file.
#[derive(Default)]
pub(super) struct PendingLoads {
    tasks: JoinSet<LoadOutcome>,
    by_file: BTreeMap<String, LoadUnderWay>,
    done: Vec<LoadOutcome>,
    /// New files that wait for the others of their look.
    held: Vec<LoadOutcome>,
    look: u64,
}

impl PendingLoads {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.done.is_empty() && self.held.is_empty()
    }

    /// True where something is being loaded that was looked at before.
    pub(super) fn has_known(&self) -> bool {
        self.by_file.values().any(|loading| loading.is_known || !loading.is_new())
    }

    /// Another look begins.
    pub(super) fn begin_look(&mut self) {
        self.look = self.look.wrapping_add(1);
    }

    /// True where this file is being loaded.
    pub(super) fn is_loading(&self, file: &str) -> bool {
        self.by_file.contains_key(file)
    }

    /// True where content with this digest is being loaded.
    pub(super) fn has(&self, digest: &str) -> bool {
        self.by_file.values().any(|loading| loading.digest == digest)
    }

    /// True where this content of this file is being loaded.
    pub(super) fn is_loading_digest(&self, file: &str, digest: &str) -> bool {
        self.by_file.get(file).is_some_and(|loading| loading.digest == digest)
    }

    /// Ends the load of a file: its content is not wanted any more.
    pub(super) fn give_up(&mut self, file: &str) {
        if let Some(loading) = self.by_file.remove(file) {
            loading.task.abort();
        }
    }

    pub(super) fn begin(
        &mut self,
        (file, digest): (&str, &str),
        (priority, is_known): (CompilePriority, bool),
        load: impl Future<Output = LoadOutcome> + Send + 'static,
    ) {
        debug_assert!(!self.is_loading(file), "the load before was given up");
        let (task, look) = (self.tasks.spawn(load), self.look);
        let loading = LoadUnderWay { digest: digest.to_owned(), priority, is_known, look, task };
        self.by_file.insert(file.to_owned(), loading);
    }

    /// Returns when a load has ended; never where none is under way. May be dropped at any time.
    pub(super) async fn ready(&mut self) {
        if !self.done.is_empty() {
            return;
        }
        match self.tasks.join_next().await {
            Some(joined) => self.note(joined),
            None => std::future::pending().await,
        }
    }

    fn note(&mut self, joined: Result<LoadOutcome, JoinError>) {
        match joined {
            Ok(loaded) => self.done.push(loaded),
            // Given up, or it panicked: its file is looked at again with the next look.
            Err(error) => self.by_file.retain(|_, loading| loading.task.id() != error.id()),
        }
    }

    /// Takes the loads that have ended and are still wanted. Good new files of one look are taken
    /// together: two that say to be the same plugin are found out, whichever is loaded first. Those
    /// whose bytes are known do not wait for the others.
    pub(super) fn take_ended(&mut self) -> Vec<LoadOutcome> {
        while let Some(joined) = self.tasks.try_join_next() {
            self.note(joined);
        }
        let mut ended = std::mem::take(&mut self.held);
        ended.append(&mut self.done);
        ended.retain(|loaded| {
            let wanted = self.by_file.get(&loaded.file);
            wanted.is_some_and(|loading| loading.digest == loaded.digest)
        });
        let files: BTreeSet<String> = ended.iter().map(|loaded| loaded.file.clone()).collect();
        let going: BTreeSet<(u64, bool)> = self
            .by_file
            .iter()
            .filter(|(file, loading)| loading.is_new() && !files.contains(*file))
            .map(|(_, loading)| (loading.look, loading.is_known))
            .collect();
        let (held, taken): (Vec<LoadOutcome>, Vec<LoadOutcome>) =
            ended.into_iter().partition(|loaded| {
                let loading = self.by_file.get(&loaded.file);
                let waits = |loading: &LoadUnderWay| {
                    loading.is_new() && going.contains(&(loading.look, loading.is_known))
                };
                loaded.outcome.is_ok() && loading.is_some_and(waits)
            });
        self.held = held;
        for loaded in &taken {
            self.by_file.remove(&loaded.file);
        }
        taken
    }
}

impl LoadUnderWay {
    fn is_new(&self) -> bool {
        self.priority == CompilePriority::New
    }
}
