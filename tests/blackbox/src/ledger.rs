//! The judge's own book: who typed what, when, on which side. It knows nothing of the program.

use std::collections::{BTreeMap, BTreeSet};

use crate::forms;
use crate::history::{Field, Subject};
use crate::systems::Side;

/// One thing that a person did.
#[derive(Clone, Debug)]
pub struct Entry {
    pub who: Subject,
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
    /// Opted out of mail, or took that back.
    OptedOut {
        out: bool,
        key: (String, String),
    },
    /// Took over another one's record, or was taken over by it.
    Merged {
        lost: bool,
    },
}

/// A field of somebody or something.
pub type Spot = (Subject, Field);

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
    /// Those who had a record on either side at the last rest.
    living: BTreeSet<Subject>,
    /// Records that stood at the last rest, by object and id.
    stood: BTreeSet<(String, String)>,
    /// Those of whom one system holds two records, because both sides entered them before either
    /// could be seen, and who are asked about.
    pub doubled: BTreeSet<Subject>,
    /// A copy of the database was put back since the last rest.
    pub restored: bool,
    /// Those who had a record at the last rest before the copy was made: the others' records it
    /// does not know, and no deletion of them (`host/sync/RULES.md` P14).
    backed_up: BTreeSet<Subject>,
    /// Pairs whose records people made one, on either side.
    pub merged: Vec<(Subject, Subject)>,
    /// Cells that only people write, by object, id and column: what they left there.
    pub by_hand: BTreeMap<(String, String, &'static str), String>,
    /// Consent at the last rest.
    pub consent: Consent,
}

/// Opt-outs that stood at a rest.
#[derive(Clone, Default)]
pub struct Consent {
    /// People with a record that was opted out.
    pub people: BTreeSet<Subject>,
    /// Records that were opted out, by object and id.
    pub records: BTreeSet<(String, String)>,
}

impl Ledger {
    /// A value that nobody has typed yet.
    pub fn new_value(&mut self, field: &Field) -> String {
        self.values += 1;
        let n = self.values;
        forms::nth_value(field, n)
    }

    pub fn note(&mut self, entry: Entry) {
        if let Deed::Deleted { key } = &entry.deed {
            self.removed.insert(key.clone());
        }
        self.entries.push(entry);
    }

    /// Entries of a person since the last rest, oldest first.
    pub fn recent(&self, who: Subject) -> impl Iterator<Item = &Entry> {
        self.entries[self.since..].iter().filter(move |entry| entry.who == who)
    }

    /// True if a person deleted this person's record, nobody did anything to it afterwards, and
    /// nobody had worked on it elsewhere since the last rest: an edit stands against a deletion
    /// that did not know it.
    pub fn is_deleted(&self, who: Subject) -> bool {
        let mut mine = self.entries.iter().enumerate().filter(|(_, entry)| entry.who == who);
        let Some((position, last)) = mine.next_back() else { return false };
        if position < self.since && self.living.contains(&who) {
            return false;
        }
        let is_work = |deed: &Deed| !matches!(deed, Deed::Deleted { .. });
        let elsewhere = |entry: &Entry| entry.side != last.side && is_work(&entry.deed);
        // Work on a record that people made one with this one is work on the same person.
        let is_worked_on = |one| self.recent(one).any(elsewhere);
        !is_work(&last.deed) && !self.any_like(who, is_worked_on)
    }

    /// True if people entered this person on that side since the last rest.
    pub fn is_new(&self, who: Subject, side: Side) -> bool {
        self.recent(who).any(|entry| entry.side == side && matches!(entry.deed, Deed::Entered))
    }

    /// True if anybody ever deleted a record of this person.
    pub fn was_ever_deleted(&self, who: Subject) -> bool {
        let mut mine = self.entries.iter().filter(|entry| entry.who == who);
        mine.any(|entry| matches!(entry.deed, Deed::Deleted { .. }))
    }

