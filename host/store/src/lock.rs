//! Advisory locks on files beside the databases: one engine per store, and one process at a time
//! that opens a database which several share.
//!
//! The operating system drops the lock with its process, so the lock file of a killed process
//! blocks nobody. The process number in it is only for the message.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::error::OpenError;

/// Bytes of a process number that are read at most.
const HOLDER_BYTES_MAX: u64 = 32;

/// The lock; it is held as long as the store is open.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store in `dir`.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("renkei.lock");
        let io = |source| OpenError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = renkei_files::open(&options, &path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Without the number the message is poorer, not wrong.
                let read = (&file).take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
                let known = read.is_ok() && !holder.trim().is_empty();
                let holder = if known {
                    format!("process {}", holder.trim())
                } else {
                    "another process".to_owned()
                };
                return Err(OpenError::InUse { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// Waits for the lock on opening a shared database, which goes when it is dropped.
pub(crate) fn lock_opening(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let lock = renkei_files::open(&options, path)?;
    lock.lock()?;
    Ok(lock)
}
