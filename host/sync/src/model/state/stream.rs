//! One object of one system as a stream: where reading it goes on, and how far its sweep has come.
//!
//! A cursor follows changes; a sweep goes over everything once in a while and finds what cursors
//! missed (SYNC.md 3.7). Both survive a restart at any page.

use serde::{Deserialize, Serialize};

use crate::model::spec::Meanings;

/// One object of one system, as a stream of changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream {
    /// The system.
    pub system: String,
    /// The object.
    pub object: String,
}

/// Where reading a stream goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The connector's own bytes; `None` before the first page.
    pub position: Option<Vec<u8>>,
    /// Whether the backfill is over and `changes` are read.
    pub backfilled: bool,
    /// Whether the scan that the position belongs to has more pages. A cycle that finds it so goes
    /// on with a scan that an earlier one began.
    pub more: bool,
    /// [`crate::model::spec::MemberSpec::digest`] under which it was made.
    pub digest: String,
    /// How old the rows of the last page may have been, ms, where the connector says so.
    pub lag_ms: Option<i64>,
    /// What the values of its fields meant when they were read; those of fields that are not mapped
    /// now are kept. Empty in databases of before.
    pub meanings: Meanings,
}

impl Cursor {
    /// The fields whose values mean something else now than when they were read.
    pub(crate) fn other<'a>(&self, now: &'a Meanings) -> Vec<&'a str> {
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
    /// How far this round has come.
    pub stage: SweepStage,
    /// When this round began, ms. The next one is due an interval later.
    pub began_ms: i64,
    /// What this round has found.
    pub counts: SweepCounts,
    /// When the last completed round ended, ms, and what it had found.
    pub last: Option<(i64, SweepCounts)>,
}

/// How far a sweep has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SweepStage {
    /// None is under way.
    #[default]
    Resting,
    /// Reading ids and versions; the connector's own bytes, `None` before the first page.
    Scanning(Option<Vec<u8>>),
    /// Everything was listed. Records that are known and were not listed are asked for by id; those
    /// with ids up to this one were.
    Asking(Option<String>),
}

/// What a sweep has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SweepCounts {
    /// Records listed.
    pub rows: u64,
    /// Records that had changed, appeared or gone without the cursor having told so: should be
    /// zero.
    pub missed: u64,
    /// Records that are neither listed nor answered.
    pub missing: u64,
}

impl Sweep {
    /// Whether a round is under way or the next one should begin. A clock that was set back does
    /// not keep sweeps away.
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

    /// This round, over.
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
