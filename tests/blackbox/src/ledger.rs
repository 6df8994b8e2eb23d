//! The judge's own book: who typed what, when, on which side. It knows nothing of the program.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::Field;
use crate::systems::Side;

/// One thing that a person did.
#[derive(Clone, Debug)]
pub struct Entry {
    pub who: usize,
    pub side: Side,
    pub deed: Deed,
    /// Done in the middle of a cycle in a system that commits late: what it replaced was not there
    /// yet, and its stamp is from before what came in between (`host/sync/RULES.md` V1).
    pub is_late: bool,
}

#[derive(Clone, Debug)]
pub enum Deed {
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
    /// Related to another company, or no longer.
    Moved,
}

/// A field of a person.
pub type Spot = (usize, Field);

/// Acts since the start, and the values agreed at the last rest.
#[derive(Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// Position of the first entry since the last rest.
    since: usize,
    /// The value on which both sides agreed at the last rest.
    settled: BTreeMap<Spot, String>,
    /// People whose records a person deleted or who were entered again; field rules do not apply to
    /// what happened across that.
    pub removed: BTreeSet<(String, String)>,
    /// Associations (contact, company) that a person made beside the primary one.
    pub further: BTreeSet<(String, String)>,
    values: u64,
    /// People who had a record on either side at the last rest.
    living: BTreeSet<usize>,
    /// People of whom one system holds two records, because both sides entered them before either
    /// could be seen, and who are asked about.
    pub doubled: BTreeSet<usize>,
    /// A copy of the database was put back since the last rest.
    pub restored: bool,
}

impl Ledger {
    /// A value that nobody has typed yet.
    pub fn new_value(&mut self, field: &Field) -> String {
        self.values += 1;
        let n = self.values;
        match field.name {
            "phone" | "mobile" => format!("03-{:04}-{:04}", 1000 + n, 2000 + n),
            "postal_code" => format!("{:03}-{:04}", 100 + n % 900, 1000 + n),
            _ => format!("v{n}"),
        }
    }

    pub fn note(&mut self, entry: Entry) {
        if let Deed::Deleted { key } = &entry.deed {
            self.removed.insert(key.clone());
        }
        self.entries.push(entry);
    }

    /// Entries of a person since the last rest, oldest first.
    pub fn recent(&self, who: usize) -> impl Iterator<Item = &Entry> {
        self.entries[self.since..].iter().filter(move |entry| entry.who == who)
    }

    /// True if a person deleted this person's record, nobody did anything to it afterwards, and
    /// nobody had worked on it elsewhere since the last rest: an edit stands against a deletion
    /// that did not know it.
    pub fn is_deleted(&self, who: usize) -> bool {
        let mut mine = self.entries.iter().enumerate().filter(|(_, entry)| entry.who == who);
        let Some((position, last)) = mine.next_back() else { return false };
        if position < self.since && self.living.contains(&who) {
            return false;
        }
        let is_work = |deed: &Deed| !matches!(deed, Deed::Deleted { .. });
        let elsewhere = |entry: &Entry| entry.side != last.side && is_work(&entry.deed);
        !is_work(&last.deed) && !self.recent(who).any(elsewhere)
    }

    /// True if people entered this person on that side since the last rest.
    pub fn is_new(&self, who: usize, side: Side) -> bool {
        self.recent(who).any(|entry| entry.side == side && matches!(entry.deed, Deed::Entered))
    }

    /// True if anybody ever deleted a record of this person.
    pub fn was_ever_deleted(&self, who: usize) -> bool {
        let mut mine = self.entries.iter().filter(|entry| entry.who == who);
        mine.any(|entry| matches!(entry.deed, Deed::Deleted { .. }))
    }

    /// Values that the field may hold now: the last value typed on each side since the last
    /// rest, else what was agreed on. The flag says that both sides typed.
    pub fn candidates(&self, who: usize, field: Field) -> (Vec<String>, bool) {
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

    /// True if somebody typed into the field while nobody could see it.
    pub fn is_late(&self, who: usize, field: Field) -> bool {
        self.recent(who).any(|entry| {
            entry.is_late
                && matches!(&entry.deed, Deed::Typed { field: typed, .. } if *typed == field)
        })
    }

    /// True if somebody typed another value over this one, on any side, and so knew it.
    pub fn was_replaced_by_hand(&self, who: usize, field: Field, value: &str) -> bool {
        self.recent(who).any(|entry| {
            matches!(&entry.deed, Deed::Typed { field: typed, before, .. }
                if *typed == field && before == value)
        })
    }

    /// True if the person was entered on that side and not deleted there since.
    pub fn is_entered(&self, who: usize, side: Side) -> bool {
        let mut mine = self.entries.iter().rev().filter(|e| e.who == who && e.side == side);
        let last = mine.find(|e| matches!(e.deed, Deed::Entered | Deed::Deleted { .. }));
        last.is_some_and(|entry| matches!(entry.deed, Deed::Entered))
    }

    /// True if a person deleted or entered this person's record since the last rest.
    pub fn is_disturbed(&self, who: usize) -> bool {
        self.recent(who).any(|entry| !matches!(entry.deed, Deed::Typed { .. }))
    }

    /// Values that the field held before its present one, as people typed it on that side.
    pub fn former(&self, who: usize, side: Side, field: Field) -> Option<String> {
        let mut mine = self.entries.iter().rev().filter(|e| e.who == who && e.side == side);
        mine.find_map(|entry| match &entry.deed {
            Deed::Typed { field: typed, before, .. } if *typed == field => Some(before.clone()),
            _ => None,
        })
    }

    /// Everything is in step: what stands now is agreed on.
    pub fn rest(&mut self, agreed: BTreeMap<Spot, String>, living: BTreeSet<usize>) {
        self.living = living;
        self.settled = agreed;
        self.since = self.entries.len();
        self.restored = false;
    }
}
