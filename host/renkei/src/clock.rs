//! The program's clock: real time, or a faster one for the demo, for trials, and the simulators
//! beside it.
//!
//! A faster clock reads `origin + (now - origin) * speed`. Two processes with the same origin and
//! speed agree on the time, so the demo's host waits out a simulator's quota windows in a fraction
//! of a second and still never exceeds them.

use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use renkei_model::ports::Clock;

/// A clock that counts real time, or runs faster since an origin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock {
    origin_ms: i64,
    speed: f64,
}

/// The clock of a trial on simulators, where the command line names one.
static TRIAL: OnceLock<SystemClock> = OnceLock::new();

impl SystemClock {
    /// The clock of this process: real time, or the trial's.
    pub(crate) fn program() -> Self {
        TRIAL.get().copied().unwrap_or(Self { origin_ms: 0, speed: 1.0 })
    }

    /// Makes this the clock of the process; the first call counts.
    pub(crate) fn start_trial(self) {
        TRIAL.get_or_init(|| self);
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

impl std::str::FromStr for SystemClock {
    type Err = String;

    /// Reads `ORIGIN_MS:SPEED`.
    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}`: expected ORIGIN_MS:SPEED, such as 1790000000000:30");
        let (origin, speed) = text.split_once(':').ok_or_else(malformed)?;
        let origin_ms = origin.parse().map_err(|_| malformed())?;
        let speed = speed.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
        Ok(Self::scaled(origin_ms, speed.ok_or_else(malformed)?))
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
