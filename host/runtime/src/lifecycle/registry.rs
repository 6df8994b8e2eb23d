//! The generation that serves each plugin id, and how it does there.
//!
//! - A unit of work (a job, a call of a transform) takes a [`GenerationLease`] and keeps it to the
//!   end, so that a swap never changes the code under a running job. The old generation lives until
//!   its last lease is gone.
//! - Each call's result is recorded here; [`crate::lifecycle::health`] decides what follows. A roll
//!   back happens at once, in the call that proved it needed, because the task that owns the folder
//!   may be busy compiling.
//! - Whoever changes what serves holds the lock on the states of plugins: such methods take
//!   the [`PluginStates`] as an argument. The lock on a generation's health is the inner one: it is
//!   held only inside [`ServingGeneration::with_health`], whose closures reach no other lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, broadcast};

use renkei_model::plugin::{Generation, PluginError};
use renkei_model::ports::{Clock, PluginRecordsError};
use renkei_package::ManifestKind;

use crate::lifecycle::event::{self, ReloadEvent};
use crate::lifecycle::health::{CallResult, Health, HealthRules, HealthVerdict};
use crate::lifecycle::plugin_state::PluginStates;
use crate::sandbox::generation::PluginGeneration;

/// The longest time that work goes on under a replaced generation, ms: then its next call
/// fails, and the job begins anew under what serves.
const DRAIN_MS: i64 = 600_000;

/// Generations by plugin id.
pub(crate) type ServingGenerations = BTreeMap<String, Arc<ServingGeneration>>;

/// One generation that serves or served.
pub(crate) struct ServingGeneration {
    pub(crate) plugin: Arc<PluginGeneration>,
    health: Mutex<ServingHealth>,
    /// The time at which it was replaced, ms since 1970.
    replaced_ms: AtomicI64,
}

struct ServingHealth {
    health: Health,
    /// The generation that serves again if this one fails on probation: the last that was not on
    /// probation.
    fallback: Option<Arc<PluginGeneration>>,
}

impl ServingGeneration {
    fn new(
        plugin: Arc<PluginGeneration>,
        health: Health,
        fallback: Option<Arc<PluginGeneration>>,
    ) -> Arc<Self> {
        let health = Mutex::new(ServingHealth { health, fallback });
        Arc::new(Self { plugin, health, replaced_ms: AtomicI64::new(i64::MAX) })
    }

