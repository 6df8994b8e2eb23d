//! One run: read the file, start it in a runtime of its own, run all checks, report.
//!
//! The plugin may be a stranger's. So it is copied into a private folder, it is compiled in the
//! process that the caller names, and it reaches the simulator only, through the egress of the
//! program. It runs in two runtimes: one with the ordinary limits, one with small ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use renkei_model::ports::{Clock, Systems, Transforms};
use renkei_model::record::Attributes;
use renkei_package::{ConnectorManifest, ManifestKind, Package, PackagePart, Setting};
use renkei_runtime::{
    AuthOptions, CompileLimits, Compiler, NoTokens, Pooling, Runtime, RuntimeError, RuntimeOptions,
    SystemAuth, SystemConfig,
};
use secrecy::SecretString;
use serde_json::json;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::guest_output::CapturingTransforms;
use crate::report::{CheckResult, ConformanceReport, NotPassed, none_of};
use crate::simulator_control::SimulatorControl;
use crate::{connector, limits, manifest, rules, settings, transform};

/// The name of the tried system, and of the one with bad credentials.
const SYSTEM: &str = "kit";
const REFUSED: &str = "kit-refused";
/// The base URL of a connector without a simulator: nothing listens on the discard port.
const NOWHERE: &str = "http://127.0.0.1:9";

/// The options of a run.
pub struct KitOptions {
    /// The seed of generated rows.
    pub seed: u64,
    /// Unique for this run; the beginning of every record's intent. At most 20 characters.
    pub run: String,
    /// The clock of quotas and waits; with a simulator in this process, the simulator's own.
    pub clock: Arc<dyn Clock>,
    /// The longest wait for a quota that the kit waits out, ms of the clock.
    pub patience_ms: u64,
    /// Settings or parameters, as `NAME=VALUE`.
    pub config: Vec<String>,
    /// The process that compiles the file: a child unless its author is known.
    pub compiler: Compiler,
    /// The simulator that a connector is tested on.
    pub simulator: Option<SimulatorAccess>,
}

/// A system on loopback that plays the vendor.
pub struct SimulatorAccess {
    /// As the report names it.
    pub name: String,
    /// Such as `http://127.0.0.1:7100`, without a trailing slash.
    pub base_url: String,
    /// Credentials that it accepts.
    pub auth: SystemAuth,
    /// The control of it.
    pub control: Box<dyn SimulatorControl>,
}

/// A reason why a run could not be made at all. Faults of the plugin are in the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// `--config` does not fit the manifest.
    #[error("--config {given}: {reason}")]
    Config {
        /// The text of `--config`.
        given: String,
        /// The fault of it.
        reason: String,
    },
    /// The runtime does not start on this machine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The private folder cannot be used.
    #[error("the kit's temporary folder cannot be used: {0}")]
    Io(#[from] std::io::Error),
}

impl KitError {
    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Runtime(error) => error.hint(),
            Self::Config { .. } => Some("`renkei plugin inspect --json` shows what the file takes"),
            Self::Io(_) => None,
        }
    }
}

/// Tests the plugin file with these bytes; `step` gets the name of the current step.
///
/// # Errors
/// Only where the run itself cannot be made.
pub async fn test_plugin(
    file: &str,
    bytes: Vec<u8>,
    options: KitOptions,
    step: &mut dyn FnMut(&str),
) -> Result<ConformanceReport, KitError> {
    let simulator = options.simulator.as_ref().map(|simulator| simulator.name.clone());
    let mut report = ConformanceReport {
        file: file.to_owned(),
        seed: options.seed,
        simulator,
        ..ConformanceReport::default()
    };
    step("file");
    let Some(package) = read(file, bytes, &options, &mut report).await else { return Ok(report) };
    let found = manifest::findings(&package.manifest);
    report.add(&rules::MANIFEST, "", none_of(found, manifest::remark(&package.manifest)));
    let world = format!("imports {}", package.imports.join(", "));
    report.add(&rules::WORLD, "", Ok(world));
    step("start");
    let output = report.guest_output.clone();
    let subject =
        PluginUnderTest::start(package, &options).with_subscriber(output.subscriber()).await?;
    match subject {
        Ok(subject) => {
            report.add(&rules::START, "", Ok(String::new()));
            let checks = subject.check(&options, &mut report, step);
            checks.with_subscriber(output.subscriber()).await;
        }
        Err(fault) => report.add(&rules::START, "", Err(NotPassed::failed(fault))),
    }
    Ok(report)
}

