//! Hot reload: one task looks at the plugin folder and replaces generations (DESIGN.md 4, WASM.md
//! 5).
//!
//! - A notice of the operating system only means "look again"; what counts is the content's digest.
//!   So partial writes, renames and lost notices all end well: a file that does not parse is looked
//!   at again with the next change.
//! - A bad file never disturbs the generation that serves; it is reported once per content, and
//!   kept for `list`.
//! - What serves is a function of the files: [`settle`].

pub(crate) mod folder;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher as _};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use renkei_sync::plugin::Generation;

use crate::loader::Loader;
use crate::plugin::Plugin;
use crate::registry::{Registry, Serving};
use folder::Found;

/// What happened to a plugin file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReloadEvent {
    /// A generation serves from now on.
    Loaded {
        /// The file's name in the folder.
        file: String,
        /// What serves now.
        generation: Generation,
        /// What served before, and still serves the work that began under it.
        replaced: Option<Generation>,
    },
    /// A file is not taken.
    Refused {
        /// The file's name in the folder.
        file: String,
        /// What is wrong and what to do.
        reason: String,
        /// What goes on serving instead.
        serving: Option<Generation>,
    },
    /// Nothing serves this plugin any more.
    Removed {
        /// What served.
        generation: Generation,
    },
    /// A two-way function broke a lens law and runs one-way.
    OneWay {
        /// The transform.
        generation: Generation,
        /// Its function.
        function: String,
        /// Which law.
        reason: String,
    },
}

/// One file of the plugin folder, as last seen.
#[derive(Debug, Clone)]
pub struct PluginFile {
    /// Its name in the folder.
    pub file: String,
    /// The generation of it that serves, if any; it may be older than the file.
    pub serving: Option<Generation>,
    /// What the serving generation says of itself.
    pub manifest: Option<Arc<renkei_package::Manifest>>,
    /// Why the file as it is now does not serve.
    pub fault: Option<String>,
    /// Two-way functions that run one-way, with the reason.
    pub one_way: BTreeMap<String, String>,
}

/// What the task remembers of one file.
#[derive(Default)]
struct FileState {
    digest: Option<String>,
    plugin: Option<Arc<Plugin>>,
    /// Why its present content is not taken.
    fault: Option<String>,
    /// Why it does not serve although its content is good.
    clash: Option<String>,
    /// It may fare better with the same content.
    passing: bool,
    /// The id that it served after the last look.
    served: Option<String>,
}

/// When the task looks at the folder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    pub(crate) watch: bool,
    pub(crate) debounce: Duration,
    pub(crate) rescan: Duration,
}

/// Asks the task to look now; answered when it has.
pub(crate) type Rescan = oneshot::Sender<()>;

/// The task's own state.
pub(crate) struct Reloader {
    folder: PathBuf,
    loader: Loader,
    registry: Arc<Registry>,
    files: BTreeMap<String, FileState>,
    view: Arc<ArcSwap<Vec<PluginFile>>>,
    events: broadcast::Sender<ReloadEvent>,
}

impl Reloader {
    pub(crate) fn new(
        folder: PathBuf,
        loader: Loader,
        registry: Arc<Registry>,
        view: Arc<ArcSwap<Vec<PluginFile>>>,
        events: broadcast::Sender<ReloadEvent>,
    ) -> Self {
        Self { folder, loader, registry, files: BTreeMap::new(), view, events }
    }

    /// Runs until the program drops its end of `rescans`.
    pub(crate) async fn run(mut self, rhythm: Rhythm, mut rescans: mpsc::Receiver<Rescan>) {
        let (notice, mut notices) = mpsc::channel(1);
        let _watcher = rhythm.watch.then(|| self.watch(notice.clone())).flatten();
        let mut clock = tokio::time::interval(rhythm.rescan);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock.tick().await;
        loop {
            let asked = tokio::select! {
                asked = rescans.recv() => match asked {
                    Some(asked) => Some(asked),
                    None => return,
                },
                _ = notices.recv() => {
                    // Until it has been quiet for a while, or for ten times as long.
                    let quiet = async {
                        while let Ok(Some(())) =
                            tokio::time::timeout(rhythm.debounce, notices.recv()).await
                        {}
                    };
                    tokio::time::timeout(rhythm.debounce * 10, quiet).await.ok();
                    None
                }
                _ = clock.tick() => None,
            };
            self.scan().await;
            if let Some(asked) = asked {
                asked.send(()).ok();
            }
        }
    }

    fn watch(&self, notice: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
        let look = move |event: notify::Result<notify::Event>| {
            // Reading the files is noticed too, and would go round for ever.
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // A notice that waits already says the same.
            notice.try_send(()).ok();
        };
        let watcher = notify::recommended_watcher(look).and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        watcher
            .inspect_err(|error| {
                tracing::warn!(%error, "the plugin folder cannot be watched, only rescanned");
            })
            .ok()
    }

