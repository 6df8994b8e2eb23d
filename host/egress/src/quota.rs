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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use renkei_model::ports::{CallRecords, Clock};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::http::SendError;
use storage::{QuotaStorage, WindowChange};
pub(crate) use windows::EVERY;
pub use windows::QuotaClaim;
use windows::{Admission, QuotaWindows, WindowContext};

/// The interval at which a call that waits for the end of another process's call looks again.
const LOOK_AGAIN_MS: u64 = 20;

/// The interval at which a call that waits for one of this process looks again: nobody reports the
/// end of a call that could not be written down.
const LOOK_AT_OWN_MS: u64 = 1_000;

/// The windows of one account with those who wait for them.
pub struct QuotaGate {
    storage: QuotaStorage,
    /// Calls whose end is not yet written down.
    over: Mutex<CallsOver>,
    ended: Notify,
    /// Numbers the calls of this process.
    calls: AtomicU64,
    clock: Arc<dyn Clock>,
}

/// Calls of this process that no longer go on, while the record may still hold them as in flight.
#[derive(Default)]
struct CallsOver {
    /// They were sent, or may have been.
    ended: Vec<(u64, Arc<QuotaClaim>)>,
    /// They were never sent: writing down that they began has failed, or only making it durable.
    unsent: Vec<u64>,
}

impl CallsOver {
    fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.unsent.is_empty()
    }

    /// Takes them out of the windows. Of the unsent it keeps those that the windows held: only when
    /// these windows are written down are they gone.
    fn leave(&mut self, windows: &mut QuotaWindows, context: WindowContext<'_>) {
        for (call, claim) in &self.ended {
            windows.end(context, *call, claim);
        }
        self.unsent.retain(|call| windows.take_back(context, *call));
    }

    fn append(&mut self, mut other: Self) {
        self.ended.append(&mut other.ended);
        self.unsent.append(&mut other.unsent);
    }
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

    /// Windows that everybody shares who uses the same records and one of these systems, which all
    /// reach one account. They are recorded under the first system that has a record, else under
    /// `system`: so another system of the account can join the configuration, and no call is
    /// forgotten. Calls in the records of the others are taken in: each had the account alone
    /// before.
    pub fn shared_by(
        clock: Arc<dyn Clock>,
        records: &Arc<dyn CallRecords>,
        system: &str,
        others: &[&str],
    ) -> io::Result<Arc<Self>> {
        let mut recorded = Vec::new();
        for name in std::iter::once(&system).chain(others) {
            if records.has_calls(name)? {
                recorded.push(*name);
            }
        }
        let mut recorded = recorded.into_iter();
        let account = recorded.next().unwrap_or(system);
        let gate = Self::shared(clock, Arc::clone(records), account)?;
        for other in recorded {
            gate.take_in(Arc::clone(records), other)?;
        }
        Ok(gate)
    }

    /// Counts the calls in the record of `other` here, and no longer there. A crash in between
    /// counts them twice, which is too strict and never too lenient.
    fn take_in(&self, records: Arc<dyn CallRecords>, other: &str) -> io::Result<()> {
        let clock = self.clock.as_ref();
        let there = QuotaStorage::shared(records, other, clock)?;
        let found = there.update(clock, |windows, _| (windows.clone(), WindowChange::Nothing))?;
        if found.is_empty() {
            return Ok(());
        }
        let calls = found.clone();
        self.update(|windows, _| (windows.take_in(calls), WindowChange::Lasting))?;
        there.update(clock, |windows, _| {
            let is_taken = windows.is_as(&found);
            if is_taken {
                windows.empty();
            }
            ((), if is_taken { WindowChange::Lasting } else { WindowChange::Nothing })
        })
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
        let (over, ended, calls) = (Mutex::default(), Notify::new(), AtomicU64::new(0));
        Arc::new(Self { storage, over, ended, calls, clock })
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
        let mut has_begun = false;
        let next = self.update(|windows, context| {
            let next = windows.try_begin(context, call, &claim);
            has_begun = next == Admission::Begun;
            let change = match next {
                Admission::Begun if windows.must_last(&claim) => WindowChange::Lasting,
                Admission::Begun => WindowChange::Some,
                Admission::AfterMs(_) | Admission::OnEnd { .. } => WindowChange::Nothing,
            };
            (next, change)
        });
        if next.is_err() && has_begun {
            // Nobody sends it, but the record may hold it as in flight.
            self.over().unsent.push(call);
            self.write_calls_over();
        }
        Ok(match next? {
            Admission::Begun => GateTurn::Go(CallPermit { gate: self, claim, call }),
            wait => GateTurn::Wait(wait),
        })
    }

    fn over(&self) -> MutexGuard<'_, CallsOver> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down which calls no longer go on.
    fn write_calls_over(&self) {
        if let Err(error) = self.update(|_, _| ((), WindowChange::Nothing)) {
            // It stays noted here; the next look writes it down or fails and sends nothing.
            tracing::warn!(%error, "the end of a call cannot be written down");
        }
    }

    fn update<T>(
        &self,
        work: impl FnOnce(&mut QuotaWindows, WindowContext<'_>) -> (T, WindowChange),
    ) -> io::Result<T> {
        let mut over = std::mem::take(&mut *self.over());
        let were_some = !over.is_empty();
        let outcome = self.storage.update(self.clock.as_ref(), |windows, context| {
            over.leave(windows, context);
            let (answer, change) = work(windows, context);
            let ended = change == WindowChange::Nothing && !over.is_empty();
            (answer, if ended { WindowChange::Some } else { change })
        });
        if were_some {
            if outcome.is_err() {
                self.over().append(over);
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
        self.gate.over().ended.push(ended);
        match (&self.gate.storage, Handle::try_current()) {
            (QuotaStorage::Shared(_), Ok(handle)) => {
                let gate = Arc::clone(&self.gate);
                handle.spawn_blocking(move || gate.write_calls_over());
            }
            _ => self.gate.write_calls_over(),
        }
    }
}
