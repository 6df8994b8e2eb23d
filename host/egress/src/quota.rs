//! Call quotas of an account, kept before sending and shared by all its jobs and processes
//! (`SECURITY.md` E10).
//!
//! [`QuotaGate`] waits; `windows`, which is pure, decides when a call may go; `storage` keeps the
//! windows in memory or, for all processes of a data directory, in a record behind the port
//! [`CallRecords`]. Work on a record is done on a blocking thread: it takes some tens of µs, but
//! now and then it waits for a disk or for another process. What cannot be written down is not
//! sent.

mod storage;
mod windows;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use renkei_model::ports::{CallRecords, Clock};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::http::SendError;
use storage::{QuotaStorage, WindowChange};
pub use windows::QuotaClaim;
use windows::{Admission, QuotaWindows, WindowContext};

/// The interval at which a call that waits for the end of another process's call looks again.
const LOOK_AGAIN_MS: u64 = 20;

/// The interval at which a call that waits for one of this process looks again: the end of a call
/// whose beginning could not be flushed is told by nobody.
const LOOK_AT_OWN_MS: u64 = 1_000;

/// The windows of one account with those who wait for them.
pub struct QuotaGate {
    storage: QuotaStorage,
    /// Ended calls that are not yet written down.
    done: Mutex<Vec<(u64, Arc<QuotaClaim>)>>,
    ended: Notify,
    /// Numbers the calls of this process.
    calls: AtomicU64,
    clock: Arc<dyn Clock>,
}

/// The result of a look at the windows.
enum GateTurn {
    Go(CallPermit),
    Wait(Admission),
}

impl QuotaGate {
    /// Windows that only this value knows.
    pub fn alone(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::with_storage(QuotaStorage::alone(), clock)
    }

    /// Windows that everybody shares who uses the same records and account.
    pub fn shared(
        clock: Arc<dyn Clock>,
        records: Arc<dyn CallRecords>,
        account: &str,
    ) -> io::Result<Arc<Self>> {
        Ok(Self::with_storage(QuotaStorage::shared(records, account, clock.as_ref())?, clock))
    }

    /// The windows of an account that were recorded before; nothing is made where there are none.
    pub fn open_recorded(
        clock: Arc<dyn Clock>,
        records: &Arc<dyn CallRecords>,
        account: &str,
    ) -> io::Result<Option<Arc<Self>>> {
        let is_recorded = records.has_calls(account)?;
        is_recorded.then(|| Self::shared(clock, Arc::clone(records), account)).transpose()
    }

    fn with_storage(storage: QuotaStorage, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (done, ended, calls) = (Mutex::default(), Notify::new(), AtomicU64::new(0));
        Arc::new(Self { storage, done, ended, calls, clock })
    }

