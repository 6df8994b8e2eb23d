//! Random histories of people in two to four systems whose behaviour is drawn too, each judged
//! from outside.
//!
//! A history is drawn from its seed as a list of steps, then played. So steps can be taken away
//! from one that fails, until the shortest story is left.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use draw::draw;
use judge::{Finding, judge};
use ours::Ours;
use play::{Driver as _, Played, play};
use renkei_test_support::Promise;
use step::History;

use crate::world::Entry;

pub mod dice;
pub mod draw;
pub mod judge;
pub mod ours;
pub mod play;
pub mod shrink;
pub mod stage;
pub mod step;

/// One history in so many is played twice, and both must leave the same trace.
const TWICE: u64 = 50;
/// Seeds that a worker takes at a time.
const SLICE: u64 = 64;

/// Result of a range of seeds.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    pub histories: u64,
    /// Number of histories that broke each promise.
    pub violations: BTreeMap<Promise, u64>,
    /// The seeds that did, lowest first; no more than [`SEEDS_MAX`].
    pub seeds: BTreeMap<u64, Vec<Promise>>,
}

/// Failing seeds that are remembered.
pub const SEEDS_MAX: usize = 1000;

/// Broken promises of the history, a panic included.
pub fn check(history: &History) -> Vec<Finding> {
    let checked = catch_unwind(AssertUnwindSafe(|| {
        let (played, ours) = play(history, Ours::new);
        let mut findings = judge(&played, &ours);
        if history.seed.is_multiple_of(TWICE) {
            let (again, our_own) = play(history, Ours::new);
            if hash_of(&played, &ours) != hash_of(&again, &our_own) {
                let text = "the same seed made another history".to_owned();
                findings.push(Finding { promise: Promise::Determinism, text });
            }
        }
        findings
    }));
    checked.unwrap_or_else(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        vec![Finding { promise: Promise::Panic, text: text.unwrap_or_default() }]
    })
}

fn hash_of(played: &Played, ours: &Ours) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", played.world.ledger).hash(&mut hasher);
    ours.trace().hash(&mut hasher);
    hasher.finish()
}

/// Plays every seed of the range on so many threads; `progress` hears how many are done
/// and how many failed. Stops
/// early where it answers false.
pub fn run(
    seeds: Range<u64>,
    knobs: &[&'static str],
    threads: usize,
    progress: impl Fn(u64, usize) -> bool + Sync,
) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new(Summary::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let from = next.fetch_add(SLICE, Ordering::Relaxed);
                    if from >= seeds.end {
                        return;
                    }
                    let part = run_slice(from..(from + SLICE).min(seeds.end), knobs);
                    let (done, failed) = add(&total, part);
                    if !progress(done, failed) {
                        next.store(seeds.end, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn run_slice(seeds: Range<u64>, knobs: &[&'static str]) -> Summary {
    let mut summary = Summary::default();
    for seed in seeds {
        summary.histories += 1;
        let mut promises: Vec<Promise> =
            check(&draw(seed, knobs)).iter().map(|finding| finding.promise).collect();
        promises.sort_unstable();
        promises.dedup();
        for promise in &promises {
            *summary.violations.entry(*promise).or_default() += 1;
        }
        if !promises.is_empty() {
            summary.seeds.insert(seed, promises);
        }
    }
    summary
}

fn add(total: &Mutex<Summary>, part: Summary) -> (u64, usize) {
    let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
    total.histories += part.histories;
    for (promise, count) in part.violations {
        *total.violations.entry(promise).or_default() += count;
    }
    total.seeds.extend(part.seeds);
    while total.seeds.len() > SEEDS_MAX {
        total.seeds.pop_last();
    }
    (total.histories, total.seeds.len())
}

/// The shortest story that breaks the same promise as this seed does, and how.
pub fn tell_shortest(seed: u64, knobs: &[&'static str]) -> Option<String> {
    let history = draw(seed, knobs);
    let promise = check(&history).first()?.promise;
    let breaks = |history: &History| check(history).iter().any(|f| f.promise == promise);
    let shortest = shrink::shrink(&history, breaks);
    Some(format!("{shortest}\n{}\n", lines_of(&check(&shortest))))
}

fn lines_of(findings: &[Finding]) -> String {
    let lines = findings.iter().map(|finding| format!("{}: {}", finding.promise, finding.text));
    lines.collect::<Vec<_>>().join("\n")
}

/// The shortest story of a seed with everything that happened in it: each change of the world and
/// each line of the journal, by time. The history as it was drawn where nothing is wrong with it.
pub fn tell_in_full(seed: u64, knobs: &[&'static str]) -> String {
    let mut history = draw(seed, knobs);
    if let Some(finding) = check(&history).first() {
        let promise = finding.promise;
        let breaks = |history: &History| check(history).iter().any(|f| f.promise == promise);
        history = shrink::shrink(&history, breaks);
    }
    let (played, mut ours) = play(&history, Ours::new);
    let changes = played.world.ledger.iter().map(|entry| {
        let Entry { who, place, id, column, before, after, created, .. } = entry;
        let what = column.as_deref().unwrap_or("(deleted)");
        let new = if *created { " new" } else { "" };
        let text =
            format!("{who:?}{new} {}.{} {id} {what}: {before:?} -> {after:?}", place.0, place.1);
        (entry.at_ms, text)
    });
    let mut lines: Vec<(i64, String)> = changes.chain(ours.journal()).collect();
    lines.sort_by_key(|(at_ms, _)| *at_ms);
    lines.extend(ours.reviews().into_iter().map(|text| (i64::MAX, text)));
    lines.extend(ours.held_back().into_iter().map(|text| (i64::MAX, text)));
    let lines: Vec<String> =
        lines.into_iter().map(|(at_ms, text)| format!("{at_ms:>8} {text}")).collect();
    format!("{history}\n{}\n{}\n", lines.join("\n"), lines_of(&check(&history)))
}
