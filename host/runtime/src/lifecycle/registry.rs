//! Which generation serves which plugin id, and how it fares there.
//!
//! - A unit of work ([`Unit`]) takes its generation once and keeps it to the end, so that a swap
//!   never changes the code under a running job; the old generation lives until its last unit is
//!   done.
//! - What each unit came to is told here; [`crate::lifecycle::health`] decides what follows. A roll
//!   back happens at once, in the call that proved it needed, because the task that owns the folder
//!   may be busy compiling.
//! - Whoever changes what serves holds the book.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, broadcast};

use renkei_package::ManifestKind;
use renkei_sync::model::plugin::{Generation, PluginError};
use renkei_sync::ports::Clock;

use crate::lifecycle::event::{self, ReloadEvent};
use crate::lifecycle::health::{self, Health, Rules, Verdict};
use crate::lifecycle::plugin_state::Book;
use crate::sandbox::generation::Plugin;

/// How long work that began under a replaced generation may go on with it, ms: then its next call
/// fails, and the job begins anew under what serves.
const DRAIN_MS: i64 = 600_000;

/// Generations by plugin id.
pub(crate) type Serving = BTreeMap<String, Arc<Served>>;

/// One generation that serves or served.
pub(crate) struct Served {
    pub(crate) plugin: Arc<Plugin>,
    ward: Mutex<Ward>,
    /// When it was replaced, ms since 1970.
    replaced_ms: AtomicI64,
}

struct Ward {
    health: Health,
    /// What serves again if this one fails on probation: the last that was not on probation.
    fallback: Option<Arc<Plugin>>,
}

impl Served {
    fn new(plugin: Arc<Plugin>, health: Health, fallback: Option<Arc<Plugin>>) -> Arc<Self> {
        let ward = Mutex::new(Ward { health, fallback });
        Arc::new(Self { plugin, ward, replaced_ms: AtomicI64::new(i64::MAX) })
    }

    fn ward(&self) -> MutexGuard<'_, Ward> {
        self.ward.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when no call is taken, and whether it is on probation.
    pub(crate) fn state(&self, now_ms: i64) -> (Option<i64>, bool) {
        let ward = self.ward();
        (ward.health.quarantined_until(now_ms), ward.health.is_on_probation(now_ms))
    }
}

/// See the module's text.
pub(crate) struct Registry {
    serving: ArcSwap<Serving>,
    book: Mutex<Book>,
    pub(crate) clock: Arc<dyn Clock>,
    events: broadcast::Sender<ReloadEvent>,
    quarantine: bool,
    /// What serves was changed without the task that owns the folder.
    pub(crate) changed: Notify,
}

impl Registry {
    pub(crate) fn new(
        book: Book,
        clock: Arc<dyn Clock>,
        events: broadcast::Sender<ReloadEvent>,
        quarantine: bool,
    ) -> Self {
        let (serving, changed) = (ArcSwap::default(), Notify::new());
        Self { serving, book: Mutex::new(book), clock, events, quarantine, changed }
    }

    fn rules(&self, plugin: &Plugin) -> Rules {
        let rules = match plugin.manifest.kind {
            ManifestKind::Connector(_) => Rules::connector(),
            ManifestKind::Transform(_) => Rules::transform(),
        };
        if self.quarantine { rules } else { Rules { in_a_row: u32::MAX, ..rules } }
    }

    /// Begins a unit of work under the generation that serves `id` now.
    pub(crate) fn begin(self: &Arc<Self>, id: &str) -> Result<Unit, PluginError> {
        let served = self.serving(id).ok_or_else(|| PluginError::Host {
            plugin: Generation {
                plugin: id.to_owned(),
                version: "none".to_owned(),
                digest: String::new(),
            },
            reason: "no such plugin is loaded; see `renkei plugin list`".to_owned(),
        })?;
        let unit = Unit { registry: Arc::clone(self), served };
        unit.may_go_on()?;
        Ok(unit)
    }

    pub(crate) fn serving(&self, id: &str) -> Option<Arc<Served>> {
        self.serving.load().get(id).cloned()
    }

