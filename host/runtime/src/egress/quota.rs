//! Call quotas of an account, kept before sending and shared by all its jobs and processes.
//!
//! [`Gate`] waits; when a call may go is decided by `windows`, which is pure; `book` keeps the
//! windows in memory or, for all processes of a data directory, in a file of `slots`. Where a file
//! is involved the work is done on a blocking thread: it takes some tens of µs, but now and then it
//! waits for a disk or for another process. What cannot be written down is not sent.

mod book;
mod slots;
mod windows;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use renkei_sync::ports::Clock;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::Failure;
use book::{Book, Change};
pub(crate) use windows::Claim;
use windows::{Next, Scene, Windows};

/// How often a call that waits for the end of another process's call looks again.
const LOOK_AGAIN_MS: u64 = 20;

/// The windows of one account with those who wait for them.
pub(crate) struct Gate {
    book: Book,
    /// Ended calls that are not yet written down.
    done: Mutex<Vec<(u64, Arc<Claim>)>>,
    ended: Notify,
    /// Numbers the calls of this process.
    calls: AtomicU64,
    clock: Arc<dyn Clock>,
}

/// What a look at the windows gave.
enum Turn {
    Go(Pass),
    Wait(Next),
}

impl Gate {
    /// Windows that only this value knows.
    pub(crate) fn alone(clock: Arc<dyn Clock>) -> Arc<Self> {
        Self::of(Book::alone(), clock)
    }

    /// Windows that everybody shares who names the same folder and account.
    pub(crate) fn shared(
        clock: Arc<dyn Clock>,
        folder: &Path,
        account: &str,
    ) -> io::Result<Arc<Self>> {
        Ok(Self::of(Book::shared(folder, account, clock.as_ref())?, clock))
    }

    /// The windows of an account that were kept there before; nothing is made where there are none.
    pub(crate) fn kept(
        clock: Arc<dyn Clock>,
        folder: &Path,
        account: &str,
    ) -> io::Result<Option<Arc<Self>>> {
        let is_kept = book::is_kept(folder, account);
        is_kept.then(|| Self::shared(clock, folder, account)).transpose()
    }

    fn of(book: Book, clock: Arc<dyn Clock>) -> Arc<Self> {
        let (done, ended, calls) = (Mutex::default(), Notify::new(), AtomicU64::new(0));
        Arc::new(Self { book, done, ended, calls, clock })
    }

    /// Waits for its turn; [`Failure::Quota`] if that is more than `most_ms` away.
    pub(crate) async fn pass(
        self: &Arc<Self>,
        claim: &Arc<Claim>,
        most_ms: u64,
    ) -> Result<Pass, Failure> {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let (gate, wanted) = (Arc::clone(self), Arc::clone(claim));
            match self.work(move || gate.turn(wanted)).await? {
                Turn::Go(pass) => return Ok(pass),
                Turn::Wait(Next::AfterMs(ms)) if ms > most_ms => return Err(Failure::Quota(ms)),
                Turn::Wait(Next::AfterMs(ms)) => self.clock.sleep_ms(ms).await,
                Turn::Wait(Next::OnEnd { elsewhere: true }) => {
                    tokio::select! {
                        () = ended => {}
                        () = self.clock.sleep_ms(LOOK_AGAIN_MS) => {}
                    }
                }
                Turn::Wait(_) => ended.await,
            }
        }
    }

    /// The server wants no calls like this one for `ms`: nobody sends one. Whether it wanted some
    /// until now.
    pub(crate) async fn hold(
        self: &Arc<Self>,
        claim: &Arc<Claim>,
        ms: u64,
    ) -> Result<bool, Failure> {
        let (gate, claim) = (Arc::clone(self), Arc::clone(claim));
        let hold = move |windows: &mut Windows, scene: Scene<'_>| {
            (windows.hold(scene.now_ms, ms, &claim), Change::Some)
        };
        self.work(move || gate.update(hold)).await
    }

    /// Until when the server wants no calls of some kind.
    pub(crate) async fn held_until_ms(self: &Arc<Self>) -> Result<Option<i64>, Failure> {
        let gate = Arc::clone(self);
        let look = |windows: &mut Windows, scene: Scene<'_>| {
            (windows.held_until_ms(scene.now_ms), Change::Nothing)
        };
        self.work(move || gate.update(look)).await
    }

    /// Whatever the server said about time holds no longer: an admin wants it asked again.
    pub(crate) async fn lift(self: &Arc<Self>) -> Result<(), Failure> {
        let gate = Arc::clone(self);
        let lift = |windows: &mut Windows, _: Scene<'_>| {
            windows.lift();
            ((), Change::Some)
        };
        self.work(move || gate.update(lift)).await?;
        self.ended.notify_waiters();
        Ok(())
    }

    /// Runs `work` where it may block if it may.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let outcome = match self.book {
            Book::Alone(_) => work(),
            Book::Shared(_) => match tokio::task::spawn_blocking(work).await {
                Ok(outcome) => outcome,
                Err(error) => Err(io::Error::other(error)),
            },
        };
        outcome.map_err(|error| {
            tracing::error!(%error, "the record of calls cannot be kept; nothing is sent");
            Failure::NoAnswer(format!("not sent: the record of calls cannot be kept: {error}"))
        })
    }

    /// A call that has begun becomes a pass at once: if nobody waits for it any more, dropping it
    /// ends the call.
    fn turn(self: Arc<Self>, claim: Arc<Claim>) -> io::Result<Turn> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let next = self.update(|windows, scene| {
            let next = windows.try_begin(scene, call, &claim);
            let change = match next {
                Next::Begun if windows.must_last(&claim) => Change::Lasting,
                Next::Begun => Change::Some,
                Next::AfterMs(_) | Next::OnEnd { .. } => Change::Nothing,
            };
            (next, change)
        })?;
        Ok(match next {
            Next::Begun => Turn::Go(Pass { gate: self, claim, call }),
            wait => Turn::Wait(wait),
        })
    }

    /// Writes down what has ended.
    fn settle(&self) {
        if let Err(error) = self.update(|_, _| ((), Change::Nothing)) {
            // It stays noted here; the next look writes it down or fails and sends nothing.
            tracing::warn!(%error, "the end of a call cannot be written down");
        }
    }

    fn update<T>(
        &self,
        work: impl FnOnce(&mut Windows, Scene<'_>) -> (T, Change),
    ) -> io::Result<T> {
        let mut done =
            std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        let outcome = self.book.update(self.clock.as_ref(), |windows, scene| {
            for (call, claim) in &done {
                windows.end(scene, *call, claim);
            }
            let (answer, change) = work(windows, scene);
            let ended = change == Change::Nothing && !done.is_empty();
            (answer, if ended { Change::Some } else { change })
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

/// The right to send one request; dropped when it has ended, also when it was cancelled.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    claim: Arc<Claim>,
    call: u64,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let ended = (self.call, Arc::clone(&self.claim));
        self.gate.done.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        match (&self.gate.book, Handle::try_current()) {
            (Book::Shared(_), Ok(handle)) => {
                let gate = Arc::clone(&self.gate);
                handle.spawn_blocking(move || gate.settle());
            }
            _ => self.gate.settle(),
        }
    }
}

#[cfg(test)]
mod tests;
