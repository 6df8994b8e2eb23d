//! A light world of CRMs in memory: tables of records, a log of changes, and faults on demand.
//!
//! It knows nothing of the engine. `knobs` says how unpleasant a table is, `people` what people do,
//! `reading` and `writing` what the engine sees and does. Who did what stands in a ledger.
//! Everything is deterministic: ids, stamps and versions come from one counter, time moves only by
//! [`World::advance`], by [`World::call_ms`] and by the engine's own sleeping.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use renkei_model::record::{Attributes, Operation, Outcome, Removal, Scan};
use renkei_model::state::RecordKey;
use renkei_model::value::{SmolStr, Value};

use knobs::{Knobs, OnRemoval, Versions};

pub mod knobs;
mod lists;
mod people;
mod ports;
pub mod reading;
mod writing;

/// System and object.
pub type Place = (String, String);

#[derive(Debug, Clone, Default)]
pub struct World {
    pub tables: BTreeMap<Place, Table>,
    pub now_ms: i64,
    /// Faults of the next operations, one each; none left is no fault.
    pub faults: VecDeque<Fault>,
    /// The next calls that fail as a whole, before anything is done.
    pub failing_calls: u32,
    pub ledger: Vec<Entry>,
    /// Records that were out of sight at some time.
    pub hidden: BTreeSet<(Place, String)>,
    /// A write was answered and not done.
    pub pretended: bool,
    /// Columns that were gone for a while.
    pub vanished: BTreeSet<(Place, String)>,
    /// An operation was refused as a whole, and nothing said for which column.
    pub refused_whole: bool,
    /// Writes that no rule allows.
    pub violations: Vec<String>,
    pub calls: u64,
    /// Operations that were asked for.
    pub operations: u64,
    /// Records that scans of changes never show: what a cursor misses.
    pub unseen: BTreeSet<(Place, String)>,
    /// The id of each system's account; its name where none is given.
    pub accounts: BTreeMap<String, String>,
    /// Duration of each call, ms.
    pub call_ms: i64,
    /// Acts just before a call, by the number of the call.
    pub meanwhile: BTreeMap<u64, Vec<Event>>,
    /// Scans asked for, and how many rows the engine expected.
    pub scans: Vec<(Place, Scan, Option<i64>)>,
    /// Jobs that were accepted, by token.
    jobs: BTreeMap<String, StartedJob>,
    sequence: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Table {
    pub records: BTreeMap<String, Record>,
    /// A create with a value that another record has is answered with `exists`.
    pub unique: Option<String>,
    /// A change to such a value, too.
    pub unique_in_changes: bool,
    /// Never to be written.
    pub read_only: BTreeSet<String>,
    /// Columns that hold several records: a write leaves those that it does not name.
    pub lists: BTreeSet<String>,
    /// Not readable: absent in every answer.
    pub hidden: BTreeSet<String>,
    /// Values longer than this are cut, in characters.
    pub cut: Option<usize>,
    /// True if creates are stamped.
    pub stamped: bool,
    /// Facts of the object's schema beside `stamp`.
    pub facts: Attributes,
    /// Its unpleasant behaviours.
    pub knobs: Knobs,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub cells: BTreeMap<String, Value>,
    pub gone: Option<Removal>,
    pub stamp: Option<String>,
    /// The intent that made it: what nobody but the test knows where there is no stamp.
    pub intent: Option<String>,
    /// Time of its last change, by the world's own clock.
    pub modified_ms: i64,
    /// The same by the system's clock.
    stamped_ms: i64,
    /// Author of its last change.
    by: Option<Who>,
    sequence: u64,
    /// Earlier versions, oldest first; kept only where readings lag.
    past: Vec<Self>,
}

/// Something that happens in the middle of a cycle.
#[derive(Clone)]
pub struct Event(Arc<dyn Fn(&mut World) + Send + Sync>);

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event")
    }
}