/// Reads the file as the runtime does, and reports a fault of it under the rule that it breaks.
async fn read(
    file: &str,
    bytes: Vec<u8>,
    options: &KitOptions,
    report: &mut ConformanceReport,
) -> Option<Package> {
    let limits = CompileLimits::default();
    match renkei_runtime::read_package(&options.compiler, &limits, file, bytes).await {
        Ok(package) => {
            let size = format!("{} bytes", package.size());
            report.add(&rules::FILE, "", Ok(size));
            report.plugin = json!({
                "id": package.manifest.id,
                "version": package.manifest.version,
                "kind": package.manifest.kind.name(),
                "digest": package.digest,
            });
            Some(package)
        }
        Err(error) => {
            let rule = match error.part {
                PackagePart::Manifest => &rules::MANIFEST,
                PackagePart::World => &rules::WORLD,
                PackagePart::File | PackagePart::Size => &rules::FILE,
            };
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            report.add(rule, "", Err(NotPassed::failed(format!("{error}{hint}"))));
            None
        }
    }
}

/// A running plugin.
struct PluginUnderTest {
    package: Package,
    /// `--config`, read by the manifest's schema.
    given: Attributes,
    /// The malformed configurations of a connector; case `n` is the system `kit-n`.
    cases: Vec<settings::SettingsCase>,
    ordinary: Arc<Runtime>,
    small: Arc<Runtime>,
    _folder: tempfile::TempDir,
}

impl PluginUnderTest {
    /// Starts both runtimes. Where the plugin does not start in the first, the inner error says
    /// why.
    async fn start(
        package: Package,
        options: &KitOptions,
    ) -> Result<Result<Self, String>, KitError> {
        let given = parse_config(&package, &options.config)?;
        let folder = tempfile::tempdir()?;
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins)?;
        std::fs::write(plugins.join(format!("{}.wasm", package.manifest.id)), package.bytes())?;
        let (cases, systems) = match &package.manifest.kind {
            ManifestKind::Connector(connector) => {
                let cases = settings::cases(&connector.settings, &given);
                let systems = systems(&package, options, &given, &cases);
                (cases, systems)
            }
            ManifestKind::Transform(_) => (Vec::new(), Vec::new()),
        };
        let ordinary = runtime(folder.path(), systems.clone(), options, LimitSet::Patient).await?;
        if let Some(fault) = fault(&ordinary) {
            return Ok(Err(fault));
        }
        let small = runtime(folder.path(), systems, options, LimitSet::Small);
        // The report tells that it does not start there; the log does not.
        let small = small.with_subscriber(NoSubscriber::default()).await?;
        Ok(Ok(Self { package, given, cases, ordinary, small, _folder: folder }))
    }

    async fn check(
        &self,
        options: &KitOptions,
        report: &mut ConformanceReport,
        step: &mut dyn FnMut(&str),
    ) {
        let fault = fault(&self.small);
        match &self.package.manifest.kind {
            ManifestKind::Transform(transform) => {
                let (transforms, output) = (&*self.ordinary, report.guest_output.clone());
                let transforms = CapturingTransforms { transforms, output };
                let small: &dyn Transforms = &*self.small;
                for function in &transform.functions {
                    step(&function.name);
                    let known = |name: &String| function.parameters.iter().any(|p| p.name == *name);
                    let parameters: Attributes =
                        self.given.iter().filter(|(name, _)| known(name)).cloned().collect();
                    let trial = transform::FunctionTrial {
                        transforms: &transforms,
                        small: fault.as_deref().map_or(Ok(small), Err),
                        plugin: &self.package.manifest.id,
                        function,
                        parameters: &parameters,
                        seed: options.seed,
                    };
                    trial.check(report).await;
                }
            }
            ManifestKind::Connector(connector) => {
                step("settings");
                let missing = settings::missing(&connector.settings, &self.given);
                if let Some(setting) = missing.first() {
                    let reason = format!("`{setting}` is required; give --config {setting}=VALUE");
                    report.add(&rules::SETTINGS, "", Err(NotPassed::not_applicable(reason)));
                    return;
                }
                report.add(&rules::SETTINGS, "", self.settings().await);
                let small: &dyn Systems = &*self.small;
                let small = fault.as_deref().map_or(Ok(small), Err);
                self.against(connector, options, small, report, step).await;
            }
        }
    }

    /// Defaults are accepted, malformed settings are refused by name.
    async fn settings(&self) -> CheckResult {
        self.ordinary.open(SYSTEM).await?;
        let mut found = Vec::new();
        for (number, case) in self.cases.iter().enumerate() {
            let answer = self.ordinary.open(&format!("{SYSTEM}-{number}")).await.map(drop);
            found.extend(settings::finding(case, answer));
        }
        none_of(found, format!("{} cases", self.cases.len()))
    }

    async fn against(
        &self,
        manifest: &ConnectorManifest,
        options: &KitOptions,
        small: Result<&dyn Systems, &str>,
        report: &mut ConformanceReport,
        step: &mut dyn FnMut(&str),
    ) {
        let Some(simulator) = &options.simulator else {
            let reason = "there is no simulator to try it on: name one with --simulator";
            for rule in rules::CONNECTOR {
                report.add(rule, "", Err(NotPassed::not_applicable(reason)));
            }
            return;
        };
        let refused = (!matches!(simulator.auth, SystemAuth::None)).then_some(REFUSED);
        let trial = connector::ConnectorTrial {
            systems: &*self.ordinary,
            small,
            system: SYSTEM,
            refused,
            manifest,
            control: &*simulator.control,
            clock: &*options.clock,
            run: &options.run,
            patience_ms: options.patience_ms,
        };
        trial.check(report, step).await;
    }
}