    /// Values that the field may hold now: the last value typed on each side since the last
    /// rest, else what was agreed on. The flag says that both sides typed.
    pub fn candidates(&self, who: Subject, field: Field) -> (Vec<String>, bool) {
        let mut last: BTreeMap<Side, String> = BTreeMap::new();
        for entry in self.recent(who) {
            match &entry.deed {
                Deed::Typed { field: typed, after, .. } if *typed == field => {
                    last.insert(entry.side, after.clone());
                }
                // Whoever merges records chooses the winner's values.
                Deed::Merged { lost: true } => drop(last.remove(&entry.side)),
                _ => {}
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
    pub fn is_late(&self, who: Subject, field: Field) -> bool {
        self.recent(who).any(|entry| {
            entry.is_late
                && matches!(&entry.deed, Deed::Typed { field: typed, .. } if *typed == field)
        })
    }

    /// True if somebody typed another value over this one, on any side, and so knew it.
    pub fn was_replaced_by_hand(&self, who: Subject, field: Field, value: &str) -> bool {
        self.recent(who).any(|entry| {
            matches!(&entry.deed, Deed::Typed { field: typed, before, .. }
                if *typed == field && before == value)
        })
    }

    /// The last word of people on this person's consent since the last rest, on either side, and
    /// the record that has it.
    pub fn last_word(&self, who: Subject) -> Option<(bool, &(String, String))> {
        let words = self.recent(who).filter_map(|entry| match &entry.deed {
            Deed::OptedOut { out, key } => Some((*out, key)),
            _ => None,
        });
        words.last()
    }

    /// True if people deleted or entered a record of this person since the last rest.
    pub fn is_renewed(&self, who: Subject) -> bool {
        self.recent(who).any(|entry| matches!(entry.deed, Deed::Deleted { .. } | Deed::Entered))
    }

    /// True if the address leads to another one's record on that side.
    pub fn is_taken_over(&self, who: Subject, side: Side) -> bool {
        let mut mine = self.entries.iter().filter(|e| e.who == who && e.side == side);
        mine.any(|entry| matches!(entry.deed, Deed::Merged { lost: true }))
    }

    /// True if people made one of this and another.
    pub fn is_merged(&self, who: Subject) -> bool {
        self.merged.iter().any(|(winner, loser)| who == *winner || who == *loser)
    }

    /// True of this or of anything that people made one with it.
    pub fn any_like(&self, who: Subject, is: impl Fn(Subject) -> bool) -> bool {
        let mut like = vec![who];
        let mut next = 0;
        while let Some(one) = like.get(next).copied() {
            if is(one) {
                return true;
            }
            for (winner, loser) in &self.merged {
                let other = if *winner == one {
                    *loser
                } else if *loser == one {
                    *winner
                } else {
                    continue;
                };
                if !like.contains(&other) {
                    like.push(other);
                }
            }
            next += 1;
        }
        false
    }

    /// True if people took back an opt-out of this person since the last rest, on either side.
    pub fn is_taken_back(&self, who: Subject) -> bool {
        self.recent(who).any(|entry| matches!(entry.deed, Deed::OptedOut { out: false, .. }))
    }

    /// True if people emptied the field on that side and typed nothing there since.
    pub fn is_emptied(&self, who: Subject, side: Side, field: Field) -> bool {
        let mut mine = self.entries.iter().rev().filter(|e| e.who == who && e.side == side);
        let last = mine.find_map(|entry| match &entry.deed {
            Deed::Typed { field: typed, after, .. } if *typed == field => Some(after),
            _ => None,
        });
        last.is_some_and(String::is_empty)
    }

    /// True if the person was entered on that side and not deleted there since.
    pub fn is_entered(&self, who: Subject, side: Side) -> bool {
        let mut mine = self.entries.iter().rev().filter(|e| e.who == who && e.side == side);
        let last = mine.find(|e| matches!(e.deed, Deed::Entered | Deed::Deleted { .. }));
        last.is_some_and(|entry| matches!(entry.deed, Deed::Entered))
    }

    /// True if people did more with this person since the last rest than to fill in fields.
    pub fn is_disturbed(&self, who: Subject) -> bool {
        self.recent(who)
            .any(|entry| !matches!(entry.deed, Deed::Typed { .. } | Deed::OptedOut { .. }))
    }

    /// Values that the field held before its present one, as people typed it on that side.
    pub fn former(&self, who: Subject, side: Side, field: Field) -> Option<String> {
        let mut mine = self.entries.iter().rev().filter(|e| e.who == who && e.side == side);
        mine.find_map(|entry| match &entry.deed {
            Deed::Typed { field: typed, before, .. } if *typed == field => Some(before.clone()),
            _ => None,
        })
    }

    /// Two records of a system have become one, by object and id.
    pub fn hand_over(&mut self, (object, winner, loser): (&str, &str, &str), survivor: &str) {
        let mut records = std::mem::take(&mut self.consent.records);
        let mut is_out = false;
        for id in [winner, loser] {
            is_out |= records.remove(&(object.to_owned(), id.to_owned()));
        }
        // HubSpot's column is not written: what the survivor shows there is the merge's doing.
        if is_out && object != "contacts" {
            records.insert((object.to_owned(), survivor.to_owned()));
        }
        self.consent.records = records;
        self.by_hand.retain(|(of, id, _), _| of != object || id != winner && id != loser);
        let renamed = |id: &String| {
            if id == winner || id == loser { survivor.to_owned() } else { id.clone() }
        };
        let pairs = std::mem::take(&mut self.further);
        // What either one's primary company was cannot be told from outside.
        self.further = match object {
            "contacts" => pairs
                .into_iter()
                .filter(|(contact, _)| contact != loser)
                .map(|(contact, company)| (renamed(&contact), company))
                .collect(),
            "companies" => {
                pairs.into_iter().map(|(contact, company)| (contact, renamed(&company))).collect()
            }
            _ => pairs,
        };
    }

    /// True if people made one of this and another whose record, and not a new one, has the place
    /// of the record that was deleted (`host/sync/RULES.md` E12).
    pub fn is_replaced(&self, who: Subject, records: [(Side, &(String, String)); 2]) -> bool {
        let mut mine = self.entries.iter().rev().filter(|entry| entry.who == who);
        let deleted = mine.find_map(|entry| match &entry.deed {
            Deed::Deleted { key } => Some((entry.side, key)),
            _ => None,
        });
        deleted.is_some_and(|(side, key)| {
            let takes = |(on, record): &(Side, &(String, String))| {
                *on == side && *record != key && self.stood.contains(*record)
            };
            self.is_merged(who) && records.iter().any(takes)
        })
    }

    /// A copy of the database is made.
    pub fn back_up(&mut self) {
        self.backed_up = self.living.clone();
    }

    /// True if a database that was put back cannot know that this was deleted.
    pub fn is_forgotten(&self, who: Subject) -> bool {
        self.restored && !self.backed_up.contains(&who)
    }

    /// Everything is in step: what stands now is agreed on.
    pub fn rest(
        &mut self,
        agreed: BTreeMap<Spot, String>,
        living: BTreeSet<Subject>,
        stood: BTreeSet<(String, String)>,
    ) {
        self.living = living;
        self.stood = stood;
        self.settled = agreed;
        self.since = self.entries.len();
        self.restored = false;
    }
}
