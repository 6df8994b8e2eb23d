//! One run: read the file, start it in a runtime of its own, try everything, report.
//!
//! The plugin is copied into a private folder, so that what is tried is what was read, and runs in
//! two runtimes: one with the ordinary limits, one with small ones. It is compiled where the caller
//! says, once, and gets the same way out as in the program, to the simulator only.

use std::path::Path;
use std::sync::Arc;

use renkei_package::{ConnectorManifest, Kind, Package, PackagePart, Setting};
use renkei_runtime::{
    Auth, CompileLimits, Compiler, NoTokens, Options as RuntimeOptions, Pooling, Runtime,
    RuntimeError, SystemConfig,
};
use renkei_sync::model::record::Attributes;
use renkei_sync::ports::{Clock, Systems, Transforms};
use serde_json::json;
use tracing::instrument::WithSubscriber as _;
use tracing::subscriber::NoSubscriber;

use crate::report::{Outcome, Report, Stop, none_of};
use crate::said::Told;
use crate::simulator_control::Control;
use crate::{connector, limits, manifest, rules, settings, transform};

/// The name of the tried system, and of the one with bad credentials.
const SYSTEM: &str = "kit";
const REFUSED: &str = "kit-refused";
/// Where a connector without a simulator would send: nothing listens on the discard port.
const NOWHERE: &str = "http://127.0.0.1:9";

/// How a run is set up.
pub struct Options {
    /// What generated data comes from.
    pub seed: u64,
    /// Unique for this run; the beginning of every record's intent. At most 20 characters.
    pub run: String,
    /// The clock of quotas and waits; with a simulator in this process, the simulator's own.
    pub clock: Arc<dyn Clock>,
    /// Longer waits for a quota are not waited out, ms of the clock.
    pub patience_ms: u64,
    /// Settings or parameters, as `NAME=VALUE`.
    pub config: Vec<String>,
    /// Where the file is compiled: in a child unless its author is known.
    pub compiler: Compiler,
    /// What a connector is tried on.
    pub simulator: Option<Simulator>,
}

/// A system on loopback that plays the vendor.
pub struct Simulator {
    /// As the report names it.
    pub name: String,
    /// Such as `http://127.0.0.1:7100`, without a trailing slash.
    pub base_url: String,
    /// Credentials that it accepts.
    pub auth: Auth,
    /// Its other side.
    pub control: Box<dyn Control>,
}

/// Why a run could not be made at all. What is wrong with the plugin is in the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// `--config` does not fit the manifest.
    #[error("--config {given}: {reason}")]
    Config {
        /// What was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The runtime does not start on this machine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The private folder cannot be used.
    #[error("the kit's temporary folder cannot be used: {0}")]
    Io(#[from] std::io::Error),
}

/// Tries the plugin file with these bytes; `step` is told what is tried now.
///
/// # Errors
/// Only where the run itself cannot be made.
pub async fn test(
    file: &str,
    bytes: Vec<u8>,
    options: Options,
    step: &mut dyn FnMut(&str),
) -> Result<Report, KitError> {
    let simulator = options.simulator.as_ref().map(|simulator| simulator.name.clone());
    let mut report =
        Report { file: file.to_owned(), seed: options.seed, simulator, ..Report::default() };
    step("file");
    let Some(package) = read(file, bytes, &options, &mut report).await else { return Ok(report) };
    let found = manifest::findings(&package.manifest);
    report.add(&rules::MANIFEST, "", none_of(found, manifest::remark(&package.manifest)));
    let world = format!("imports {}", package.imports.join(", "));
    report.add(&rules::WORLD, "", Ok(world));
    step("start");
    let ears = report.ears.clone();
    let subject = Subject::start(package, &options).with_subscriber(ears.listener()).await?;
    match subject {
        Ok(subject) => {
            report.add(&rules::START, "", Ok(String::new()));
            let checks = subject.check(&options, &mut report, step);
            checks.with_subscriber(ears.listener()).await;
        }
        Err(fault) => report.add(&rules::START, "", Err(Stop::failed(fault))),
    }
    Ok(report)
}

/// Reads the file as the runtime does; what is wrong with it is reported under the rule that it
/// breaks.
async fn read(
    file: &str,
    bytes: Vec<u8>,
    options: &Options,
    report: &mut Report,
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
            report.add(rule, "", Err(Stop::failed(error.to_string())));
            None
        }
    }
}

/// A plugin that runs.
struct Subject {
    package: Package,
    /// `--config`, read by the manifest's schema.
    given: Attributes,
    /// The malformed configurations of a connector; case `n` is the system `kit-n`.
    cases: Vec<settings::Case>,
    ordinary: Arc<Runtime>,
    small: Arc<Runtime>,
    _folder: tempfile::TempDir,
}

