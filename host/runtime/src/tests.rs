//! Whole plugins through the runtime: what a guest may do to the host, what a reload may do to a
//! guest, how a guest waits, and what the runtimes of other languages get.

mod acquittal;
mod admin;
mod egress;
mod hostile;
mod pauses;
mod previews;
mod reload;
pub(crate) mod stage;
mod swaps;
mod waiting;
mod wasi;

use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use renkei_fixtures::{Fixture, plugin};
use renkei_model::plugin::PluginError;
use renkei_model::ports::{TransformCall, Transforms as _, Way};
use renkei_model::record::{Batch, PageRequest, Row, Scan};
use renkei_model::value::Value;
use renkei_store::{CounterDatabase, PluginDatabase};

use crate::{GuestLimits, NoTokens, Pooling, Runtime, RuntimeOptions, SystemConfig};
use renkei_test_support::HandClock;

/// A runtime over a folder of fixtures, with a short patience.
struct House {
    runtime: Arc<Runtime>,
    clock: Arc<HandClock>,
    folder: TempDir,
}

impl House {
    async fn new(fixtures: &[Fixture], systems: Vec<SystemConfig>) -> Self {
        Self::with(fixtures, systems, |_| {}).await
    }

    async fn with(
        fixtures: &[Fixture],
        systems: Vec<SystemConfig>,
        change: impl FnOnce(&mut RuntimeOptions),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        for fixture in fixtures {
            std::fs::write(plugins.join(format!("{}.wasm", fixture.id())), plugin(*fixture))
                .unwrap();
        }
        Self::over(folder, systems, change).await
    }

    /// The house again after a restart, over what the one before left.
    async fn again(self, change: impl FnOnce(&mut RuntimeOptions)) -> Self {
        let Self { runtime, folder, .. } = self;
        drop(runtime);
        Self::over(folder, vec![], change).await
    }

    async fn over(
        folder: TempDir,
        systems: Vec<SystemConfig>,
        change: impl FnOnce(&mut RuntimeOptions),
    ) -> Self {
        let plugins = folder.path().join("plugins");
        let (clock, tokens) = (Arc::<HandClock>::default(), Arc::new(NoTokens));
        let cache = folder.path().join("cache");
        let mut options = RuntimeOptions::new(plugins, cache, systems, clock.clone(), tokens);
        options.plugin_records = Some(Arc::new(PluginDatabase::in_folder(&options.home)));
        options.watch = false;
        options.pooling = Pooling::Off;
        options.connector_limits =
            GuestLimits { run_ms: 500, memory_bytes: 32 << 20, ..GuestLimits::connector() };
        change(&mut options);
        Self { runtime: Runtime::start(options).await.unwrap(), clock, folder }
    }

    fn plugins(&self) -> std::path::PathBuf {
        self.folder.path().join("plugins")
    }

    /// Replaces a file as an admin should: written aside, then renamed.
    fn replace_file(&self, name: &str, bytes: &[u8]) {
        replace_file(&self.plugins(), name, bytes);
    }
}

/// Shares the record of calls with every other runtime over `folder`.
fn share_calls(options: &mut RuntimeOptions, folder: &Path) {
    let clock = Arc::clone(&options.clock);
    options.call_records = Some(Arc::new(CounterDatabase::in_folder(folder, clock)));
}

fn replace_file(folder: &Path, name: &str, bytes: &[u8]) {
    let draft = folder.join(format!("{name}.tmp"));
    std::fs::write(&draft, bytes).unwrap();
    std::fs::rename(draft, folder.join(name)).unwrap();
}

/// A request that the courier sends: GET a path of slot `primary`.
fn page_request(path: &str) -> PageRequest {
    PageRequest {
        object: path.to_owned(),
        columns: vec!["primary".to_owned()],
        scan: Scan::Backfill,
        cursor: None,
        filter: vec![],
        limit: 0,
        options: vec![],
    }
}

/// Two columns, `rows` rows.
fn batch(rows: usize) -> Batch {
    let cells = |row: usize| vec![Some(Value::from(format!("山田 {row}").as_str())), None];
    let row = |row: usize| Row { cells: cells(row), ..Row::default() };
    Batch { columns: vec!["a".to_owned(), "b".to_owned()], rows: (0..rows).map(row).collect() }
}

fn nothing() -> Batch {
    Batch { rows: vec![], ..batch(0) }
}

/// Runs a function forward over [`batch`] without parameters and without anything old.
async fn forward(
    runtime: &Runtime,
    plugin: &str,
    function: &str,
    rows: usize,
) -> Result<Batch, PluginError> {
    let (parameters, input, old) = (vec![], batch(rows), nothing());
    let way = Way::Forward;
    let call =
        TransformCall { plugin, function, way, parameters: &parameters, input: &input, old: &old };
    runtime.run(call).await
}
