//! Hot reload: one task looks at the plugin folder and replaces generations (DESIGN.md 4, WASM.md
//! 5).
//!
//! - A notice of the operating system only means "look again"; what counts is the content's digest.
//!   So partial writes, renames and lost notices all end well: a file that does not parse is looked
//!   at again with the next change.
//! - A bad file never disturbs the generation that serves; it is reported once per content, and
//!   kept for `list`. Nor does a folder that cannot be read, or a file that is gone for a moment
//!   ([`GRACE_MS`]): a folder may be deleted and made again.
//! - What serves is decided in `decide.rs` of the files and the book; `settle.rs` does it.

pub(crate) mod admin;
pub(crate) mod book;
pub(crate) mod decide;
pub(crate) mod event;
pub(crate) mod folder;
pub(crate) mod grants;
pub(crate) mod health;
mod refused;
mod settle;
pub(crate) mod versions;
pub(crate) mod view;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::limits::Stops;
use crate::loader::Loader;
use crate::plugin::Plugin;
use crate::recent::Recent;
use crate::registry::Registry;
use admin::{AdminError, Answer, Request};
use book::Book;
use decide::Wait;
use folder::{Content, Found, Stamps};
use refused::Refusal;
use versions::Versions;
use view::Seen;
use watch::Watch;

/// How long a file that served may be gone before nothing serves its plugin any more, ms.
const GRACE_MS: i64 = 10_000;

/// How often a file that is being written is read before it is left for the next notice.
const READS: usize = 4;

/// When to look again at a file that was still being written, if no notice comes.
const AGAIN: Duration = Duration::from_secs(2);

/// What the task remembers of one file.
#[derive(Default)]
struct FileState {
    digest: Option<String>,
    /// What it last held that was good.
    plugin: Option<Arc<Plugin>>,
    /// Why its present content is not taken.
    fault: Option<String>,
    /// Why it does not serve although its content is good.
    clash: Option<String>,
    /// Why it does not serve yet, and the digest of which that is true.
    waiting: Option<(String, Wait)>,
    /// The digest of it that was let serve last.
    taken: Option<String>,
    /// It may fare better with the same content.
    passing: bool,
    /// The id that it served after the last look.
    served: Option<String>,
    /// When it was first missed, ms since 1970.
    vanished_ms: Option<i64>,
    /// What served before a restart was looked for.
    recalled: bool,
}

/// When the task looks at the folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    pub(crate) watch: bool,
    pub(crate) debounce: Duration,
    pub(crate) rescan: Duration,
}

/// What the task is asked to do.
pub(crate) enum Order {
    /// Look now; answered when it has.
    Look(oneshot::Sender<()>),
    /// What an admin wants.
    Admin(Request, oneshot::Sender<Result<Answer, AdminError>>),
    /// Load what serves a plugin and what these bytes are, to be compared.
    Pair { name: String, bytes: Vec<u8>, id: Option<String>, reply: oneshot::Sender<Paired> },
}

/// Two versions to be compared, or why there are none.
pub(crate) type Paired = Result<Pair, AdminError>;

/// See [`Paired`].
pub(crate) struct Pair {
    /// What serves, if anything does; where the file serves, the version before.
    pub(crate) other: Option<Arc<Plugin>>,
    /// What the file holds.
    pub(crate) candidate: Plugin,
    /// The file serves already.
    pub(crate) serves: bool,
}

/// The task's own state.
pub(crate) struct Reloader {
    folder: PathBuf,
    loader: Loader,
    registry: Arc<Registry>,
    versions: Versions,
    /// Nothing is written to `versions`.
    passive: bool,
    files: BTreeMap<String, FileState>,
    stamps: Stamps,
    watch: Option<Watch>,
    /// A file was still being written at the last look.
    moving: bool,
    /// Why the folder could not be read at the last look.
    blind: Option<String>,
    view: Arc<ArcSwap<Vec<Seen>>>,
    home: PathBuf,
    recent: Arc<Recent>,
}

