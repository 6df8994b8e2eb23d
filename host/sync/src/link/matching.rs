//! Matching: the verdict that a record without a link is the same thing as another, or is not.
//!
//! Pure. Records that share a key are one thing only under two conditions. At most one link is
//! among them, and no system has two of those without a link, or one beside the link's own. Records
//! of one link are one thing already. Any other group is ambiguous and goes to a person, without a
//! pick.

use std::collections::{BTreeMap, BTreeSet};

use crate::read::keys::UNMADE_KEY;
use renkei_model::spec::MatchKey;
use renkei_model::state::{LinkId, RecordKey};
use renkei_model::store::port::Candidate;

/// The records and links that matching compares with.
#[derive(Debug, Default)]
pub struct MatchContext {
    /// Live records by key name and value.
    pub candidates: BTreeMap<(String, String), Vec<Candidate>>,
    /// Systems in which a link has a live record.
    pub occupied: BTreeSet<(LinkId, String)>,
    /// Records that got a link since the candidates were fetched.
    pub linked: BTreeMap<RecordKey, LinkId>,
    /// Records that a person put with another one that has no link yet; they follow that one.
    pub bound: BTreeSet<RecordKey>,
}

impl MatchContext {
    /// The link that a candidate has now.
    pub fn link_of(&self, candidate: &Candidate) -> Option<LinkId> {
        self.linked.get(&candidate.record).copied().or(candidate.link)
    }

    /// True if a candidate follows another record and has no link yet.
    fn is_bound(&self, candidate: &Candidate) -> bool {
        self.bound.contains(&candidate.record) && self.link_of(candidate).is_none()
    }
}

/// The verdict about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatchVerdict {
    /// The record joins this link, with these others that have none yet.
    Join {
        /// The link of the linked records with this key.
        link: LinkId,
        /// Records without a link that are the same thing.
        others: Vec<RecordKey>,
        /// The match key's name.
        key: String,
    },
    /// The record founds a link, with these others.
    Found {
        /// Records without a link that are the same thing.
        others: Vec<RecordKey>,
        /// The match key's name, if one matched.
        key: Option<String>,
    },
    /// A key could not be made, so the record waits.
    Held,
    /// The records could be several things: a person decides.
    Ambiguous {
        /// The match key's name.
        key: String,
        /// All records with that key.
        records: Vec<RecordKey>,
    },
}

/// Tries the keys in order until one finds a counterpart. `values` are the record's own: key name
/// and value.
pub fn judge(
    keys: &[MatchKey],
    record: &RecordKey,
    values: &[(String, String)],
    known: &MatchContext,
) -> MatchVerdict {
    for key in keys {
        let Some(value) = values.iter().find(|(name, _)| *name == key.name) else { continue };
        if value.1 == UNMADE_KEY {
            return MatchVerdict::Held;
        }
        if let Some(verdict) = judge_key(key, record, value, known) {
            return verdict;
        }
    }
    MatchVerdict::Found { others: Vec::new(), key: None }
}

/// The verdict of one key; `None` where it finds no counterpart.
fn judge_key(
    key: &MatchKey,
    record: &RecordKey,
    value: &(String, String),
    known: &MatchContext,
) -> Option<MatchVerdict> {
    let is_taken = |link: LinkId| known.occupied.contains(&(link, record.system.clone()));
    let all = known.candidates.get(value).map(Vec::as_slice).unwrap_or_default();
    let others: Vec<&Candidate> = all
        .iter()
        .filter(|other| other.record != *record && !known.is_bound(other))
        // A key that may repeat does not match a link that has a record in this system: that is
        // another thing.
        .filter(|other| key.unique || !known.link_of(other).is_some_and(is_taken))
        .collect();
    if others.is_empty() {
        return None;
    }
    let systems: BTreeSet<&str> = others.iter().map(|other| other.record.system.as_str()).collect();
    let has_counterpart = systems.iter().any(|system| *system != record.system);
    if !has_counterpart && !key.unique {
        return None;
    }
    let links: BTreeSet<LinkId> = others.iter().filter_map(|other| known.link_of(other)).collect();
    let free: Vec<&RecordKey> = others
        .iter()
        .filter(|other| known.link_of(other).is_none())
        .map(|other| &other.record)
        .collect();
    let mut found = links.iter();
    match (found.next(), found.next()) {
        (link, None) if have_room(record, &free, link.copied(), known) => {
            let others = free.into_iter().cloned().collect();
            Some(match link {
                Some(link) => MatchVerdict::Join { link: *link, others, key: key.name.clone() },
                None => MatchVerdict::Found { others, key: Some(key.name.clone()) },
            })
        }
        _ => {
            let mut records: Vec<RecordKey> =
                others.iter().map(|other| other.record.clone()).collect();
            records.push(record.clone());
            records.sort_unstable();
            Some(MatchVerdict::Ambiguous { key: key.name.clone(), records })
        }
    }
}

/// True if a record and others without a link are each alone in their system, also beside the
/// records of the link.
fn have_room(
    record: &RecordKey,
    free: &[&RecordKey],
    link: Option<LinkId>,
    known: &MatchContext,
) -> bool {
    let mut systems = BTreeSet::new();
    free.iter().chain([&record]).all(|one| {
        let is_taken = |link| known.occupied.contains(&(link, one.system.clone()));
        systems.insert(one.system.as_str()) && !link.is_some_and(is_taken)
    })
}

#[cfg(test)]
mod tests;
