//! Notices that the plugin folder changed: by the operating system, and by a clock where its
//! notices do not arrive.
//!
//! - The folder is watched, and its parent too: a folder that is deleted and made again, or a link
//!   that is turned to another one, is a new folder, to which the watch is moved. A new folder may
//!   have the old one's inode, so a notice that the folder came or went moves the watch too.
//! - A notice only means "look again". On file systems that others change without this kernel
//!   knowing (network, FUSE, 9p, layers of a container) no notice comes, so the folder is looked at
//!   every [`POLL`] instead of at the usual interval. A look reads and hashes the files, which is
//!   all that a polling watcher would do, so there is none.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// The interval where no notices come.
const POLL: Duration = Duration::from_secs(2);

/// Watches the plugin folder and its parents.
pub(crate) struct FolderWatcher {
    folder: PathBuf,
    watcher: Option<RecommendedWatcher>,
    /// Device and inode of the folder that is watched.
    watched: Option<(u64, u64)>,
    /// The folder itself came or went since the watch was moved.
    moved: Arc<AtomicBool>,
}

impl FolderWatcher {
    /// Tells `notice` of changes in `folder`. A watch that cannot be had is in the log; the clock
    /// remains.
    pub(crate) fn start(folder: &Path, notice: mpsc::Sender<()>) -> Self {
        let own = folder.file_name().map(ToOwned::to_owned);
        let moved = Arc::<AtomicBool>::default();
        let tell_moved = Arc::clone(&moved);
        let look = move |event: notify::Result<notify::Event>| {
            let itself = |path: &PathBuf| path.file_name() == own.as_deref();
            if event
                .as_ref()
                .is_ok_and(|event| is_move(event.kind) && event.paths.iter().any(itself))
            {
                tell_moved.store(true, Ordering::SeqCst);
            }
            let concerns = match &event {
                // Reading the files is noticed too, and would go round for ever.
                Ok(event) if event.kind.is_access() => false,
                // Of the parent's other children nothing is wanted; a lost notice has no path.
                Ok(event) => {
                    event.need_rescan()
                        || event.paths.iter().any(|path| {
                            itself(path)
                                || path
                                    .parent()
                                    .is_some_and(|parent| parent.file_name() == own.as_deref())
                        })
                }
                Err(_) => true,
            };
            if concerns {
                // A notice that waits already says the same.
                notice.try_send(()).ok();
            }
        };
        let watcher = notify::recommended_watcher(look).and_then(|mut watcher| {
            if let Some(parent) = parent(folder) {
                watcher.watch(&parent, RecursiveMode::NonRecursive)?;
            }
            Ok(watcher)
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(%error, "the plugin folder cannot be watched, only looked at");
        });
        let mut watch =
            Self { folder: folder.to_owned(), watcher: watcher.ok(), watched: None, moved };
        watch.follow();
        watch
    }

    /// Moves the watch to the folder that stands there now. To be called before each look, so that
    /// what comes after the look is noticed.
    pub(crate) fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let now = fs::metadata(&self.folder).ok().map(|now| (now.dev(), now.ino()));
        if !self.moved.swap(false, Ordering::SeqCst) && now == self.watched {
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
            Ok(()) => self.watched = now,
            Err(error) => {
                tracing::warn!(%error, "the plugin folder cannot be watched, only looked at");
            }
        }
    }
}

/// True where something came, went or was renamed.
fn is_move(kind: EventKind) -> bool {
    matches!(kind, EventKind::Create(_) | EventKind::Remove(_))
        || matches!(kind, EventKind::Modify(ModifyKind::Name(_)))
}

/// The interval of looks without a notice.
pub(crate) fn interval(folder: &Path, usual: Duration) -> Duration {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let place = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    match file_system(&mounts, &place) {
        Some(kind) if is_silent(kind) => {
            let interval = usual.min(POLL);
            tracing::info!(
                file_system = kind,
                seconds = interval.as_secs(),
                "no notices of changes come from the plugin folder's file system; it is polled"
            );
            interval
        }
        _ => usual,
    }
}

/// True where others may change files of this file system without this kernel knowing.
fn is_silent(kind: &str) -> bool {
    const SILENT: [&str; 9] =
        ["9p", "afs", "ceph", "cifs", "nfs", "nfs4", "overlay", "smb3", "virtiofs"];
    SILENT.contains(&kind) || kind == "fuse" || kind.starts_with("fuse.")
}

/// The file system that `path` is on, by `/proc/self/mountinfo` (proc(5)): the mount point with the
/// most components, and of equal ones the last.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let (before, after) = line.split_once(" - ")?;
        let point = before.split(' ').nth(4)?.replace("\\040", " ");
        let depth = Path::new(&point).components().count();
        path.starts_with(&point).then_some((depth, after.split(' ').next()?))
    };
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

fn parent(folder: &Path) -> Option<PathBuf> {
    let parent = folder.parent()?;
    Some(if parent.as_os_str().is_empty() { PathBuf::from(".") } else { parent.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /srv rw,nosuid - nfs4 host:/export rw
31 30 0:27 / /srv/local\\040disk rw - xfs /dev/sdb rw
32 22 0:28 / /home/a rw shared:5 master:1 - fuse.sshfs a@b: rw
33 22 0:29 / /srv rw - tmpfs none rw
34 22 0:30 / /layer rw - overlay overlay rw
";

    #[test]
    fn the_file_system_says_whether_notices_come() {
        for (path, kind, silent) in [
            ("/etc/renkei", "ext4", false),
            ("/srv/plugins", "tmpfs", false),
            ("/srv/local disk/plugins", "xfs", false),
            ("/home/a/plugins", "fuse.sshfs", true),
            ("/home/ab", "ext4", false),
            ("/layer/x", "overlay", true),
        ] {
            let found = file_system(MOUNTS, Path::new(path));
            assert_eq!(found, Some(kind), "{path}");
            assert_eq!(is_silent(kind), silent, "{kind}");
        }
        assert_eq!(file_system("nonsense\n\n", Path::new("/")), None);
        assert!(is_silent("nfs") && is_silent("nfs4") && !is_silent("fuseblk"));
    }
}
