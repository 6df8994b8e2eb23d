//! A host with two good neighbours. While a hostile plugin works, it watches audit lines, the log
//! and the memory of the process.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use renkei_fixtures::{Fixture, plugin};
use renkei_model::plugin::PluginError;
use renkei_model::ports::{Connector, Systems as _, TransformCall, Transforms as _, Way};
use renkei_model::record::{Batch, PageRequest, Row, Scan};
use renkei_model::value::Value;
use renkei_runtime::{
    Compiler, GuestLimits, NoTokens, PluginFile, Pooling, Runtime, RuntimeOptions, SystemAuth,
    SystemConfig,
};
use renkei_test_support::{CapturedLog, HandClock};

/// Memory that a case may add to the process besides a limit that it names, MiB: the neighbours'
/// pages, buffers of the test server, fragments.
pub(crate) const SLACK_MIB: u64 = 48;

static ALONE: LazyLock<Arc<AsyncMutex<()>>> = LazyLock::new(Arc::default);

/// A host with two good neighbours and, mostly, one hostile plugin.
pub(crate) struct Stand {
    pub(crate) runtime: Arc<Runtime>,
    log: CapturedLog,
    folder: TempDir,
    resident_kib: Option<u64>,
    _alone: OwnedMutexGuard<()>,
}

