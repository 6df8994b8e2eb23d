//! Plays ranges of seeds, counts broken promises, and tells the shortest story of one.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use renkei_blackbox::history::History;
use renkei_blackbox::judge::Violation;
use renkei_blackbox::play::play;
use renkei_blackbox::shrink::shrink;
use renkei_test_support::Promise;

use super::program::InProcess;
use super::wire::Wire;

/// One history in so many is played twice, and its hashes are compared.
const TWICE_EVERY: u64 = 50;
/// One history in so many is played on SQLite too.
const SQLITE_EVERY: u64 = 50;
/// Plays that shortening may take.
const SHRINK_PLAYS: u32 = 400;

/// Result of a range of seeds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    /// Histories played.
    pub(crate) histories: u64,
    /// Broken promises and how often.
    pub(crate) violations: BTreeMap<Promise, u64>,
    /// The failing seeds.
    pub(crate) seeds: BTreeMap<u64, Violation>,
}

/// Plays the seeds on so many threads. `go_on` hears after each history how many were played and
/// how many failed, and says whether to go on.
pub(crate) fn run(
    seeds: Range<u64>,
    threads: usize,
    go_on: impl Fn(u64, usize) -> bool + Sync,
) -> Summary {
    let summary = Mutex::new(Summary::default());
    let next = AtomicU64::new(seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let failing = once(seed, &History::draw(seed), true);
                    let Ok(mut summary) = summary.lock() else { return };
                    summary.histories += 1;
                    if let Some(failing) = failing {
                        *summary.violations.entry(failing.promise).or_default() += 1;
                        summary.seeds.insert(seed, failing);
                    }
                    if !go_on(summary.histories, summary.seeds.len()) {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    summary.into_inner().unwrap_or_default()
}

/// The shortest story of a seed that breaks the promise which the whole one breaks.
pub(crate) fn tell_shortest(seed: u64) -> Option<String> {
    Some(shortest(seed)?.0)
}

fn shortest(seed: u64) -> Option<(String, History)> {
    let history = History::draw(seed);
    let violation = once(seed, &history, true)?;
    let again = |shorter: &History| Ok(once(seed, shorter, false));
    let short = shrink(history.clone(), &violation, SHRINK_PLAYS, again);
    let (short, violation) = short.unwrap_or((history, violation));
    let mut story = format!("seed {seed} breaks `{}`: {}\n", violation.promise, violation.story);
    for (number, step) in short.steps.iter().enumerate() {
        story.push_str(&format!("  {}. {step:?}\n", number + 1));
    }
    Some((story, short))
}

/// The shortest story of a seed, with every request of it.
pub(crate) fn tell_in_full(seed: u64) -> String {
    let Some((story, history)) = shortest(seed) else { return String::new() };
    let wire = Rc::new(Wire::new(seed));
    wire.keep_lines();
    let program = InProcess::new(Rc::clone(&wire), false);
    // It is the requests that are wanted, however it ends.
    drop(play(&history, wire.systems(), program));
    format!("{story}{}", wire.lines().join("\n"))
}

/// Plays a history and, where its turn has come, once more.
fn once(seed: u64, history: &History, repeats: bool) -> Option<Violation> {
    let is_mirrored = seed % SQLITE_EVERY == 1;
    let (first, trace) = guarded(seed, history, is_mirrored);
    if repeats && first.is_none() && seed.is_multiple_of(TWICE_EVERY) {
        let (_, again) = guarded(seed, history, is_mirrored);
        if again != trace {
            let story = format!("one run has the hash {trace}, the next one {again}");
            return Some(Violation::new(Promise::Determinism, story));
        }
    }
    first
}

/// A panic of the engine is a broken promise, and not the end of the range.
fn guarded(seed: u64, history: &History, is_mirrored: bool) -> (Option<Violation>, String) {
    let played = catch_unwind(AssertUnwindSafe(|| played(seed, history, is_mirrored)));
    played.unwrap_or_else(|panic| {
        let story = panic_text(panic.as_ref());
        (Some(Violation::new(Promise::Panic, story)), String::new())
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let literal = || panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(literal).unwrap_or_default()
}

fn played(seed: u64, history: &History, is_mirrored: bool) -> (Option<Violation>, String) {
    let wire = Rc::new(Wire::new(seed));
    let program = InProcess::new(Rc::clone(&wire), is_mirrored);
    let failing = match play(history, wire.systems(), program) {
        Ok((violation, _)) => violation,
        Err(error) => Some(Violation::new(Promise::Judged, format!("{error:#}"))),
    };
    (failing, wire.trace())
}