    /// The generation that serves `id` now.
    pub(crate) fn generation(&self, id: &str) -> Option<Generation> {
        self.serving(id).map(|served| served.plugin.generation.clone())
    }

    pub(crate) fn all(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    /// The book; whoever holds it may change what serves.
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tell(&self, event: ReloadEvent) {
        event::tell(&self.events, event);
    }

    /// Lets `plugin`, as its grants leave it, serve from now on. What served before serves again if
    /// the new one fails on probation; where that was on probation itself, what it would have gone
    /// back to: broken versions in a row do not vouch for one another.
    pub(crate) fn serve(&self, book: &mut Book, file: &str, plugin: &Plugin) {
        let id = plugin.generation.plugin.clone();
        let now_ms = self.clock.now_ms();
        let rules = self.rules(plugin);
        let page = book.page(&id);
        let before = self.serving(&id).map(|before| {
            let ward = before.ward();
            let fallback = match ward.health.is_on_probation(now_ms) {
                true => ward.fallback.clone(),
                false => Some(Arc::clone(&before.plugin)),
            };
            (fallback, ward.health.rate(now_ms))
        });
        let (fallback, rate) = before.unwrap_or_default();
        let fallback = fallback.filter(|fallback| {
            let digest = &fallback.generation.digest;
            *digest != plugin.generation.digest && page.why_bad(digest).is_none()
        });
        let health = match fallback {
            Some(_) => Health::on_probation(rules, rate),
            None => Health::new(rules),
        };
        let asked = plugin.asked();
        let kept = book.change(&id, |page| {
            let fallback = fallback.as_ref().map(|fallback| fallback.generation.digest.clone());
            page.serve(file, &plugin.generation, fallback);
            let news = asked.difference(&page.denied.known).cloned();
            page.allowed.get_or_insert_default().known.extend(news);
        });
        self.unless_kept(kept);
        self.put(
            &id,
            Some(Served::new(Arc::new(plugin.given(&page.denied.known)), health, fallback)),
        );
    }

    /// Puts a generation that served before a restart back in its place.
    pub(crate) fn restore(&self, book: &Book, plugin: &Plugin) {
        let id = &plugin.generation.plugin;
        let plugin = Arc::new(plugin.given(&book.page(id).denied.known));
        let health = Health::new(self.rules(&plugin));
        self.put(id, Some(Served::new(plugin, health, None)));
    }

    /// Cuts what serves to what the book allows now; its health and its past stay.
    pub(crate) fn regrant(&self, book: &Book, id: &str) {
        let Some(before) = self.serving(id) else { return };
        let plugin = Arc::new(before.plugin.given(&book.page(id).denied.known));
        let ward = before.ward();
        let served = Served::new(plugin, ward.health.clone(), ward.fallback.clone());
        drop(ward);
        self.put(id, Some(served));
    }

    /// Forgets the failures of what serves.
    pub(crate) fn forgive(&self, id: &str) {
        if let Some(served) = self.serving(id) {
            let mut ward = served.ward();
            ward.health = Health::new(self.rules(&served.plugin));
            ward.fallback = None;
        }
    }

    /// Lets nothing serve `id`.
    pub(crate) fn remove(&self, book: &mut Book, id: &str) {
        self.unless_kept(book.change(id, |page| page.serving = None));
        self.put(id, None);
    }

    /// Lets go of generations that no probation needs any more.
    pub(crate) fn sweep(&self) {
        let now_ms = self.clock.now_ms();
        for (id, served) in self.all().iter() {
            // Whoever needs both takes the book before the ward.
            let mut book = self.book();
            let mut ward = served.ward();
            if !ward.health.is_on_probation(now_ms) {
                ward.fallback = None;
                // A change reads the book anew, which is not for every plugin at every look.
                if book.pages().get(id).is_some_and(|page| page.fallback.is_some()) {
                    self.unless_kept(book.change(id, |page| page.fallback = None));
                }
            }
        }
    }

    /// `to` serves again instead of what serves now, which is not taken again by itself.
    pub(crate) fn retreat(&self, book: &mut Book, to: &Plugin, reason: &str) {
        let id = &to.generation.plugin;
        let Some(before) = self.serving(id) else { return };
        let from = before.plugin.generation.clone();
        let kept = book.change(id, |page| page.retreat(&from.digest, &to.generation, reason));
        self.unless_kept(kept);
        let page = book.page(id);
        let health = Health::new(self.rules(to));
        self.put(id, Some(Served::new(Arc::new(to.given(&page.denied.known)), health, None)));
        let (to, reason) = (to.generation.clone(), reason.to_owned());
        self.tell(ReloadEvent::RolledBack { from, to, reason });
        self.changed.notify_one();
    }

    /// A failed write of the book: what serves is right in this process, and is decided again by
    /// the next.
    pub(crate) fn unless_kept(&self, kept: Result<(), crate::lifecycle::plugin_state::BookError>) {
        if let Err(error) = kept {
            tracing::error!(%error, "what serves cannot be remembered across a restart");
        }
    }

    fn put(&self, id: &str, served: Option<Arc<Served>>) {
        let mut serving = Serving::clone(&self.all());
        let before = match served {
            Some(served) => serving.insert(id.to_owned(), served),
            None => serving.remove(id),
        };
        self.serving.store(Arc::new(serving));
        if let Some(before) = before {
            before.replaced_ms.store(self.clock.now_ms(), Ordering::Relaxed);
            before.ward().fallback = None;
        }
    }
}

/// One unit of work under one generation.
pub(crate) struct Unit {
    registry: Arc<Registry>,
    served: Arc<Served>,
}

impl Unit {
    /// Its generation.
    pub(crate) fn plugin(&self) -> &Arc<Plugin> {
        &self.served.plugin
    }

