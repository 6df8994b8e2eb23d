//! Hot reload: one task looks at the plugin folder and replaces generations (DESIGN.md 4, WASM.md
//! 5).
//!
//! - A notice of the operating system only means "look again"; what counts is the content's digest.
//!   So partial writes, renames and lost notices all end well: a file that does not parse is looked
//!   at again with the next change.
//! - A bad file never disturbs the generation that serves; it is reported once per content, and
//!   kept for `list`. Nor does a folder that cannot be read, or a file that is gone for a moment
//!   ([`GRACE_MS`]): a folder may be deleted and made again.
//! - A new content is loaded beside the task (`load.rs`): a file that takes its time keeps neither
//!   other files nor an admin waiting.
//! - What serves is decided in `decide.rs` of the files and the book; `reconcile.rs` does it.

mod admin;
mod load;
mod reconcile;
mod rejection;
mod scan;
mod show;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::lifecycle::admin::{AdminError, Answer, Request};
use crate::lifecycle::copies::Versions;
use crate::lifecycle::decide::Wait;
use crate::lifecycle::plugin_state::{Book, Page};
use crate::lifecycle::preview::{Pair, Paired};
use crate::lifecycle::registry::Registry;
use crate::lifecycle::samples::Recent;
use crate::lifecycle::view::Seen;
use crate::sandbox::compiler::Priority;
use crate::sandbox::generation::Plugin;
use crate::sandbox::limits::Stops;
use crate::sandbox::loader::Loader;
use load::{Deferred, Loads};
use rejection::Refusal;
use scan::{Content, Found, Stamps};
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

/// The task's own state.
pub(crate) struct Reloader {
    folder: PathBuf,
    loader: Arc<Loader>,
    loads: Loads,
    /// Orders that wait for loads.
    deferred: Vec<Deferred>,
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
            loader: Arc::new(loader),
            loads: Loads::default(),
            deferred: Vec::new(),
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
            let overdue = load::until(&self.deferred);
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.order(order).await,
                    None => return,
                },
                _ = notices.recv() => {
                    quiet(&mut notices, rhythm.debounce).await;
                    self.look().await;
                }
                () = registry.changed.notified() => {
                    self.settle();
                    self.show();
                }
                () = self.loads.ready() => {
                    self.take_loaded().await;
                    self.conclude().await;
                }
                () = overdue => {}
                _ = again.tick(), if self.moving => self.look().await,
                _ = clock.tick() => {
                    self.look().await;
                    let recent = Arc::clone(&self.recent);
                    tokio::task::spawn_blocking(move || recent.save()).await.ok();
                }
            }
            self.answer_deferred().await;
        }
    }

    async fn order(&mut self, order: Order) {
        match order {
            Order::Look(done) => {
                self.look().await;
                self.deferred.push(Deferred::look(done));
            }
            Order::Admin(request, reply) => {
                self.prepare(&request);
                self.look().await;
                self.deferred.push(Deferred::admin(request, reply));
            }
            Order::Pair { name, bytes, id, reply } => {
                reply.send(self.pair(&name, bytes, id).await).ok();
            }
        }
    }

    /// Looks at every file once and lets the good ones serve; every load is waited for, or where
    /// `hasty` those of bytes that were looked at before.
    pub(crate) async fn scan(&mut self, hasty: bool) {
        self.find().await;
        while if hasty { self.loads.has_known() } else { !self.loads.is_empty() } {
            self.loads.ready().await;
            self.take_loaded().await;
        }
        self.conclude().await;
    }

    /// Looks at every file once and begins to load what is new.
    async fn look(&mut self) {
        if self.find().await {
            self.conclude().await;
        }
    }

    /// Begins to load what is new in the folder; whether it could be read.
    async fn find(&mut self) -> bool {
        if let Some(watch) = &mut self.watch {
            watch.follow();
        }
        let Some(found) = self.read().await else { return false };
        self.loads.begin_look();
        let now_ms = self.registry.clock.now_ms();
        let names: BTreeSet<&str> = found.iter().map(|found| found.name.as_str()).collect();
        for (name, state) in &mut self.files {
            match names.contains(name.as_str()) {
                true => state.vanished_ms = None,
                // A clock that was set back does not make it longer.
                false => {
                    state.vanished_ms = Some(state.vanished_ms.map_or(now_ms, |at| at.min(now_ms)));
                    self.loads.give_up(name);
                }
            }
        }
        let gone = |state: &FileState| match state.vanished_ms {
            Some(since) => state.served.is_none() || now_ms.saturating_sub(since) >= GRACE_MS,
            None => false,
        };
        self.files.retain(|_, state| !gone(state));
        for found in found {
            self.examine(found);
        }
        true
    }

    /// Lets serve what the files as far as they are known say should serve.
    async fn conclude(&mut self) {
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
                let found = scan::read(&folder, &mut stamps);
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

    /// Makes a generation of the private copy with this digest.
    async fn load(&self, name: &str, digest: &str) -> Result<Plugin, String> {
        let (versions, wanted) = (self.versions.clone(), digest.to_owned());
        let read = tokio::task::spawn_blocking(move || versions.read(&wanted));
        let bytes = read.await.map_err(|error| error.to_string())?;
        let bytes = bytes.map_err(|error| format!("its private copy cannot be read: {error}"))?;
        let loaded = self.loader.load(name, digest, Priority::Known, Arc::new(bytes)).await;
        loaded.map_err(|error| error.to_string())
    }

    /// What serves, by what is remembered, and the plugin in `bytes`. Of the file that serves
    /// already, the version before is the other one.
    async fn pair(&self, name: &str, bytes: Vec<u8>, id: Option<String>) -> Paired {
        let digest = hex::encode(Sha256::digest(&bytes));
        let load = self.loader.load(name, &digest, Priority::Stranger, Arc::new(bytes));
        let candidate = load.await;
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
            let of_page = |page: &Page| {
                let serves = page.serving.as_deref() == Some(digest);
                serves || page.versions.iter().any(|version| version.digest == digest)
            };
            let loads = self.loads.has(digest) || self.files.values().any(of_file);
            loads || book.pages().values().any(of_page)
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