    /// Reads or changes the health while nobody else does.
    fn with_health<T>(&self, work: impl FnOnce(&mut ServingHealth) -> T) -> T {
        work(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The end of its quarantine, and whether it is on probation.
    pub(crate) fn state(&self, now_ms: i64) -> (Option<i64>, bool) {
        self.with_health(|own| {
            (own.health.quarantined_until(now_ms), own.health.is_on_probation(now_ms))
        })
    }
}

/// The generations that serve, by plugin id, and what must be known of them after a restart.
pub(crate) struct Registry {
    serving: ArcSwap<ServingGenerations>,
    states: Mutex<PluginStates>,
    pub(crate) clock: Arc<dyn Clock>,
    events: broadcast::Sender<ReloadEvent>,
    quarantine: bool,
    /// Notifies the task that owns the folder of a change that it did not make.
    pub(crate) changed: Notify,
}

impl Registry {
    pub(crate) fn new(
        states: PluginStates,
        clock: Arc<dyn Clock>,
        events: broadcast::Sender<ReloadEvent>,
        quarantine: bool,
    ) -> Self {
        let (serving, changed) = (ArcSwap::default(), Notify::new());
        Self { serving, states: Mutex::new(states), clock, events, quarantine, changed }
    }

    fn rules(&self, plugin: &PluginGeneration) -> HealthRules {
        let rules = match plugin.manifest.kind {
            ManifestKind::Connector(_) => HealthRules::connector(),
            ManifestKind::Transform(_) => HealthRules::transform(),
        };
        if self.quarantine { rules } else { HealthRules { in_a_row: u32::MAX, ..rules } }
    }

    /// Begins a unit of work under the generation that serves `id` now.
    pub(crate) fn begin(self: &Arc<Self>, id: &str) -> Result<GenerationLease, PluginError> {
        let served = self.serving(id).ok_or_else(|| PluginError::NotLoaded {
            plugin: Generation {
                plugin: id.to_owned(),
                version: "none".to_owned(),
                digest: String::new(),
            },
        })?;
        let lease = GenerationLease { registry: Arc::clone(self), served };
        lease.may_go_on()?;
        Ok(lease)
    }

    pub(crate) fn serving(&self, id: &str) -> Option<Arc<ServingGeneration>> {
        self.serving.load().get(id).cloned()
    }

    /// The generation that serves `id` now.
    pub(crate) fn generation(&self, id: &str) -> Option<Generation> {
        self.serving(id).map(|served| served.plugin.generation.clone())
    }

    pub(crate) fn all(&self) -> Arc<ServingGenerations> {
        self.serving.load_full()
    }

    /// The states of plugins; whoever holds them may change what serves.
    pub(crate) fn states(&self) -> MutexGuard<'_, PluginStates> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish(&self, event: ReloadEvent) {
        event::publish(&self.events, event);
    }

    /// Lets `plugin`, as its grants leave it, serve from now on. What served before serves again if
    /// the new one fails on probation; where that was on probation itself, what it would have gone
    /// back to: broken versions in a row do not vouch for one another.
    pub(crate) fn serve(&self, states: &mut PluginStates, file: &str, plugin: &PluginGeneration) {
        let id = plugin.generation.plugin.clone();
        let now_ms = self.clock.now_ms();
        let rules = self.rules(plugin);
        let state = states.plugin(&id);
        let before = self.serving(&id).map(|before| {
            before.with_health(|own| {
                let fallback = match own.health.is_on_probation(now_ms) {
                    true => own.fallback.clone(),
                    false => Some(Arc::clone(&before.plugin)),
                };
                (fallback, own.health.rate(now_ms))
            })
        });
        let (fallback, rate) = before.unwrap_or_default();
        let fallback = fallback.filter(|fallback| {
            let digest = &fallback.generation.digest;
            *digest != plugin.generation.digest && state.why_bad(digest).is_none()
        });
        let health = match fallback {
            Some(_) => Health::on_probation(rules, rate),
            None => Health::new(rules),
        };
        let asked = plugin.asked();
        let kept = states.change(&id, |state| {
            let fallback = fallback.as_ref().map(|fallback| fallback.generation.digest.clone());
            state.serve(file, &plugin.generation, fallback);
            let news = asked.difference(&state.denied.known).cloned();
            state.allowed.get_or_insert_default().known.extend(news);
        });
        self.log_unsaved(kept);
        self.replace(
            &id,
            Some(ServingGeneration::new(
                Arc::new(plugin.without(&states.plugin(&id).denied.known)),
                health,
                fallback,
            )),
        );
    }

    /// Puts a generation that served before a restart back in its place.
    pub(crate) fn restore(&self, states: &PluginStates, plugin: &PluginGeneration) {
        let id = &plugin.generation.plugin;
        let plugin = Arc::new(plugin.without(&states.plugin(id).denied.known));
        let health = Health::new(self.rules(&plugin));
        self.replace(id, Some(ServingGeneration::new(plugin, health, None)));
    }

    /// Cuts what serves to what its state allows now; its health and its past stay.
    pub(crate) fn regrant(&self, states: &PluginStates, id: &str) {
        let Some(before) = self.serving(id) else { return };
        let plugin = Arc::new(before.plugin.without(&states.plugin(id).denied.known));
        let (health, fallback) =
            before.with_health(|own| (own.health.clone(), own.fallback.clone()));
        let served = ServingGeneration::new(plugin, health, fallback);
        self.replace(id, Some(served));
    }

    /// Forgets the failures of what serves.
    pub(crate) fn forgive(&self, id: &str) {
        if let Some(served) = self.serving(id) {
            let health = Health::new(self.rules(&served.plugin));
            served.with_health(|own| *own = ServingHealth { health, fallback: None });
        }
    }

    /// Lets nothing serve `id`.
    pub(crate) fn remove(&self, states: &mut PluginStates, id: &str) {
        self.log_unsaved(states.change(id, |state| state.serving = None));
        self.replace(id, None);
    }

    /// Lets go of generations that no probation needs any more.
    pub(crate) fn sweep(&self) {
        let now_ms = self.clock.now_ms();
        for (id, served) in self.all().iter() {
            let mut states = self.states();
            let is_over = served.with_health(|own| {
                let is_over = !own.health.is_on_probation(now_ms);
                if is_over {
                    own.fallback = None;
                }
                is_over
            });
            // A change reads the file anew, which is not for every plugin at every look.
            if is_over && states.plugins().get(id).is_some_and(|state| state.fallback.is_some()) {
                self.log_unsaved(states.change(id, |state| state.fallback = None));
            }
        }
    }

    /// `to` serves again instead of what serves now, which is not taken again by itself.
    pub(crate) fn roll_back(&self, states: &mut PluginStates, to: &PluginGeneration, reason: &str) {
        let id = &to.generation.plugin;
        let Some(before) = self.serving(id) else { return };
        let from = before.plugin.generation.clone();
        let kept = states.change(id, |state| state.roll_back(&from.digest, &to.generation, reason));
        self.log_unsaved(kept);
        let health = Health::new(self.rules(to));
        let plugin = Arc::new(to.without(&states.plugin(id).denied.known));
        self.replace(id, Some(ServingGeneration::new(plugin, health, None)));
        let (to, reason) = (to.generation.clone(), reason.to_owned());
        self.publish(ReloadEvent::RolledBack { from, to, reason });
        self.changed.notify_one();
    }

    /// Logs a failed write of a state: what serves is right in this process, and is decided
    /// again by the next.
    pub(crate) fn log_unsaved(&self, kept: Result<(), PluginRecordsError>) {
        if let Err(error) = kept {
            tracing::error!(%error, "what serves cannot be remembered across a restart");
        }
    }

    fn replace(&self, id: &str, served: Option<Arc<ServingGeneration>>) {
        let mut serving = ServingGenerations::clone(&self.all());
        debug_assert!(
            served.as_ref().is_none_or(|served| served.plugin.generation.plugin == id),
            "a generation serves its own plugin's id"
        );
        let before = match served {
            Some(served) => serving.insert(id.to_owned(), served),
            None => serving.remove(id),
        };
        self.serving.store(Arc::new(serving));
        if let Some(before) = before {
            before.replaced_ms.store(self.clock.now_ms(), Ordering::Relaxed);
            before.with_health(|own| own.fallback = None);
        }
    }
}

/// The right of one unit of work to run under one generation.
pub(crate) struct GenerationLease {
    registry: Arc<Registry>,
    served: Arc<ServingGeneration>,
}

impl GenerationLease {
    /// Its generation.
    pub(crate) fn plugin(&self) -> &Arc<PluginGeneration> {
        &self.served.plugin
    }

