//! Loads beside the task that looks at the folder: each new content in a task of its own, its
//! outcome taken when it is there. Orders that need an outcome wait for it and hold up nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

use super::rejection::Refusal;
use super::scan::{Content, FileBytes, Found};
use super::{FileState, Reloader};
use crate::lifecycle::admin::{AdminError, Answer, Request};
use crate::sandbox::compiler::Priority;
use crate::sandbox::generation::Plugin;
use crate::sandbox::loader::{Bytes, NotTaken};

/// How long an admin's order that needs no load to end waits for loads all the same, so that what
/// is quick is in the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The outcome of one load.
struct Loaded {
    file: String,
    digest: String,
    outcome: Result<Plugin, NotTaken>,
    /// Whether its private copy was made.
    kept: std::io::Result<()>,
}

/// One load that was begun and not taken.
struct Loading {
    digest: String,
    priority: Priority,
    /// Some process looked at these bytes before: they are ready at once.
    is_known: bool,
    /// The look that found the content.
    look: u64,
    task: AbortHandle,
}

/// The loads under way, at most one per file.
#[derive(Default)]
pub(super) struct Loads {
    tasks: JoinSet<Loaded>,
    by_file: BTreeMap<String, Loading>,
    done: Vec<Loaded>,
    /// Strangers that wait for the others of their look.
    held: Vec<Loaded>,
    look: u64,
}

