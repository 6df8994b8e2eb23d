//! Notices of the operating system that the plugin folder changed: the quick path.
//!
//! A notice only means "look again". Where none comes (network file systems, FUSE, layers of a
//! container, a folder that another has taken the place of), the task's poll finds the change
//! within a second, so nothing here asks which file system it is or watches the parent. Before each
//! look the watch is moved to the folder that stands there then ([`FolderWatcher::follow`]).

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// A folder as the system knows it, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FolderIdentity {
    device: u64,
    inode: u64,
    /// A new folder may have the inode of one that was deleted. None where the file system keeps
    /// no such time.
    created: Option<SystemTime>,
}

/// Watches the plugin folder.
pub(crate) struct FolderWatcher {
    folder: PathBuf,
    watcher: Option<RecommendedWatcher>,
    /// The folder that is watched.
    watched: Option<FolderIdentity>,
    /// The reason why there is no watch, which is in the log.
    failure: Option<String>,
}

impl FolderWatcher {
    /// Tells `notice` of changes in `folder`. A watch that cannot be had is in the log; the poll
    /// remains.
    pub(crate) fn start(folder: &Path, notice: mpsc::Sender<()>) -> Self {
        let look = move |event: notify::Result<notify::Event>| {
            // Reading the files is noticed too, and would go round for ever.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // A notice that waits already says the same.
                notice.try_send(()).ok();
            }
        };
        let mut watch =
            Self { folder: folder.to_owned(), watcher: None, watched: None, failure: None };
        match notify::recommended_watcher(look) {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.fail(&error),
        }
        watch.follow();
        watch
    }

    /// Moves the watch to the folder that stands there now. To be called before each look, so that
    /// what comes after the look is noticed.
    pub(crate) fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let now = identity(&self.folder);
        if now == self.watched {
            return;
        }
        if self.watched.take().is_some() {
            // It has gone with its folder already, unless that was only moved.
            watcher.unwatch(&self.folder).ok();
        }
        if now.is_none() {
            return;
        }
        match watcher.watch(&self.folder, RecursiveMode::NonRecursive) {
            Ok(()) => (self.watched, self.failure) = (now, None),
            Err(error) => self.fail(&error),
        }
    }

    /// Says once per reason why there is no watch; it is tried again at each look.
    fn fail(&mut self, error: &notify::Error) {
        let reason = error.to_string();
        if self.failure.as_ref() != Some(&reason) {
            tracing::warn!(
                reason,
                "no notices of changes come from the plugin folder; it is polled"
            );
        }
        self.failure = Some(reason);
    }
}

fn identity(folder: &Path) -> Option<FolderIdentity> {
    let metadata = fs::metadata(folder).ok()?;
    let (device, inode, created) = (metadata.dev(), metadata.ino(), metadata.created().ok());
    Some(FolderIdentity { device, inode, created })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn watch_moves_to_the_folder_that_takes_the_place() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("plugins");
        for name in ["one", "two"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        let turn = |to: &str| {
            fs::remove_file(&folder).ok();
            std::os::unix::fs::symlink(to, &folder).unwrap();
        };
        let (notice, mut notices) = mpsc::channel(1);
        let mut watch = FolderWatcher::start(&folder, notice);
        assert_eq!(watch.watched, None, "there is no folder yet");
        for name in ["one", "two", "one"] {
            turn(name);
            watch.follow();
            assert_eq!(watch.watched, identity(&place.path().join(name)));
            fs::write(folder.join("a.wasm"), name).unwrap();
            let noticed = tokio::time::timeout(Duration::from_secs(20), notices.recv()).await;
            assert_eq!(noticed, Ok(Some(())), "{name}");
            while notices.try_recv().is_ok() {}
        }
    }
}