impl Reloader {
    /// `home` is where the book and the copies are; `passive` writes nothing there.
    pub(crate) fn new(
        folder: PathBuf,
        home: &Path,
        passive: bool,
        loader: Loader,
        registry: Arc<Registry>,
        view: Arc<ArcSwap<Vec<Seen>>>,
        recent: Arc<Recent>,
    ) -> Self {
        Self {
            home: home.to_owned(),
            recent,
            folder,
            loader,
            registry,
            versions: Versions::new(home.join("versions")),
            passive,
            files: BTreeMap::new(),
            stamps: Stamps::new(),
            watch: None,
            moving: false,
            blind: None,
            view,
        }
    }

    /// Runs until the program drops its end of `orders`.
    pub(crate) async fn run(mut self, rhythm: Rhythm, mut orders: mpsc::Receiver<Order>) {
        let (notice, mut notices) = mpsc::channel(1);
        if rhythm.watch {
            self.watch = Some(Watch::start(&self.folder, notice.clone()));
        }
        let mut clock = tokio::time::interval(watch::interval(&self.folder, rhythm.rescan));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock.tick().await;
        let mut again = tokio::time::interval(AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let registry = Arc::clone(&self.registry);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Look(done)) => {
                        self.scan().await;
                        done.send(()).ok();
                    }
                    Some(Order::Admin(request, answer)) => {
                        answer.send(self.admin(request).await).ok();
                    }
                    Some(Order::Pair { name, bytes, id, reply }) => {
                        reply.send(self.pair(&name, bytes, id).await).ok();
                    }
                    None => return,
                },
                _ = notices.recv() => {
                    quiet(&mut notices, rhythm.debounce).await;
                    self.scan().await;
                }
                () = registry.changed.notified() => {
                    self.settle();
                    self.show();
                }
                _ = again.tick(), if self.moving => self.scan().await,
                _ = clock.tick() => {
                    self.scan().await;
                    let recent = Arc::clone(&self.recent);
                    tokio::task::spawn_blocking(move || recent.save()).await.ok();
                }
            }
        }
    }

    /// Looks at every file once and lets the good ones serve.
    pub(crate) async fn scan(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.follow();
        }
        let Some(found) = self.read().await else { return };
        let now_ms = self.registry.clock.now_ms();
        for (name, state) in &mut self.files {
            match found.iter().any(|found| found.name == *name) {
                true => state.vanished_ms = None,
                // A clock that was set back does not make it longer.
                false => {
                    state.vanished_ms = Some(state.vanished_ms.map_or(now_ms, |at| at.min(now_ms)));
                }
            }
        }
        let gone = |state: &FileState| match state.vanished_ms {
            Some(since) => state.served.is_none() || now_ms.saturating_sub(since) >= GRACE_MS,
            None => false,
        };
        self.files.retain(|_, state| !gone(state));
        for found in found {
            self.look(found).await;
        }
        self.recall().await;
        self.settle();
        self.registry.sweep();
        self.tidy();
        self.show();
    }

    /// The files, after a few tries where one is being written.
    async fn read(&mut self) -> Option<Vec<Found>> {
        let is_moving = |found: &Found| matches!(found.content, Content::Moving);
        for left in (0..READS).rev() {
            let (folder, mut stamps) = (self.folder.clone(), std::mem::take(&mut self.stamps));
            let read = tokio::task::spawn_blocking(move || {
                let found = folder::read(&folder, &mut stamps);
                (found, stamps)
            });
            let (found, stamps) = read.await.ok()?;
            self.stamps = stamps;
            match found {
                Ok(found) => {
                    self.blind = None;
                    self.moving = found.iter().any(is_moving);
                    if !self.moving || left == 0 {
                        return Some(found);
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if self.blind.as_ref() != Some(&error) {
                        tracing::error!(
                            error,
                            "the plugin folder cannot be read; what serves goes on"
                        );
                    }
                    self.blind = Some(error);
                    return None;
                }
            }
        }
        None
    }

    async fn look(&mut self, found: Found) {
        let (registry, stops) = (Arc::clone(&self.registry), &self.loader.machine.stops);
        let state = self.files.entry(found.name.clone()).or_default();
        let (digest, bytes) = match found.content {
            Content::Whole(digest, bytes) => (digest, bytes),
            Content::Moving => return,
            Content::Refused(reason) => {
                state.refuse(&registry, stops, &found.name, Refusal::unread(reason));
                state.digest = None;
                return;
            }
        };
        if state.digest.as_ref() == Some(&digest) && !state.passing {
            return;
        }
        state.passing = false;
        let (versions, copied, copy) = (self.versions.clone(), digest.clone(), bytes.clone());
        match self.loader.load(&found.name, bytes).await {
            Ok(plugin) => {
                state.fault = None;
                state.plugin = Some(Arc::new(plugin));
                if !self.passive {
                    let kept = tokio::task::spawn_blocking(move || versions.keep(&copied, &copy));
                    if let Ok(Err(error)) = kept.await {
                        let file = &found.name;
                        tracing::error!(file, %error, "no private copy; a roll back cannot use it");
                    }
                }
            }
            Err(refused) => {
                state.passing = refused.error.is_passing();
                state.refuse(&registry, stops, &found.name, refused.into());
            }
        }
        state.digest = Some(digest);
    }

    /// Makes a generation of the private copy with this digest.
    async fn load(&self, name: &str, digest: &str) -> Result<Plugin, String> {
        let (versions, wanted) = (self.versions.clone(), digest.to_owned());
        let read = tokio::task::spawn_blocking(move || versions.read(&wanted));
        let bytes = read.await.map_err(|error| error.to_string())?;
        let bytes = bytes.map_err(|error| format!("its private copy cannot be read: {error}"))?;
        self.loader.load(name, bytes).await.map_err(|error| error.to_string())
    }

    /// What serves, by what is remembered, and the plugin in `bytes`. Of the file that serves
    /// already, the version before is the other one.
    async fn pair(&self, name: &str, bytes: Vec<u8>, id: Option<String>) -> Paired {
        let candidate = self.loader.load(name, bytes).await;
        let candidate = candidate.map_err(|error| AdminError::Refused(error.to_string()))?;
        let generation = &candidate.generation;
        let id = id.unwrap_or_else(|| generation.plugin.clone());
        // As another process may have left it, and not as this one makes of the folder.
        let page = Book::open(&self.home, true)?.page(&id);
        let now = self.registry.serving(&id).map(|served| Arc::clone(&served.plugin));
        let here = now.as_ref().map(|now| &now.generation.digest);
        let serves = page.serving.as_ref().or(here) == Some(&generation.digest);
        let digest = if serves {
            page.earlier().map(|earlier| earlier.digest.clone())
        } else {
            page.serving.clone()
        };
        let other = match (digest, now) {
            (Some(digest), Some(now)) if now.generation.digest == digest => Some(now),
            (Some(digest), _) => {
                let loaded = self.load(&id, &digest).await.map_err(AdminError::Refused)?;
                Some(Arc::new(loaded))
            }
            (None, now) => now.filter(|now| now.generation.digest != generation.digest),
        };
        Ok(Pair { other, candidate, serves })
    }

    /// Removes private copies, and what was compiled, that nothing needs.
    fn tidy(&self) {
        if self.passive {
            return;
        }
        let book = self.registry.book();
        let held = |digest: &str| {
            let of_file = |state: &FileState| state.digest.as_deref() == Some(digest);
            let of_page = |page: &book::Page| {
                let serves = page.serving.as_deref() == Some(digest);
                serves || page.versions.iter().any(|version| version.digest == digest)
            };
            self.files.values().any(of_file) || book.pages().values().any(of_page)
        };
        self.versions.retain(held);
        self.loader.cache.retain(held);
    }
}

/// Waits until it has been quiet for a while, or for ten times as long.
async fn quiet(notices: &mut mpsc::Receiver<()>, debounce: Duration) {
    let quiet =
        async { while let Ok(Some(())) = tokio::time::timeout(debounce, notices.recv()).await {} };
    tokio::time::timeout(debounce * 10, quiet).await.ok();
}

impl FileState {
    /// Told once per reason.
    fn refuse(&mut self, registry: &Registry, stops: &Stops, file: &str, refusal: Refusal) {
        let reason = Some(refusal.reason.clone());
        if self.fault != reason {
            let serving = self.plugin.as_ref().map(|plugin| plugin.generation.clone());
            refusal.tell(registry, stops, file, serving);
        }
        self.fault = reason;
    }
}
