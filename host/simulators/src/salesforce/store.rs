//! The org's rows with the indexes that keep every request off a full scan.
//!
//! Each table is indexed by serial (id), by `SystemModstamp`, and by the text of each lookup,
//! unique and reference field. All changes of rows go through [`OrgStore::put_row`], so an
//! index can never disagree with its rows. Soft-deleted rows stay, flagged, until the recycle
//! bin lets them go. Where reads lag, a second store follows this one by its journal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::ids::{self, Serial};
use super::schema::{OrgFieldKind, OrgObject, OrgSchema, SLOT_DELETED, SLOT_STAMP, TableNumber};
use super::value::OrgValue;
use crate::control::Origin;
use crate::faults::{EveryNth, Faults};

/// Time that deleted rows stay in the recycle bin.
pub(crate) const BIN_MS: i64 = 15 * 86_400_000;

/// Value of an absent field.
pub(crate) static NULL: OrgValue = OrgValue::Null;

/// One record; cells stand in the order of the object's fields.
#[derive(Debug, Clone)]
pub(crate) struct OrgRow {
    pub(crate) serial: Serial,
    pub(crate) cells: Vec<OrgValue>,
    pub(crate) origin: Origin,
}

impl OrgRow {
    pub(crate) fn cell(&self, slot: usize) -> &OrgValue {
        self.cells.get(slot).unwrap_or(&NULL)
    }

    pub(crate) fn set(&mut self, slot: usize, value: OrgValue) {
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

#[derive(Debug, Clone, Default)]
struct TableRows {
    by_serial: BTreeMap<Serial, OrgRow>,
    by_stamp: BTreeSet<(i64, Serial)>,
    by_text: HashMap<usize, HashMap<String, Vec<Serial>>>,
    next: Serial,
    /// Deletions with their time, for getDeleted and for emptying the bin.
    deletions: BTreeSet<(i64, Serial)>,
}

/// A change of one row, for a store that follows this one.
#[derive(Debug, Clone)]
pub(crate) struct FollowedChange {
    pub(crate) at_ms: i64,
    pub(crate) table: TableNumber,
    pub(crate) serial: Serial,
    row: Option<OrgRow>,
}

/// Effects of a deletion on other rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct BinnedRows {
    /// Rows that went along.
    pub(crate) along: Vec<(TableNumber, Serial)>,
    /// Lookups that were emptied: the row and the slot.
    pub(crate) emptied: Vec<(TableNumber, Serial, usize)>,
}

/// A record type of an object.
#[derive(Debug, Clone)]
pub(crate) struct RecordType {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) developer_name: String,
    pub(crate) person: bool,
}

/// Every row of the org.
#[derive(Debug, Clone)]
pub(crate) struct OrgStore {
    pub(crate) schema: Arc<OrgSchema>,
    tables: Vec<TableRows>,
    /// Rows that [`OrgStore::put_row`] replaced since [`OrgStore::begin`].
    undo: Vec<(TableNumber, Serial, Option<OrgRow>)>,
    /// True if a composite request may yet take back what its parts do.
    held: bool,
    pub(crate) knobs: Arc<Faults>,
    /// Rows that sharing hides from the client.
    hidden: HashSet<(TableNumber, Serial)>,
    /// The time of the request under way.
    pub(crate) now_ms: i64,
    /// True if the request said that duplicates may be saved.
    pub(crate) allow_duplicates: bool,
    pub(crate) ignoring: EveryNth,
    /// Effects of deletions, by the row that was deleted.
    pub(crate) bin: HashMap<(TableNumber, Serial), BinnedRows>,
    /// Rows that went along and that the deletion log may not list.
    pub(crate) quiet: HashSet<(TableNumber, Serial)>,
    /// Changes since the last [`OrgStore::drain`], where another store follows.
    journal: Option<Vec<FollowedChange>>,
}

