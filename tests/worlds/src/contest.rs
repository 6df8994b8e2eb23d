//! Our engine beside the loops that people write instead, on the same histories.
//!
//! Every engine works over the same ports, and the same judge looks at what it left behind.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use loops::{Loop, Pattern};
use renkei_test_support::Promise;
use strum::EnumCount;

use crate::histories::draw::draw;
use crate::histories::judge::judge;
use crate::histories::ours::Ours;
use crate::histories::play::{Driver, Played, play};
use crate::histories::step::History;

pub mod loops;

/// Everybody who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumCount)]
pub enum Contestant {
    /// Our engine.
    Ours,
    /// The record that was changed last is copied whole over the others.
    LastWriter,
    /// Whatever the integration user changed is ignored, everything else is copied.
    IgnoresOwn,
}

impl Contestant {
    /// All of them, in the order of the table.
    pub const ALL: [Self; Self::COUNT] = [Self::Ours, Self::LastWriter, Self::IgnoresOwn];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "renkei",
            Self::LastWriter => "last writer wins",
            Self::IgnoresOwn => "drop integration user",
        }
    }
}

/// Result of one of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Score {
    pub histories: u64,
    /// Number of times that each promise was broken.
    pub broken: BTreeMap<Promise, u64>,
    pub writes: u64,
    pub calls: u64,
}

/// The columns of the table: the promise and its title.
pub const COLUMNS: [(Promise, &str); 5] = [
    (Promise::LostEdit, "lost_edits"),
    (Promise::ReturnedValue, "returned_values"),
    (Promise::Duplicate, "duplicates"),
    (Promise::MissedDeletion, "missed_deletions"),
    (Promise::UnwantedDeletion, "unwanted_deletions"),
];

impl Score {
    fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.writes += other.writes;
        self.calls += other.calls;
        for (promise, count) in other.broken {
            *self.broken.entry(promise).or_default() += count;
        }
    }
}

/// Plays so many histories from a seed on, with all contestants.
pub fn hold(
    seed: u64,
    histories: u64,
    knobs: &[&'static str],
    threads: usize,
    progress: impl Fn(u64) + Sync,
) -> BTreeMap<Contestant, Score> {
    let next = AtomicU64::new(0);
    let scores = Mutex::new(BTreeMap::<Contestant, Score>::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= histories {
                        return;
                    }
                    let history = draw(seed + number, knobs);
                    let parts = Contestant::ALL.map(|who| (who, score(&history, who)));
                    let mut scores = scores.lock().unwrap_or_else(PoisonError::into_inner);
                    for (who, part) in parts {
                        scores.entry(who).or_default().add(part);
                    }
                    progress(number);
                }
            });
        }
    });
    scores.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn score(history: &History, who: Contestant) -> Score {
    let scored = catch_unwind(AssertUnwindSafe(|| match who {
        Contestant::Ours => count(play(history, Ours::new)),
        Contestant::LastWriter => {
            count(play(history, |shared, spec| Loop::new(shared, spec, Pattern::LastWriter)))
        }
        Contestant::IgnoresOwn => {
            count(play(history, |shared, spec| Loop::new(shared, spec, Pattern::IgnoresOwn)))
        }
    }));
    scored.unwrap_or_else(|_| {
        let broken = BTreeMap::from([(Promise::Panic, 1)]);
        Score { histories: 1, broken, ..Score::default() }
    })
}

fn count<D: Driver>((played, driver): (Played, D)) -> Score {
    let mut score = Score {
        histories: 1,
        writes: played.world.operations,
        calls: played.world.calls,
        ..Score::default()
    };
    for finding in judge(&played, &driver) {
        *score.broken.entry(finding.promise).or_default() += 1;
    }
    score
}
