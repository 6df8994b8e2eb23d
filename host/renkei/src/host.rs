//! The parts that a command needs, opened in order: configuration, secrets, plugins,
//! specification, database.
//!
//! Reads like a parts list: a mistake in any part stops before the next part is opened. Beside it
//! stand the comparison with the live systems and who is to blame for a failure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use renkei_admin::text;
use renkei_model::plugin::{Account, PluginError, Schema};
use renkei_model::ports::{CallRecords, Clock, PluginRecords, Systems as _};
use renkei_model::spec::days::time_zone;
use renkei_model::spec::{MemberSpec, Spec};
use renkei_runtime::{Compiler, NoTokens, PluginFile, Runtime, RuntimeOptions};
use renkei_store::Layouts;
use renkei_store::{CounterDatabase, PluginDatabase, SqliteStore};
use renkei_sync::accounts::VerifiedAccounts;

use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::config::simulated::ended_hint;
use crate::config::{AvailablePlugins, Config, SecretSource};
use crate::database::{self, DatabaseAccess};
use crate::discover::{UndescribedObjects, discover};
use crate::preflight::{self, Finding, FindingScope, Schemas, Severity};
use crate::tokens::TokenFile;

/// Columns by system and object.
type StampColumns = BTreeMap<(String, String), Option<String>>;

/// Everything that is open.
pub(crate) struct Host {
    pub(crate) config: Config,
    pub(crate) spec: Spec,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) store: Arc<SqliteStore>,
    /// The systems that are known to be the accounts of the database.
    pub(crate) verified: VerifiedAccounts,
    /// The columns in which live schemas keep the stamps of creates, by system and object.
    stamps: Mutex<StampColumns>,
    pub(crate) clock: Arc<SystemClock>,
    /// The hint for systems that do not answer because they were a demo's simulators.
    pub(crate) unanswered: Option<String>,
}

impl Host {
    /// Opens the host of a configuration's directory.
    pub(crate) async fn open(
        dir: &Path,
        clock: SystemClock,
        access: DatabaseAccess,
        connect_wait: ConnectWait,
    ) -> Result<Self, CommandError> {
        let config = ready(dir)?;
        let clock = Arc::new(clock);
        let runtime = start_runtime(dir, &config, &clock, access, connect_wait).await?;
        let spec = match spec(&config, &runtime) {
            Ok(spec) => spec,
            // It may name a plugin of a file that is still looked at.
            Err(_) => {
                runtime.rescan().await;
                spec(&config, &runtime)?
            }
        };
        let layouts = Layouts::from_spec(&spec);
        let store = Arc::new(database::open(dir, &config.data, layouts, access)?);
        let unanswered = ended_hint(dir);
        let (verified, stamps) = (VerifiedAccounts::default(), Mutex::default());
        Ok(Self { config, spec, runtime, store, verified, stamps, clock, unanswered })
    }

    /// Compares the configuration with the live systems, and learns where they keep the stamps of
    /// creates. A system that does not answer is left out and named.
    pub(crate) async fn preflight(&self) -> Preflight {
        let mut answers = Preflight::default();
        let mut schemas = Schemas::new();
        let mut others = Vec::new();
        for system in self.spec.systems() {
            match self.describe_system(system).await {
                Ok((account, found, failed)) => {
                    self.learn(system, &account, &found);
                    answers.accounts.push((system.to_owned(), account));
                    let keyed = found.into_iter();
                    schemas.extend(keyed.map(|s| ((system.to_owned(), s.object.clone()), s)));
                    for (object, error) in failed {
                        answers.failures.push((format!("{system}.{object}"), error));
                    }
                }
                Err(
                    error @ (PluginError::OtherAccount { .. } | PluginError::RenamedAccount { .. }),
                ) => {
                    others.push((system.to_owned(), error));
                }
                Err(error) => answers.failures.push((system.to_owned(), error)),
            }
        }
        let silent = |member: &MemberSpec| {
            let object = format!("{}.{}", member.system, member.object);
            answers
                .failures
                .iter()
                .chain(&others)
                .any(|(failed, _)| *failed == member.system || *failed == object)
        };
        answers.findings = preflight::findings(&self.spec, &schemas, silent);
        let other = |(system, error): &(String, PluginError)| Finding {
            severity: Severity::Error,
            place: system.clone(),
            member: "the database".to_owned(),
            message: error.to_string(),
            hint: error.hint(),
            stops: FindingScope::Everything,
        };
        answers.findings.splice(0..0, others.iter().map(other));
        let clocks = answers.accounts.iter().filter_map(|(system, _)| {
            let ahead_ms = self.runtime.traffic(system)?.ahead_ms?;
            preflight::clock_off(system, ahead_ms)
        });
        answers.findings.extend(clocks.collect::<Vec<_>>());
        answers.findings.extend(self.config.idle_limits(&loaded(&self.runtime.list())));
        answers.schemas = schemas;
        answers
    }

