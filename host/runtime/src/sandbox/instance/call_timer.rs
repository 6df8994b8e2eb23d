//! The timer of a whole call, which stands still while the guest waits on purpose (`http.wait`).
//!
//! It measures real time, as the guest runs in real time; how long a wait takes is up to the host's
//! clock. A guest runs one call at a time, so one count of waits is enough.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

/// The time after which the timer looks again while the guest waits with almost no time left.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Shared by a guest's state, where waits begin and end, and the timer around its call.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallTimer(Arc<Mutex<TimedWaits>>);

#[derive(Debug, Default)]
struct TimedWaits {
    over: Duration,
    since: Option<Instant>,
    /// The call that is timed: its begin, what had been waited before it, and its limit.
    call: Option<(Instant, Duration, Duration)>,
}

/// A wait under way; it ends when this goes, also with a call that is cancelled.
pub(crate) struct PausedTimer(CallTimer);

impl Drop for PausedTimer {
    fn drop(&mut self) {
        let mut waits = self.0.waits();
        let last = waits.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        waits.over = waits.over.saturating_add(last);
    }
}

impl CallTimer {
    /// The guest waits from now on.
    pub(crate) fn wait(&self) -> PausedTimer {
        self.waits().since = Some(Instant::now());
        PausedTimer(self.clone())
    }

    /// Runs `call` to its end; nothing if it took longer than so many ms besides its waits.
    pub(crate) async fn bound<T>(&self, ms: u64, call: impl Future<Output = T>) -> Option<T> {
        let (began, before) = (Instant::now(), self.waited());
        let limit = Duration::from_millis(ms);
        self.waits().call = Some((began, before, limit));
        let mut call = pin!(call);
        let mut left = limit;
        loop {
            if let Ok(answer) = timeout(left, call.as_mut()).await {
                return Some(answer);
            }
            let waited = self.waited().saturating_sub(before);
            let worked = began.elapsed().saturating_sub(waited);
            left = limit.checked_sub(worked).filter(|left| !left.is_zero())?.max(LOOK_AGAIN);
        }
    }

    /// The time that is left to the call under way, ms; nothing between calls.
    pub(crate) fn left_ms(&self) -> u64 {
        let waited = self.waited();
        let Some((began, before, limit)) = self.waits().call else { return 0 };
        let worked = began.elapsed().saturating_sub(waited.saturating_sub(before));
        u64::try_from(limit.saturating_sub(worked).as_millis()).unwrap_or(u64::MAX)
    }

    fn waited(&self) -> Duration {
        let waits = self.waits();
        waits.over.saturating_add(waits.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn waits(&self) -> MutexGuard<'_, TimedWaits> {
        // Two times that belong to nothing else: usable whatever happened to another holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// Takes so many real ms.
    async fn pass(ms: u64) {
        timeout(Duration::from_millis(ms), pending::<()>()).await.ok();
    }

    #[tokio::test]
    async fn waits_do_not_count() {
        let timer = CallTimer::default();
        let call = async {
            for _ in 0..3 {
                let _waiting = timer.wait();
                pass(40).await;
            }
            "done"
        };
        assert_eq!(timer.bound(60, call).await, Some("done"));
        assert!(timer.waited() >= Duration::from_millis(120));
    }

    #[tokio::test]
    async fn earlier_waits_buy_nothing() {
        let timer = CallTimer::default();
        drop(timer.wait());
        timer.waits().over = Duration::from_secs(3600);
        assert_eq!(timer.bound(20, pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn time_beside_waits_is_bounded() {
        let timer = CallTimer::default();
        let call = async {
            let waiting = timer.wait();
            pass(50).await;
            drop(waiting);
            pending::<()>().await;
        };
        let began = Instant::now();
        assert_eq!(timer.bound(30, call).await, None);
        assert!(began.elapsed() >= Duration::from_millis(80));
    }
}
