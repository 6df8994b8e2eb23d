//! Deletions: none that nobody asked for, none undone, none left undone.

use super::{Judge, Thing};
use crate::histories::play::{Driver, plain};
use crate::histories::stage::SCORE;
use crate::world::{Entry, Place, Who};
use renkei_model::value::Value;
use renkei_test_support::Promise;

impl<D: Driver> Judge<'_, D> {
    pub(super) fn judge_deletions(&mut self, thing: &Thing, live: &[(Place, String)]) {
        let ledger = &self.world.ledger;
        let mine = |entry: &Entry| self.is(thing, &entry.place, &entry.id);
        let mut made: Vec<&str> = Vec::new();
        let mut found = Vec::new();
        for (position, entry) in ledger.iter().enumerate().filter(|(_, entry)| mine(entry)) {
            let is_first = entry.created && !made.contains(&entry.id.as_str());
            if is_first {
                made.push(&entry.id);
            }
            let place = &entry.place;
            if entry.column.is_none()
                && !self.is_by_person(position)
                && !self.is_wanted(thing, position)
                && !self.is_late(thing, entry)
            {
                let who = if entry.who == Who::Engine { "the engine" } else { "a cascade" };
                found.push((
                    Promise::UnwantedDeletion,
                    format!("{who} deleted {:?} in {place:?}", thing.key),
                ));
            }
            if is_first && entry.who == Who::Engine && self.is_over(thing, position) {
                found.push((
                    Promise::Resurrected,
                    format!("{:?} was made again in {place:?}", thing.key),
                ));
            }
        }
        if let Some(deleted) = self.last_deletion(thing, ledger.len())
            && self.is_over(thing, ledger.len())
        {
            let was_there = |(place, id): &&(Place, String)| {
                let first = ledger.iter().position(|e| e.place == *place && e.id == *id);
                first.is_some_and(|first| first < deleted)
                    && !self.driver.explains(place, id, thing.kind.key())
            };
            for (place, _) in live.iter().filter(was_there) {
                found.push((
                    Promise::MissedDeletion,
                    format!("{:?} is still in {place:?}", thing.key),
                ));
            }
        }
        for (promise, text) in found {
            self.find(promise, text);
        }
    }

    /// Position at which a person last deleted a record of the thing, before this one.
    fn last_deletion(&self, thing: &Thing, before: usize) -> Option<usize> {
        let ledger = &self.world.ledger;
        (0..before).rfind(|position| {
            let entry = &ledger[*position];
            entry.column.is_none()
                && self.is_by_person(*position)
                && self.is(thing, &entry.place, &entry.id)
        })
    }

    /// True if people work on the thing between two positions: they make, restore or edit it.
    fn is_worked_on(&self, thing: &Thing, from: usize, to: usize) -> bool {
        self.world.ledger[from..to].iter().any(|entry| self.is_work(thing, entry))
    }

    fn is_work(&self, thing: &Thing, entry: &Entry) -> bool {
        // A change against a direction is not taken over.
        let counts = |column: &str| {
            thing.kind.columns().contains(&column) || (column == SCORE && entry.place.0 == "a")
        };
        let is_edit = entry.created
            || entry.column.as_deref().is_some_and(|column| {
                // Whoever saves a record that should have been archived wants it, whatever changes.
                let is_saved = self.world.pretended;
                let is_other = plain(column, &entry.before) != plain(column, &entry.after);
                counts(column) && (is_saved || is_other)
            });
        entry.human && is_edit && self.is(thing, &entry.place, &entry.id)
    }

    /// True if it carries out an earlier deletion by a person, of what was there then: the first
    /// attempt was answered and not done. What people made since is another thing of that name.
    fn is_late(&self, thing: &Thing, entry: &Entry) -> bool {
        if !self.world.pretended {
            return false;
        }
        let ledger = &self.world.ledger;
        let mine = |other: &Entry| other.place == entry.place && other.id == entry.id;
        let Some(made) = ledger.iter().position(mine) else { return false };
        let deleted = ledger[made..].iter().position(|other| {
            other.human && other.column.is_none() && self.is(thing, &other.place, &other.id)
        });
        deleted.is_some_and(|after| {
            !ledger[made + after..].iter().any(|other| other.human && mine(other))
        })
    }

    /// True if a person has deleted the thing, everything before was in step, and nobody has worked
    /// on it since.
    fn is_over(&self, thing: &Thing, before: usize) -> bool {
        let Some(deleted) = self.last_deletion(thing, before) else { return false };
        let calm = self.played.calm.iter().copied().filter(|calm| *calm <= deleted).max();
        !self.is_worked_on(thing, calm.unwrap_or(0), before)
    }

    /// True if a deletion that no person did follows from one that a person did, as far as could be
    /// known when its cycle began.
    fn is_wanted(&self, thing: &Thing, position: usize) -> bool {
        let Some(deleted) = self.last_deletion(thing, position) else { return false };
        let begun = self.played.begun.iter().copied().rfind(|(length, _)| *length <= position);
        let (length, now_ms) = begun.unwrap_or((0, 0));
        let lag_ms = self.lag_ms();
        let could_be_known = |entry: &&Entry| {
            let record = (entry.place.clone(), entry.id.clone());
            entry.at_ms + lag_ms <= now_ms
                && !self.world.unseen.contains(&record)
                && !self.world.hidden.contains(&record)
                && !self.is_taken_back(entry)
        };
        let until = length.max(deleted);
        let window = &self.world.ledger[deleted..until];
        !window.iter().filter(could_be_known).any(|entry| {
            let is_overruled = entry.column.as_deref().is_some_and(|column| {
                !entry.created && self.driver.remembers(column, &entry.after)
            });
            // Linked to one whose deletion no reading shows yet: a limit (RULES.md V1).
            let deleted_ms = self.world.ledger[deleted].at_ms;
            let is_unknown = entry.created && entry.at_ms < deleted_ms + lag_ms;
            self.is_work(thing, entry) && !is_unknown && !is_overruled && !is_undone(entry, window)
        })
    }
}

/// True if the column stands at the end as it stood before: no edit that anybody could see.
fn is_undone(entry: &Entry, since: &[Entry]) -> bool {
    let same = |other: &&Entry| {
        other.place == entry.place && other.id == entry.id && other.column == entry.column
    };
    let plain = |value: &Value| match value {
        Value::References(ids) if ids.is_empty() => Value::Null,
        value => value.clone(),
    };
    let mut mine = since.iter().filter(same);
    let Some(first) = mine.next() else { return false };
    let last = mine.next_back().unwrap_or(first);
    !first.created && plain(&first.before) == plain(&last.after)
}
