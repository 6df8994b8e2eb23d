//! Keeps the windows of an account: in this process alone, or in a file that all processes of one
//! data directory change in turn.
//!
//! Each process holds a lock on a file of its own (its mark) for as long as it lives; the system
//! drops it with the process, whatever ended that. So calls that a dead process had in flight are
//! found out at once, and no lease has to be renewed. Marks are made and looked for only under the
//! lock on the windows.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use renkei_sync::ports::Clock;
use sha2::{Digest as _, Sha256};

use super::slots::{SlotContent, SlotFile};
use super::windows::{QuotaWindows, WindowContext};

/// The change that a look at the windows made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowChange {
    Nothing,
    /// Others must see it.
    Some,
    /// It must outlast a power cut.
    Lasting,
}

/// The windows of one account, in memory or in a file.
pub(super) enum QuotaStorage {
    Alone(Mutex<QuotaWindows>),
    Shared(Mutex<SharedWindows>),
}

impl QuotaStorage {
    pub(super) fn alone() -> Self {
        Self::Alone(Mutex::default())
    }

    /// Opens or makes the file of `account` in `folder`.
    pub(super) fn shared(folder: &Path, account: &str, clock: &dyn Clock) -> io::Result<Self> {
        Ok(Self::Shared(Mutex::new(SharedWindows::open(folder, account, clock)?)))
    }

    /// Looks at the windows and changes them while nobody else does. Blocks where they are shared.
    pub(super) fn update<T>(
        &self,
        clock: &dyn Clock,
        work: impl FnOnce(&mut QuotaWindows, WindowContext<'_>) -> (T, WindowChange),
    ) -> io::Result<T> {
        match self {
            Self::Alone(windows) => {
                let mut windows = windows.lock().unwrap_or_else(PoisonError::into_inner);
                let context =
                    WindowContext { now_ms: clock.now_ms(), process: 0, alive: &|_| true };
                windows.observe(context.now_ms);
                Ok(work(&mut windows, context).0)
            }
            Self::Shared(shared) => {
                shared.lock().unwrap_or_else(PoisonError::into_inner).update(clock, work)
            }
        }
    }
}

/// One process's hold on the file.
pub(super) struct SharedWindows {
    slots: SlotFile,
    windows: QuotaWindows,
    marks: ProcessMarks,
}

impl SharedWindows {
    fn open(folder: &Path, account: &str, clock: &dyn Clock) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let name = file_name(account);
        let slots = SlotFile::open(&folder.join(&name))?;
        let marks = ProcessMarks { folder: folder.to_owned(), name, own: None };
        let mut shared = Self { slots, windows: QuotaWindows::default(), marks };
        shared.locked(|shared| {
            let now_ms = clock.now_ms();
            let known = shared.read(now_ms)?;
            shared.windows.observe(now_ms);
            let marks = &shared.marks;
            let alive = |process| marks.alive(process);
            shared.windows.end_dead(WindowContext {
                now_ms,
                process: marks.process(),
                alive: &alive,
            });
            marks.sweep()?;
            shared.marks.enter(&mut shared.windows)?;
            shared.write(known == WindowChange::Lasting)?;
            // A new file must not be gone, with its calls, after a power cut.
            renkei_files::sync_folder(folder)
        })?;
        Ok(shared)
    }

    fn update<T>(
        &mut self,
        clock: &dyn Clock,
        work: impl FnOnce(&mut QuotaWindows, WindowContext<'_>) -> (T, WindowChange),
    ) -> io::Result<T> {
        self.locked(|shared| {
            // Only now: whoever held the lock may have taken his time.
            let now_ms = clock.now_ms();
            let known = shared.read(now_ms)?;
            let (windows, marks) = (&mut shared.windows, &shared.marks);
            windows.observe(now_ms);
            let alive = |process| marks.alive(process);
            let context = WindowContext { now_ms, process: marks.process(), alive: &alive };
            let (answer, change) = work(windows, context);
            if change != WindowChange::Nothing || known != WindowChange::Nothing {
                shared.write(change == WindowChange::Lasting || known == WindowChange::Lasting)?;
            }
            Ok(answer)
        })
    }

    fn locked<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        self.slots.lock()?;
        let outcome = work(self);
        self.slots.unlock()?;
        outcome
    }