    /// Asks systems again that did not answer before, until they have said what their days are.
    pub(crate) async fn learn_missing(&self) {
        for system in self.spec.unlearned() {
            if let Ok((account, found, _)) = self.describe_system(system).await {
                self.learn(system, &account, &found);
            }
        }
    }

    fn learn(&self, system: &str, account: &Account, schemas: &[Schema]) {
        let named = account.facts.iter().find(|(code, _)| code == "time-zone");
        let named = named.and_then(|(_, value)| value.as_text());
        let zone = self.config.time_zone(system).or(named).and_then(time_zone);
        self.spec.set_days(system, zone.as_ref(), schemas);
    }

    /// The account, its schemas, and the objects that it refuses to describe. An object that the
    /// account lacks has no schema (`host/sync/RULES.md` V14).
    async fn describe_system(
        &self,
        system: &str,
    ) -> Result<(Account, Vec<Schema>, UndescribedObjects), PluginError> {
        let connector = self.runtime.open(system).await?;
        let account = connector.check().await?;
        let (store, generation) = (self.store.as_ref(), connector.generation());
        self.verified.compare(store, &self.spec, system, &account.id, generation).await?;
        let members = self.spec.entities().iter().flat_map(|entity| &entity.members);
        let own = members.filter(|member| member.system == system);
        let objects: Vec<String> = own.map(|member| member.object.clone()).collect();
        let found = discover(connector.as_ref(), objects).await?;
        if let Ok(mut stamps) = self.stamps.lock() {
            stamps.extend(found.0.iter().map(|schema| {
                let column = schema.facts.iter().find(|(code, _)| code == "stamp");
                let column = column.and_then(|(_, column)| column.as_text());
                ((system.to_owned(), schema.object.clone()), column.map(str::to_owned))
            }));
        }
        Ok((account, found.0, found.1))
    }

    /// The specification with the columns in which the live systems keep the stamps of creates.
    /// A system that did not answer when the command began is asked once it does.
    pub(crate) async fn spec_now(&self) -> Spec {
        for system in self.spec.systems() {
            let is_known = self
                .stamps
                .lock()
                .is_ok_and(|stamps| stamps.keys().any(|(known, _)| known == system));
            if !is_known
                && self.verified.has(system)
                && let Err(error) = self.describe_system(system).await
            {
                let error = text::message(&error.to_string());
                tracing::warn!(system, error, "the schema cannot be read");
            }
        }
        let mut spec = self.spec.clone();
        if let Ok(stamps) = self.stamps.lock() {
            for ((system, object), column) in stamps.iter() {
                spec.set_stamp(system, object, column.as_deref());
            }
        }
        spec
    }
}

/// The time that a system which refuses connections is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectWait {
    /// Somebody looks on and can run the command again.
    Short,
    /// As long as the runtime waits by itself; new plugin files are loaded beside the work.
    Long,
}

/// The answers of the live systems.
#[derive(Default)]
pub(crate) struct Preflight {
    /// System and account.
    pub(crate) accounts: Vec<(String, Account)>,
    /// Systems that did not answer.
    pub(crate) failures: Vec<(String, PluginError)>,
    /// The things that do not fit.
    pub(crate) findings: Vec<Finding>,
    /// The live schemas.
    pub(crate) schemas: Schemas,
}

/// The plugins of a configuration alone: no secrets, no systems, no database. Who only looks leaves
/// what serves as it is.
pub(crate) async fn plugins(
    dir: &Path,
    access: DatabaseAccess,
) -> Result<Arc<Runtime>, CommandError> {
    let config = ready(dir)?;
    let clock = Arc::new(SystemClock::program());
    let cache = cache(&config);
    let (home, plugins) = (config.data.clone(), config.plugins.clone());
    let (calls, states) = (call_records(&config, &clock), plugin_records(&config));
    let mut options = RuntimeOptions::new(plugins, cache, Vec::new(), clock, Arc::new(NoTokens));
    contain(&mut options, &config)?;
    options.home = home;
    options.call_records = Some(calls);
    options.plugin_records = Some(states);
    options.unopened_systems = config.plugins_of_systems();
    options.read_only = access != DatabaseAccess::ReadWrite;
    options.watch = false;
    Ok(Runtime::start(options).await?)
}

/// The systems of a configuration with their plugins and secrets: no mapping, no database.
pub(crate) struct LiveSystems {
    pub(crate) config: Config,
    pub(crate) runtime: Arc<Runtime>,
    unanswered: Option<String>,
}

impl LiveSystems {
    /// Opens them for a command that only looks.
    pub(crate) async fn open(dir: &Path) -> Result<Self, CommandError> {
        let config = with_data(dir, Config::read_systems(dir)?)?;
        let clock = Arc::new(SystemClock::program());
        let (access, wait) = (DatabaseAccess::ReadOnly, ConnectWait::Short);
        let runtime = start_runtime(dir, &config, &clock, access, wait).await?;
        Ok(Self { config, runtime, unanswered: ended_hint(dir) })
    }

