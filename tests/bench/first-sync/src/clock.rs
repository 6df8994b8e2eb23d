//! Time for one sync: a clock that runs faster than time, and what a process took. With
//! `timing.rs` of the bench the only reader of clocks here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use renkei_model::ports::Clock;

/// Of `/proc`, on every Linux that there is.
const TICKS_PER_SECOND: u64 = 100;

/// A clock that runs faster than time; two processes with the same origin and speed agree on it.
#[derive(Debug)]
pub struct Fast {
    origin_ms: i64,
    speed: f64,
}

impl Fast {
    /// So many times as fast since then, ms since 1970.
    pub fn new(origin_ms: i64, speed: f64) -> Self {
        Self { origin_ms, speed }
    }

    /// Blocks the thread for so many of its ms.
    pub fn block(&self, ms: u64) {
        std::thread::sleep(self.real(ms));
    }

    fn real(&self, ms: u64) -> Duration {
        Duration::from_secs_f64(ms as f64 / 1000.0 / self.speed)
    }
}

#[async_trait]
impl Clock for Fast {
    fn now_ms(&self) -> i64 {
        self.origin_ms + ((real_now_ms() - self.origin_ms) as f64 * self.speed) as i64
    }

    #[expect(clippy::disallowed_methods, reason = "a clock of the bench")]
    async fn sleep_ms(&self, ms: u64) {
        tokio::time::sleep(self.real(ms)).await;
    }
}

/// Real time in ms since 1970.
pub fn real_now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "a clock of the bench")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Processor time of this process so far, threads that have ended among it.
pub(crate) fn process_cpu() -> Option<Duration> {
    // User and system time are fields 14 and 15; the second, which may hold spaces, ends with `)`.
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = ticks.next()?.ok()? + ticks.next()?.ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_is_ahead() {
        let origin_ms = real_now_ms() - 1_000;
        assert!(Fast::new(origin_ms, 1000.0).now_ms() >= origin_ms + 1_000_000);
        assert!(process_cpu().is_some());
    }
}
