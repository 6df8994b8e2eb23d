//! One object of one system as a stream: its cursor and its sweep.
//!
//! A cursor follows changes; a sweep goes over everything once in a while and finds what cursors
//! missed. Both survive a restart at any page.

use serde::{Deserialize, Serialize};

use crate::spec::Meanings;

/// One object of one system, as a stream of changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// The system.
    pub system: String,
    /// The object.
    pub object: String,
}

/// The position from which reading a stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The connector's own bytes; `None` before the first page.
    pub position: Option<Vec<u8>>,
    /// The backfill is over and `changes` are read.
    pub backfilled: bool,
    /// The scan of the position has more pages. A cycle that finds it so goes on with a scan that
    /// an earlier cycle began (RULES.md P13).
    pub more: bool,
    /// [`crate::spec::MemberSpec::digest`] under which it was made.
    pub digest: String,
    /// The age that the rows of the last page may have, ms, where the connector names it.
    pub lag_ms: Option<i64>,
    /// The meanings of the fields when their values were read; those of fields that are not mapped
    /// now are kept. Empty in databases from before this entry.
    pub meanings: Meanings,
}

impl Cursor {
    /// Names of the fields whose values have another meaning now than when they were read.
    pub fn other<'a>(&self, now: &'a Meanings) -> Vec<&'a str> {
        let is_other = |(name, meaning): &(&String, &String)| {
            self.meanings.get(*name).is_some_and(|known| known != *meaning)
        };
        now.iter().filter(is_other).map(|(name, _)| name.as_str()).collect()
    }
}

/// The sweeps of a stream: the one under way, and the last one that was completed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sweep {
    /// Counts the sweeps of the stream. A record is marked with the round that has seen it; marks
    /// of earlier rounds mean nothing.
    pub round: u64,
    /// The progress of this round.
    pub stage: SweepStage,
    /// The time when this round began, ms. The next one is due an interval later.
    pub began_ms: i64,
    /// Counts of this round.
    pub counts: SweepCounts,
    /// The end of the last completed round, ms, with its counts.
    pub last: Option<(i64, SweepCounts)>,
}

/// The progress of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SweepStage {
    /// None is under way.
    #[default]
    Resting,
    /// Reading ids and versions; the connector's own bytes, `None` before the first page.
    Scanning(Option<Vec<u8>>),
    /// Everything was listed. Records that were not listed are asked for by id; those with ids up
    /// to this one are done.
    Asking(Option<String>),
}

/// Counts of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SweepCounts {
    /// Records that the system has listed.
    pub rows: u64,
    /// Records that had changed, appeared or gone without a word from the cursor; should be zero.
    pub missed: u64,
    /// Records that are neither listed nor answered.
    pub missing: u64,
}

impl Sweep {
    /// True if a round is under way or the next one should begin. A clock that was set back does
    /// not delay a sweep.
    pub fn is_due(&self, now_ms: i64, interval_ms: u64) -> bool {
        let interval_ms = i64::try_from(interval_ms).unwrap_or(i64::MAX);
        let next_ms = self.began_ms.saturating_add(interval_ms);
        self.stage != SweepStage::Resting || now_ms >= next_ms || now_ms < self.began_ms
    }

    /// The next round, from its beginning.
    #[must_use]
    pub fn next_round(&self, now_ms: i64) -> Self {
        Self {
            round: self.round + 1,
            stage: SweepStage::Scanning(None),
            began_ms: now_ms,
            counts: SweepCounts::default(),
            last: self.last,
        }
    }

    /// This round as a completed one.
    #[must_use]
    pub fn completed(&self, now_ms: i64) -> Self {
        let last = Some((now_ms, self.counts));
        Self { stage: SweepStage::Resting, last, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_is_due_when_its_interval_is_over_or_it_is_under_way() {
        let resting = Sweep { began_ms: 1000, ..Sweep::default() };
        assert!(!resting.is_due(1500, 1000));
        assert!(resting.is_due(2000, 1000));
        assert!(resting.is_due(500, 1000), "the clock was set back");
        assert!(resting.next_round(1500).is_due(1500, 1000));
        assert!(!resting.next_round(1500).completed(1600).is_due(2000, 1000));
        assert!(!resting.is_due(i64::MAX - 1, u64::MAX));
    }
}