/// One line of `/proc/self/status` in KiB; nothing on other systems.
fn status(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// A connector system named like its plugin.
fn system(plugin: &str, base: &str) -> SystemConfig {
    SystemConfig {
        name: plugin.to_owned(),
        plugin: plugin.to_owned(),
        base_url: Some(base.to_owned()),
        auth: SystemAuth::Bearer("fixed-token-1".into()),
        settings: vec![],
        auth_options: Default::default(),
        secrets: Default::default(),
    }
}

/// Answers `/hang` never and everything else with its path.
async fn server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(async |uri: axum::http::Uri| {
        if uri.path() == "/hang" {
            std::future::pending::<()>().await;
        }
        uri.path().to_owned()
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

impl Stand {
    /// A host with the neighbours and one hostile plugin `rogue`, which has a system of its name.
    pub(crate) async fn with(rogue: &[u8]) -> Self {
        Self::new(Some(rogue), |_| {}).await
    }

    /// A host with the neighbours alone.
    pub(crate) async fn empty() -> Self {
        Self::new(None, |_| {}).await
    }

    pub(crate) async fn new(
        rogue: Option<&[u8]>,
        change: impl FnOnce(&mut RuntimeOptions),
    ) -> Self {
        let alone = Arc::clone(&ALONE).lock_owned().await;
        let log = CapturedLog::start("renkei");
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        std::fs::create_dir(&plugins).unwrap();
        for fixture in [Fixture::Courier, Fixture::Echo] {
            let file = plugins.join(format!("{}.wasm", fixture.id()));
            std::fs::write(file, plugin(fixture)).unwrap();
        }
        if let Some(rogue) = rogue {
            std::fs::write(plugins.join("rogue.wasm"), rogue).unwrap();
        }
        let base = server().await;
        let systems = vec![system("courier", &base), system("rogue", &base)];
        let clock = Arc::new(HandClock::default());
        // Shared by all cases and runs: the neighbours compile once.
        let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hostile-cache");
        let mut options = RuntimeOptions::new(plugins, cache, systems, clock, Arc::new(NoTokens));
        options.home = folder.path().join("home");
        options.watch = false;
        options.pooling = Pooling::Off;
        options.compiler = Compiler::Child {
            program: env!("CARGO_BIN_EXE_renkei-compile-plugin").into(),
            arguments: vec![renkei_runtime::COMPILER_ARGUMENT.into()],
        };
        options.connector_limits =
            GuestLimits { run_ms: 300, memory_bytes: 32 << 20, ..GuestLimits::connector() };
        change(&mut options);
        let runtime = Runtime::start(options).await.unwrap();
        let mut stand = Self { runtime, log, folder, resident_kib: None, _alone: alone };
        stand.neighbours_work().await;
        stand.measure_from_here();
        stand
    }

    /// Begins to measure anew: what the process has now, and had before, does not count for
    /// [`Stand::within`]. A case makes whatever takes much memory to make once it has its stand,
    /// and not while another case is measured; then it calls this.
    pub(crate) fn measure_from_here(&mut self) {
        // Resets the peak of this process.
        std::fs::write("/proc/self/clear_refs", "5").ok();
        self.resident_kib = status("VmRSS:");
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    /// Puts a file in place and looks at the folder.
    pub(crate) async fn replace_plugin(&self, name: &str, bytes: &[u8]) {
        let draft = self.plugins().join(format!("{name}.tmp"));
        std::fs::write(&draft, bytes).unwrap();
        std::fs::rename(draft, self.plugins().join(name)).unwrap();
        self.runtime.rescan().await;
    }

    pub(crate) fn file(&self, name: &str) -> PluginFile {
        let files = self.runtime.list();
        files.iter().find(|file| file.file == name).unwrap_or_else(|| panic!("no {name}")).clone()
    }

    /// The reason why a file is not taken; empty where it is.
    pub(crate) fn fault(&self, name: &str) -> String {
        self.file(name).fault.unwrap_or_default()
    }

    pub(crate) async fn job(&self) -> Box<dyn Connector> {
        self.runtime.open("rogue").await.unwrap()
    }

    /// A system that is served and a transform, both good, do a round of work each.
    pub(crate) async fn neighbours_work(&self) {
        let job = self.runtime.open("courier").await.unwrap();
        for round in 0..5 {
            let path = format!("/page/{round}");
            let page = job.read_page(&page_request(&path)).await.unwrap();
            assert_eq!(page.cursor, path.as_bytes(), "the neighbour's answer");
            assert_eq!(self.transform("echo", 10).await.unwrap(), batch(10));
        }
    }

    /// Runs hostile work while the neighbours do theirs; all of theirs must succeed, during and
    /// after it.
    pub(crate) async fn beside<T>(&self, hostile: impl Future<Output = T>) -> T {
        let (outcome, ()) = tokio::join!(hostile, self.neighbours_work());
        self.neighbours_work().await;
        outcome
    }

    /// Runs `same` of a transform forward.
    pub(crate) async fn transform(&self, plugin: &str, rows: usize) -> Result<Batch, PluginError> {
        let (parameters, input, old) = (vec![], batch(rows), batch(0));
        let (function, way) = ("same", Way::Forward);
        let call = TransformCall {
            plugin,
            function,
            way,
            parameters: &parameters,
            input: &input,
            old: &old,
        };
        self.runtime.run(call).await
    }

    /// The lines of one target so far.
    pub(crate) fn lines(&self, target: &str) -> Vec<String> {
        self.log.lines(target)
    }

    /// There is an audit line that names plugin and cause, and it was counted.
    pub(crate) fn audited(&self, plugin: &str, cause: &str) {
        let audit = self.lines("renkei::audit");
        let (plugin_word, cause_word) = (format!("plugin={plugin} "), format!("cause={cause} "));
        let found = audit.iter().any(|line| {
            line.contains(&plugin_word) && line.contains(&cause_word) && line.contains("digest=")
        });
        assert!(found, "no audit line for {plugin} and {cause}: {audit:#?}");
        let stops = self.runtime.stops();
        let counted =
            |stop: &&renkei_runtime::StopCount| stop.plugin == plugin && stop.cause.name() == cause;
        assert!(stops.iter().find(counted).is_some_and(|stop| stop.times > 0), "{stops:?}");
    }

    /// A call failed as that of a broken plugin, in these words, and was audited.
    pub(crate) fn stopped<T>(&self, outcome: Result<T, PluginError>, words: &str, cause: &str) {
        let Err(PluginError::Broken { plugin, cause: typed, reason }) = outcome else {
            panic!("not stopped, expected: {words}");
        };
        assert_eq!((plugin.plugin.as_str(), plugin.version.as_str()), ("rogue", "1.0.0"));
        assert!(reason.contains(words), "{reason}");
        assert_eq!(typed.name(), cause, "{reason}");
        self.audited("rogue", cause);
    }

    /// The process never had more memory than it began with, this much and [`SLACK_MIB`].
    pub(crate) fn within(&self, mib: u64) {
        let (Some(before), Some(peak)) = (self.resident_kib, status("VmHWM:")) else { return };
        let grown = peak.saturating_sub(before) / 1024;
        assert!(grown <= mib + SLACK_MIB, "{grown} MiB more; the bound is {mib} + {SLACK_MIB}");
    }
}

/// A request that the courier sends, and that hostile guests get.
pub(crate) fn page_request(path: &str) -> PageRequest {
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
pub(crate) fn batch(rows: usize) -> Batch {
    let cells = |row: usize| vec![Some(Value::from(format!("山田 {row}").as_str())), None];
    let row = |row: usize| Row { cells: cells(row), ..Row::default() };
    Batch { columns: vec!["a".to_owned(), "b".to_owned()], rows: (0..rows).map(row).collect() }
}

/// Fails instead of hanging when a case does not end.
pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .unwrap_or_else(|_| panic!("it does not end"))
}