impl OrgStore {
    pub(crate) fn new(schema: OrgSchema) -> Self {
        let tables = schema
            .objects()
            .map(|(_, object)| {
                let indexed = object.fields.iter().enumerate().filter(|(_, f)| f.indexed());
                let by_text = indexed.map(|(slot, _)| (slot, HashMap::new())).collect();
                TableRows { by_text, next: 1, ..TableRows::default() }
            })
            .collect();
        Self {
            schema: Arc::new(schema),
            tables,
            undo: Vec::new(),
            held: false,
            knobs: Arc::default(),
            hidden: HashSet::new(),
            now_ms: 0,
            allow_duplicates: false,
            ignoring: EveryNth::default(),
            bin: HashMap::new(),
            quiet: HashSet::new(),
            journal: None,
        }
    }

    /// Takes over what the knobs say about objects, fields and sharing.
    pub(crate) fn apply(&mut self, knobs: &Faults) {
        self.knobs = Arc::new(knobs.clone());
        let mut schema = OrgSchema::clone(&self.schema);
        schema.apply(knobs);
        self.schema = Arc::new(schema);
        let hidden = knobs.hidden_records.iter().filter_map(|id| self.locate(id));
        self.hidden = hidden.collect();
    }

    /// True if sharing hides a row from the client.
    pub(crate) fn hides(&self, table: TableNumber, serial: Serial) -> bool {
        !self.hidden.is_empty() && self.hidden.contains(&(table, serial))
    }

    /// The row as the client may see it.
    pub(crate) fn shared(&self, table: TableNumber, serial: Serial) -> Option<&OrgRow> {
        if self.hides(table, serial) { None } else { self.row(table, serial) }
    }

    /// The record types of an object, the default one first.
    pub(crate) fn record_types(&self, object: &str) -> Vec<RecordType> {
        let Some(table) = self.schema.any_table("RecordType") else { return Vec::new() };
        let Some(of) = self.object(table) else { return Vec::new() };
        let text = |row: &OrgRow, name: &str| {
            let slot = of.any_field(name).map_or(0, |(slot, _)| slot);
            row.cell(slot).as_text().unwrap_or_default().to_owned()
        };
        let person = |row: &OrgRow| {
            of.any_field("IsPersonType").is_some_and(|(slot, _)| row.cell(slot).is_true())
        };
        let business = self.knobs.salesforce.record_types;
        self.rows(table)
            .filter(|row| text(row, "SobjectType") == object)
            .filter(
                |row| if person(row) { self.knobs.salesforce.person_accounts } else { business },
            )
            .map(|row| RecordType {
                id: self.id(table, row.serial),
                name: text(row, "Name"),
                developer_name: text(row, "DeveloperName"),
                person: person(row),
            })
            .collect()
    }

    /// Starts to keep a journal of changes, or ends it.
    pub(crate) fn keep_journal(&mut self, kept: bool) {
        self.journal = kept.then(Vec::new);
    }

