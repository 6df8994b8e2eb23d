//! The state of the task that looks at the plugin folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::deferred::DeferredOrder;
use super::file_state::FileState;
use super::loads::PendingLoads;
use super::scan::KnownStamps;
use super::watch::FolderWatcher;
use crate::lifecycle::copies::PrivateCopies;
use crate::lifecycle::registry::Registry;
use crate::lifecycle::samples::RecentRows;
use crate::lifecycle::view::SeenFile;
use crate::sandbox::loader::PluginLoader;

/// The task's own state.
pub(crate) struct Reloader {
    pub(super) folder: PathBuf,
    pub(super) loader: Arc<PluginLoader>,
    pub(super) loads: PendingLoads,
    /// Orders that wait for loads.
    pub(super) deferred: Vec<DeferredOrder>,
    pub(super) registry: Arc<Registry>,
    pub(super) versions: PrivateCopies,
    /// Nothing is written to `versions`.
    pub(super) read_only: bool,
    pub(super) files: BTreeMap<String, FileState>,
    pub(super) stamps: KnownStamps,
    pub(super) watch: Option<FolderWatcher>,
    /// A file was still being written at the last look.
    pub(super) moving: bool,
    /// The reason why the folder could not be read at the last look.
    pub(super) blind: Option<String>,
    pub(super) view: Arc<ArcSwap<Vec<SeenFile>>>,
    pub(super) recent: Arc<RecentRows>,
}

impl Reloader {
    /// `home` holds the copies; with `read_only` nothing is written there.
    pub(crate) fn new(
        folder: PathBuf,
        home: &Path,
        read_only: bool,
        loader: PluginLoader,
        registry: Arc<Registry>,
        view: Arc<ArcSwap<Vec<SeenFile>>>,
        recent: Arc<RecentRows>,
    ) -> Self {
        Self {
            recent,
            folder,
            loader: Arc::new(loader),
            loads: PendingLoads::default(),
            deferred: Vec::new(),
            registry,
            versions: PrivateCopies::new(home.join("versions")),
            read_only,
            files: BTreeMap::new(),
            stamps: KnownStamps::default(),
            watch: None,
            moving: false,
            blind: None,
            view,
        }
    }
}
