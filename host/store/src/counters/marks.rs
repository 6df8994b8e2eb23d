//! Marks of living processes: each process holds the lock on a file of its own for as long as it
//! lives.
//!
//! The system drops the lock with the process, whatever ended that. So calls that a dead process
//! had in flight are found out at once, and no lease has to be renewed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The number of a process and its locked mark, which goes when it is dropped.
pub(super) struct ProcessMark {
    number: u64,
    path: PathBuf,
    _lock: File,
}

impl ProcessMark {
    /// Makes and locks the mark of a number that no living process has. The caller holds the lock
    /// on the counters' folder.
    pub(super) fn make(folder: &Path, number: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let path = folder.join(name(number));
        let lock = renkei_files::open(&options, &path)?;
        lock.lock()?;
        Ok(Self { number, path, _lock: lock })
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for ProcessMark {
    fn drop(&mut self) {
        fs::remove_file(&self.path).ok();
    }
}

/// True where the process of a number lives.
pub(super) fn is_alive(folder: &Path, number: u64) -> bool {
    is_locked(&folder.join(name(number)))
}

/// Removes the marks of dead processes; returns the highest number of a living one. The caller
/// holds the lock on the counters' folder.
pub(super) fn sweep(folder: &Path) -> io::Result<u64> {
    let mut highest = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(number) = number_of(&path) else { continue };
        if is_locked(&path) {
            highest = highest.max(number);
        } else {
            fs::remove_file(&path).ok();
        }
    }
    Ok(highest)
}

fn name(number: u64) -> String {
    format!("counters.{number}.mark")
}

fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("counters.")?.strip_suffix(".mark")?.parse().ok()
}

/// True where somebody holds the lock on a mark. Where that cannot be known, somebody may.
pub(super) fn is_locked(mark: &Path) -> bool {
    match renkei_files::open(OpenOptions::new().read(true), mark) {
        Ok(mark) => mark.try_lock_shared().is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}
