//! The program's clock: real time, or a faster one for the demo and the simulators beside it.
//!
//! A faster clock reads `origin + (now - origin) * speed`. Two processes with the same origin and
//! speed agree on the time, so the demo's host waits out a simulator's quota windows in a fraction
//! of a second and still never exceeds them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use renkei_sync::ports::Clock;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock {
    origin_ms: i64,
    speed: f64,
}

impl SystemClock {
    /// Real time.
    pub(crate) fn real() -> Self {
        Self { origin_ms: 0, speed: 1.0 }
    }

    /// A clock that runs `speed` times faster since `origin_ms` (ms since 1970).
    pub(crate) fn scaled(origin_ms: i64, speed: f64) -> Self {
        Self { origin_ms, speed }
    }

    /// Real time in ms since 1970, whatever the speed: the origin of a scaled clock.
    pub(crate) fn real_now_ms() -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the program's one clock")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let elapsed = Self::real_now_ms() - self.origin_ms;
        let scaled = (elapsed as f64 * self.speed) as i64;
        self.origin_ms + scaled
    }

    async fn sleep_ms(&self, ms: u64) {
        let real = Duration::from_secs_f64(ms as f64 / 1000.0 / self.speed);
        #[expect(clippy::disallowed_methods, reason = "the program's one clock")]
        tokio::time::sleep(real).await;
    }
}
