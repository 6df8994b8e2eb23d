//! A runtime as the program starts it: a folder of plugins, a cache of compiled code, systems.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use renkei_model::plugin::PluginError;
use renkei_model::ports::{TransformCall, Transforms as _, Way};
use renkei_model::record::Batch;
use renkei_model::value::Value;
use renkei_package::{BuildOptions, build};
use renkei_runtime::{NoTokens, Runtime, RuntimeOptions, SystemConfig};
use renkei_store::PluginDatabase;
use renkei_test_support::HandClock;
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

    /// The same with worker threads, as the program has them, for what goes on at the same time.
    pub(crate) fn crowded() -> Result<Self> {
        let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        Ok(Self { tokio, ..Self::new()? })
    }

    /// Runs something to its end, and whatever it spawns meanwhile.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.tokio.block_on(future)
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// Number of its plugin files.
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
    pub(crate) fn write_plugin(&self, id: &str, bytes: &[u8]) -> Result<()> {
        // Written aside and renamed, as an admin should: it may be looked at any moment.
        let (draft, place) = (self.dir.join("draft"), self.folder().join(format!("{id}.wasm")));
        std::fs::write(&draft, bytes)?;
        Ok(std::fs::rename(draft, place)?)
    }

    /// Forgets all compiled code.
    pub(crate) fn forget(&self) -> Result<()> {
        Ok(std::fs::remove_dir_all(self.cache())?)
    }

    /// Starts the runtime; an error if any file of the folder does not serve.
    pub(crate) fn start(&self, systems: Vec<SystemConfig>) -> Result<Arc<Runtime>> {
        let (clock, tokens) = (Arc::new(HandClock::at(1_700_000_000_000)), Arc::new(NoTokens));
        let mut options = RuntimeOptions::new(self.folder(), self.cache(), systems, clock, tokens);
        options.plugin_records = Some(Arc::new(PluginDatabase::in_folder(&options.home)));
        options.watch = false;
        // What is stopped is called again at once; a quarantine would refuse it before it ran.
        options.quarantine = false;
        let runtime = self.tokio.block_on(Runtime::start(options))?;
        match runtime.list().iter().find_map(|file| file.fault.as_ref()) {
            None => Ok(runtime),
            Some(fault) => anyhow::bail!("{fault}"),
        }
    }

    /// Runs a function of the plugin `tidy` forward, without parameters.
    pub(crate) fn tidy(&self, runtime: &Runtime, function: &str, input: &Batch) -> Result<Batch> {
        Ok(self.tokio.block_on(forward(runtime, "tidy", function, input))?)
    }

    /// The same, done so many times inside one call.
    pub(crate) fn tidy_times(
        &self,
        runtime: &Runtime,
        function: &str,
        input: &Batch,
        times: u32,
    ) -> Result<Batch> {
        let parameters = vec![("times".to_owned(), Value::Integer(times.into()))];
        let (plugin, way, parameters, old) = ("tidy", Way::Forward, &parameters, &Batch::default());
        let call = TransformCall { plugin, function, way, parameters, input, old };
        Ok(self.tokio.block_on(runtime.run(call))?)
    }
}

/// Runs a function forward, without parameters and without what the other side has.
pub(crate) async fn forward(
    runtime: &Runtime,
    plugin: &str,
    function: &str,
    input: &Batch,
) -> Result<Batch, PluginError> {
    let (way, parameters, old) = (Way::Forward, &Vec::new(), &Batch::default());
    runtime.run(TransformCall { plugin, function, way, parameters, input, old }).await
}

/// The plugin with `new` in the place of `old` in its manifest; both are of one length, so that
/// nothing else moves.
pub(crate) fn altered(plugin: &[u8], old: &str, new: &str) -> Result<Vec<u8>> {
    ensure!(old.len() == new.len(), "`{new}` is not as long as `{old}`");
    let mut places = plugin.windows(old.len()).enumerate();
    let place = places.find(|(_, window)| *window == old.as_bytes());
    let (place, _) = place.with_context(|| format!("the plugin's manifest has no `{old}`"))?;
    let mut altered = plugin.to_vec();
    altered.splice(place..place + new.len(), new.bytes());
    Ok(altered)
}

/// The plugin `tidy`, built as `renkei plugin build` builds it.
pub(crate) fn tidy() -> Result<Vec<u8>> {
    let crate_dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tidy");
    let built = build(&crate_dir, &BuildOptions::default(), &mut |_| {})
        .context("the plugin `tidy` cannot be built")?;
    Ok(built.package.bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_plugin_differs_in_that_place_alone() {
        let plugin = br#"xx{"id":"tidy","v":1}yy"#;
        let copy = altered(plugin, r#""tidy""#, r#""t0ff""#).unwrap();
        assert_eq!(copy, br#"xx{"id":"t0ff","v":1}yy"#);
        assert!(altered(plugin, "none", "some").is_err());
        assert!(altered(plugin, "tidy", "tidier").is_err());
    }
}