/// The reason why the plugin does not serve in a runtime.
fn fault(runtime: &Runtime) -> Option<String> {
    runtime.list().iter().find_map(|file| {
        let hint = file.hint.as_ref().map(|hint| format!(" ({hint})"));
        Some(format!("{}{}", file.fault.as_ref()?, hint.unwrap_or_default()))
    })
}

/// Parses `--config` by the schema of the connector, or of all functions with such a parameter.
fn parse_config(package: &Package, config: &[String]) -> Result<Attributes, KitError> {
    let schema: Vec<Setting> = match &package.manifest.kind {
        ManifestKind::Connector(connector) => connector.settings.clone(),
        ManifestKind::Transform(transform) => {
            let functions = transform.functions.iter();
            functions.flat_map(|function| function.parameters.clone()).collect()
        }
    };
    let parse = |text: &String| {
        settings::parse(&schema, text)
            .map_err(|reason| KitError::Config { given: text.clone(), reason })
    };
    config.iter().map(parse).collect()
}

/// The tested system, the same with bad credentials, and one for each malformed configuration.
fn systems(
    package: &Package,
    options: &KitOptions,
    given: &Attributes,
    cases: &[settings::SettingsCase],
) -> Vec<SystemConfig> {
    let simulator = options.simulator.as_ref();
    let system = |name: String, auth: SystemAuth, settings: &Attributes| SystemConfig {
        name,
        plugin: package.manifest.id.clone(),
        base_url: Some(simulator.map_or(NOWHERE, |s| s.base_url.as_str()).to_owned()),
        auth,
        settings: settings.clone(),
        secrets: BTreeMap::new(),
        auth_options: AuthOptions { credentials: stand_ins(package), ..AuthOptions::default() },
    };
    let auth = || simulator.map_or(SystemAuth::None, |simulator| simulator.auth.clone());
    let mut systems = vec![
        system(SYSTEM.to_owned(), auth(), given),
        system(REFUSED.to_owned(), spoilt(auth()), given),
    ];
    for (number, case) in cases.iter().enumerate() {
        systems.push(system(format!("{SYSTEM}-{number}"), auth(), &case.given));
    }
    systems
}

/// A value for each fixed credential that the manifest declares; a simulator checks none of them.
fn stand_ins(package: &Package) -> BTreeMap<String, SecretString> {
    let connections = package.manifest.connector().into_iter().flat_map(|one| &one.connections);
    let declared = connections.flat_map(|connection| &connection.credentials);
    declared.map(|one| (one.name.clone(), "renkei-kit-stand-in".into())).collect()
}

/// The same way to authenticate, with a secret that nobody issued.
fn spoilt(auth: SystemAuth) -> SystemAuth {
    let wrong = || "renkei-kit-no-such-secret".into();
    match auth {
        SystemAuth::None | SystemAuth::Fixed => auth,
        SystemAuth::Basic { username, .. } => SystemAuth::Basic { username, password: wrong() },
        SystemAuth::Bearer(_) => SystemAuth::Bearer(wrong()),
        SystemAuth::Header { name, .. } => SystemAuth::Header { name, value: wrong() },
        SystemAuth::ClientCredentials { client_id, scope, .. } => {
            SystemAuth::ClientCredentials { client_id, client_secret: wrong(), scope }
        }
        SystemAuth::RefreshToken { client_id, client_secret, .. } => {
            SystemAuth::RefreshToken { client_id, client_secret, refresh_token: Some(wrong()) }
        }
    }
}

/// The limits of a runtime.
#[derive(Debug, Clone, Copy)]
enum LimitSet {
    /// The defaults, with more time for transforms.
    Patient,
    /// A fraction of the defaults.
    Small,
}

async fn runtime(
    folder: &Path,
    systems: Vec<SystemConfig>,
    options: &KitOptions,
    pace: LimitSet,
) -> Result<Arc<Runtime>, RuntimeError> {
    let (plugins, cache) = (folder.join("plugins"), folder.join("cache"));
    let clock = Arc::clone(&options.clock);
    let mut set = RuntimeOptions::new(plugins, cache, systems, clock, Arc::new(NoTokens));
    set.compiler.clone_from(&options.compiler);
    set.watch = false;
    set.pooling = Pooling::Off;
    set.connects = 2;
    set.seed = options.seed;
    set.try_laws = false;
    set.quarantine = false;
    match pace {
        LimitSet::Patient => set.transform_limits = limits::patient(set.transform_limits),
        LimitSet::Small => {
            set.connector_limits = limits::small(set.connector_limits);
            set.transform_limits = limits::small(set.transform_limits);
        }
    }
    Runtime::start(set).await
}