/// Fault of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Refused.
    Refuse,
    /// Not possible in this system.
    Unsupported,
    /// Asks for time.
    Retry,
    /// Done, but the answer is lost.
    LostReply,
    /// Never arrived, and nobody knows.
    LostRequest,
    /// Done, the answer is lost, and a person takes it back at once: puts the old value back, or
    /// deletes what was made.
    LostThenUndone,
    /// A person edits this column of the record just before.
    EditFirst(String, Value),
    /// A person edits this column of the record just after, before the answer is on its way.
    EditAfter(String, Value),
    /// Done and answered, and a person takes it back at once, as in `LostThenUndone`.
    Undone,
    /// Answered as done, but not done.
    Pretended,
    /// Not done, and the answer shows of the record what it always shows, as the knobs say.
    Ignored,
    /// The same, and the record's version moves all the same.
    Touched,
    /// A person deletes the record just before.
    RemoveFirst,
    /// Accepted and done at once, but told as done only when it has been asked about so often.
    JobDone(u8),
    /// The same, and done only then.
    JobLate(u8),
    /// Accepted and done, and then the system knows nothing of the job any more.
    JobForgotten,
}

/// A job that the system has accepted.
#[derive(Debug, Clone)]
struct StartedJob {
    at: Place,
    columns: Vec<String>,
    operation: Operation,
    /// The times that it is still told as not done.
    asks: u8,
    /// The outcome, where it is done.
    outcome: Option<Outcome>,
}

/// Author of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A person, by number.
    Person(u8),
    /// The engine.
    Engine,
    /// The system by itself: a default, a cascade, a record that a merge points elsewhere.
    System,
}

/// One change of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub human: bool,
    pub who: Who,
    pub at_ms: i64,
    pub place: Place,
    pub id: String,
    /// `None` is a deletion.
    pub column: Option<String>,
    pub before: Value,
    pub after: Value,
    pub created: bool,
}

/// A handle that the engine's ports and the test share.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<World>>);

pub fn place(system: &str, object: &str) -> Place {
    (system.to_owned(), object.to_owned())
}