    /// A failure of one system, with what else to try.
    pub(crate) fn failure(&self, system: &str, error: PluginError) -> CommandError {
        of_system(&self.runtime, self.unanswered.as_deref(), system, error)
    }
}

async fn start_runtime(
    dir: &Path,
    config: &Config,
    clock: &Arc<SystemClock>,
    access: DatabaseAccess,
    connect_wait: ConnectWait,
) -> Result<Arc<Runtime>, CommandError> {
    let secrets = SecretSource::open(dir)?;
    let systems = config.systems(&secrets)?;
    let (plugins, tokens) = (config.plugins.clone(), Arc::new(TokenFile::new(dir)));
    let mut options = RuntimeOptions::new(plugins, cache(config), systems, clock.clone(), tokens);
    contain(&mut options, config)?;
    match connect_wait {
        ConnectWait::Short => options.connects = 2,
        ConnectWait::Long => options.hasty = true,
    }
    options.home.clone_from(&config.data);
    options.read_only = access != DatabaseAccess::ReadWrite;
    // Not a copy, whatever the access: the systems count the calls of all commands together.
    options.call_records = Some(call_records(config, clock));
    options.plugin_records = Some(plugin_records(config));
    Ok(Runtime::start(options).await?)
}

/// The configuration, with its data directory made unless a database is missing there.
fn ready(dir: &Path) -> Result<Config, CommandError> {
    with_data(dir, Config::read(dir)?)
}

fn with_data(dir: &Path, config: Config) -> Result<Config, CommandError> {
    database::require(dir, &config.data)?;
    config.make_data()?;
    Ok(config)
}

/// Limits what plugins may use, and has them compiled in a process of its own.
fn contain(options: &mut RuntimeOptions, config: &Config) -> Result<(), CommandError> {
    config.limits.set(options);
    options.compiler = Compiler::this_program()?;
    Ok(())
}

/// The record of calls in the data directory.
pub(crate) fn call_records(config: &Config, clock: &Arc<SystemClock>) -> Arc<dyn CallRecords> {
    let clock: Arc<dyn Clock> = clock.clone();
    Arc::new(CounterDatabase::in_folder(&config.data, clock))
}

/// The states of plugins in the data directory.
fn plugin_records(config: &Config) -> Arc<dyn PluginRecords> {
    Arc::new(PluginDatabase::in_folder(&config.data))
}

fn cache(config: &Config) -> PathBuf {
    config.data.join("cache")
}

/// The mapping. Where it has a mistake, the files that do not serve are told, too: the plugin that
/// it names may be in one of another name.
pub(crate) fn spec(config: &Config, runtime: &Runtime) -> Result<Spec, CommandError> {
    let files = runtime.list();
    let loaded = loaded(&files);
    config.spec(&loaded).map_err(|mistake| {
        let hint = mistake.next_step().unwrap_or_default().to_owned();
        let others = loaded.aside.iter().filter(|(_, why)| !hint.contains(why.as_str()));
        others.fold(CommandError::from(mistake), |error, (file, why)| {
            error.hint(format!("`{file}` {why}"))
        })
    })
}

/// Lists what of the plugin folder serves, and why the rest does not.
fn loaded(files: &[PluginFile]) -> AvailablePlugins<'_> {
    AvailablePlugins {
        manifests: files.iter().filter_map(|file| file.manifest.as_deref()).collect(),
        aside: files.iter().filter_map(aside).collect(),
    }
}

/// The file and why nothing of it serves, if so.
fn aside(file: &PluginFile) -> Option<(String, String)> {
    let why = match (&file.manifest, &file.fault, &file.waiting) {
        (None, Some(fault), _) => {
            // Most faults begin with the file's name.
            let name = format!("{}: ", file.file);
            let hint = file.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("was refused: {}{hint}", fault.strip_prefix(&name).unwrap_or(fault))
        }
        (None, None, Some(waiting)) => format!("waits: {}", waiting.reason),
        _ => return None,
    };
    Some((file.file.clone(), why))
}

/// A failure of one system, named, with what else to try where nobody answers.
pub(crate) fn of_plugin(host: &Host, system: &str, error: PluginError) -> CommandError {
    of_system(&host.runtime, host.unanswered.as_deref(), system, error)
}

fn of_system(
    runtime: &Runtime,
    unanswered: Option<&str>,
    system: &str,
    error: PluginError,
) -> CommandError {
    let broken = matches!(error, PluginError::Broken { .. });
    let silent = matches!(error, PluginError::Host { .. });
    let error = anyhow::Error::new(error).context(format!("system {system}"));
    let mut error = if broken { CommandError::plugin(error) } else { CommandError::system(error) };
    if let (Some(next), true) = (unanswered, silent) {
        error = error.hint(next);
    }
    if silent && runtime.is_unreachable(system) {
        error = error.hint(format!("check that {system} runs and that its `base_url` is right"));
    }
    error
}
