//! Loads beside the task that looks at the folder: each new content in a task of its own, its
//! outcome taken when it is there. Orders that need an outcome wait for it and hold up nobody else.

use std::path::Path;
use std::sync::Arc;

use tokio::time::Instant;

use super::deferred::DeferredOrder;
use super::file_state::{ContentState, FileState};
use super::loads::LoadOutcome;
use super::rejection::FileRejection;
use super::reloader::Reloader;
use super::scan::{FileBytes, FileContent, FoundFile};
use crate::lifecycle::admin::PluginRequest;
use crate::lifecycle::registry::Registry;
use crate::sandbox::compiler::CompilePriority;
use crate::sandbox::limits::StopCounters;
use crate::sandbox::plugin_bytes::PluginBytes;

impl Reloader {
    /// Begins to load the content of a file where it is new; true where anything about the file
    /// is.
    pub(super) fn examine(&mut self, found: FoundFile) -> bool {
        let is_listed = self.files.contains_key(&found.name);
        let state = self.files.entry(found.name.clone()).or_default();
        let was_loading = self.loads.is_loading(&found.name);
        let digest = match found.content {
            FileContent::Whole(digest) => digest,
            FileContent::Same => {
                // Its load ended without an outcome.
                if state.content == ContentState::Unread && !was_loading {
                    self.stamps.forget(&found.name);
                }
                return false;
            }
            FileContent::Moving => return !is_listed,
            FileContent::Refused(reason, hint) => {
                self.loads.give_up(&found.name);
                let is_new = was_loading || state.content.fault() != Some(&reason);
                let stops = &self.loader.shared.stops;
                let rejection = FileRejection::unread(reason, hint);
                reject(state, None, false, &found.name, rejection, (&self.registry, stops));
                return is_new;
            }
        };
        if self.loads.is_loading_digest(&found.name, &digest) {
            return false;
        }
        self.loads.give_up(&found.name);
        if state.content.is_decided(&digest) {
            return was_loading;
        }
        // A new version of what serves does not wait for new files.
        let priority = match state.claim.id() {
            Some(_) => CompilePriority::Known,
            None => CompilePriority::New,
        };
        let is_known = self.loader.cache.knows(&digest);
        let (loader, file) = (Arc::clone(&self.loader), found.name);
        let versions = (!self.read_only).then(|| self.versions.clone());
        let bytes = FileBytes { folder: self.folder.clone(), name: file.clone() };
        let bytes: Arc<dyn PluginBytes> = Arc::new(bytes);
        let (name, wanted) = (file.clone(), digest.clone());
        self.loads.begin((&name, &wanted), (priority, is_known), async move {
            let load = loader.load(&file, &digest, priority, Arc::clone(&bytes));
            let outcome = load.await;
            let kept = match versions.filter(|_| outcome.is_ok()) {
                Some(versions) => {
                    let digest = digest.clone();
                    let keep = move || versions.keep(&digest, bytes);
                    let kept = tokio::task::spawn_blocking(keep).await;
                    kept.unwrap_or_else(|error| Err(std::io::Error::other(error)))
                }
                None => Ok(()),
            };
            LoadOutcome { file, digest, outcome, kept }
        });
        true
    }

    /// Takes what was loaded.
    pub(super) async fn take_loaded(&mut self) {
        // Several that end together are settled together.
        tokio::task::yield_now().await;
        let (registry, stops) = (Arc::clone(&self.registry), &self.loader.shared.stops);
        for LoadOutcome { file, digest, outcome, kept } in self.loads.take_ended() {
            let Some(state) = self.files.get_mut(&file) else { continue };
            match outcome {
                Ok(plugin) => {
                    debug_assert_eq!(plugin.generation.digest, digest, "the bytes that were read");
                    state.last_good = Some(Arc::new(plugin));
                    state.content = ContentState::Good { digest };
                    if let Err(error) = kept {
                        tracing::error!(file, %error, "no private copy; a roll back cannot use it");
                    }
                }
                Err(refused) if refused.is_moved() => {
                    state.content.end_retry();
                    // Whatever its stamp says at the next look.
                    self.stamps.forget(&file);
                    self.moving = true;
                }
                Err(refused) => {
                    let may_pass = refused.error.is_passing();
                    let owner = (&*registry, &**stops);
                    reject(state, Some(digest), may_pass, &file, refused.into(), owner);
                }
            }
        }
    }

    /// Before the look that an order begins with: what was refused is tried again where that is
    /// what is wanted.
    pub(super) fn prepare(&mut self, request: &PluginRequest) {
        let PluginRequest::Reload(Some(name)) = request else { return };
        let Some(bare) = bare_name(name) else { return };
        let Some(state) = self.files.get_mut(bare) else { return };
        if let Some(digest) = state.content.retry() {
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
                DeferredOrder::Look(done) => {
                    done.send(()).ok();
                }
                DeferredOrder::Admin { request, reply, .. } => {
                    reply.send(self.admin(request).await).ok();
                }
            }
        }
    }

    /// True where a load that the order is about goes on. An id that no file is known to have may
    /// be that of any file.
    fn must_wait(&self, order: &DeferredOrder) -> bool {
        let DeferredOrder::Admin { request: PluginRequest::Reload(Some(name)), .. } = order else {
            return !self.loads.is_empty();
        };
        let id = name.rsplit_once('@').map_or(name.as_str(), |(id, _)| id);
        let is_it = |(file, state): &(&String, &FileState)| {
            let own = state.plugin_id().map(String::as_str);
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

/// The file's present bytes are not taken; published once per reason.
fn reject(
    state: &mut FileState,
    digest: Option<String>,
    may_pass: bool,
    file: &str,
    rejection: FileRejection,
    (registry, stops): (&Registry, &StopCounters),
) {
    let (reason, hint) = (rejection.reason.clone(), rejection.hint.clone());
    if state.content.fault() != Some(&reason) {
        let serving = state.last_good.as_ref().map(|plugin| plugin.generation.clone());
        rejection.publish(registry, stops, file, serving);
    }
    state.content = ContentState::Rejected { digest, reason, hint, may_pass };
}
