//! A whole first sync through Wasm connectors over the same sync with the same connectors linked
//! natively.
//!
//! Both start from the same two simulated CRMs, served afresh by another process, an empty SQLite
//! store and a mapping of contacts without transforms; both read everything, link, plan and write
//! until nothing is left. What differs is the connectors' side: components behind the runtime, with
//! its quotas and its HTTP client, against the connectors' crates behind a plain HTTP client
//! (`native`). The simulators' own limits are off, and the clock of host and simulators runs
//! [`SPEED`] times as fast as time, so that no sync waits.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use renkei_bench_first_sync::{Fast, Simulated, mapping, text};
use renkei_package::{BuildOptions, build_many};
use renkei_runtime::{NoTokens, Runtime, RuntimeOptions, SystemAuth, SystemConfig};
use serde_json::Value as Json;

use crate::figures::{Figures, Target};
use crate::timing::median;

const ROUNDS: usize = 5;
/// Target for the time over that with native connectors (README.md).
const OF_NATIVE: f64 = 1.3;
const SPEED: f64 = 1000.0;
const PLUGINS: [&str; 2] = ["renkei-connector-hubspot", "renkei-connector-salesforce"];

/// Runs it, with so many people in the world.
pub(crate) fn run(people: u32) -> Result<Figures> {
    let stage = tempfile::tempdir()?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out_dir = Some(stage.path().join("plugins"));
    let options = BuildOptions { out_dir, ..BuildOptions::default() };
    build_many(&workspace, &PLUGINS, &options, &mut |_| {})?;
    let (bench, native) = (std::env::current_exe()?, native()?);
    let folder = stage.path().to_str().context("a folder without a name")?;
    // The first run compiles; it is not counted.
    arm(&bench, &["--sync", folder], &native, 20)?;
    let (mut ratios, mut cpu_ratios) = (Vec::new(), Vec::new());
    let (mut seconds, mut native_seconds) = (Vec::new(), Vec::new());
    let mut writes = 0.0;
    for _ in 0..ROUNDS {
        let wasm = arm(&bench, &["--sync", folder], &native, people)?;
        let native = arm(&native, &["sync"], &native, people)?;
        let done =
            ["read", "writes", "links"].map(|what| (figure(&wasm, what), figure(&native, what)));
        ensure!(
            done.iter().all(|(one, other)| one == other),
            "the two syncs differ: {wasm}, {native}"
        );
        writes = figure(&wasm, "writes");
        ensure!(writes > 0.0, "nothing was written: {wasm}");
        ratios.push(figure(&wasm, "wall") / figure(&native, "wall"));
        cpu_ratios.push(figure(&wasm, "cpu") / figure(&native, "cpu"));
        seconds.push(figure(&wasm, "wall"));
        native_seconds.push(figure(&native, "wall"));
    }
    let mut figures = Figures::default();
    figures.record("people", f64::from(people));
    figures.record("writes", writes);
    figures.record("seconds", median(seconds));
    figures.record("native_seconds", median(native_seconds));
    figures.record("ratio_of_processor_time", median(cpu_ratios));
    figures.ratio(median(ratios), Target::AtMost(OF_NATIVE));
    Ok(figures)
}

fn figure(report: &Json, name: &str) -> f64 {
    report.get(name).and_then(Json::as_f64).unwrap_or(f64::NAN)
}

/// One sync in a process of its own, against simulators in another.
fn arm(program: &Path, arguments: &[&str], native: &Path, people: u32) -> Result<Json> {
    let simulators = Simulators::start(native, people)?;
    let mut command = Command::new(program);
    command.args(arguments).arg(&simulators.told);
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the sync of {} failed", program.display());
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The simulators' process; ends when it is dropped.
struct Simulators {
    process: Child,
    told: String,
}

impl Simulators {
    fn start(native: &Path, people: u32) -> Result<Self> {
        let mut command = Command::new(native);
        command.arg("simulate").arg(people.to_string()).arg(SPEED.to_string());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = process.stdout.take().context("the simulators have no output")?;
        let mut told = String::new();
        BufReader::new(output).read_line(&mut told)?;
        Ok(Self { process, told: told.trim().to_owned() })
    }
}

impl Drop for Simulators {
    fn drop(&mut self) {
        // What cannot be ended has ended.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The program of the native side, built beside this one.
fn native() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("this program lies nowhere")?;
    let target = folder.parent().context("this program lies nowhere")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "-p", "renkei-bench-native", "--target-dir"]).arg(target);
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output()?;
    let told = || String::from_utf8_lossy(&built.stderr).into_owned();
    ensure!(built.status.success(), "the native side cannot be built:\n{}", told());
    Ok(target.join("release/renkei-bench-native"))
}

/// The other process of the Wasm side: one sync, and what it took.
pub(crate) fn sync(stage: &Path, simulators: &str) -> Result<Json> {
    let Simulated { origin_ms, speed, hubspot, salesforce } = Simulated::read(simulators)?;
    let clock = Arc::new(Fast::new(origin_ms, speed));
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    tokio.block_on(async {
        let runtime = runtime(stage, Arc::clone(&clock), &hubspot, &salesforce).await?;
        renkei_bench_first_sync::run(runtime.as_ref(), clock).await
    })
}

/// The connectors as plugins.
async fn runtime(
    stage: &Path,
    clock: Arc<Fast>,
    hubspot: &Json,
    salesforce: &Json,
) -> Result<Arc<Runtime>> {
    let system = |name: &str, told: &Json, auth| -> Result<SystemConfig> {
        Ok(SystemConfig {
            name: name.to_owned(),
            plugin: name.to_owned(),
            base_url: Some(text(told, "base_url")?),
            auth,
            settings: Vec::new(),
            auth_options: Default::default(),
            secrets: Default::default(),
        })
    };
    let bearer = SystemAuth::Bearer(text(hubspot, "private_app_token")?.into());
    let client = SystemAuth::ClientCredentials {
        client_id: text(salesforce, "client_id")?,
        client_secret: text(salesforce, "client_secret")?.into(),
        scope: None,
    };
    let systems = vec![
        system(mapping::HUBSPOT, hubspot, bearer)?,
        system(mapping::SALESFORCE, salesforce, client)?,
    ];
    let (plugins, cache) = (stage.join("plugins"), stage.join("cache"));
    let mut options = RuntimeOptions::new(plugins, cache, systems, clock, Arc::new(NoTokens));
    options.watch = false;
    let runtime = Runtime::start(options).await?;
    match runtime.list().iter().find_map(|file| file.fault.as_ref()) {
        None => Ok(runtime),
        Some(fault) => anyhow::bail!("{fault}"),
    }
}