    /// The changes since the last call, where a journal is kept.
    pub(crate) fn drain(&mut self) -> Vec<FollowedChange> {
        self.journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Does a change of the store that this one follows.
    pub(crate) fn follow(&mut self, change: FollowedChange) {
        self.swap(change.table, change.serial, change.row);
    }

    pub(crate) fn object(&self, table: TableNumber) -> Option<&OrgObject> {
        self.schema.object(table)
    }

    /// The id of a row, of 18 characters.
    pub(crate) fn id(&self, table: TableNumber, serial: Serial) -> String {
        ids::render(self.object(table).map_or("000", |object| object.prefix), serial)
    }

    /// Table and serial that an id of this org names, whether or not the row exists.
    pub(crate) fn locate(&self, id: &str) -> Option<(TableNumber, Serial)> {
        let (prefix, serial) = ids::parse(id)?;
        Some((self.schema.by_prefix(prefix)?, serial?))
    }

    /// Takes the next serial of a table.
    pub(crate) fn allot(&mut self, table: TableNumber) -> Serial {
        self.tables.get_mut(table).map_or(0, |rows| {
            rows.next += 1;
            rows.next - 1
        })
    }

    pub(crate) fn row(&self, table: TableNumber, serial: Serial) -> Option<&OrgRow> {
        self.tables.get(table)?.by_serial.get(&serial)
    }

    /// All rows of a table in the order of their ids, deleted ones included.
    pub(crate) fn rows(&self, table: TableNumber) -> impl Iterator<Item = &OrgRow> {
        self.tables.get(table).into_iter().flat_map(|rows| rows.by_serial.values())
    }

    /// Serials by stamp, from `low` to `high`, both included.
    pub(crate) fn stamped(
        &self,
        table: TableNumber,
        low: i64,
        high: i64,
    ) -> impl DoubleEndedIterator<Item = (i64, Serial)> {
        let range = (low, Serial::MIN)..=(high, Serial::MAX);
        let nothing = low > high;
        let rows = self.tables.get(table).filter(|_| !nothing);
        rows.into_iter().flat_map(move |rows| rows.by_stamp.range(range.clone()).copied())
    }

    /// Serials whose indexed field equals a text, deleted rows included; `None` without an index.
    pub(crate) fn by_text(&self, table: TableNumber, slot: usize, text: &str) -> Option<&[Serial]> {
        let index = self.tables.get(table)?.by_text.get(&slot)?;
        let key = self.key(table, slot, text);
        Some(index.get(&key).map(Vec::as_slice).unwrap_or_default())
    }

    /// The rows that are not deleted and whose indexed field equals a text.
    pub(crate) fn live(&self, table: TableNumber, slot: usize, text: &str) -> Vec<Serial> {
        let Some(found) = self.by_text(table, slot, text) else {
            let same = |row: &&OrgRow| {
                let value = row.cell(slot).as_text();
                !row.deleted() && value.is_some_and(|value| value.eq_ignore_ascii_case(text))
            };
            return self.rows(table).filter(same).map(|row| row.serial).collect();
        };
        let live = |serial: &&Serial| self.row(table, **serial).is_some_and(|row| !row.deleted());
        found.iter().filter(live).copied().collect()
    }

    /// Deletions from `low` to `high`, both included.
    pub(crate) fn deletions(&self, table: TableNumber, low: i64, high: i64) -> Vec<(i64, Serial)> {
        let range = (low, Serial::MIN)..=(high.max(low), Serial::MAX);
        let rows = self.tables.get(table);
        rows.into_iter().flat_map(|rows| rows.deletions.range(range.clone()).copied()).collect()
    }

    /// Starts a group of changes; [`OrgStore::roll_back`] takes it back by the mark returned.
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
    pub(crate) fn put_row(&mut self, table: TableNumber, row: OrgRow) {
        let serial = row.serial;
        let before = self.swap(table, serial, Some(row));
        self.undo.push((table, serial, before));
    }

    /// Removes a row for good, past the recycle bin.
    pub(crate) fn erase(&mut self, table: TableNumber, serial: Serial) {
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

    fn swap(&mut self, table: TableNumber, serial: Serial, row: Option<OrgRow>) -> Option<OrgRow> {
        let schema = Arc::clone(&self.schema);
        let object = schema.object(table)?;
        if let Some(journal) = &mut self.journal {
            journal.push(FollowedChange { at_ms: self.now_ms, table, serial, row: row.clone() });
        }
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

    fn key(&self, table: TableNumber, slot: usize, text: &str) -> String {
        let field = self.object(table).and_then(|object| object.fields.get(slot));
        index_key(field.map(|field| field.kind), text)
    }
}

impl TableRows {
    fn link(&mut self, object: &OrgObject, row: &OrgRow) {
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

    fn unlink(&mut self, object: &OrgObject, row: &OrgRow) {
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

fn key_of(object: &OrgObject, slot: usize, row: &OrgRow) -> Option<String> {
    let kind = object.fields.get(slot).map(|field| field.kind);
    Some(index_key(kind, row.cell(slot).as_text()?))
}

/// Ids are case-sensitive; every other text is found whatever its case.
fn index_key(kind: Option<OrgFieldKind>, text: &str) -> String {
    match kind {
        Some(OrgFieldKind::Id | OrgFieldKind::Reference(..)) => text.to_owned(),
        _ => text.to_lowercase(),
    }
}
