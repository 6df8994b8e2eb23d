//! A runtime as the program starts it: a folder of plugins, a cache of compiled code, systems.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use renkei_package::{BuildOptions, build};
use renkei_runtime::{NoTokens, Options, Runtime, SystemConfig};
use renkei_sync::ports::{Clock, TransformCall, Transforms as _, Way};
use renkei_sync::record::Batch;
use tempfile::TempDir;

/// A plugin folder and a cache.
pub(crate) struct Stage {
    dir: PathBuf,
    /// Goes when the stage is dropped, unless the directory is another's.
    _owned: Option<TempDir>,
    tokio: tokio::runtime::Runtime,
}

impl Stage {
    /// An empty folder. Everything runs on the calling thread, whose processor time is measured;
    /// only compiling has threads of its own.
    pub(crate) fn new() -> Result<Self> {
        let owned = tempfile::tempdir()?;
        let stage = Self::at(owned.path())?;
        std::fs::create_dir(stage.folder())?;
        Ok(Self { _owned: Some(owned), ..stage })
    }

    /// The stage of another process.
    pub(crate) fn at(dir: &Path) -> Result<Self> {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { dir: dir.to_owned(), _owned: None, tokio })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// How many plugin files it has.
    pub(crate) fn files(&self) -> Result<usize> {
        Ok(std::fs::read_dir(self.folder())?.count())
    }

    fn folder(&self) -> PathBuf {
        self.dir.join("plugins")
    }

    fn cache(&self) -> PathBuf {
        self.dir.join("cache")
    }

    /// Puts a plugin file into the folder.
    pub(crate) fn put(&self, id: &str, bytes: &[u8]) -> Result<()> {
        Ok(std::fs::write(self.folder().join(format!("{id}.wasm")), bytes)?)
    }

    /// Forgets all compiled code.
    pub(crate) fn forget(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.cache())?)
    }

    /// Starts the runtime; an error if any file of the folder does not serve.
    pub(crate) fn start(&self, systems: Vec<SystemConfig>) -> Result<Arc<Runtime>> {
        let (clock, tokens) = (Arc::new(Idle), Arc::new(NoTokens));
        let mut options = Options::new(self.folder(), self.cache(), systems, clock, tokens);
        options.watch = false;
        let runtime = self.tokio.block_on(Runtime::start(options))?;
        match runtime.list().iter().find_map(|file| file.fault.as_ref()) {
            None => Ok(runtime),
            Some(fault) => anyhow::bail!("{fault}"),
        }
    }

    /// Runs a function of the plugin `tidy` forward, without parameters.
    pub(crate) fn tidy(&self, runtime: &Runtime, function: &str, input: &Batch) -> Result<Batch> {
        let (plugin, way, parameters, old) = ("tidy", Way::Forward, Vec::new(), Batch::default());
        let (parameters, old) = (&parameters, &old);
        let call = TransformCall { plugin, function, way, parameters, input, old };
        Ok(self.tokio.block_on(runtime.run(call))?)
    }
}

/// The plugin `tidy`, built as `renkei plugin build` builds it.
pub(crate) fn tidy() -> Result<Vec<u8>> {
    let crate_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tidy");
    let built = build(&crate_dir, &BuildOptions::default(), &mut |_| {})
        .context("the plugin `tidy` cannot be built")?;
    Ok(built.package.bytes().to_vec())
}

/// Time that stands still: nothing here waits for a system.
struct Idle;

#[async_trait]
impl Clock for Idle {
    fn now_ms(&self) -> i64 {
        1_700_000_000_000
    }

    async fn sleep_ms(&self, _: u64) {}
}