impl Shared {
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

impl World {
    pub fn advance(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    /// Ids of the records that are gone.
    pub fn gone(&self, at: &Place) -> Vec<String> {
        let records = self.tables.get(at).into_iter().flat_map(|table| &table.records);
        records.filter(|(_, record)| record.gone.is_some()).map(|(id, _)| id.clone()).collect()
    }

    fn tick(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub fn table(&mut self, at: &Place) -> &mut Table {
        self.tables.entry(at.clone()).or_default()
    }

    pub fn cell(&self, at: &Place, id: &str, column: &str) -> Value {
        let record = &self.tables[at].records[id];
        record.cells.get(column).cloned().unwrap_or(Value::Null)
    }

    /// Record that a create has made, live or gone.
    pub fn made_by(&self, intent: &str) -> Option<RecordKey> {
        self.tables.iter().find_map(|((system, object), table)| {
            let mut records = table.records.iter();
            let (id, _) = records.find(|(_, record)| record.intent.as_deref() == Some(intent))?;
            let (system, object, id) = (system.clone(), object.clone(), id.clone());
            Some(RecordKey { system, object, id })
        })
    }

    /// Ids of the records that are there.
    pub fn live(&self, at: &Place) -> Vec<String> {
        let records = self.tables.get(at).into_iter().flat_map(|table| &table.records);
        records.filter(|(_, record)| record.gone.is_none()).map(|(id, _)| id.clone()).collect()
    }

    /// Lets something happen just before the call after the next `calls`.
    pub fn schedule(&mut self, calls: u64, event: impl Fn(&mut Self) + Send + Sync + 'static) {
        let number = self.calls + calls + 1;
        self.meanwhile.entry(number).or_default().push(Event(Arc::new(event)));
    }

    fn begin_call(&mut self) {
        self.calls += 1;
        self.advance(self.call_ms);
        for event in self.meanwhile.remove(&self.calls).unwrap_or_default() {
            (event.0)(self);
        }
    }

    fn insert(
        &mut self,
        at: &Place,
        cells: BTreeMap<String, Value>,
        stamp: Option<String>,
        who: Who,
    ) -> String {
        let sequence = self.tick();
        let id = format!("{}{sequence}", at.1);
        let (modified_ms, table) = (self.now_ms, self.table(at));
        let stamped_ms = modified_ms + table.knobs.clock_ms;
        let by = Some(who);
        let record = Record { stamp, sequence, modified_ms, stamped_ms, by, ..Record::default() };
        let defaults = table.knobs.defaults.clone();
        table.records.insert(id.clone(), record);
        let given = |column: &String| cells.get(column).is_some_and(|value| !value.is_null());
        let defaults: Vec<_> = defaults.into_iter().filter(|(column, _)| !given(column)).collect();
        let filled = |column: &String| defaults.iter().any(|(default, _)| default == column);
        let cells = cells.clone().into_iter().filter(|(column, _)| !filled(column));
        let cells: Vec<_> = cells.map(|(column, value)| (who, column, value)).collect();
        let defaults = defaults.iter().cloned();
        let defaults = defaults.map(|(column, value)| (Who::System, column, value));
        for (who, column, value) in cells.into_iter().chain(defaults) {
            let value = self.form(at, &column, value);
            self.log(at, &id, Some(&column), Value::Null, value.clone(), who, true);
            let record = self.table(at).records.get_mut(&id).unwrap();
            record.cells.insert(column, value);
        }
        id
    }

    /// Form that the system gives a value.
    fn form(&self, at: &Place, column: &str, value: Value) -> Value {
        let form = self.tables.get(at).and_then(|table| table.knobs.forms.get(column));
        form.map_or(value.clone(), |form| form.apply(value))
    }

    /// The record, which is about to change: its version moves.
    fn touch(&mut self, at: &Place, id: &str, who: Who) -> &mut Record {
        let (sequence, now_ms) = (self.tick(), self.now_ms);
        let table = self.table(at);
        let keeps = !table.knobs.lag.is_off();
        let clock_ms = table.knobs.clock_ms;
        let is_fine = table.knobs.versions == Versions::Stamp && !table.knobs.whole_seconds;
        let record = table.records.get_mut(id).unwrap();
        if keeps {
            let past = std::mem::take(&mut record.past);
            let version = record.clone();
            record.past = past;
            record.past.push(version);
        }
        record.by = Some(who);
        record.sequence = sequence;
        // A version that is a stamp of milliseconds tells two changes apart.
        record.stamped_ms = match is_fine && record.modified_ms == now_ms {
            true => record.stamped_ms + 1,
            false => now_ms + clock_ms,
        };
        record.modified_ms = now_ms;
        record
    }

    fn set(&mut self, at: &Place, id: &str, column: &str, value: Value, who: Who) {
        let value = self.form(at, column, value);
        let record = self.touch(at, id, who);
        let before = record.cells.insert(column.to_owned(), value.clone()).unwrap_or(Value::Null);
        self.log(at, id, Some(column), before, value, who, false);
    }

    fn bury(&mut self, at: &Place, id: &str, removal: Removal, who: Who) {
        let successor = match &removal {
            Removal::MergedInto(id) => Some(id.clone()),
            _ => None,
        };
        self.touch(at, id, who).gone = Some(removal);
        self.log(at, id, None, Value::Null, Value::Null, who, false);
        self.follow(at, id, successor.as_ref());
    }

    /// Effects on the records that refer to one that is gone.
    fn follow(&mut self, at: &Place, id: &str, successor: Option<&String>) {
        for referrer in self.table(at).knobs.referrers.clone() {
            for child in self.live(&referrer.at) {
                let cell = self.cell(&referrer.at, &child, &referrer.column);
                let Value::References(ids) = cell else { continue };
                if !ids.iter().any(|other| other == id) {
                    continue;
                }
                if successor.is_none() && referrer.on_removal == OnRemoval::Cascade {
                    self.bury(&referrer.at, &child, Removal::Deleted, Who::System);
                    continue;
                }
                if successor.is_none() && referrer.on_removal == OnRemoval::Keep {
                    continue;
                }
                let mut left: Vec<SmolStr> = Vec::new();
                for other in ids {
                    let other =
                        if other == id { successor.map(SmolStr::from) } else { Some(other) };
                    left.extend(other.filter(|other| !left.contains(other)));
                }
                let left = if left.is_empty() { Value::Null } else { Value::References(left) };
                self.set(&referrer.at, &child, &referrer.column, left, Who::System);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one line of the ledger, spelled out")]
    fn log(
        &mut self,
        at: &Place,
        id: &str,
        column: Option<&str>,
        before: Value,
        after: Value,
        who: Who,
        created: bool,
    ) {
        let (place, id) = (at.clone(), id.to_owned());
        let column = column.map(str::to_owned);
        let (human, at_ms) = (matches!(who, Who::Person(_)), self.now_ms);
        self.ledger.push(Entry { human, who, at_ms, place, id, column, before, after, created });
    }
}