impl Loads {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.done.is_empty() && self.held.is_empty()
    }

    /// Whether something is being loaded that was looked at before.
    pub(super) fn has_known(&self) -> bool {
        self.by_file.values().any(|loading| loading.is_known || !loading.is_stranger())
    }

    /// Another look begins.
    pub(super) fn begin_look(&mut self) {
        self.look = self.look.wrapping_add(1);
    }

    /// Whether this file is being loaded.
    pub(super) fn is_loading(&self, file: &str) -> bool {
        self.by_file.contains_key(file)
    }

    /// Whether content with this digest is being loaded.
    pub(super) fn has(&self, digest: &str) -> bool {
        self.by_file.values().any(|loading| loading.digest == digest)
    }

    /// Ends the load of a file: its content is not wanted any more.
    pub(super) fn give_up(&mut self, file: &str) {
        if let Some(loading) = self.by_file.remove(file) {
            loading.task.abort();
        }
    }

    fn begin(
        &mut self,
        (file, digest): (&str, &str),
        (priority, is_known): (Priority, bool),
        load: impl Future<Output = Loaded> + Send + 'static,
    ) {
        let (task, look) = (self.tasks.spawn(load), self.look);
        let loading = Loading { digest: digest.to_owned(), priority, is_known, look, task };
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

    fn note(&mut self, joined: Result<Loaded, JoinError>) {
        match joined {
            Ok(loaded) => self.done.push(loaded),
            // Given up, or it panicked: its file is looked at again with the next look.
            Err(error) => self.by_file.retain(|_, loading| loading.task.id() != error.id()),
        }
    }

    /// What has ended and is still wanted. Good strangers of one look are taken together: two that
    /// say to be the same plugin are found out, whichever is loaded first. Those whose bytes are
    /// known do not wait for the others.
    fn take(&mut self) -> Vec<Loaded> {
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
            .filter(|(file, loading)| loading.is_stranger() && !files.contains(*file))
            .map(|(_, loading)| (loading.look, loading.is_known))
            .collect();
        let (held, taken): (Vec<Loaded>, Vec<Loaded>) = ended.into_iter().partition(|loaded| {
            let loading = self.by_file.get(&loaded.file);
            let waits = |loading: &Loading| {
                loading.is_stranger() && going.contains(&(loading.look, loading.is_known))
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

impl Loading {
    fn is_stranger(&self) -> bool {
        self.priority == Priority::Stranger
    }
}

/// An order that waits for loads.
pub(super) enum Deferred {
    Look(oneshot::Sender<()>),
    Admin { request: Request, reply: oneshot::Sender<Result<Answer, AdminError>>, since: Instant },
}

impl Deferred {
    pub(super) fn look(done: oneshot::Sender<()>) -> Self {
        Self::Look(done)
    }

    pub(super) fn admin(
        request: Request,
        reply: oneshot::Sender<Result<Answer, AdminError>>,
    ) -> Self {
        Self::Admin { request, reply, since: Instant::now() }
    }

    /// When it is done although loads go on.
    fn due(&self) -> Option<Instant> {
        match self {
            Self::Look(_) | Self::Admin { request: Request::Reload(_), .. } => None,
            Self::Admin { since, .. } => since.checked_add(PATIENCE),
        }
    }
}

/// Returns when the first order is due although loads go on; never where there is none.
pub(super) fn until(deferred: &[Deferred]) -> impl Future<Output = ()> + use<> {
    let due = deferred.iter().filter_map(Deferred::due).min();
    async move {
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

impl Reloader {
    /// Begins to load the content of a file where it is new.
    pub(super) fn examine(&mut self, found: Found) {
        let state = self.files.entry(found.name.clone()).or_default();
        let digest = match found.content {
            Content::Whole(digest) => digest,
            Content::Moving => return,
            Content::Refused(reason) => {
                self.loads.give_up(&found.name);
                let stops = &self.loader.machine.stops;
                state.refuse(&self.registry, stops, &found.name, Refusal::unread(reason));
                state.digest = None;
                return;
            }
        };
        let loading = self.loads.by_file.get(&found.name);
        if loading.is_some_and(|loading| loading.digest == digest) {
            return;
        }
        self.loads.give_up(&found.name);
        if state.digest.as_ref() == Some(&digest) && !state.passing {
            return;
        }
        // A new version of what serves does not wait for strangers.
        let priority = match state.served {
            Some(_) => Priority::Known,
            None => Priority::Stranger,
        };
        let is_known = self.loader.cache.knows(&digest);
        let (loader, file) = (Arc::clone(&self.loader), found.name);
        let versions = (!self.passive).then(|| self.versions.clone());
        let bytes = Arc::new(FileBytes { folder: self.folder.clone(), name: file.clone() });
        let shared: Arc<dyn Bytes> = bytes.clone();
        let (name, wanted) = (file.clone(), digest.clone());
        self.loads.begin((&name, &wanted), (priority, is_known), async move {
            let load = loader.load(&file, &digest, priority, shared);
            let outcome = load.await;
            let kept = match versions.filter(|_| outcome.is_ok()) {
                Some(versions) => {
                    let digest = digest.clone();
                    let keep = move || versions.keep(&digest, &*bytes);
                    let kept = tokio::task::spawn_blocking(keep).await;
                    kept.unwrap_or_else(|error| Err(std::io::Error::other(error)))
                }
                None => Ok(()),
            };
            Loaded { file, digest, outcome, kept }
        });
    }

    /// Takes what was loaded.
    pub(super) async fn take_loaded(&mut self) {
        // Several that end together are settled together.
        tokio::task::yield_now().await;
        let (registry, stops) = (Arc::clone(&self.registry), &self.loader.machine.stops);
        for Loaded { file, digest, outcome, kept } in self.loads.take() {
            let Some(state) = self.files.get_mut(&file) else { continue };
            state.passing = false;
            match outcome {
                Ok(plugin) => {
                    state.fault = None;
                    state.plugin = Some(Arc::new(plugin));
                    if let Err(error) = kept {
                        tracing::error!(file, %error, "no private copy; a roll back cannot use it");
                    }
                }
                Err(refused) if refused.is_moved() => {
                    self.moving = true;
                    continue;
                }
                Err(refused) => {
                    state.passing = refused.error.is_passing();
                    state.refuse(&registry, stops, &file, refused.into());
                }
            }
            state.digest = Some(digest);
        }
    }

    /// Before the look that an order begins with: what was refused is tried again where that is
    /// what is wanted.
    pub(super) fn prepare(&mut self, request: &Request) {
        let Request::Reload(Some(name)) = request else { return };
        let Some(bare) = bare_name(name) else { return };
        let Some(state) = self.files.get_mut(bare) else { return };
        if state.fault.is_some()
            && let Some(digest) = state.digest.take()
        {
            self.loader.cache.forget_refusal(&digest);
        }
    }

    /// Does the orders that need not wait any longer.
    pub(super) async fn answer_deferred(&mut self) {
        let now = Instant::now();
        for order in std::mem::take(&mut self.deferred) {
            let is_due = order.due().is_some_and(|due| due <= now);
            match order {
                order if !is_due && self.must_wait(&order) => self.deferred.push(order),
                Deferred::Look(done) => {
                    done.send(()).ok();
                }
                Deferred::Admin { request, reply, .. } => {
                    reply.send(self.admin(request).await).ok();
                }
            }
        }
    }

    /// Whether a load that the order is about goes on. An id that no file is known to have may be
    /// that of any file.
    fn must_wait(&self, order: &Deferred) -> bool {
        let Deferred::Admin { request: Request::Reload(Some(name)), .. } = order else {
            return !self.loads.is_empty();
        };
        let id = name.rsplit_once('@').map_or(name.as_str(), |(id, _)| id);
        let is_it = |(file, state): &(&String, &FileState)| {
            let own = state.plugin.as_ref().map(|plugin| plugin.generation.plugin.as_str());
            Some(file.as_str()) == bare_name(name) || own == Some(id)
        };
        match self.files.iter().find(is_it) {
            Some((file, _)) => self.loads.is_loading(file),
            None => !self.loads.is_empty(),
        }
    }
}

/// The name of the file in what an admin typed: `PATH/FILE@DIGEST`.
pub(super) fn bare_name(typed: &str) -> Option<&str> {
    let name = typed.rsplit_once('@').map_or(typed, |(name, _)| name);
    Path::new(name).file_name().and_then(|name| name.to_str())
}
