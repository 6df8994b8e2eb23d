//! Virtual time of a simulator: the only place in this crate that reads the real time.
//!
//! A manual clock moves only by [`SimClock::advance`], so unit tests need no sleep. A scaled clock
//! runs `speed` times as fast as the real one, so a demo passes 20 s of search lag in a moment;
//! a host that uses the same origin and speed sees the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// A shared clock in milliseconds since the Unix epoch; clones see the same time.
#[derive(Clone, Debug)]
pub struct SimClock {
    source: Arc<TimeSource>,
    /// Offset of this system's clock from the shared one.
    offset_ms: Arc<AtomicI64>,
}

#[derive(Debug)]
enum TimeSource {
    Manual(AtomicI64),
    Scaled { origin_ms: i64, speed: f64 },
}

impl SimClock {
    /// A clock that stands at `start_ms` until advanced.
    pub fn manual(start_ms: i64) -> Self {
        Self::of_source(TimeSource::Manual(AtomicI64::new(start_ms)))
    }

    /// Virtual time `origin_ms + (real - origin_ms) * speed`.
    pub fn scaled(origin_ms: i64, speed: f64) -> Self {
        Self::of_source(TimeSource::Scaled { origin_ms, speed })
    }

    fn of_source(source: TimeSource) -> Self {
        Self { source: Arc::new(source), offset_ms: Arc::default() }
    }

    /// A clock of the same time with an offset of its own.
    pub fn own(&self) -> Self {
        let offset_ms = AtomicI64::new(self.offset_ms.load(Ordering::SeqCst));
        Self { source: Arc::clone(&self.source), offset_ms: Arc::new(offset_ms) }
    }

    /// Puts this clock and its clones ahead of the shared time, or behind it.
    pub fn set_offset(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::SeqCst);
    }

    /// The real time, unscaled.
    pub fn real() -> Self {
        Self::scaled(0, 1.0)
    }

    /// Virtual milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        let now_ms = match &*self.source {
            TimeSource::Manual(now_ms) => now_ms.load(Ordering::SeqCst),
            TimeSource::Scaled { origin_ms, speed } => {
                origin_ms + ((real_now_ms() - origin_ms) as f64 * speed) as i64
            }
        };
        now_ms + self.offset_ms.load(Ordering::SeqCst)
    }

    /// Moves a manual clock forward; returns false for a scaled one, which nobody moves.
    pub fn advance(&self, by_ms: i64) -> bool {
        match &*self.source {
            TimeSource::Manual(now_ms) => {
                now_ms.fetch_add(by_ms, Ordering::SeqCst);
                true
            }
            TimeSource::Scaled { .. } => false,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this module is the simulators' owner of time")]
fn real_now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = SimClock::manual(5);
        let seen_elsewhere = clock.clone();
        assert!(clock.advance(10));
        assert_eq!(seen_elsewhere.now_ms(), 15);
    }

    #[test]
    fn a_clock_of_ones_own_is_ahead_alone() {
        let clock = SimClock::manual(5);
        let own = clock.own();
        own.set_offset(-3);
        clock.advance(10);
        assert_eq!((clock.now_ms(), own.now_ms()), (15, 12));
    }

    #[test]
    fn a_scaled_clock_runs_ahead_of_its_origin() {
        let real_ms = SimClock::real().now_ms();
        let origin_ms = real_ms - 1_000;
        let clock = SimClock::scaled(origin_ms, 60.0);
        assert!(clock.now_ms() >= origin_ms + 60_000);
        assert!(!clock.advance(1));
    }
}
