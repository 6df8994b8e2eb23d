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

/// The lock; it is held as long as the store is open. A person may remove the lock file under its
/// holder, so the folder that holds the database is locked as well.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
    _folder: File,
}

impl Lock {
    /// Takes the lock of the store in `dir`, whose database is `name`. Where that is a link, the
    /// lock is that of the folder that holds the file.
    pub(crate) fn acquire(dir: &Path, name: &str) -> Result<Self, OpenError> {
        let real = std::fs::canonicalize(dir.join(name)).ok();
        let holding = real.as_deref().and_then(Path::parent).unwrap_or(dir);
        let path = holding.join("renkei.lock");
        let io = |path: &Path, source| OpenError::Io { path: path.to_owned(), source };
        let folder = File::open(holding).map_err(|source| io(holding, source))?;
        // A file system that locks no folders leaves it to the lock file.
        let is_free = !matches!(folder.try_lock(), Err(TryLockError::WouldBlock));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = renkei_files::open(&options, &path).map_err(|source| io(&path, source))?;
        if !is_free || !lock_file(&file, &path)? {
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
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(|source| io(&path, source))?;
        Ok(Self { _file: file, _folder: folder })
    }
}

/// True if nobody else had the lock.
fn lock_file(file: &File, path: &Path) -> Result<bool, OpenError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path: path.to_owned(), source }),
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
