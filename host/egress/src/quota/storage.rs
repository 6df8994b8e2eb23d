//! Keeps the windows of an account: in this process alone, or in a record that all processes of one
//! data directory change in turn ([`CallRecords`]).
//!
//! The record is the windows' JSON text. A damaged one counts as full windows: a full window costs
//! time, an empty one breaks the promise.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use renkei_model::ports::{CallRecord, CallRecords, Clock, RecordContent, RecordText};

use super::windows::{QuotaWindows, WindowContext};

/// The change that a look at the windows made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WindowChange {
    Nothing,
    /// Others must see it.
    Some,
    /// It must outlast a power cut.
    Lasting,
}

/// The windows of one account, in memory or in a record.
pub(super) enum QuotaStorage {
    Alone(Mutex<QuotaWindows>),
    Shared(SharedWindows),
}

impl QuotaStorage {
    pub(super) fn alone() -> Self {
        Self::Alone(Mutex::default())
    }

    /// Opens the record of `account`, and ends the calls that dead processes left in flight.
    pub(super) fn shared(
        records: Arc<dyn CallRecords>,
        account: &str,
        clock: &dyn Clock,
    ) -> io::Result<Self> {
        let known = Mutex::default();
        let shared = SharedWindows { records, account: account.to_owned(), known };
        shared.update(clock, |windows, context| {
            let ended = windows.end_dead(context);
            ((), if ended { WindowChange::Some } else { WindowChange::Nothing })
        })?;
        Ok(Self::Shared(shared))
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
            Self::Shared(shared) => shared.update(clock, work),
        }
    }
}

/// The windows in the record of an account, as this process knows them.
pub(super) struct SharedWindows {
    records: Arc<dyn CallRecords>,
    account: String,
    known: Mutex<KnownWindows>,
}

/// The windows with the version of the record that they were read from or written as.
#[derive(Default)]
struct KnownWindows {
    version: Option<i64>,
    windows: QuotaWindows,
}

impl SharedWindows {
    fn update<T>(
        &self,
        clock: &dyn Clock,
        work: impl FnOnce(&mut QuotaWindows, WindowContext<'_>) -> (T, WindowChange),
    ) -> io::Result<T> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let KnownWindows { version, windows } = &mut *known;
        // After a failure the windows are read again.
        let before = version.take();
        let (mut work, mut outcome) = (Some(work), None);
        let kept = self.records.update(&self.account, before, &mut |record| {
            let work = work.take()?;
            // Only now: whoever had the record may have taken his time.
            let now_ms = clock.now_ms();
            let missing = windows.read(&record, now_ms);
            windows.observe(now_ms);
            let CallRecord { process, is_alive, .. } = record;
            let (answer, change) =
                work(windows, WindowContext { now_ms, process, alive: is_alive });
            let written = windows.write(change.max(missing));
            let (written, failed) = written.map_or_else(|error| (None, Some(error)), |w| (w, None));
            outcome = Some(failed.map_or(Ok(answer), |error| Err(io::Error::from(error))));
            written
        })?;
        let missed = || Err(io::Error::other("the record of calls was not shown"));
        let answer = outcome.unwrap_or_else(missed)?;
        *version = kept;
        Ok(answer)
    }
}

impl QuotaWindows {
    /// Brings the windows up to date with the record; returns the change that they need because
    /// the record has nothing of them.
    fn read(&mut self, record: &CallRecord<'_>, now_ms: i64) -> WindowChange {
        let lost_ms = match record.content {
            RecordContent::Known => return WindowChange::Nothing,
            RecordContent::Nothing => {
                *self = Self::default();
                return WindowChange::Lasting;
            }
            RecordContent::Text(text) => match serde_json::from_str(text) {
                Ok(windows) => {
                    *self = windows;
                    return WindowChange::Nothing;
                }
                Err(_) => now_ms,
            },
            RecordContent::Lost(at_ms) => at_ms.min(now_ms),
        };
        tracing::error!(
            file = %record.file.display(),
            "the record of calls is damaged: every quota counts as used up until its window is \
             over; if it is known not to be, stop Renkei and delete the file"
        );
        *self = Self::default();
        self.fill(lost_ms);
        WindowChange::Lasting
    }

    /// The text to keep, if anything changed.
    fn write(&mut self, change: WindowChange) -> serde_json::Result<Option<RecordText>> {
        if change == WindowChange::Nothing {
            return Ok(None);
        }
        let is_durable = change == WindowChange::Lasting;
        if is_durable {
            self.saved();
        }
        Ok(Some(RecordText { text: serde_json::to_string(self)?, is_durable }))
    }
}
