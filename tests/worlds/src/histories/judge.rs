//! Judges a history from outside: the world's ledger of who did what, and what people can read.
//!
//! It knows nothing of what an engine stores. A finding names the promise that was broken.

use std::collections::BTreeSet;

use renkei_model::record::Removal;
use renkei_model::value::{SmolStr, Value};
use renkei_test_support::Promise;

use super::play::{Driver, Played, agree, key_of, meaning, plain};
use super::stage::{COMPANY, DAY, Kind, OPT_OUT, PRIVATE, SCORE, at};
use crate::world::knobs::{Lag, Versions};
use crate::world::{Entry, Place, Record, Who, World};

mod deletions;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub promise: Promise,
    /// Description of the finding.
    pub text: String,
}

/// Everything that is wrong at the end of a history.
pub fn judge<D: Driver>(played: &Played, driver: &D) -> Vec<Finding> {
    let mut judge = Judge { played, world: &played.world, driver, findings: Vec::new() };
    judge.judge_all();
    judge.findings
}

struct Judge<'a, D> {
    played: &'a Played,
    world: &'a World,
    driver: &'a D,
    findings: Vec<Finding>,
}

/// A person or company and all records that ever stood for it.
struct Thing {
    kind: Kind,
    key: Value,
}

impl<D: Driver> Judge<'_, D> {
    fn judge_all(&mut self) {
        if !self.played.rested {
            self.find(Promise::Quiet, "writes go on without an end".to_owned());
        }
        for violation in self.world.violations.clone() {
            let is_made_again = violation.contains("made again");
            let promise = if is_made_again { Promise::Resurrected } else { Promise::Direction };
            self.find(promise, violation);
        }
        for kind in Kind::ALL {
            for number in 0..2 {
                let thing = Thing { kind, key: key_of(kind, number).as_str().into() };
                if !self.is_merged(&thing) {
                    self.judge_thing(&thing);
                }
            }
        }
        self.judge_writes();
    }

    fn find(&mut self, promise: Promise, text: String) {
        self.findings.push(Finding { promise, text });
    }

    fn places(&self, kind: Kind) -> impl Iterator<Item = Place> + use<D> {
        (0..self.played.sides).map(move |side| at(side, kind))
    }

    fn live(&self, thing: &Thing) -> Vec<(Place, String)> {
        let mut live = Vec::new();
        for place in self.places(thing.kind) {
            let ids = self.world.live(&place).into_iter();
            let mine = ids.filter(|id| self.is(thing, &place, id));
            live.extend(mine.map(|id| (place.clone(), id)));
        }
        live
    }

    fn is(&self, thing: &Thing, place: &Place, id: &str) -> bool {
        place.1 == thing.kind.object()
            && self.world.tables[place].records.contains_key(id)
            && self.world.cell(place, id, thing.kind.key()) == thing.key
    }

    /// True if people have merged it with another thing: then nobody can say from outside which
    /// values and records should be left. It still must come to rest, and keep consent.
    fn is_merged(&self, thing: &Thing) -> bool {
        self.places(thing.kind).any(|place| {
            let records = &self.world.tables[&place].records;
            let merged = |record: &Record| matches!(record.gone, Some(Removal::MergedInto(_)));
            records.values().any(merged)
        })
    }

    fn judge_thing(&mut self, thing: &Thing) {
        let live = self.live(thing);
        for place in self.places(thing.kind) {
            let same = live.iter().filter(|(other, _)| *other == place).count();
            for _ in 1..same {
                self.find(Promise::Duplicate, format!("{:?} twice in {place:?}", thing.key));
            }
        }
        self.judge_deletions(thing, &live);
        self.judge_agreement(thing, &live);
        for column in thing.kind.columns() {
            self.judge_last_edit(thing, column, &live);
        }
    }

    /// All sides agree, or people can read why not.
    fn judge_agreement(&mut self, thing: &Thing, live: &[(Place, String)]) {
        let Some(first) = live.first() else { return };
        let missing: Vec<Place> = self
            .places(thing.kind)
            .filter(|place| !live.iter().any(|(other, _)| other == place))
            .collect();
        let key = thing.kind.key();
        if !missing.is_empty()
            && !live.iter().any(|(place, id)| self.driver.explains(place, id, key))
        {
            self.find(Promise::Unexplained, format!("{:?} is missing in {missing:?}", thing.key));
        }
        for column in thing.kind.columns() {
            let left = meaning(self.world, &first.0, &first.1, column);
            for (place, id) in &live[1..] {
                let right = meaning(self.world, place, id, column);
                if agree(self.world, column, (&first.0, &left), (place, &right))
                    || *column == COMPANY && live.iter().any(|(place, id)| self.dangles(place, id))
                    || live.iter().any(|(place, id)| self.driver.explains(place, id, column))
                {
                    self.judge_held_back(live, column);
                    continue;
                }
                let text = format!(
                    "{:?} {column}: {left:?} in {} and {right:?} in {}",
                    thing.key, first.0.0, place.0
                );
                self.find(Promise::Unexplained, text);
            }
        }
    }

    /// A refused column holds nothing back but itself: where systems refuse by columns alone, no
    /// other column waits for it.
    fn judge_held_back(&mut self, live: &[(Place, String)], column: &str) {
        let is_simple = !self.world.refused_whole
            && self.world.tables.values().all(|table| table.knobs.rule.is_none())
            && live.iter().all(|(place, _)| {
                let refused = &self.world.tables[place].knobs.refused;
                refused.keys().all(|one| one != column)
            });
        let blames = |(place, id): &(Place, String)| self.driver.blames_whole(place, id, column);
        let explained = live.iter().any(|(place, id)| self.driver.explains(place, id, column));
        if is_simple && explained && live.iter().all(blames) {
            self.find(Promise::HeldBack, format!("{column} waits for another column"));
        }
    }

    /// True if a record refers to a company that is not there any more. That it does not follow to
    /// the one that was made again is a limit (RULES.md V3).
    fn dangles(&self, place: &Place, id: &str) -> bool {
        let Value::References(ids) = self.world.cell(place, id, COMPANY) else { return false };
        let companies = (place.0.clone(), Kind::Company.object().to_owned());
        let live = self.world.live(&companies);
        ids.iter().any(|id| !id.is_empty() && live.iter().all(|live| live != id))
    }

    /// The last value that a person typed stands where it was typed, or people can read that it
    /// was overruled.
    fn judge_last_edit(&mut self, thing: &Thing, column: &str, live: &[(Place, String)]) {
        let mine = |(position, entry): &(usize, &Entry)| {
            self.is_by_person(*position)
                && !(entry.created && self.is_restored(*position, entry))
                && (says_other(column, entry) || entry.created || entry.column.is_none())
                && entry.column.as_deref().is_none_or(|name| name == column)
                && self.is(thing, &entry.place, &entry.id)
        };
        let ledger = self.world.ledger.iter().enumerate();
        let Some((_, last)) = ledger.rev().find(mine) else { return };
        let is_consent = column == OPT_OUT && last.after != Value::Boolean(true);
        if last.column.is_none()
            || is_consent
            || self.may_be_filled(last, &last.after)
            || self.is_taken_back(last)
            || self.is_unseen(last)
            || self.is_left_behind(last)
        {
            return;
        }
        let stands = live.iter().any(|(place, id)| {
            *place == last.place && self.has_meaning_of(place, id, column, last)
        });
        let is_open = || live.iter().any(|(place, id)| self.driver.explains(place, id, column));
        if !(stands
            || self.driver.remembers(column, &last.after)
            || (column == COMPANY && is_open()))
        {
            let (value, system) = (&last.after, &last.place.0);
            let text = format!("{:?} {column}: {value:?} of {system} is gone", thing.key);
            self.find(Promise::LostEdit, text);
        }
    }

    fn has_meaning_of(&self, place: &Place, id: &str, column: &str, typed: &Entry) -> bool {
        let cell = self.world.cell(place, id, column);
        match (&cell, &typed.after) {
            (Value::References(now), Value::References(then)) => {
                let companies = (place.0.clone(), Kind::Company.object().to_owned());
                let live = self.world.live(&companies);
                now.first() == then.first() || !is_any(then, &live)
            }
            (Value::Null, Value::References(then)) => {
                let companies = (place.0.clone(), Kind::Company.object().to_owned());
                let live = self.world.live(&companies);
                !is_any(then, &live)
            }
            // White space around it is form, not value (RULES.md V8).
            (cell, after) => plain(column, cell) == plain(column, after),
        }
    }

    /// True if the record was there before: what is restored with it was not typed.
    fn is_restored(&self, position: usize, entry: &Entry) -> bool {
        self.world.ledger[..position].iter().any(|other| {
            other.column.is_none() && other.place == entry.place && other.id == entry.id
        })
    }

    /// True if a record of the same thing is read late or was out of sight, and so linked for the
    /// first time later.
    fn is_linked_late(&self, at: &Entry) -> bool {
        let is_other = |place: &Place| place.1 == at.place.1 && *place != at.place;
        let mut tables = self.world.tables.iter();
        tables.any(|(place, table)| is_other(place) && table.knobs.lag != Lag::default())
            || self.world.hidden.iter().any(|(place, _)| is_other(place))
    }

    /// Overwritten within the lag, in a system that names no versions: a limit (RULES.md V1).
    fn is_unseen(&self, last: &Entry) -> bool {
        let lag_ms = self.lag_ms();
        let overwrites = |entry: &Entry| {
            entry.who == Who::Engine
                && (&entry.place, &entry.id, &entry.column) == (&last.place, &last.id, &last.column)
                && entry.before == last.after
                && (last.at_ms..=last.at_ms + lag_ms).contains(&entry.at_ms)
        };
        self.world.tables[&last.place].knobs.versions == Versions::None
            && self.world.ledger.iter().any(overwrites)
    }

    /// A reference to what is gone in that system: whoever clears it does what the system may do
    /// with it, a limit (RULES.md V2).
    fn is_left_behind(&self, last: &Entry) -> bool {
        let Value::References(ids) = &last.before else { return false };
        let companies = (last.place.0.clone(), Kind::Company.object().to_owned());
        let is_gone = |id: &SmolStr| {
            let records = self.world.tables.get(&companies).map(|table| &table.records);
            records
                .and_then(|records| records.get(id.as_str()))
                .is_none_or(|record| record.gone.is_some())
        };
        last.after == Value::Null && ids.iter().all(is_gone)
    }

    /// To and fro between two looks is no edit that anybody could see.
    fn is_taken_back(&self, last: &Entry) -> bool {
        let same = |entry: &&Entry| {
            entry.place == last.place && entry.id == last.id && entry.column == last.column
        };
        let ledger = self.world.ledger.iter().rev();
        let since = ledger.skip_while(|entry| !std::ptr::eq(*entry, last));
        since
            .filter(same)
            .take_while(|entry| entry.who != Who::Engine)
            .any(|entry| entry.before == last.after)
    }

    /// The longest that a reading lags in this world, ms.
    fn lag_ms(&self) -> i64 {
        let lags = self.world.tables.values().map(|table| &table.knobs.lag);
        lags.map(|lag| lag.changes_ms.max(lag.by_id_ms)).max().unwrap_or(0)
    }

    /// True if a person did it, or the system right after a deletion by a person: what that takes
    /// along in its own system was chosen with it.
    fn is_by_person(&self, position: usize) -> bool {
        let ledger = &self.world.ledger;
        let cause = ledger[..=position].iter().rfind(|entry| entry.who != Who::System);
        ledger[position].human
            || ledger[position].who == Who::System
                && ledger[position].column.is_none()
                && cause.is_some_and(|cause| cause.human && cause.column.is_none())
    }

    /// At the first link an empty field is filled: only a clear after it must last. A create that
    /// was found again without a stamp counts as a first link, and so does any under a database
    /// that was put back.
    fn may_be_filled(&self, at: &Entry, value: &Value) -> bool {
        // A field that stood still comes back as at a first link (RULES.md V13).
        let column = at.column.clone().unwrap_or_default();
        if self.played.restored || self.world.vanished.contains(&(at.place.clone(), column)) {
            return *value == Value::Null;
        }
        let stamped = self.world.tables[&at.place].stamped;
        *value == Value::Null
            && (!stamped || !self.is_made_by_engine(at) || self.is_linked_late(at))
    }

    fn is_made_by_engine(&self, at: &Entry) -> bool {
        self.world.ledger.iter().any(|entry| {
            entry.created
                && entry.who == Who::Engine
                && entry.id == at.id
                && entry.place == at.place
        })
    }

    /// The engine's writes: no value that nobody wants, nothing against a direction.
    fn judge_writes(&mut self) {
        let ledger = &self.world.ledger;
        for (position, write) in ledger.iter().enumerate() {
            let Some(column) = write.column.as_deref() else { continue };
            if write.who != Who::Engine {
                continue;
            }
            if column == PRIVATE || (column == SCORE && write.place.0 == "a") {
                self.find(Promise::Direction, format!("{column} of {:?} was written", write.place));
            }
            if write.created {
                continue;
            }
            if column == OPT_OUT {
                self.judge_consent(position, write);
            } else if column == COMPANY {
                self.judge_associations(write);
            } else if column != SCORE && column != PRIVATE && !self.is_of_merged(write) {
                self.judge_return(position, write, column);
            }
        }
        let records = self.world.tables.values().flat_map(|table| table.records.values());
        let intents: Vec<&String> = records.filter_map(|record| record.intent.as_ref()).collect();
        let distinct: BTreeSet<&&String> = intents.iter().collect();
        if intents.len() != distinct.len() {
            self.find(Promise::Duplicate, "one create was done twice".to_owned());
        }
    }

    fn is_of_merged(&self, write: &Entry) -> bool {
        let object = |kind: &Kind| kind.object() == write.place.1;
        let kind = Kind::ALL.into_iter().find(object).unwrap_or(Kind::Person);
        self.is_merged(&Thing { kind, key: Value::Null })
    }

    /// A value never comes back that no person has set since it was replaced.
    fn judge_return(&mut self, position: usize, write: &Entry, column: &str) {
        let same = |entry: &Entry| entry.place == write.place && entry.id == write.id;
        let earlier = &self.world.ledger[..position];
        let replaced = earlier.iter().rposition(|entry| {
            same(entry)
                && entry.column == write.column
                && entry.before == write.after
                && entry.before != entry.after
        });
        // A new record's empty fields were never anybody's value.
        let Some(replaced) = replaced.filter(|_| write.after != Value::Null) else { return };
        // What was typed elsewhere while the cycle ran that replaced it was not known then.
        let begun = self.played.begun.iter().copied().rfind(|(length, _)| *length <= replaced);
        let (length, begun_ms) = begun.unwrap_or((0, i64::MIN));
        let could_be_seen = |entry: &Entry| entry.at_ms.saturating_add(self.lag_ms()) <= begun_ms;
        let seen = self.world.ledger[..length].iter().take_while(|entry| could_be_seen(entry));
        let since = seen.count().min(replaced);
        let set_since = self.world.ledger[since..position].iter().any(|entry| {
            entry.human
                && entry.column == write.column
                && agree(
                    self.world,
                    column,
                    (&entry.place, &entry.after),
                    (&write.place, &write.after),
                )
        });
        let filled = self.may_be_filled(write, &write.before);
        if !set_since && !filled && !self.driver.remembers(column, &write.after) {
            let (value, place) = (&write.after, &write.place);
            let text = format!("{column} of {} in {place:?}: {value:?} came back", write.id);
            self.find(Promise::ReturnedValue, text);
        }
    }

    /// An opt-out is taken back by people only.
    fn judge_consent(&mut self, position: usize, write: &Entry) {
        let out = Value::Boolean(true);
        if write.before != out || write.after == out {
            return;
        }
        let kind = Kind::Person;
        let key = self.world.cell(&write.place, &write.id, kind.key());
        let thing = Thing { kind, key };
        let mine = |entry: &&Entry| {
            entry.human
                && entry.column.as_deref() == Some(OPT_OUT)
                && self.is(&thing, &entry.place, &entry.id)
        };
        let last = self.world.ledger[..position].iter().rfind(mine);
        if last.is_none_or(|last| last.before != out || last.after == out) {
            let text = format!("{:?} in {:?} is not opted out any more", thing.key, write.place);
            self.find(Promise::Consent, text);
        }
    }

    /// Only the primary one of several references may be replaced.
    fn judge_associations(&mut self, write: &Entry) {
        let (Value::References(before), after) = (&write.before, &write.after) else { return };
        let kept = match after {
            Value::References(ids) => ids.clone(),
            _ => Vec::new(),
        };
        if before.iter().skip(1).any(|id| !kept.contains(id)) {
            let text = format!("{:?} of {:?}: {before:?} became {kept:?}", write.id, write.place);
            self.find(Promise::Association, text);
        }
    }
}

/// True if an edit says something else than what stood there: of a day another moment does not.
fn says_other(column: &str, entry: &Entry) -> bool {
    match column {
        DAY => plain(column, &entry.before) != plain(column, &entry.after),
        _ => entry.before != entry.after,
    }
}

/// True if a reference names a live record.
fn is_any(ids: &[SmolStr], live: &[String]) -> bool {
    ids.iter().any(|id| live.iter().any(|live| live == id))
}