    /// Waits for its turn; [`SendError::Quota`] if that is more than `most_ms` away.
    pub async fn acquire(
        self: &Arc<Self>,
        claim: &Arc<QuotaClaim>,
        most_ms: u64,
    ) -> Result<CallPermit, SendError> {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let (gate, wanted) = (Arc::clone(self), Arc::clone(claim));
            match self.work(move || gate.turn(wanted)).await? {
                GateTurn::Go(pass) => return Ok(pass),
                GateTurn::Wait(Admission::AfterMs(ms)) if ms > most_ms => {
                    return Err(SendError::Quota(ms));
                }
                GateTurn::Wait(Admission::AfterMs(ms)) => self.clock.sleep_ms(ms).await,
                GateTurn::Wait(wait) => {
                    let elsewhere = matches!(wait, Admission::OnEnd { elsewhere: true });
                    let look_ms = if elsewhere { LOOK_AGAIN_MS } else { LOOK_AT_OWN_MS };
                    tokio::select! {
                        () = ended => {}
                        () = self.clock.sleep_ms(look_ms) => {}
                    }
                }
            }
        }
    }

    /// Keeps the pause that the server asked for: nobody sends a call like this one for `ms`. True
    /// where there was no pause before.
    pub async fn pause(
        self: &Arc<Self>,
        claim: &Arc<QuotaClaim>,
        ms: u64,
    ) -> Result<bool, SendError> {
        let (gate, claim) = (Arc::clone(self), Arc::clone(claim));
        let pause = move |windows: &mut QuotaWindows, context: WindowContext<'_>| {
            (windows.pause(context.now_ms, ms, &claim), WindowChange::Some)
        };
        self.work(move || gate.update(pause)).await
    }

    /// The end of the pause that the server asked for.
    pub async fn paused_until_ms(self: &Arc<Self>) -> Result<Option<i64>, SendError> {
        let gate = Arc::clone(self);
        let look = |windows: &mut QuotaWindows, context: WindowContext<'_>| {
            (windows.paused_until_ms(context.now_ms), WindowChange::Nothing)
        };
        self.work(move || gate.update(look)).await
    }

    /// Lifts every pause: an admin wants the server asked again.
    pub async fn lift_pauses(self: &Arc<Self>) -> Result<(), SendError> {
        let gate = Arc::clone(self);
        let lift = |windows: &mut QuotaWindows, _: WindowContext<'_>| {
            windows.lift_pauses();
            ((), WindowChange::Some)
        };
        self.work(move || gate.update(lift)).await?;
        self.ended.notify_waiters();
        Ok(())
    }

    /// Runs `work` where it may block if it may.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, SendError> {
        let outcome = match self.storage {
            QuotaStorage::Alone(_) => work(),
            QuotaStorage::Shared(_) => match tokio::task::spawn_blocking(work).await {
                Ok(outcome) => outcome,
                Err(error) => Err(io::Error::other(error)),
            },
        };
        outcome.map_err(|error| {
            tracing::error!(%error, "the record of calls cannot be kept; nothing is sent");
            SendError::NoAnswer(format!("not sent: the record of calls cannot be kept: {error}"))
        })
    }

    /// A call that has begun becomes a pass at once: if nobody waits for it any more, dropping it
    /// ends the call.
    fn turn(self: Arc<Self>, claim: Arc<QuotaClaim>) -> io::Result<GateTurn> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let next = self.update(|windows, context| {
            let next = windows.try_begin(context, call, &claim);
            let change = match next {
                Admission::Begun if windows.must_last(&claim) => WindowChange::Lasting,
                Admission::Begun => WindowChange::Some,
                Admission::AfterMs(_) | Admission::OnEnd { .. } => WindowChange::Nothing,
            };
            (next, change)
        })?;
        Ok(match next {
            Admission::Begun => GateTurn::Go(CallPermit { gate: self, claim, call }),
            wait => GateTurn::Wait(wait),
        })
    }

    /// Writes down what has ended.
    fn write_ended_calls(&self) {
        if let Err(error) = self.update(|_, _| ((), WindowChange::Nothing)) {
            // It stays noted here; the next look writes it down or fails and sends nothing.
            tracing::warn!(%error, "the end of a call cannot be written down");
        }
    }

    fn update<T>(
        &self,
        work: impl FnOnce(&mut QuotaWindows, WindowContext<'_>) -> (T, WindowChange),
    ) -> io::Result<T> {
        let mut done =
            std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        let outcome = self.storage.update(self.clock.as_ref(), |windows, context| {
            for (call, claim) in &done {
                windows.end(context, *call, claim);
            }
            let (answer, change) = work(windows, context);
            let ended = change == WindowChange::Nothing && !done.is_empty();
            (answer, if ended { WindowChange::Some } else { change })
        });
        if !done.is_empty() {
            if outcome.is_err() {
                self.done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut done);
            }
            self.ended.notify_waiters();
        }
        outcome
    }
}

/// The permit to send one request; dropped when it has ended, also when it was cancelled.
pub struct CallPermit {
    gate: Arc<QuotaGate>,
    claim: Arc<QuotaClaim>,
    call: u64,
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        let ended = (self.call, Arc::clone(&self.claim));
        self.gate.done.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        match (&self.gate.storage, Handle::try_current()) {
            (QuotaStorage::Shared(_), Ok(handle)) => {
                let gate = Arc::clone(&self.gate);
                handle.spawn_blocking(move || gate.write_ended_calls());
            }
            _ => self.gate.write_ended_calls(),
        }
    }
}

#[cfg(test)]
mod tests;