    /// Looks at every file once and lets the good ones serve.
    pub(crate) async fn scan(&mut self) {
        let folder = self.folder.clone();
        let found = match tokio::task::spawn_blocking(move || folder::read(&folder)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::error!(%error, "the plugin folder cannot be read; what serves goes on");
                return;
            }
            Err(_) => return,
        };
        self.files.retain(|name, _| found.iter().any(|found| found.name == *name));
        for found in found {
            self.look(found).await;
        }
        let before = self.registry.all();
        let after = settle(&mut self.files, &before, &self.events);
        self.registry.replace(after.clone());
        self.announce(&before, &after);
        self.view.store(Arc::new(self.files.iter().map(describe).collect()));
    }

    async fn look(&mut self, found: Found) {
        let state = self.files.entry(found.name.clone()).or_default();
        let (digest, bytes) = match found.content {
            Ok(content) => content,
            Err(reason) => {
                state.refuse(&found.name, reason, &self.events);
                state.digest = None;
                return;
            }
        };
        if state.digest.as_ref() == Some(&digest) && !state.passing {
            return;
        }
        state.passing = false;
        match self.loader.load(&found.name, bytes).await {
            Ok(plugin) => {
                state.fault = None;
                state.plugin = Some(Arc::new(plugin));
            }
            Err(error) => {
                state.passing = error.is_passing();
                state.refuse(&found.name, error.to_string(), &self.events);
            }
        }
        state.digest = Some(digest);
    }

    fn announce(&self, before: &Serving, after: &Serving) {
        for (id, old) in before.iter().filter(|(id, _)| !after.contains_key(*id)) {
            tracing::info!(plugin = id, "plugin removed");
            self.tell(ReloadEvent::Removed { generation: old.generation.clone() });
        }
        for (id, new) in after {
            let old = before.get(id);
            if old.is_some_and(|old| Arc::ptr_eq(old, new)) {
                continue;
            }
            let generation = new.generation.clone();
            let file = self.files.iter().find(|(_, state)| state.serves(new));
            let file = file.map(|(name, _)| name.clone()).unwrap_or_default();
            let replaced = old.map(|old| old.generation.clone());
            tracing::info!(plugin = %generation, digest = generation.digest, file, "plugin loaded");
            self.tell(ReloadEvent::Loaded { file, generation: generation.clone(), replaced });
            for (function, reason) in &new.one_way {
                tracing::warn!(plugin = %generation, function, reason, "the function runs one-way");
                let (function, reason) = (function.clone(), reason.clone());
                let generation = generation.clone();
                self.tell(ReloadEvent::OneWay { generation, function, reason });
            }
        }
    }

    fn tell(&self, event: ReloadEvent) {
        // Nobody listening is fine.
        self.events.send(event).ok();
    }
}

impl FileState {
    fn serves(&self, plugin: &Arc<Plugin>) -> bool {
        self.clash.is_none() && self.plugin.as_ref().is_some_and(|own| Arc::ptr_eq(own, plugin))
    }

    fn refuse(&mut self, file: &str, reason: String, events: &broadcast::Sender<ReloadEvent>) {
        if self.fault.as_ref() != Some(&reason) {
            let serving = self.plugin.as_ref().map(|plugin| plugin.generation.clone());
            refused(file, &reason, serving, events);
        }
        self.fault = Some(reason);
    }
}

fn refused(
    file: &str,
    reason: &str,
    serving: Option<Generation>,
    events: &broadcast::Sender<ReloadEvent>,
) {
    let goes_on = serving.as_ref().map(ToString::to_string);
    tracing::error!(file, reason, serving = goes_on, "plugin refused");
    let event = ReloadEvent::Refused { file: file.to_owned(), reason: reason.to_owned(), serving };
    events.send(event).ok();
}

/// What serves: the generation of each file, unless two files claim one id. Then the one that
/// served before goes on, and where none did, neither serves: taking one would be a guess.
fn settle(
    files: &mut BTreeMap<String, FileState>,
    before: &Serving,
    events: &broadcast::Sender<ReloadEvent>,
) -> Serving {
    let mut claims: BTreeMap<String, Vec<(String, Arc<Plugin>)>> = BTreeMap::new();
    for (name, state) in files.iter() {
        if let Some(plugin) = &state.plugin {
            let claim = (name.clone(), Arc::clone(plugin));
            claims.entry(plugin.generation.plugin.clone()).or_default().push(claim);
        }
    }
    let mut serving = Serving::new();
    for (id, claims) in claims {
        let incumbent = match claims.as_slice() {
            [only] => Some(only),
            several => several.iter().find(|(name, _)| {
                files.get(name).is_some_and(|state| state.served.as_ref() == Some(&id))
            }),
        };
        let names = claims.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
        for (name, plugin) in &claims {
            let serves = incumbent.is_some_and(|(incumbent, _)| incumbent == name);
            let Some(state) = files.get_mut(name) else { continue };
            state.served = serves.then(|| id.clone());
            if serves {
                state.clash = None;
                serving.insert(id.clone(), Arc::clone(plugin));
                continue;
            }
            let reason = format!(
                "{} are all the plugin `{id}`; keep one of these files",
                names.join(" and ")
            );
            if state.clash.as_ref() != Some(&reason) {
                let goes_on = before.get(&id).map(|old| old.generation.clone());
                refused(name, &reason, goes_on, events);
            }
            state.clash = Some(reason);
        }
    }
    serving
}

fn describe((name, state): (&String, &FileState)) -> PluginFile {
    let plugin = state.plugin.as_ref().filter(|_| state.clash.is_none());
    PluginFile {
        file: name.clone(),
        serving: plugin.map(|plugin| plugin.generation.clone()),
        manifest: plugin.map(|plugin| Arc::new(plugin.manifest.clone())),
        fault: state.fault.clone().or_else(|| state.clash.clone()),
        one_way: plugin.map(|plugin| plugin.one_way.clone()).unwrap_or_default(),
    }
}
