//! One first sync, whoever speaks to the systems: the mapping, the cycle over an empty SQLite
//! store, and what it took. The bench runs it with plugins, `../native` with the same connectors
//! linked natively.

mod clock;
pub mod mapping;

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use renkei_model::plugin::{Generation, PluginError};
use renkei_model::ports::{Systems, TransformCall, Transforms};
use renkei_model::record::Batch;
use renkei_store::Layouts;
use renkei_store::SqliteStore;
use renkei_sync::cycle::run_cycle;
use renkei_sync::engine::{CycleEvent, CycleObserver, CycleOptions, Engine};
use renkei_sync::read::transforms::TransformCalls;
use serde_json::{Value as Json, json};

pub use clock::{Fast, real_now_ms};

/// The simulators' first line.
pub struct Simulated {
    /// Time at which their clock was right, ms since 1970.
    pub origin_ms: i64,
    /// Speed, real time being 1.
    pub speed: f64,
    /// Base URL and credentials.
    pub hubspot: Json,
    /// Base URL and credentials.
    pub salesforce: Json,
}

impl Simulated {
    /// Reads the line.
    ///
    /// # Errors
    /// The line says too little.
    pub fn read(line: &str) -> Result<Self> {
        let told: Json = serde_json::from_str(line).context("the simulators did not start")?;
        let part = |name: &str| told.get(name).cloned().context("the simulators say too little");
        Ok(Self {
            origin_ms: part("origin_ms")?.as_i64().context("no origin")?,
            speed: part("speed")?.as_f64().context("no speed")?,
            hubspot: part("hubspot")?,
            salesforce: part("salesforce")?,
        })
    }
}

/// A text among what one simulator says of itself.
///
/// # Errors
/// It does not say it.
pub fn text(system: &Json, name: &str) -> Result<String> {
    let text = system.get(name).and_then(Json::as_str);
    Ok(text.with_context(|| format!("the simulator tells no {name}"))?.to_owned())
}

/// One cycle over everything; seconds on the wall and on the processor, and what was done.
///
/// # Errors
/// The cycle or one of the systems failed.
pub async fn run(systems: &dyn Systems, clock: Arc<Fast>) -> Result<Json> {
    let spec = mapping::spec()?;
    let data = tempfile::tempdir()?;
    let store = SqliteStore::open(data.path(), Layouts::from_spec(&spec))?;
    let engine = Engine {
        spec: &spec,
        systems,
        transforms: TransformCalls::new(&NoTransforms),
        store: &store,
        clock: clock.as_ref(),
        observer: &Silent,
        options: CycleOptions::default(),
    };
    let cpu = || clock::process_cpu().context("the kernel tells no processor time");
    let (before, started) = (cpu()?, now());
    let report = run_cycle(&engine).await?.report;
    let (wall, after) = (started.elapsed(), cpu()?);
    ensure!(report.failures.is_empty(), "{:?}", report.failures);
    Ok(json!({
        "wall": wall.as_secs_f64(),
        "cpu": (after - before).as_secs_f64(),
        "read": report.read.values().sum::<u64>(),
        "writes": report.applied(),
        "links": report.founded,
    }))
}

#[expect(clippy::disallowed_methods, reason = "what is measured")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The mapping has none.
struct NoTransforms;

#[async_trait]
impl Transforms for NoTransforms {
    async fn run(&self, call: TransformCall<'_>) -> Result<Batch, PluginError> {
        let plugin = Generation {
            plugin: call.plugin.to_owned(),
            version: "none".to_owned(),
            digest: String::new(),
        };
        Err(PluginError::Unsupported { plugin, what: "there are no transforms".to_owned() })
    }
}

struct Silent;

impl CycleObserver for Silent {
    fn event(&self, _: &CycleEvent<'_>) {}
}
