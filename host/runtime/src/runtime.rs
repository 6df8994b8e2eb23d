//! The runtime as the program sees it: start it on a folder and a list of systems, then open jobs
//! and call transforms.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use renkei_egress::{
    NetworkOverrides, PausedSystem, QuotaGate, RefusalReason, SystemConfig, SystemEgress,
    TokenStore, Traffic, UnopenedSystem,
};
use renkei_model::plugin::{Generation, PluginError};
use renkei_model::ports::{
    CallRecords, Clock, Connector, PluginRecords, PluginRecordsError, Systems, TransformCall,
    Transforms,
};
use renkei_model::record::{Batch, Problem, Remedy};

use crate::lifecycle::admin::{AdminError, PluginAnswer, PluginRequest};
use crate::lifecycle::blame::{self, Blame};
use crate::lifecycle::event::ReloadEvent;
use crate::lifecycle::plugin_state::PluginStates;
use crate::lifecycle::preview::{self, Preview};
use crate::lifecycle::registry::Registry;
use crate::lifecycle::samples::RecentRows;
use crate::lifecycle::supervised::{JobOpener, SupervisedConnector};
use crate::lifecycle::view::{self, PluginFile, SeenFile};
use crate::reload::{LookSchedule, ReloadOrder, Reloader};
use crate::sandbox::cache::ArtefactCache;
use crate::sandbox::compiler::{CompileLimits, CompileQueue, Compiler};
use crate::sandbox::engine::{EngineError, Pooling, SharedEngine};
use crate::sandbox::generation::Linkers;
use crate::sandbox::instance_permits::InstanceCounts;
use crate::sandbox::limits::{CountedCause, GuestLimits, LimitChanges, StopCount};
use crate::sandbox::loader::{KindLimits, PluginLoader};
use crate::sandbox::settings;
use crate::sandbox::transform;

/// Events kept for a listener that is slow; it then sees that it missed some.
const EVENTS_KEPT: usize = 256;

/// Plugins that are linked and started for the first time at once.
const LOADS: usize = 4;

/// The set-up of a runtime.
pub struct RuntimeOptions {
    /// The folder of the plugin files.
    pub plugins: PathBuf,
    /// The folder of compiled code; made if it is not there.
    pub cache: PathBuf,
    /// The folder of private copies of plugin files (`versions/`) and of rows for previews
    /// (`recent/`); made when it is needed. Default: `home` in the cache.
    pub home: PathBuf,
    /// True where this process only looks: what it makes of the plugin folder is then its own
    /// affair, and nothing is written in `home` or to `plugin_records`.
    pub read_only: bool,
    /// True where the start waits only for files whose bytes were looked at before, by whatever
    /// process; the others follow. [`Runtime::rescan`] waits for them.
    pub hasty: bool,
    /// True where a plugin that keeps failing is put in quarantine; a test bench wants its
    /// failures.
    pub quarantine: bool,
    /// The accounts that connectors serve.
    pub systems: Vec<SystemConfig>,
    /// The time of quotas, retries and tokens.
    pub clock: Arc<dyn Clock>,
    /// The store of rotated refresh tokens.
    pub tokens: Arc<dyn TokenStore>,
    /// The record of calls that the processes which serve these systems share, so that they keep
    /// the quotas together. Without, this runtime keeps them alone.
    pub call_records: Option<Arc<dyn CallRecords>>,
    /// The record of what must be known of plugins after a restart: versions, holds and grants. The
    /// processes that serve these plugins share it. Without, this runtime knows it alone, and it
    /// ends with it.
    pub plugin_records: Option<Arc<dyn PluginRecords>>,
    /// Systems that this runtime opens no way to, each with its plugin: the pauses that they asked
    /// for are known from `call_records`, and an admin can lift them.
    pub unopened_systems: Vec<(String, String)>,
    /// Seed of the jitter in back-offs.
    pub seed: u64,
    /// Limits of a connector's instance and calls.
    pub connector_limits: GuestLimits,
    /// Limits of a transform's calls.
    pub transform_limits: GuestLimits,
    /// True where a two-way function that breaks a lens law runs one-way. Only the conformance kit,
    /// which tries the laws itself and shows what breaks them, says no.
    pub try_laws: bool,
    /// The configuration's changes of these limits for single plugins, by id.
    pub limit_changes: BTreeMap<String, LimitChanges>,
    /// The place where plugins are compiled.
    pub compiler: Compiler,
    /// The limits of compiling one.
    pub compile_limits: CompileLimits,
    /// The source of instances.
    pub pooling: Pooling,
    /// The number of instances alive at once; the next one waits.
    pub instances: InstanceCounts,
    /// True where to watch the folder, and to compare its files' stamps each second, because not
    /// every file system tells of changes; without, only rescans look at it.
    pub watch: bool,
    /// The time that the folder must be quiet before it is looked at.
    pub debounce: Duration,
    /// The interval at which every file is read, whatever its stamp.
    pub rescan: Duration,
    /// The times that a connection to a system is tried before it counts as unreachable; after that
    /// each request tries once, until one gets through.
    pub connects: u32,
    /// The name server and the certificate roots; only tests change them.
    pub network: NetworkOverrides,
}

