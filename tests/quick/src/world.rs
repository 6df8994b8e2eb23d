//! A light world of CRMs in memory: tables of records, a log of changes, and faults on demand.
//!
//! It knows nothing of the engine. Human edits and the engine's writes are kept apart in a ledger,
//! so that tests can say who did what. Everything is deterministic: ids, stamps and versions come
//! from one counter, time moves only by [`World::advance`] and by the engine's own sleeping.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use renkei_sync::record::{
    Action, Applied, Operation, Outcome, Page, PageRequest, Problem, Remedy, Removal, Row, Scan,
    Tombstone,
};
use renkei_sync::state::RecordKey;
use renkei_sync::value::{Cell, Value};

mod ports;

/// System and object.
pub(crate) type Place = (String, String);

#[derive(Debug, Clone, Default)]
pub(crate) struct World {
    pub(crate) tables: BTreeMap<Place, Table>,
    pub(crate) now_ms: i64,
    /// What happens to the next operations, one each; none left is no fault.
    pub(crate) faults: VecDeque<Fault>,
    /// The next calls that fail as a whole, before anything is done.
    pub(crate) failing_calls: u32,
    pub(crate) ledger: Vec<Entry>,
    /// Writes that no rule allows.
    pub(crate) violations: Vec<String>,
    pub(crate) calls: u64,
    /// Records that scans of changes never show: what a cursor misses.
    pub(crate) unseen: BTreeSet<(Place, String)>,
    /// Scans asked for, and how many rows the engine expected.
    pub(crate) scans: Vec<(Place, Scan, Option<i64>)>,
    sequence: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) records: BTreeMap<String, Record>,
    /// A create with a value that another record has is answered with `exists`.
    pub(crate) unique: Option<String>,
    /// Never to be written.
    pub(crate) read_only: BTreeSet<String>,
    /// Not readable: absent in every answer.
    pub(crate) hidden: BTreeSet<String>,
    /// Values longer than this are cut, in characters.
    pub(crate) cut: Option<usize>,
    /// Whether creates are stamped.
    pub(crate) stamped: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) cells: BTreeMap<String, Value>,
    pub(crate) gone: Option<Removal>,
    pub(crate) stamp: Option<String>,
    /// The intent that made it: what nobody but the test knows where there is no stamp.
    pub(crate) intent: Option<String>,
    pub(crate) modified_ms: i64,
    sequence: u64,
}

/// What happens to one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
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
}

/// One change of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) human: bool,
    pub(crate) place: Place,
    pub(crate) id: String,
    /// `None` is a deletion.
    pub(crate) column: Option<String>,
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) created: bool,
}

/// A handle that the engine's ports and the test share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<World>>);

pub(crate) fn place(system: &str, object: &str) -> Place {
    (system.to_owned(), object.to_owned())
}

impl Shared {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }
}