    /// Brings the windows up to date; tells whether they must be written because they were missing.
    fn read(&mut self, now_ms: i64) -> io::Result<WindowChange> {
        let parsed = match self.slots.read()? {
            SlotContent::Known => return Ok(WindowChange::Nothing),
            SlotContent::Newer(bytes) => serde_json::from_slice(&bytes).ok().map(|w| (w, false)),
            SlotContent::Older(bytes) => serde_json::from_slice(&bytes).ok().map(|w| (w, true)),
            SlotContent::Nothing => {
                self.windows = QuotaWindows::default();
                return Ok(WindowChange::Lasting);
            }
            SlotContent::Damaged => None,
        };
        let file = self.marks.folder.join(&self.marks.name);
        let file = file.display();
        match parsed {
            Some((windows, false)) => {
                self.windows = windows;
                return Ok(WindowChange::Nothing);
            }
            Some((windows, true)) => {
                tracing::warn!(%file, "the newest record of calls is damaged; an older one is used");
                self.windows = windows;
                self.windows.observe(now_ms);
                self.windows.fill(now_ms, false);
            }
            None => {
                tracing::error!(
                    %file,
                    "the record of calls is damaged: every quota counts as used up until its window \
                     is over; if it is known not to be, stop Renkei and delete the file"
                );
                self.windows = QuotaWindows::default();
                self.windows.observe(now_ms);
                self.windows.fill(now_ms, true);
            }
        }
        Ok(WindowChange::Lasting)
    }

    fn write(&mut self, lasting: bool) -> io::Result<()> {
        if lasting {
            self.windows.saved();
        }
        self.slots.write(&serde_json::to_vec(&self.windows)?, lasting)
    }
}

/// The files that say which processes live.
struct ProcessMarks {
    folder: PathBuf,
    name: String,
    /// This process's number and its locked mark.
    own: Option<(u64, File)>,
}

impl ProcessMarks {
    fn process(&self) -> u64 {
        self.own.as_ref().map_or(0, |(process, _)| *process)
    }

    /// Takes a number that no living process has.
    fn enter(&mut self, windows: &mut QuotaWindows) -> io::Result<()> {
        loop {
            let process = windows.new_process();
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let mark = renkei_files::open(&options, &self.place(process))?;
            match mark.try_lock() {
                Ok(()) => {
                    self.own = Some((process, mark));
                    return Ok(());
                }
                // Somebody deleted the windows while another process ran.
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn alive(&self, process: u64) -> bool {
        lives(&self.place(process))
    }

    /// Removes the marks of dead processes.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let rest = name.strip_prefix(&self.name);
            let is_mark = rest.is_some_and(|rest| rest.starts_with('.') && rest.ends_with(".mark"));
            if is_mark && !lives(&path) {
                fs::remove_file(&path).ok();
            }
        }
        Ok(())
    }

    fn place(&self, process: u64) -> PathBuf {
        self.folder.join(format!("{}.{process}.mark", self.name))
    }
}

impl Drop for ProcessMarks {
    fn drop(&mut self) {
        if self.own.is_some() {
            fs::remove_file(self.place(self.process())).ok();
        }
    }
}

/// True where somebody holds the lock on a mark. Where that cannot be known, somebody may.
fn lives(mark: &Path) -> bool {
    match renkei_files::open(OpenOptions::new().read(true), mark) {
        Ok(mark) => mark.try_lock_shared().is_err(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// True where windows of this account were kept before.
pub(super) fn is_kept(folder: &Path, account: &str) -> bool {
    folder.join(file_name(account)).exists()
}

/// An account's name, or what stands for one that is no plain file name.
fn file_name(account: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !account.is_empty() && account.len() <= 100 && account.chars().all(plain) {
        return account.to_owned();
    }
    hex::encode(Sha256::digest(account))
}
