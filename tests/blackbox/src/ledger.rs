//! The judge's own book: who typed what, when, on which side. It knows nothing of the program.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Field;
use crate::systems::Side;

/// One thing that a person did.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) who: usize,
    pub(crate) side: Side,
    pub(crate) deed: Deed,
}

#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Left this value in a field ("" empties it).
    Typed {
        field: Field,
        before: String,
        after: String,
    },
    Entered,
    Deleted {
        key: (String, String),
    },
    Converted,
}

/// A field of a person.
pub(crate) type Spot = (usize, Field);

/// What happened since the start, and what had been agreed at the last rest.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    /// Where the entries since the last rest begin.
    since: usize,
    /// The value on which both sides agreed at the last rest.
    settled: BTreeMap<Spot, String>,
    /// People whose records a person deleted or who were entered again; field rules do not apply to
    /// what happened across that.
    pub(crate) removed: BTreeSet<(String, String)>,
    /// Associations (contact, company) that a person made beside the primary one.
    pub(crate) further: BTreeSet<(String, String)>,
    values: u64,
}

impl Ledger {
    /// A value that nobody has typed yet.
    pub(crate) fn new_value(&mut self, field: &Field) -> String {
        self.values += 1;
        let n = self.values;
        match field.name {
            "phone" | "mobile" => format!("03-{:04}-{:04}", 1000 + n, 2000 + n),
            "postal_code" => format!("{:03}-{:04}", 100 + n % 900, 1000 + n),
            _ => format!("v{n}"),
        }
    }

    pub(crate) fn note(&mut self, entry: Entry) {
        if let Deed::Deleted { key } = &entry.deed {
            self.removed.insert(key.clone());
        }
        self.entries.push(entry);
    }

    /// Entries of a person since the last rest, oldest first.
    pub(crate) fn recent(&self, who: usize) -> impl Iterator<Item = &Entry> {
        self.entries[self.since..].iter().filter(move |entry| entry.who == who)
    }

    /// Whether a person deleted this person's record and nobody did anything to it afterwards.
    pub(crate) fn is_deleted(&self, who: usize) -> bool {
        let mut mine = self.entries.iter().filter(|entry| entry.who == who);
        matches!(mine.next_back(), Some(Entry { deed: Deed::Deleted { .. }, .. }))
    }

    /// Whether anybody ever deleted a record of this person.
    pub(crate) fn was_ever_deleted(&self, who: usize) -> bool {
        let mut mine = self.entries.iter().filter(|entry| entry.who == who);
        mine.any(|entry| matches!(entry.deed, Deed::Deleted { .. }))
    }

    /// What the field may hold now: the last value typed on each side since the last rest, else
    /// what was agreed on. The flag says that both sides typed.
    pub(crate) fn candidates(&self, who: usize, field: Field) -> (Vec<String>, bool) {
        let mut last: BTreeMap<Side, String> = BTreeMap::new();
        for entry in self.recent(who) {
            if let Deed::Typed { field: typed, after, .. } = &entry.deed
                && *typed == field
            {
                last.insert(entry.side, after.clone());
            }
        }
        let both = last.len() > 1;
        let values: Vec<String> = last.into_values().collect();
        if values.is_empty() {
            return (self.settled.get(&(who, field)).cloned().into_iter().collect(), false);
        }
        (values, both)
    }

    /// Whether a person deleted or entered this person's record since the last rest.
    pub(crate) fn is_disturbed(&self, who: usize) -> bool {
        self.recent(who).any(|entry| !matches!(entry.deed, Deed::Typed { .. }))
    }

    /// What the field held before its present value, as people typed it on that side.
    pub(crate) fn former(&self, who: usize, side: Side, field: Field) -> Option<String> {
        let mut mine = self.entries.iter().rev().filter(|e| e.who == who && e.side == side);
        mine.find_map(|entry| match &entry.deed {
            Deed::Typed { field: typed, before, .. } if *typed == field => Some(before.clone()),
            _ => None,
        })
    }

    /// Everything is in step: what stands now is agreed on.
    pub(crate) fn rest(&mut self, agreed: BTreeMap<Spot, String>) {
        self.settled = agreed;
        self.since = self.entries.len();
    }
}
