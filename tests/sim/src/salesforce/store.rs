//! The org's rows with the indexes that keep every request off a full scan.
//!
//! Each table is indexed by serial (id), by `SystemModstamp`, and by the text of each lookup,
//! unique and reference field. All changes of rows go through [`Store::put`], so an index can
//! never disagree with its rows. Soft-deleted rows stay, flagged, until the recycle bin lets them
//! go (apis/salesforce.md 4).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::ids::{self, Serial};
use super::schema::{Kind, Object, SLOT_DELETED, SLOT_STAMP, Schema, Table};
use super::value::Cell;
use crate::control::Origin;

/// How long deleted rows stay in the recycle bin.
pub(crate) const BIN_MS: i64 = 15 * 86_400_000;

/// What an absent or null value is read as.
pub(crate) static NULL: Cell = Cell::Null;

/// One record; cells stand in the order of the object's fields.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) serial: Serial,
    pub(crate) cells: Vec<Cell>,
    pub(crate) origin: Origin,
}

impl Row {
    pub(crate) fn cell(&self, slot: usize) -> &Cell {
        self.cells.get(slot).unwrap_or(&NULL)
    }

    pub(crate) fn set(&mut self, slot: usize, value: Cell) {
        if let Some(cell) = self.cells.get_mut(slot) {
            *cell = value;
        }
    }

    pub(crate) fn deleted(&self) -> bool {
        self.cell(SLOT_DELETED).is_true()
    }

    pub(crate) fn stamp(&self) -> i64 {
        self.cell(SLOT_STAMP).as_time().unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Rows {
    by_serial: BTreeMap<Serial, Row>,
    by_stamp: BTreeSet<(i64, Serial)>,
    by_text: HashMap<usize, HashMap<String, Vec<Serial>>>,
    next: Serial,
    /// Deletions with their time, for getDeleted and for emptying the bin.
    deletions: BTreeSet<(i64, Serial)>,
}

/// Every row of the org.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) schema: Arc<Schema>,
    tables: Vec<Rows>,
    /// What [`Store::put`] replaced since [`Store::begin`].
    undo: Vec<(Table, Serial, Option<Row>)>,
    /// Whether a composite request may yet take back what its parts do.
    held: bool,
}

impl Store {
    pub(crate) fn new(schema: Schema) -> Self {
        let tables = schema
            .objects()
            .map(|(_, object)| {
                let indexed = object.fields.iter().enumerate().filter(|(_, f)| f.indexed());
                let by_text = indexed.map(|(slot, _)| (slot, HashMap::new())).collect();
                Rows { by_text, next: 1, ..Rows::default() }
            })
            .collect();
        Self { schema: Arc::new(schema), tables, undo: Vec::new(), held: false }
    }

    pub(crate) fn object(&self, table: Table) -> Option<&Object> {
        self.schema.object(table)
    }

    /// The id of a row, of 18 characters.
    pub(crate) fn id(&self, table: Table, serial: Serial) -> String {
        ids::render(self.object(table).map_or("000", |object| object.prefix), serial)
    }

    /// Table and serial that an id of this org names, whether or not the row exists.
    pub(crate) fn locate(&self, id: &str) -> Option<(Table, Serial)> {
        let (prefix, serial) = ids::parse(id)?;
        Some((self.schema.by_prefix(prefix)?, serial?))
    }

    /// Takes the next serial of a table.
    pub(crate) fn allot(&mut self, table: Table) -> Serial {
        self.tables.get_mut(table).map_or(0, |rows| {
            rows.next += 1;
            rows.next - 1
        })
    }

    pub(crate) fn row(&self, table: Table, serial: Serial) -> Option<&Row> {
        self.tables.get(table)?.by_serial.get(&serial)
    }

    /// All rows of a table in the order of their ids, deleted ones included.
    pub(crate) fn rows(&self, table: Table) -> impl Iterator<Item = &Row> {
        self.tables.get(table).into_iter().flat_map(|rows| rows.by_serial.values())
    }

    /// Serials by stamp, from `low` to `high`, both included.
    pub(crate) fn stamped(
        &self,
        table: Table,
        low: i64,
        high: i64,
    ) -> impl DoubleEndedIterator<Item = (i64, Serial)> {
        let range = (low, Serial::MIN)..=(high, Serial::MAX);
        let nothing = low > high;
        let rows = self.tables.get(table).filter(|_| !nothing);
        rows.into_iter().flat_map(move |rows| rows.by_stamp.range(range.clone()).copied())
    }