impl RuntimeOptions {
    /// The defaults: watch the folder, look 200 ms after a change, read everything every 30 s; try
    /// a connection five times; compile in this process, which a program that loads files of others
    /// must change.
    pub fn new(
        plugins: PathBuf,
        cache: PathBuf,
        systems: Vec<SystemConfig>,
        clock: Arc<dyn Clock>,
        tokens: Arc<dyn TokenStore>,
    ) -> Self {
        Self {
            plugins,
            home: cache.join("home"),
            cache,
            read_only: false,
            hasty: false,
            quarantine: true,
            systems,
            clock,
            tokens,
            call_records: None,
            plugin_records: None,
            unopened_systems: Vec::new(),
            seed: 0,
            connector_limits: GuestLimits::connector(),
            transform_limits: GuestLimits::transform(),
            try_laws: true,
            limit_changes: BTreeMap::new(),
            compiler: Compiler::InProcess,
            compile_limits: CompileLimits::default(),
            pooling: Pooling::default(),
            instances: InstanceCounts::default(),
            watch: true,
            debounce: Duration::from_millis(200),
            rescan: Duration::from_secs(30),
            connects: 5,
            network: NetworkOverrides::default(),
        }
    }
}

/// The reason why a runtime does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// wasmtime does not run here.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The imports cannot be offered: a fault of Renkei.
    #[error("the host's imports cannot be linked: {0}")]
    Imports(String),
    /// The directory of compiled code cannot be used.
    #[error("the cache of compiled plugins cannot be used: {0}")]
    Cache(#[source] std::io::Error),
    /// The record of calls cannot be used.
    #[error("the record of calls, which the quotas need, cannot be used: {0}")]
    Quotas(#[source] std::io::Error),
    /// The states of plugins cannot be read.
    #[error(transparent)]
    PluginState(#[from] PluginRecordsError),
    /// The TLS set-up of this machine is unusable.
    #[error("the HTTP client cannot be set up: {0}")]
    Http(#[from] reqwest::Error),
}

impl RuntimeError {
    /// The file that it is about; its text begins with it.
    pub fn place(&self) -> Option<&Path> {
        match self {
            Self::PluginState(error) => error.place(),
            _ => None,
        }
    }

    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Engine(error) => error.hint(),
            Self::PluginState(error) => error.hint(),
            Self::Cache(error) if error.kind() != ErrorKind::StorageFull => {
                Some("see that `cache` in the data directory is a directory to write in")
            }
            Self::Imports(_) | Self::Cache(_) | Self::Quotas(_) | Self::Http(_) => None,
        }
    }
}

/// Plugins that serve. Dropping it ends the reload task; jobs that are open go on.
pub struct Runtime {
    pub(crate) shared: Arc<SharedEngine>,
    limits: KindLimits,
    pub(crate) registry: Arc<Registry>,
    systems: BTreeMap<String, Arc<SystemEgress>>,
    unopened: Vec<UnopenedSystem>,
    view: Arc<ArcSwap<Vec<SeenFile>>>,
    events: broadcast::Sender<ReloadEvent>,
    orders: mpsc::Sender<ReloadOrder>,
    recent: Arc<RecentRows>,
}

impl Runtime {
    /// Starts the engine, looks at the folder once, and goes on watching it. A bad plugin file is
    /// no error here: it is in [`Runtime::list`] with its fault.
    pub async fn start(options: RuntimeOptions) -> Result<Arc<Self>, RuntimeError> {
        let (systems, unopened) = (open_systems(&options)?, open_unopened(&options)?);
        let shared = Arc::new(SharedEngine::start(options.pooling, options.instances)?);
        let engine = &shared.engine;
        let linkers =
            Linkers::new(engine).map_err(|error| RuntimeError::Imports(format!("{error:#}")))?;
        let cache = ArtefactCache::open(&options.cache, engine).map_err(RuntimeError::Cache)?;
        let limits = KindLimits {
            connector: options.connector_limits,
            transform: options.transform_limits,
            changes: options.limit_changes,
        };
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let states = PluginStates::open(options.plugin_records, options.read_only)?;
        let clock = Arc::clone(&options.clock);
        let registry = Arc::new(Registry::new(states, clock, events.clone(), options.quarantine));
        let loader = PluginLoader {
            shared: Arc::clone(&shared),
            linkers,
            cache: Arc::new(cache),
            compile: CompileQueue::new(options.compiler, options.compile_limits),
            limits: limits.clone(),
            try_laws: options.try_laws,
            instances: format!("{:?} {:?}", options.pooling, options.instances),
            tries: Semaphore::new(LOADS),
        };
        let view = Arc::<ArcSwap<Vec<SeenFile>>>::default();
        let recent = Arc::new(RecentRows::open(&options.home, options.read_only));
        let mut reloader = Reloader::new(
            options.plugins,
            &options.home,
            options.read_only,
            loader,
            Arc::clone(&registry),
            Arc::clone(&view),
            Arc::clone(&recent),
        );
        reloader.scan(options.hasty).await;
        let (orders, asked) = mpsc::channel(8);
        let schedule = LookSchedule {
            watch: options.watch,
            debounce: options.debounce,
            rescan: options.rescan,
        };
        tokio::spawn(reloader.run(schedule, asked));
        Ok(Arc::new(Self {
            shared,
            limits,
            registry,
            systems,
            unopened,
            view,
            events,
            orders,
            recent,
        }))
    }

    /// The files of the plugin folder as last looked at, bad ones included.
    pub fn list(&self) -> Arc<Vec<PluginFile>> {
        Arc::new(view::describe(&self.view.load(), &self.registry))
    }

    /// Subscribes to what happens to plugin files from now on.
    pub fn events(&self) -> broadcast::Receiver<ReloadEvent> {
        self.events.subscribe()
    }

    /// Reads the plugin folder now and returns when what it holds serves.
    pub async fn rescan(&self) {
        let (done, looked) = oneshot::channel();
        if self.orders.send(ReloadOrder::Look(done)).await.is_ok() {
            // An error means that the task has ended with the program.
            looked.await.ok();
        }
    }

    /// Does what an admin wants of the plugins.
    pub async fn admin(&self, request: PluginRequest) -> Result<PluginAnswer, AdminError> {
        let (reply, answer) = oneshot::channel();
        let is_reload = matches!(request, PluginRequest::Reload(Some(_)));
        let sent = self.orders.send(ReloadOrder::Admin(request, reply)).await;
        sent.map_err(|_| AdminError::Closed)?;
        let mut answer = answer.await.map_err(|_| AdminError::Closed)??;
        if let PluginAnswer::Plugins(plugins) = &mut answer {
            for plugin in plugins {
                let Some(id) = plugin.id.as_deref() else { continue };
                if is_reload {
                    self.lift_pauses(id).await;
                }
                plugin.paused_systems = self.paused_systems(id).await;
            }
        }
        Ok(answer)
    }

    /// The systems of a plugin that want no calls now.
    async fn paused_systems(&self, plugin: &str) -> Vec<PausedSystem> {
        let mut paused = Vec::new();
        for system in self.systems.values().filter(|system| system.config().plugin == plugin) {
            let name = system.config().name.clone();
            let until_ms = system.paused_until_ms().await;
            paused.extend(until_ms.map(|until_ms| PausedSystem { system: name, until_ms }));
        }
        for system in self.unopened.iter().filter(|system| system.plugin() == plugin) {
            paused.extend(system.pause().await);
        }
        paused
    }

    /// The systems of a plugin are asked again, however long they said that they want no calls.
    async fn lift_pauses(&self, plugin: &str) {
        for system in self.systems.values().filter(|system| system.config().plugin == plugin) {
            system.lift_pauses().await;
        }
        for system in self.unopened.iter().filter(|system| system.plugin() == plugin) {
            system.lift_pause().await;
        }
    }

    /// Compares the plugin in `bytes`, the content of the file `name`, with what
    /// serves `id` (default: its own id), shown with recent rows of this runtime and of those
    /// before it. Nothing that serves is touched.
    pub async fn preview(
        &self,
        name: &str,
        bytes: Vec<u8>,
        id: Option<String>,
        show_values: bool,
    ) -> Result<Preview, AdminError> {
        let (reply, pair) = oneshot::channel();
        let order = ReloadOrder::Pair { name: name.to_owned(), bytes, id, reply };
        self.orders.send(order).await.map_err(|_| AdminError::Closed)?;
        let pair = pair.await.map_err(|_| AdminError::Closed)??;
        let named = pair.other.as_deref().unwrap_or(&pair.candidate);
        let samples = self.recent.rows_of(&named.generation.plugin);
        let limits = &self.limits.limits_of(&pair.candidate);
        Ok(preview::compare(&self.shared, limits, &pair, &samples, show_values).await)
    }

    /// The generation that serves a plugin now; an error where none does or it is in quarantine.
    pub fn generation(&self, plugin: &str) -> Result<Generation, PluginError> {
        Ok(self.registry.begin(plugin)?.plugin().generation.clone())
    }

    /// The times that plugins were stopped, or something of theirs refused, since the start: by
    /// plugin, system and cause, none of them 0.
    pub fn stops(&self) -> Vec<StopCount> {
        let mut counts = self.shared.stops.counts();
        counts.extend(self.systems.values().flat_map(|system| refusals(system)));
        counts
    }

    /// The traffic of a system, if there is such a one.
    pub fn traffic(&self, system: &str) -> Option<Traffic> {
        self.systems.get(system).map(|system| system.traffic())
    }

    /// True while no connection to the system could be made, as often as it was tried.
    pub fn is_unreachable(&self, system: &str) -> bool {
        self.systems.get(system).is_some_and(|system| system.is_unreachable())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.recent.save();
    }
}

/// The way out of each system; those that reach the same account share its quotas.
fn open_systems(
    options: &RuntimeOptions,
) -> Result<BTreeMap<String, Arc<SystemEgress>>, RuntimeError> {
    let mut gates: Vec<(&SystemConfig, Arc<QuotaGate>)> = Vec::new();
    let mut systems = BTreeMap::new();
    for (system, seed) in options.systems.iter().zip(options.seed..) {
        let clock = || Arc::clone(&options.clock);
        let gate = match gates.iter().find(|(other, _)| other.same_account(system)) {
            Some((_, gate)) => Arc::clone(gate),
            None => match &options.call_records {
                Some(records) => {
                    let is_other = |other: &&SystemConfig| {
                        other.name != system.name && other.same_account(system)
                    };
                    let others = options.systems.iter().filter(is_other);
                    let others: Vec<&str> = others.map(|other| other.name.as_str()).collect();
                    QuotaGate::shared_by(clock(), records, &system.name, &others)
                }
                None => Ok(QuotaGate::alone(clock())),
            }
            .map_err(RuntimeError::Quotas)?,
        };
        gates.push((system, Arc::clone(&gate)));
        let tokens = Arc::clone(&options.tokens);
        let tries = (options.connects, &options.network);
        let opened = SystemEgress::new(system.clone(), gate, clock(), tokens, seed, tries)?;
        systems.insert(system.name.clone(), Arc::new(opened));
    }
    Ok(systems)
}

fn open_unopened(options: &RuntimeOptions) -> Result<Vec<UnopenedSystem>, RuntimeError> {
    let Some(records) = &options.call_records else { return Ok(Vec::new()) };
    UnopenedSystem::open_recorded(records, &options.clock, &options.unopened_systems)
        .map_err(RuntimeError::Quotas)
}

/// The counts of what a system's way out refused or found unusual.
fn refusals(system: &SystemEgress) -> impl Iterator<Item = StopCount> {
    let (config, Traffic { refused, alarms, .. }) = (system.config(), system.traffic());
    let count =
        move |reason: &RefusalReason| (CountedCause::Egress(*reason), refused.count(*reason));
    let causes = RefusalReason::ALL.iter().map(count).chain([(CountedCause::Unusual, alarms)]);
    causes.filter(|(_, times)| *times > 0).map(|(cause, times)| StopCount {
        plugin: config.plugin.clone(),
        system: config.name.clone(),
        file: String::new(),
        cause,
        times,
    })
}

#[async_trait]
impl Systems for Runtime {
    async fn open(&self, system: &str) -> Result<Box<dyn Connector>, PluginError> {
        let egress = self.systems.get(system).ok_or_else(|| PluginError::Host {
            plugin: Generation {
                plugin: system.to_owned(),
                version: "none".to_owned(),
                digest: String::new(),
            },
            reason: "no such system is configured".to_owned(),
        })?;
        let unit = self.registry.begin(&egress.config().plugin)?;
        let (shared, limits) = (Arc::clone(&self.shared), self.limits.clone());
        let opener = JobOpener { shared, limits, system: Arc::clone(egress) };
        Ok(Box::new(SupervisedConnector::open(unit, opener).await?))
    }
}

#[async_trait]
impl Transforms for Runtime {
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
        let unit = self.registry.begin(call.plugin)?;
        let plugin = unit.plugin();
        let (function, _) = plugin.function(call.function)?;
        let parameters =
            settings::complete(&function.parameters, call.parameters).map_err(|reason| {
                PluginError::Invalid {
                    plugin: plugin.generation.clone(),
                    problem: Problem {
                        code: "parameters".to_owned(),
                        message: format!("the parameters of `{}`: {reason}", call.function),
                        field: None,
                        remedy: Remedy::Admin,
                    },
                }
            })?;
        let call = TransformCall { parameters: &parameters, ..call };
        self.recent.note(&call);
        let (shared, limits) = (&self.shared, &self.limits.limits_of(plugin));
        let answer = transform::call(shared, limits, plugin, call).await;
        let blame = blame::judge(&answer);
        // Rows at which the version before fails too say nothing about this one.
        let before = match unit.fallback() {
            Some(fallback) if matches!(blame, Blame::Fault | Blame::Doubt) => {
                Some(blame::judge(&transform::call(shared, limits, &fallback, call).await))
            }
            _ => None,
        };
        unit.record_result(blame::weigh(blame, before));
        Ok(answer?)
    }
}