impl World {
    pub(crate) fn advance(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    fn tick(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(crate) fn table(&mut self, at: &Place) -> &mut Table {
        self.tables.entry(at.clone()).or_default()
    }

    pub(crate) fn cell(&self, at: &Place, id: &str, column: &str) -> Value {
        let record = &self.tables[at].records[id];
        record.cells.get(column).cloned().unwrap_or(Value::Null)
    }

    /// What a create has made, whether it is there or gone.
    pub(crate) fn made_by(&self, intent: &str) -> Option<RecordKey> {
        self.tables.iter().find_map(|((system, object), table)| {
            let mut records = table.records.iter();
            let (id, _) = records.find(|(_, record)| record.intent.as_deref() == Some(intent))?;
            let (system, object, id) = (system.clone(), object.clone(), id.clone());
            Some(RecordKey { system, object, id })
        })
    }

    /// Ids of the records that are there.
    pub(crate) fn live(&self, at: &Place) -> Vec<String> {
        let records = self.tables.get(at).into_iter().flat_map(|table| &table.records);
        records.filter(|(_, record)| record.gone.is_none()).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn create(&mut self, at: &Place, cells: &[(&str, Value)]) -> String {
        let cells = cells.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.insert(at, cells.collect(), None, true)
    }

    pub(crate) fn edit(&mut self, at: &Place, id: &str, column: &str, value: Value) {
        self.set(at, id, column, value, true);
    }

    pub(crate) fn remove(&mut self, at: &Place, id: &str, removal: Removal) {
        self.bury(at, id, removal, true);
    }

    /// Takes a record away without a trace.
    pub(crate) fn vanish(&mut self, at: &Place, id: &str) -> Record {
        self.table(at).records.remove(id).unwrap()
    }

    /// Lets scans of changes show nothing of a record.
    pub(crate) fn unsee(&mut self, at: &Place, id: &str) {
        self.unseen.insert((at.clone(), id.to_owned()));
    }

    fn insert(
        &mut self,
        at: &Place,
        cells: BTreeMap<String, Value>,
        stamp: Option<String>,
        human: bool,
    ) -> String {
        let sequence = self.tick();
        let id = format!("{}{sequence}", at.1);
        let record = Record { stamp, sequence, modified_ms: self.now_ms, ..Record::default() };
        self.table(at).records.insert(id.clone(), record);
        for (column, value) in cells {
            self.log(at, &id, Some(&column), Value::Null, value.clone(), human, true);
            let record = self.table(at).records.get_mut(&id).unwrap();
            record.cells.insert(column, value);
        }
        id
    }

    fn set(&mut self, at: &Place, id: &str, column: &str, value: Value, human: bool) {
        let sequence = self.tick();
        let now_ms = self.now_ms;
        let record = self.table(at).records.get_mut(id).unwrap();
        record.sequence = sequence;
        record.modified_ms = now_ms;
        let before = record.cells.insert(column.to_owned(), value.clone()).unwrap_or(Value::Null);
        self.log(at, id, Some(column), before, value, human, false);
    }

    fn bury(&mut self, at: &Place, id: &str, removal: Removal, human: bool) {
        let sequence = self.tick();
        let now_ms = self.now_ms;
        let record = self.table(at).records.get_mut(id).unwrap();
        record.sequence = sequence;
        record.modified_ms = now_ms;
        record.gone = Some(removal);
        self.log(at, id, None, Value::Null, Value::Null, human, false);
    }

    #[expect(clippy::too_many_arguments, reason = "one line of the ledger, spelled out")]
    fn log(
        &mut self,
        at: &Place,
        id: &str,
        column: Option<&str>,
        before: Value,
        after: Value,
        human: bool,
        created: bool,
    ) {
        let (place, id) = (at.clone(), id.to_owned());
        let column = column.map(str::to_owned);
        self.ledger.push(Entry { human, place, id, column, before, after, created });
    }

    fn row(&self, at: &Place, id: &str, columns: &[String]) -> Row {
        let table = &self.tables[at];
        let record = &table.records[id];
        let cell = |column: &String| -> Cell {
            if column == "stamp" {
                return Some(record.stamp.clone().map_or(Value::Null, Value::Text));
            }
            let read = !table.hidden.contains(column);
            read.then(|| record.cells.get(column).cloned().unwrap_or(Value::Null))
        };
        Row {
            id: id.to_owned(),
            version: Some(record.sequence.to_string()),
            modified_ms: Some(record.modified_ms),
            cells: columns.iter().map(cell).collect(),
        }
    }

    fn page(&mut self, at: &Place, request: &PageRequest) -> Page {
        if request.cursor.is_none() || request.scan == Scan::Changes {
            let expected = request.options.iter().find(|(code, _)| code == "expected-rows");
            let expected = expected.map(|(_, rows)| match rows {
                Value::Integer(rows) => *rows,
                other => panic!("{other:?}"),
            });
            self.scans.push((at.clone(), request.scan, expected));
        }
        let by_id = request.scan != Scan::Changes;
        let (mut start, mut from) = (self.sequence, String::new());
        let mut since = 0;
        if let Some(cursor) = &request.cursor {
            let text = String::from_utf8(cursor.clone()).unwrap();
            let (first, second) = text.split_once(' ').unwrap();
            if by_id {
                start = first.parse().unwrap();
                from = second.to_owned();
            } else {
                since = first.parse().unwrap();
            }
        }
        let records = self.tables.get(at).into_iter().flat_map(|table| &table.records);
        let wanted: Vec<_> = records
            .filter(|(id, record)| match request.scan {
                Scan::Backfill | Scan::Sweep => **id > from && record.gone.is_none(),
                // One step of look-back, so that everything is reported again and again.
                Scan::Changes => {
                    record.sequence + 1 >= since
                        && !self.unseen.contains(&(at.clone(), (*id).clone()))
                }
            })
            .collect();
        let limit = if by_id { request.limit as usize } else { usize::MAX };
        let more = wanted.len() > limit;
        let mut page = Page { more, ..Page::default() };
        page.batch.columns.clone_from(&request.columns);
        for (id, record) in wanted.into_iter().take(limit) {
            from.clone_from(id);
            match &record.gone {
                None => page.batch.rows.push(self.row(at, id, &request.columns)),
                Some(removal) => page.removed.push(self.tombstone(id, record, removal)),
            }
        }
        page.cursor = match (by_id, more) {
            (true, true) => format!("{start} {from}").into_bytes(),
            (true, false) => format!("{start} ").into_bytes(),
            _ => format!("{} ", self.sequence).into_bytes(),
        };
        page
    }

    fn tombstone(&self, id: &str, record: &Record, removal: &Removal) -> Tombstone {
        Tombstone { id: id.to_owned(), removal: removal.clone(), at_ms: Some(record.modified_ms) }
    }

    fn write(&mut self, at: &Place, columns: &[String], operation: &Operation) -> Outcome {
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        match &fault {
            Fault::Refuse => return Outcome::Rejected(vec![refusal()]),
            Fault::Retry => return Outcome::RetryAfter(500),
            Fault::LostRequest => return Outcome::Uncertain("no answer".to_owned()),
            Fault::EditFirst(column, value) => {
                if let Some(id) = &operation.id
                    && self.tables[at].records.get(id).is_some_and(|record| record.gone.is_none())
                {
                    self.set(at, id, column, value.clone(), true);
                }
            }
            // Only merges fail so.
            Fault::Unsupported | Fault::None | Fault::LostReply | Fault::LostThenUndone => {}
        }
        let made = self.ledger.len();
        let outcome = self.perform(at, columns, operation);
        if fault == Fault::LostThenUndone {
            self.undo(made, operation.action);
        }
        match fault {
            Fault::LostReply | Fault::LostThenUndone => Outcome::Uncertain("no answer".to_owned()),
            _ => outcome,
        }
    }

    /// A person takes back what the engine has just written.
    fn undo(&mut self, from: usize, action: Action) {
        let Some(entry) = self.ledger.get(from).filter(|entry| !entry.human).cloned() else {
            return;
        };
        match (action, &entry.column) {
            (Action::Create, _) => self.bury(&entry.place, &entry.id, Removal::Deleted, true),
            (Action::Update, Some(column)) => {
                self.set(&entry.place, &entry.id, column, entry.before.clone(), true);
            }
            _ => {}
        }
    }

    fn perform(&mut self, at: &Place, columns: &[String], operation: &Operation) -> Outcome {
        let mut cells = BTreeMap::new();
        for (column, cell) in columns.iter().zip(&operation.cells) {
            let Some(value) = cell else { continue };
            if self.table(at).read_only.contains(column) {
                self.violations.push(format!("{at:?} {column} is read-only"));
            }
            cells.insert(column.clone(), self.cut(at, value.clone()));
        }
        match (operation.action, &operation.id) {
            (Action::Create, None) => self.create_stamped(at, columns, cells, &operation.intent),
            (Action::Update | Action::Archive, Some(id)) => {
                self.change(at, id, columns, cells, operation)
            }
            other => {
                self.violations.push(format!("{at:?} cannot {other:?}"));
                Outcome::Rejected(vec![refusal()])
            }
        }
    }

    fn create_stamped(
        &mut self,
        at: &Place,
        columns: &[String],
        cells: BTreeMap<String, Value>,
        intent: &str,
    ) -> Outcome {
        let table = self.table(at);
        let deleted =
            |record: &Record| record.gone.is_some() && record.intent.as_deref() == Some(intent);
        if let Some((id, _)) = table.records.iter().find(|(_, record)| deleted(record)) {
            let violation = format!("{at:?} {id} is made again although it was deleted");
            self.violations.push(violation);
        }
        let table = self.table(at);
        let stamped = table.stamped;
        let same =
            |record: &Record| record.gone.is_none() && record.stamp.as_deref() == Some(intent);
        if stamped && let Some((id, _)) = table.records.iter().find(|(_, record)| same(record)) {
            let id = id.clone();
            return self.applied(at, &id, columns, false);
        }
        if let Some(unique) = table.unique.clone()
            && let Some(value) = cells.get(&unique)
        {
            let taken =
                |record: &Record| record.gone.is_none() && record.cells.get(&unique) == Some(value);
            if let Some((id, _)) = table.records.iter().find(|(_, record)| taken(record)) {
                return Outcome::Exists(id.clone());
            }
        }
        let id = self.insert(at, cells, stamped.then(|| intent.to_owned()), false);
        if let Some(record) = self.table(at).records.get_mut(&id) {
            record.intent = Some(intent.to_owned());
        }
        self.applied(at, &id, columns, true)
    }

    fn change(
        &mut self,
        at: &Place,
        id: &str,
        columns: &[String],
        cells: BTreeMap<String, Value>,
        operation: &Operation,
    ) -> Outcome {
        let Some(record) = self.table(at).records.get(id) else { return Outcome::Gone };
        if record.gone.is_some() {
            return Outcome::Gone;
        }
        let version = record.sequence.to_string();
        if operation.if_version.as_ref().is_some_and(|expected| *expected != version) {
            return Outcome::Conflict;
        }
        if operation.action == Action::Archive {
            self.bury(at, id, Removal::Archived, false);
        }
        for (column, value) in cells {
            self.set(at, id, &column, value, false);
        }
        self.applied(at, id, columns, false)
    }

    fn applied(&self, at: &Place, id: &str, columns: &[String], created: bool) -> Outcome {
        let row = self.row(at, id, columns);
        let (version, after) = (row.version, row.cells);
        Outcome::Applied(Applied { id: row.id, created, version, after })
    }

    fn cut(&self, at: &Place, value: Value) -> Value {
        match (self.tables.get(at).and_then(|table| table.cut), value) {
            (Some(cut), Value::Text(text)) => Value::Text(text.chars().take(cut).collect()),
            (_, value) => value,
        }
    }
}

fn refusal() -> Problem {
    Problem {
        code: "REFUSED".to_owned(),
        message: String::new(),
        field: None,
        remedy: Remedy::TargetData,
    }
}
