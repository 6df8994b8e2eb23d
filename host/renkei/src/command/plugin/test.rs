//! `renkei plugin test`: the conformance kit on one file.
//!
//! The kit (`host/conformance`) does the work; here a connector gets what it is tried on. A
//! simulator of ours runs in this process on a clock that a wait moves on, so that quota windows,
//! search lag and back-off cost no time. One at a URL runs on real time.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use renkei_conformance::{ConformanceReport, KitOptions, LoopbackControl, SimulatorAccess};
use renkei_files::FileAccess;
use renkei_model::ports::Clock;
use renkei_runtime::{CompileLimits, Compiler, SystemAuth};
use renkei_simulators::clock::SimClock;
use renkei_simulators::faults::Faults;
use renkei_simulators::serve::RunningSimulator;
use renkei_simulators::simulator::SimOptions;
use renkei_simulators::vendors::{VENDORS, VendorAuth, VendorEntry};
use tokio::net::{TcpListener, TcpStream};

use super::file::{read_bytes, read_package_file};
use crate::cli::TestArgs;
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::config::SecretSource;
use crate::output::Output;

/// People of the simulated world: more than one request takes, so that there are pages.
const PEOPLE: u32 = 400;
/// The time that a used-up quota is waited for, in virtual and in real time.
const HOUR_MS: u64 = 3_600_000;
const SHORT_MS: u64 = 10_000;

/// Tries the file and prints the report.
pub(super) async fn run(args: &TestArgs, output: Output) -> Result<(), CommandError> {
    let bytes = read_bytes(&args.file)?;
    let name = args.file.file_name().unwrap_or(args.file.as_os_str()).to_string_lossy();
    let now_ms = SystemClock::real_now_ms();
    let TestBench { clock, simulator, running } = stage(args, now_ms).await?;
    // Waiting is free where a wait moves the clock.
    let patience_ms = if running.is_some() { HOUR_MS } else { SHORT_MS };
    let options = KitOptions {
        seed: args.seed,
        patience_ms,
        run: format!("kit-{now_ms:x}"),
        clock,
        config: args.config.clone(),
        // Nobody knows yet what the file costs.
        compiler: Compiler::this_program()?,
        simulator,
    };
    let bar = output.progress("testing");
    let tried = renkei_conformance::test_plugin(&name, bytes, options, &mut |step| {
        bar.set_message(step.to_owned());
        bar.tick();
    })
    .await;
    bar.finish_and_clear();
    if let Some(running) = running {
        running.stop().await;
    }
    let report = tried?;
    if let Some(path) = &args.report {
        write(path, &report)?;
    }
    output.result(&report.to_json(), || report.to_text())?;
    if report.passed() {
        return Ok(());
    }
    let error = CommandError::from(anyhow::anyhow!("{name} does not pass"));
    Err(error.hint("correct what the report lists, then test it again").reported())
}

fn write(path: &Path, report: &ConformanceReport) -> Result<(), CommandError> {
    let text = serde_json::to_string_pretty(&report.to_json())?;
    let text = [text.as_bytes(), b"\n"];
    renkei_files::replace_with(path, FileAccess::Umask, &text).map_err(|error| {
        CommandError::usage(error).at(path.display()).hint("give --report another path")
    })
}

/// The simulator that a connector is tried on, and the clock of the run.
struct TestBench {
    clock: Arc<dyn Clock>,
    simulator: Option<SimulatorAccess>,
    running: Option<RunningSimulator>,
}

async fn stage(args: &TestArgs, now_ms: i64) -> Result<TestBench, CommandError> {
    let wanted = match &args.simulator {
        Some(simulator) => Some(simulator.clone()),
        None => named_by_manifest(args).await,
    };
    match wanted.as_deref() {
        None => Ok(TestBench {
            clock: Arc::new(SystemClock::program()),
            simulator: None,
            running: None,
        }),
        Some(url) if url.contains("://") => at_url(url, args).await,
        Some(name) => ours(name, now_ms).await,
    }
}

/// The simulator in the manifest; a file that cannot be read names none, and the kit says why.
async fn named_by_manifest(args: &TestArgs) -> Option<String> {
    let package = read_package_file(&args.file, &CompileLimits::default()).await;
    package.ok()?.manifest.connector()?.simulator.clone()
}

