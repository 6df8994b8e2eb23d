//! Replacing a plugin while it works: calls that fail, calls that are done twice, and how long a
//! call is held up.
//!
//! A connector and a transform are called without a pause while both are replaced by a version that
//! nobody has seen (so it is read, checked, compiled and probed), again and again. Every call of
//! the connector is one request that names itself to a server on loopback, which counts: a request
//! that comes twice is a call done twice. A pause is the longest call of the transform, in units of
//! an ordinary (median) one; the same is told of a stretch without swaps before, because a machine
//! pauses by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use renkei_fixtures::{Fixture, plugin_version};
use renkei_model::ports::Systems as _;
use renkei_model::record::{Batch, PageRequest, Scan};
use renkei_runtime::{Runtime, SystemAuth, SystemConfig};

use crate::boundary::batch;
use crate::figures::Figures;
use crate::server::Server;
use crate::stage::{self, Stage};
use crate::timing::{median, spend_async};

const SWAPS: usize = 60;
/// Between the end of a swap and the next one.
const EVERY_MS: u64 = 100;
pub(crate) const SYSTEM: &str = "courier";
const ROWS: usize = 100;

/// Results of the callers in one stretch.
#[derive(Default)]
struct Seen {
    /// Seconds per call of the transform.
    calls: Vec<f64>,
    jobs: u64,
    failed: Vec<String>,
}

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let stage = Stage::crowded()?;
    let tidy = stage::tidy()?;
    write_version(&stage, &tidy, 0)?;
    let server = Server::start()?;
    let runtime = stage.start(vec![system(&server)])?;
    let (calm, _) = stretch(&stage, &runtime, "calm", pause)?;
    let (busy, swaps) = stretch(&stage, &runtime, "busy", async |number| {
        write_version(&stage, &tidy, number + 1)?;
        runtime.rescan().await;
        pause(number).await
    })?;
    let digests = serving(&runtime)?;
    let expected = (calm.jobs, busy.jobs);
    let (twice, lost) = server.count(expected.0 + expected.1);
    let mut figures = Figures::default();
    figures.record("swaps", 2.0 * SWAPS as f64);
    figures.record("swap_ms", 1e3 * median(swaps) - EVERY_MS as f64);
    figures.record("calls", (busy.calls.len() as u64 + busy.jobs) as f64);
    figures.record("failed_calls", (calm.failed.len() + busy.failed.len()) as f64);
    figures.record("duplicated_calls", twice as f64);
    figures.record("lost_calls", lost as f64);
    figures.record("served_the_last_version", f64::from(u8::from(digests)));
    let ordinary = median(calm.calls.clone());
    figures.record("ordinary_call_ms", ordinary * 1e3);
    figures.record("longest_pause", longest(&busy.calls) / ordinary);
    figures.record("longest_pause_without_swaps", longest(&calm.calls) / ordinary);
    if let Some(reason) = busy.failed.first() {
        figures.say("first_failure", reason);
    }
    Ok(figures)
}

/// Both plugins in a version of their own.
fn write_version(stage: &Stage, tidy: &[u8], number: usize) -> Result<()> {
    let version = format!("{}.{}.{}", number / 100 % 10, number / 10 % 10, number % 10);
    let new = format!(r#""version":"{version}""#);
    let manifest = renkei_package::Package::read("tidy.wasm", tidy.to_vec())?.manifest;
    let old = format!(r#""version":"{}""#, manifest.version);
    stage.write_plugin("tidy", &stage::altered(tidy, &old, &new)?)?;
    stage.write_plugin(Fixture::Courier.id(), &plugin_version(Fixture::Courier, &version))
}

/// True if the last versions serve.
fn serving(runtime: &Runtime) -> Result<bool> {
    let last = format!("{}.{}.{}", SWAPS / 100 % 10, SWAPS / 10 % 10, SWAPS % 10);
    let version = |plugin| Ok::<_, anyhow::Error>(runtime.generation(plugin)?.version);
    Ok(version("tidy")? == last && version(Fixture::Courier.id())? == last)
}

#[expect(clippy::disallowed_methods, reason = "the rhythm of the swaps, on the wall")]
async fn pause(_: usize) -> Result<()> {
    tokio::time::sleep(std::time::Duration::from_millis(EVERY_MS)).await;
    Ok(())
}

/// Both callers at work while `step` is done so many times; what they saw, and the seconds of each
/// step.
fn stretch(
    stage: &Stage,
    runtime: &Arc<Runtime>,
    name: &str,
    step: impl AsyncFn(usize) -> Result<()>,
) -> Result<(Seen, Vec<f64>)> {
    let done = Arc::new(AtomicBool::new(false));
    stage.block_on(async {
        let transform = tokio::spawn(call(Arc::clone(runtime), Arc::clone(&done)));
        let connector = tokio::spawn(work(Arc::clone(runtime), Arc::clone(&done), name.to_owned()));
        let mut steps = Vec::new();
        let mut outcome = Ok(());
        for number in 0..SWAPS {
            let (stepped, spent) = spend_async(step(number)).await;
            steps.push(spent.as_secs_f64());
            outcome = outcome.and(stepped);
        }
        done.store(true, Ordering::SeqCst);
        let (mut seen, jobs) = (transform.await?, connector.await?);
        outcome?;
        seen.jobs = jobs.jobs;
        seen.failed.extend(jobs.failed);
        Ok((seen, steps))
    })
}

/// Calls the transform until told to stop.
async fn call(runtime: Arc<Runtime>, done: Arc<AtomicBool>) -> Seen {
    let mut input = batch(30);
    input.rows.truncate(ROWS);
    let mut seen = Seen::default();
    while !done.load(Ordering::SeqCst) {
        let (answer, spent) =
            spend_async(stage::forward(&runtime, "tidy", "tidy-30", &input)).await;
        match answer {
            Ok(Batch { rows, .. }) if rows.len() == ROWS => seen.calls.push(spent.as_secs_f64()),
            Ok(_) => seen.failed.push("an answer without its rows".to_owned()),
            Err(error) => seen.failed.push(error.to_string()),
        }
    }
    seen
}

/// Opens jobs of the connector, three requests each, until told to stop.
async fn work(runtime: Arc<Runtime>, done: Arc<AtomicBool>, name: String) -> Seen {
    let mut seen = Seen::default();
    while !done.load(Ordering::SeqCst) {
        let job = match runtime.open(SYSTEM).await {
            Ok(job) => job,
            Err(error) => {
                seen.failed.push(error.to_string());
                continue;
            }
        };
        for _ in 0..3 {
            let request = request(format!("/{name}/{}", seen.jobs));
            seen.jobs += 1;
            if let Err(error) = job.read_page(&request).await {
                seen.failed.push(error.to_string());
            }
        }
    }
    seen
}

/// A system of the courier.
pub(crate) fn system(server: &Server) -> SystemConfig {
    SystemConfig {
        name: SYSTEM.to_owned(),
        plugin: Fixture::Courier.id().to_owned(),
        base_url: Some(server.base_url()),
        auth: SystemAuth::Bearer("token".to_owned().into()),
        settings: Vec::new(),
        auth_options: Default::default(),
        secrets: Default::default(),
    }
}

/// Page request that makes the courier send one GET of this path.
pub(crate) fn request(path: String) -> PageRequest {
    PageRequest {
        object: path,
        columns: vec!["primary".to_owned()],
        scan: Scan::Changes,
        cursor: None,
        filter: Vec::new(),
        limit: 0,
        options: Vec::new(),
    }
}

fn longest(calls: &[f64]) -> f64 {
    calls.iter().copied().fold(0.0, f64::max)
}
