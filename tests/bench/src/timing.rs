//! The only reader of the clock here: time on the wall, time on the processor, medians, load.
//!
//! Processor time is what other programs on the machine disturb least; it comes from the kernel's
//! account of the calling thread (`/proc/thread-self/schedstat`, brought up to date a few hundred
//! times per second, so a run should take a tenth of a second or more).

use std::path::Path;
use std::time::{Duration, Instant};

/// Time of a piece of work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// On the wall.
    pub(crate) wall: Duration,
    /// On the processor, by the calling thread; the wall's where the kernel keeps no account.
    pub(crate) cpu: Duration,
    /// On the processor, by all threads of the process that live before and after; likewise.
    pub(crate) all: Duration,
}

/// Does some work and says what it took.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this module is for")]
pub(crate) fn spend<T>(work: impl FnOnce() -> T) -> (T, Spent) {
    let (before, all_before, start) = (thread_cpu(), process_cpu(), Instant::now());
    let done = work();
    let wall = start.elapsed();
    let since = |before: Option<Duration>, after: Option<Duration>| {
        before.zip(after).map_or(wall, |(before, after)| after.saturating_sub(before))
    };
    let (cpu, all) = (since(before, thread_cpu()), since(all_before, process_cpu()));
    (done, Spent { wall, cpu, all })
}

/// Awaits some work and says what it took on the wall.
#[expect(clippy::disallowed_methods, reason = "measuring time is what this module is for")]
pub(crate) async fn spend_async<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let done = work.await;
    (done, start.elapsed())
}

fn thread_cpu() -> Option<Duration> {
    account(Path::new("/proc/thread-self"))
}

fn process_cpu() -> Option<Duration> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    threads.map(|thread| account(&thread.ok()?.path())).sum()
}

fn account(thread: &Path) -> Option<Duration> {
    let text = std::fs::read_to_string(thread.join("schedstat")).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// The one-minute load average of the machine; negative where it cannot be read.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(-1.0)
}

/// The median; of an even number, the upper one of the two in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn work_takes_time_and_gives_its_result() {
        let (sum, spent) = spend(|| (0..1_000_000u64).map(std::hint::black_box).sum::<u64>());
        assert_eq!(sum, 499_999_500_000);
        assert!(spent.wall > Duration::ZERO);
    }
}
