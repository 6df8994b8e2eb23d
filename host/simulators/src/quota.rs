//! Quota windows: rolling ones that remember each request, and daily ones that reset at midnight.
//!
//! A refused request does not use the window up, as no vendor documents that it would.

use std::collections::VecDeque;

const DAY_MS: i64 = 86_400_000;

/// At most `limit` requests in any `window_ms`.
#[derive(Debug)]
pub struct RollingWindow {
    window_ms: i64,
    taken_at_ms: VecDeque<i64>,
}

impl RollingWindow {
    /// An unused window of `window_ms`.
    pub fn new(window_ms: i64) -> Self {
        Self { window_ms, taken_at_ms: VecDeque::new() }
    }

    /// Takes one request and returns how many remain, or `None` when the window is full.
    pub fn admit(&mut self, now_ms: i64, limit: u32) -> Option<u32> {
        while self.taken_at_ms.front().is_some_and(|&at_ms| at_ms <= now_ms - self.window_ms) {
            self.taken_at_ms.pop_front();
        }
        let used = u32::try_from(self.taken_at_ms.len()).unwrap_or(u32::MAX);
        let remaining = limit.checked_sub(used + 1)?;
        self.taken_at_ms.push_back(now_ms);
        Some(remaining)
    }
}

/// At most `limit` requests per day of a time zone `offset_ms` east of UTC.
#[derive(Debug)]
pub struct DailyWindow {
    offset_ms: i64,
    day: i64,
    used: u32,
}

impl DailyWindow {
    /// A day in a time zone `offset_ms` east of UTC, unused.
    pub fn new(offset_ms: i64) -> Self {
        Self { offset_ms, day: 0, used: 0 }
    }

    /// Lets days end at midnight of another time zone.
    pub fn set_zone(&mut self, offset_ms: i64) {
        self.offset_ms = offset_ms;
    }

    /// Takes one request and returns how many remain today, or `None` when the day is used up.
    pub fn admit(&mut self, now_ms: i64, limit: u32) -> Option<u32> {
        let day = (now_ms + self.offset_ms).div_euclid(DAY_MS);
        if day != self.day {
            self.day = day;
            self.used = 0;
        }
        let remaining = limit.checked_sub(self.used + 1)?;
        self.used += 1;
        Some(remaining)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_window_frees_a_slot_when_the_oldest_leaves() {
        let mut window = RollingWindow::new(1_000);
        assert_eq!(window.admit(0, 2), Some(1));
        assert_eq!(window.admit(500, 2), Some(0));
        assert_eq!(window.admit(999, 2), None);
        assert_eq!(window.admit(1_000, 2), Some(0));
    }

    #[test]
    fn a_day_ends_at_local_midnight() {
        let mut day = DailyWindow::new(9 * 3_600_000);
        let before_midnight_in_tokyo = 15 * 3_600_000 - 1;
        assert_eq!(day.admit(before_midnight_in_tokyo, 1), Some(0));
        assert_eq!(day.admit(before_midnight_in_tokyo, 1), None);
        assert_eq!(day.admit(before_midnight_in_tokyo + 1, 1), Some(0));
    }
}
