//! Acts of people: they make, edit, remove, merge, convert and restore records.

use renkei_model::record::Removal;
use renkei_model::value::Value;

use super::{Place, Record, Who, World};

const ONE: Who = Who::Person(1);

impl World {
    pub fn create(&mut self, at: &Place, cells: &[(&str, Value)]) -> String {
        self.create_as(1, at, cells)
    }

    pub fn create_as(&mut self, person: u8, at: &Place, cells: &[(&str, Value)]) -> String {
        let cells = cells.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.insert(at, cells.collect(), None, Who::Person(person))
    }

    pub fn edit(&mut self, at: &Place, id: &str, column: &str, value: Value) {
        self.set(at, id, column, value, ONE);
    }

    pub fn edit_as(&mut self, person: u8, at: &Place, id: &str, column: &str, value: Value) {
        self.set(at, id, column, value, Who::Person(person));
    }

    pub fn remove(&mut self, at: &Place, id: &str, removal: Removal) {
        self.bury(at, id, removal, ONE);
    }

    /// Brings a removed record back as it was.
    pub fn restore(&mut self, at: &Place, id: &str) {
        self.touch(at, id, ONE).gone = None;
        let cells = self.table(at).records[id].cells.clone();
        for (column, value) in cells {
            self.log(at, id, Some(&column), Value::Null, value, ONE, true);
        }
    }

    /// Merges records; the survivor keeps the winner's values and has an id of its own where it is
    /// `renewed`. Empty fields of the winner are filled from the losers.
    pub fn merge(&mut self, at: &Place, winner: &str, losers: &[&str], renewed: bool) -> String {
        self.unite(at, winner, losers, renewed, ONE)
    }

    pub(super) fn unite(
        &mut self,
        at: &Place,
        winner: &str,
        losers: &[&str],
        renewed: bool,
        who: Who,
    ) -> String {
        let mut cells = self.table(at).records[winner].cells.clone();
        for loser in losers {
            for (column, value) in self.table(at).records[*loser].cells.clone() {
                let mine = cells.entry(column).or_insert(Value::Null);
                if mine.is_null() {
                    *mine = value;
                }
            }
        }
        let survivor = if renewed {
            self.insert(at, cells, None, who)
        } else {
            for (column, value) in cells {
                if self.cell(at, winner, &column) != value {
                    self.set(at, winner, &column, value, who);
                }
            }
            winner.to_owned()
        };
        for merged in losers.iter().copied().chain(renewed.then_some(winner)) {
            self.bury(at, merged, Removal::MergedInto(survivor.clone()), who);
        }
        survivor
    }

    /// Makes another record of this one, with its values where `to` has the same columns.
    pub fn convert(&mut self, at: &Place, id: &str, to: &Place) -> String {
        let cells = self.table(at).records[id].cells.clone();
        let made = self.insert(to, cells, None, ONE);
        let became = vec![(to.1.clone(), made.clone())];
        self.bury(at, id, Removal::ConvertedTo(became), ONE);
        made
    }

    /// An admin renames an option: every record shows the new word, and no version moves.
    pub fn rename_option(&mut self, at: &Place, column: &str, from: &Value, to: &Value) {
        for id in self.live(at) {
            if self.cell(at, &id, column) != *from {
                continue;
            }
            let record = self.table(at).records.get_mut(&id).unwrap();
            record.cells.insert(column.to_owned(), to.clone());
            self.log(at, &id, Some(column), from.clone(), to.clone(), ONE, false);
        }
    }

    /// Takes a record away without a trace.
    pub fn vanish(&mut self, at: &Place, id: &str) -> Record {
        self.table(at).records.remove(id).unwrap()
    }

    /// Lets scans of changes show nothing of a record.
    pub fn unsee(&mut self, at: &Place, id: &str) {
        self.unseen.insert((at.clone(), id.to_owned()));
    }
}