    /// An error where its generation is in quarantine, or was replaced too long ago.
    pub(crate) fn may_go_on(&self) -> Result<(), PluginError> {
        let now_ms = self.registry.clock.now_ms();
        let plugin = || self.served.plugin.generation.clone();
        let (quarantined, _) = self.served.state(now_ms);
        if let Some(until_ms) = quarantined {
            let seconds = until_ms.saturating_sub(now_ms).saturating_add(999) / 1_000;
            return Err(PluginError::Quarantined { plugin: plugin(), seconds });
        }
        let replaced_ms = self.served.replaced_ms.load(Ordering::Relaxed);
        if now_ms.saturating_sub(DRAIN_MS) > replaced_ms {
            let reason = "it was replaced long ago, and the job begins anew".to_owned();
            return Err(PluginError::Host { plugin: plugin(), reason });
        }
        Ok(())
    }

    /// The generation that would serve again, while this one is on probation: whether it fails with
    /// the same input too tells whose fault a failure is.
    pub(crate) fn fallback(&self) -> Option<Arc<PluginGeneration>> {
        let now_ms = self.registry.clock.now_ms();
        self.served
            .with_health(|own| own.fallback.clone().filter(|_| own.health.is_on_probation(now_ms)))
    }

    /// Records the result of a call, and does what follows.
    pub(crate) fn record_result(&self, result: CallResult) {
        let registry = &self.registry;
        let verdict = {
            let now_ms = registry.clock.now_ms();
            self.served.with_health(|own| own.health.record(result, now_ms))
        };
        if verdict == HealthVerdict::Fine {
            return;
        }
        let mut states = registry.states();
        let generation = &self.served.plugin.generation;
        let serving = registry.serving(&generation.plugin);
        // Another call, or an admin, was faster.
        if !serving.is_some_and(|serving| Arc::ptr_eq(&serving, &self.served)) {
            return;
        }
        match verdict {
            HealthVerdict::Fine => {}
            HealthVerdict::Quarantine { until_ms, failures } => {
                let generation = generation.clone();
                registry.publish(ReloadEvent::Quarantined { generation, until_ms, failures });
            }
            HealthVerdict::RollBack { failures, calls } => {
                let Some(to) = self.served.with_health(|own| own.fallback.clone()) else { return };
                let reason = format!("{failures} of its first {calls} calls failed");
                registry.roll_back(&mut states, &to, &reason);
            }
        }
    }
}