    /// Serials whose indexed field equals a text, deleted rows included; `None` without an index.
    pub(crate) fn by_text(&self, table: Table, slot: usize, text: &str) -> Option<&[Serial]> {
        let index = self.tables.get(table)?.by_text.get(&slot)?;
        let key = self.key(table, slot, text);
        Some(index.get(&key).map(Vec::as_slice).unwrap_or_default())
    }

    /// The rows that are not deleted and whose indexed field equals a text.
    pub(crate) fn live(&self, table: Table, slot: usize, text: &str) -> Vec<Serial> {
        let found = self.by_text(table, slot, text).unwrap_or_default();
        let live = |serial: &&Serial| self.row(table, **serial).is_some_and(|row| !row.deleted());
        found.iter().filter(live).copied().collect()
    }

    /// Deletions from `low` to `high`, both included.
    pub(crate) fn deletions(&self, table: Table, low: i64, high: i64) -> Vec<(i64, Serial)> {
        let range = (low, Serial::MIN)..=(high.max(low), Serial::MAX);
        let rows = self.tables.get(table);
        rows.into_iter().flat_map(|rows| rows.deletions.range(range.clone()).copied()).collect()
    }

    /// Starts a group of changes; [`Store::roll_back`] takes it back by the mark returned.
    pub(crate) fn begin(&mut self) -> usize {
        if !self.held {
            self.undo.clear();
        }
        self.undo.len()
    }

    /// Keeps what later groups need to be taken back together, until released.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Takes back every change since the group of `mark` began.
    pub(crate) fn roll_back(&mut self, mark: usize) {
        for (table, serial, before) in self.undo.split_off(mark).into_iter().rev() {
            self.swap(table, serial, before);
        }
    }

    /// Writes a row with its index entries.
    pub(crate) fn put(&mut self, table: Table, row: Row) {
        let serial = row.serial;
        let before = self.swap(table, serial, Some(row));
        self.undo.push((table, serial, before));
    }

    /// Removes a row for good, past the recycle bin.
    pub(crate) fn erase(&mut self, table: Table, serial: Serial) {
        self.swap(table, serial, None);
    }

    /// Empties the recycle bin of what was deleted before `now_ms - BIN_MS`.
    pub(crate) fn purge(&mut self, now_ms: i64) {
        for table in 0..self.tables.len() {
            let old = self.deletions(table, i64::MIN, now_ms - BIN_MS);
            for (_, serial) in old {
                self.swap(table, serial, None);
            }
        }
    }

    fn swap(&mut self, table: Table, serial: Serial, row: Option<Row>) -> Option<Row> {
        let schema = Arc::clone(&self.schema);
        let object = schema.object(table)?;
        let rows = self.tables.get_mut(table)?;
        let before = rows.by_serial.remove(&serial);
        if let Some(before) = &before {
            rows.unlink(object, before);
        }
        if let Some(row) = row {
            rows.link(object, &row);
            rows.by_serial.insert(serial, row);
        }
        before
    }

    fn key(&self, table: Table, slot: usize, text: &str) -> String {
        let field = self.object(table).and_then(|object| object.fields.get(slot));
        index_key(field.map(|field| field.kind), text)
    }
}

impl Rows {
    fn link(&mut self, object: &Object, row: &Row) {
        self.by_stamp.insert((row.stamp(), row.serial));
        if row.deleted() {
            self.deletions.insert((row.stamp(), row.serial));
        }
        for (slot, index) in &mut self.by_text {
            if let Some(key) = key_of(object, *slot, row) {
                index.entry(key).or_default().push(row.serial);
            }
        }
    }

    fn unlink(&mut self, object: &Object, row: &Row) {
        self.by_stamp.remove(&(row.stamp(), row.serial));
        self.deletions.remove(&(row.stamp(), row.serial));
        for (slot, index) in &mut self.by_text {
            let Some(key) = key_of(object, *slot, row) else { continue };
            if let Some(serials) = index.get_mut(&key) {
                serials.retain(|serial| *serial != row.serial);
                if serials.is_empty() {
                    index.remove(&key);
                }
            }
        }
    }
}

fn key_of(object: &Object, slot: usize, row: &Row) -> Option<String> {
    let kind = object.fields.get(slot).map(|field| field.kind);
    Some(index_key(kind, row.cell(slot).as_text()?))
}

/// Ids are case-sensitive; every other text is found whatever its case.
fn index_key(kind: Option<Kind>, text: &str) -> String {
    match kind {
        Some(Kind::Id | Kind::Reference(..)) => text.to_owned(),
        _ => text.to_lowercase(),
    }
}
