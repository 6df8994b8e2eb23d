//! A clock that tests move by hand.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use renkei_model::ports::Clock;

/// A clock that begins at a chosen moment and moves only when told: by `advance`, and by each
/// sleep, which ends at once. Default: it begins at 0.
#[derive(Debug, Default)]
pub struct HandClock(AtomicI64);

impl HandClock {
    /// A clock that shows `now_ms`.
    pub fn at(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Moves the clock on, or back where `ms` is negative.
    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves the clock by `ms` and lets other tasks go first.
    async fn sleep_ms(&self, ms: u64) {
        self.advance(i64::try_from(ms).expect("a test sleeps less than forever"));
        tokio::task::yield_now().await;
    }
}