impl Subject {
    /// Starts both runtimes; where the plugin does not start, says why and does not try it again.
    async fn start(package: Package, options: &Options) -> Result<Result<Self, String>, KitError> {
        let given = given(&package, &options.config)?;
        let folder = tempfile::tempdir()?;
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins)?;
        std::fs::write(plugins.join(format!("{}.wasm", package.manifest.id)), package.bytes())?;
        let (cases, systems) = match &package.manifest.kind {
            Kind::Connector(connector) => {
                let cases = settings::cases(&connector.settings, &given);
                let systems = systems(&package, options, &given, &cases);
                (cases, systems)
            }
            Kind::Transform(_) => (Vec::new(), Vec::new()),
        };
        let ordinary = runtime(folder.path(), systems.clone(), options, Pace::Patient).await?;
        if let Some(fault) = fault(&ordinary) {
            return Ok(Err(fault));
        }
        let small = runtime(folder.path(), systems, options, Pace::Small);
        // That it does not start there is for the report to tell, not for the log.
        let small = small.with_subscriber(NoSubscriber::default()).await?;
        Ok(Ok(Self { package, given, cases, ordinary, small, _folder: folder }))
    }

    async fn check(&self, options: &Options, report: &mut Report, step: &mut dyn FnMut(&str)) {
        let fault = fault(&self.small);
        match &self.package.manifest.kind {
            Kind::Transform(transform) => {
                let (transforms, ears) = (&*self.ordinary, report.ears.clone());
                let transforms = Told { transforms, ears };
                let small: &dyn Transforms = &*self.small;
                for function in &transform.functions {
                    step(&function.name);
                    let known = |name: &String| function.parameters.iter().any(|p| p.name == *name);
                    let parameters: Attributes =
                        self.given.iter().filter(|(name, _)| known(name)).cloned().collect();
                    let trial = transform::Trial {
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
            Kind::Connector(connector) => {
                step("settings");
                let missing = settings::missing(&connector.settings, &self.given);
                if let Some(setting) = missing.first() {
                    let reason = format!("`{setting}` is required; give --config {setting}=VALUE");
                    report.add(&rules::SETTINGS, "", Err(Stop::not_applicable(reason)));
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
    async fn settings(&self) -> Outcome {
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
        options: &Options,
        small: Result<&dyn Systems, &str>,
        report: &mut Report,
        step: &mut dyn FnMut(&str),
    ) {
        let Some(simulator) = &options.simulator else {
            let reason = "there is no simulator to try it on: name one with --simulator";
            for rule in rules::CONNECTOR {
                report.add(rule, "", Err(Stop::not_applicable(reason)));
            }
            return;
        };
        let refused = (!matches!(simulator.auth, Auth::None)).then_some(REFUSED);
        let trial = connector::Trial {
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

/// Why the plugin does not serve in a runtime.
fn fault(runtime: &Runtime) -> Option<String> {
    runtime.list().iter().find_map(|file| file.fault.clone())
}

/// `--config` read by the schema of the connector, or of all functions that have such a parameter.
fn given(package: &Package, config: &[String]) -> Result<Attributes, KitError> {
    let schema: Vec<Setting> = match &package.manifest.kind {
        Kind::Connector(connector) => connector.settings.clone(),
        Kind::Transform(transform) => {
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

/// The system that is tried, the same with bad credentials, and one per malformed configuration.
fn systems(
    package: &Package,
    options: &Options,
    given: &Attributes,
    cases: &[settings::Case],
) -> Vec<SystemConfig> {
    let simulator = options.simulator.as_ref();
    let system = |name: String, auth: Auth, settings: &Attributes| SystemConfig {
        name,
        plugin: package.manifest.id.clone(),
        base_url: Some(simulator.map_or(NOWHERE, |s| s.base_url.as_str()).to_owned()),
        auth,
        settings: settings.clone(),
        secrets: std::collections::BTreeMap::new(),
    };
    let auth = || simulator.map_or(Auth::None, |simulator| simulator.auth.clone());
    let mut systems = vec![
        system(SYSTEM.to_owned(), auth(), given),
        system(REFUSED.to_owned(), spoilt(auth()), given),
    ];
    for (number, case) in cases.iter().enumerate() {
        systems.push(system(format!("{SYSTEM}-{number}"), auth(), &case.given));
    }
    systems
}

/// The same way to authenticate with a secret that nobody issued.
fn spoilt(auth: Auth) -> Auth {
    let wrong = || "renkei-kit-no-such-secret".into();
    match auth {
        Auth::None => Auth::None,
        Auth::Bearer(_) => Auth::Bearer(wrong()),
        Auth::Header { name, .. } => Auth::Header { name, value: wrong() },
        Auth::ClientCredentials { client_id, scope, .. } => {
            Auth::ClientCredentials { client_id, client_secret: wrong(), scope }
        }
        Auth::RefreshToken { client_id, client_secret, .. } => {
            Auth::RefreshToken { client_id, client_secret, refresh_token: wrong() }
        }
    }
}

/// Which limits a runtime has.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// The defaults, with more time for transforms.
    Patient,
    /// A fraction of the defaults.
    Small,
}

async fn runtime(
    folder: &Path,
    systems: Vec<SystemConfig>,
    options: &Options,
    pace: Pace,
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
        Pace::Patient => set.transform_limits = limits::patient(set.transform_limits),
        Pace::Small => {
            set.connector_limits = limits::small(set.connector_limits);
            set.transform_limits = limits::small(set.transform_limits);
        }
    }
    Runtime::start(set).await
}