    /// An error where its generation is in quarantine, or was replaced too long ago.
    pub(crate) fn may_go_on(&self) -> Result<(), PluginError> {
        let now_ms = self.registry.clock.now_ms();
        let refuse = |reason| {
            Err(PluginError::Host { plugin: self.served.plugin.generation.clone(), reason })
        };
        let (quarantined, _) = self.served.state(now_ms);
        if let Some(until_ms) = quarantined {
            let seconds = until_ms.saturating_sub(now_ms).saturating_add(999) / 1_000;
            let id = &self.served.plugin.generation.plugin;
            return refuse(format!(
                "in quarantine for {seconds} s more, because it failed again and again; put \
                 another version there, or run `renkei plugin reload {id}` to try it at once"
            ));
        }
        let replaced_ms = self.served.replaced_ms.load(Ordering::Relaxed);
        if now_ms.saturating_sub(DRAIN_MS) > replaced_ms {
            return refuse("it was replaced long ago; the job begins anew".to_owned());
        }
        Ok(())
    }

    /// What would serve again, while this one is on probation: whether it fails with the same input
    /// too tells whose fault a failure is.
    pub(crate) fn fallback(&self) -> Option<Arc<Plugin>> {
        let ward = self.served.ward();
        let on_probation = ward.health.is_on_probation(self.registry.clock.now_ms());
        ward.fallback.clone().filter(|_| on_probation)
    }

    /// Tells what a call came to, and does what follows.
    pub(crate) fn tell(&self, unit: health::Unit) {
        let registry = &self.registry;
        let verdict = {
            let mut ward = self.served.ward();
            ward.health.record(unit, registry.clock.now_ms())
        };
        if verdict == Verdict::Fine {
            return;
        }
        let mut book = registry.book();
        let generation = &self.served.plugin.generation;
        let serving = registry.serving(&generation.plugin);
        // Another call, or an admin, was faster.
        if !serving.is_some_and(|serving| Arc::ptr_eq(&serving, &self.served)) {
            return;
        }
        match verdict {
            Verdict::Fine => {}
            Verdict::Quarantine { until_ms, failures } => {
                let generation = generation.clone();
                registry.tell(ReloadEvent::Quarantined { generation, until_ms, failures });
            }
            Verdict::RollBack { failures, calls } => {
                let Some(to) = self.served.ward().fallback.clone() else { return };
                let reason = format!("{failures} of its first {calls} calls failed");
                registry.retreat(&mut book, &to, &reason);
            }
        }
    }
}
