//! Call quotas of a system, kept before sending and shared by all its jobs.
//!
//! [`Windows`] is pure. A server counts arrivals, which lie somewhere between our sending and our
//! receiving; so a slot of a window is taken when a call is sent and free again only `per_ms` after
//! the call has *ended*. Whatever the network does in between, no window of the server sees more
//! than `calls`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use renkei_package::Quota;
use renkei_sync::ports::Clock;
use tokio::sync::Notify;

use super::Failure;

/// Added to each window for the granularity of the two clocks.
const MARGIN_MS: i64 = 10;

/// The quota that every request uses.
const EVERY: &str = "all";

/// When the next call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Now,
    AfterMs(u64),
    /// When a call in flight has ended.
    OnEnd,
}

/// The calls of one system that its windows still remember.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    uses: BTreeMap<String, Uses>,
    in_flight: u32,
}

#[derive(Debug, Default)]
struct Uses {
    in_flight: usize,
    /// When past calls ended, ascending.
    ended: VecDeque<i64>,
}

impl Windows {
    /// When a call that uses `names` may go under `quotas` and `concurrent`.
    pub(crate) fn next(
        &self,
        now_ms: i64,
        names: &[String],
        quotas: &[Quota],
        concurrent: u32,
    ) -> Next {
        if self.in_flight >= concurrent {
            return Next::OnEnd;
        }
        let mut wait = 0;
        for quota in quotas.iter().filter(|quota| names.contains(&quota.name)) {
            let Some(uses) = self.uses.get(&quota.name) else { continue };
            let calls = usize::try_from(quota.calls).unwrap_or(usize::MAX);
            let length = i64::try_from(quota.per_ms).unwrap_or(i64::MAX).saturating_add(MARGIN_MS);
            let past = uses.ended.partition_point(|ended| ended.saturating_add(length) <= now_ms);
            let recent = uses.ended.len() - past;
            let Some(over) = (recent + uses.in_flight + 1).checked_sub(calls + 1) else { continue };
            match uses.ended.get(past + over) {
                Some(ended) => wait = wait.max(ended.saturating_add(length) - now_ms),
                None => return Next::OnEnd,
            }
        }
        match u64::try_from(wait) {
            Ok(0) | Err(_) => Next::Now,
            Ok(ms) => Next::AfterMs(ms),
        }
    }

    /// A call that uses `names` goes.
    pub(crate) fn begin(&mut self, names: &[String]) {
        self.in_flight += 1;
        for name in names {
            self.uses.entry(name.clone()).or_default().in_flight += 1;
        }
    }

    /// It has ended, with an answer or without.
    pub(crate) fn end(&mut self, now_ms: i64, names: &[String], quotas: &[Quota]) {
        self.in_flight = self.in_flight.saturating_sub(1);
        for name in names {
            let uses = self.uses.entry(name.clone()).or_default();
            uses.in_flight = uses.in_flight.saturating_sub(1);
            // A clock that was set back must not unsort the times.
            let ended = uses.ended.back().copied().map_or(now_ms, |last| last.max(now_ms));
            uses.ended.push_back(ended);
            let longest = quotas.iter().filter(|quota| quota.name == *name).map(|q| q.per_ms).max();
            let longest = i64::try_from(longest.unwrap_or(0)).unwrap_or(i64::MAX);
            while uses.ended.front().is_some_and(|first| {
                first.saturating_add(longest).saturating_add(MARGIN_MS) <= now_ms
            }) {
                uses.ended.pop_front();
            }
        }
    }
}

/// The windows of one system with those who wait for them.
pub(crate) struct Gate {
    windows: Mutex<Windows>,
    ended: Notify,
    clock: Arc<dyn Clock>,
}

impl Gate {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { windows: Mutex::default(), ended: Notify::new(), clock }
    }

    /// Waits for its turn; [`Failure::Quota`] if that is more than `most_ms` away.
    pub(crate) async fn pass<'a>(
        &'a self,
        named: &[String],
        quotas: &'a [Quota],
        concurrent: u32,
        most_ms: u64,
    ) -> Result<Pass<'a>, Failure> {
        let mut names = vec![EVERY.to_owned()];
        names.extend(named.iter().filter(|name| *name != EVERY).cloned());
        names.sort();
        names.dedup();
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let next = {
                let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
                let next = windows.next(self.clock.now_ms(), &names, quotas, concurrent);
                if next == Next::Now {
                    windows.begin(&names);
                }
                next
            };
            match next {
                Next::Now => return Ok(Pass { gate: self, names, quotas }),
                Next::AfterMs(ms) if ms > most_ms => return Err(Failure::Quota(ms)),
                Next::AfterMs(ms) => self.clock.sleep_ms(ms).await,
                Next::OnEnd => ended.await,
            }
        }
    }
}

/// The right to send one request; dropped when it has ended, also when it was cancelled.
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    names: Vec<String>,
    quotas: &'a [Quota],
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let now_ms = self.gate.clock.now_ms();
        self.gate.windows.lock().unwrap_or_else(PoisonError::into_inner).end(
            now_ms,
            &self.names,
            self.quotas,
        );
        self.gate.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(name: &str, calls: u32, per_ms: u64) -> Quota {
        Quota { name: name.to_owned(), calls, per_ms }
    }

    fn all() -> Vec<String> {
        vec![EVERY.to_owned()]
    }

    #[test]
    fn a_slot_is_free_a_window_after_the_call_ended() {
        let quotas = [quota(EVERY, 2, 1_000)];
        let mut windows = Windows::default();
        windows.begin(&all());
        windows.begin(&all());
        assert_eq!(windows.next(0, &all(), &quotas, 8), Next::OnEnd);
        windows.end(500, &all(), &quotas);
        windows.end(700, &all(), &quotas);
        assert_eq!(windows.next(700, &all(), &quotas, 8), Next::AfterMs(810));
        assert_eq!(windows.next(1_510, &all(), &quotas, 8), Next::Now);
        windows.begin(&all());
        assert_eq!(windows.next(1_510, &all(), &quotas, 8), Next::AfterMs(200));
    }

    #[test]
    fn the_strictest_of_several_windows_decides() {
        let quotas = [quota(EVERY, 10, 1_000), quota(EVERY, 3, 60_000), quota("search", 1, 4_000)];
        let mut windows = Windows::default();
        let search = [EVERY.to_owned(), "search".to_owned()];
        windows.begin(&search);
        windows.end(0, &search, &quotas);
        assert_eq!(windows.next(0, &all(), &quotas, 8), Next::Now);
        assert_eq!(windows.next(0, &search, &quotas, 8), Next::AfterMs(4_010));
        for _ in 0..2 {
            windows.begin(&all());
            windows.end(10, &all(), &quotas);
        }
        assert_eq!(windows.next(10, &all(), &quotas, 8), Next::AfterMs(60_000));
    }

    #[test]
    fn concurrency_is_bounded() {
        let mut windows = Windows::default();
        windows.begin(&all());
        assert_eq!(windows.next(0, &all(), &[], 1), Next::OnEnd);
        windows.end(0, &all(), &[]);
        assert_eq!(windows.next(0, &all(), &[], 1), Next::Now);
    }
}