/// A simulator of ours, in this process.
async fn ours(name: &str, now_ms: i64) -> Result<TestBench, CommandError> {
    let vendor = VendorEntry::find(name).ok_or_else(|| {
        let names = VendorEntry::list_names();
        CommandError::usage(format!("there is no simulator `{name}`")).hint(format!(
            "the simulators are {names}, or the URL of one of your own: \
             --simulator http://127.0.0.1:PORT"
        ))
    })?;
    let clock = SimClock::manual(now_ms);
    let options = SimOptions {
        seed: 1,
        people: PEOPLE,
        clock: clock.clone(),
        faults: Faults { rate_limits: false, ..Faults::default() },
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let running = vendor.serve(listener, &options)?;
    let credential = |key: &str| {
        let text = running.credentials.get(key).and_then(serde_json::Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let auth = match vendor.auth {
        VendorAuth::Bearer { token } => SystemAuth::Bearer(credential(token).into()),
        VendorAuth::ClientCredentials { client_id, client_secret } => {
            SystemAuth::ClientCredentials {
                client_id: credential(client_id),
                client_secret: credential(client_secret).into(),
                scope: None,
            }
        }
    };
    let (name, base_url) = (name.to_owned(), running.base_url.clone());
    let control = Box::new(LoopbackControl::new(&base_url)?);
    let simulator = Some(SimulatorAccess { name, base_url, auth, control });
    Ok(TestBench { clock: Arc::new(MovedByWaits(clock)), simulator, running: Some(running) })
}

/// A simulator of somebody else, that runs already.
async fn at_url(url: &str, args: &TestArgs) -> Result<TestBench, CommandError> {
    let base_url = url.trim_end_matches('/').to_owned();
    let parsed: reqwest::Url = base_url.parse().map_err(|error| {
        CommandError::usage(format!("--simulator {url}: {error}"))
            .hint("give a URL, such as http://127.0.0.1:PORT")
    })?;
    let host = parsed.host_str().unwrap_or_default();
    if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
        let error = CommandError::usage("the simulator is not on loopback").at(url);
        return Err(error.hint(
            "give a simulator on loopback: the kit makes and archives records, so it takes no \
             system that might be a real one",
        ));
    }
    let auth = auth(&args.auth)?;
    answers(&parsed).await?;
    let control = Box::new(LoopbackControl::new(&base_url)?);
    let simulator = Some(SimulatorAccess { name: base_url.clone(), base_url, auth, control });
    Ok(TestBench { clock: Arc::new(SystemClock::program()), simulator, running: None })
}

/// Refuses a URL at which nobody listens: every check would fail, and the first one blames
/// credentials.
async fn answers(url: &reqwest::Url) -> Result<(), CommandError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or_default();
    match TcpStream::connect((host, port)).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let origin = url.origin().ascii_serialization();
            let ours: Vec<_> =
                VENDORS.iter().map(|vendor| format!("--simulator {}", vendor.name)).collect();
            let error = anyhow::anyhow!("nothing answers at {origin} ({error})");
            Err(CommandError::system(error).hint(format!(
                "start your simulator there, or try the plugin on ours: {}",
                ours.join(", ")
            )))
        }
    }
}

fn auth(way: &str) -> Result<SystemAuth, CommandError> {
    let secret = || {
        let secrets = SecretSource::open(Path::new("."))?;
        Ok::<_, CommandError>(secrets.get("simulator")?)
    };
    let (way, rest) = way.split_once(':').unwrap_or((way, ""));
    Ok(match (way, rest) {
        ("none", "") => SystemAuth::None,
        ("bearer", "") => SystemAuth::Bearer(secret()?),
        ("header", name) if !name.is_empty() => {
            SystemAuth::Header { name: name.to_lowercase(), value: secret()? }
        }
        ("client-credentials", id) if !id.is_empty() => SystemAuth::ClientCredentials {
            client_id: id.to_owned(),
            client_secret: secret()?,
            scope: None,
        },
        _ => {
            return Err(CommandError::usage(format!("--auth {way} is unknown"))
                .hint("give none, bearer, header:NAME or client-credentials:ID"));
        }
    })
}

/// The simulator's clock as the host's: whoever waits moves it on, and waits no longer.
struct MovedByWaits(SimClock);

#[async_trait]
impl Clock for MovedByWaits {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    async fn sleep_ms(&self, ms: u64) {
        self.0.advance(i64::try_from(ms).unwrap_or(i64::MAX));
        tokio::task::yield_now().await;
    }
}
