//! Reading of the world: rows, pages and tombstones, as late and as mixed as the knobs say.

use std::collections::BTreeMap;

use renkei_model::record::{Page, PageRequest, Removal, Row, Scan, Tombstone};
use renkei_model::value::{Cell, Value};

use super::knobs::Versions;
use super::{Place, Record, Table, Who, World};

/// The column that says who changed a record last: `integration` or `person`.
pub const MODIFIED_BY: &str = "modified-by";

/// The ways of reading, each with a lag of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Changes,
    List,
    Find,
    ById,
}

impl From<Scan> for Reading {
    fn from(scan: Scan) -> Self {
        match scan {
            Scan::Changes => Self::Changes,
            Scan::Backfill | Scan::Sweep => Self::List,
        }
    }
}

impl Table {
    /// The records among these that the system says to be hidden.
    pub(super) fn told_as_hidden(&self, is_asked: impl Fn(&String) -> bool) -> Vec<Tombstone> {
        let hidden = self.knobs.invisible.iter().filter(|_| self.knobs.hides_openly);
        let there = |id: &&String| self.records.get(*id).is_some_and(|one| one.gone.is_none());
        let told = hidden.filter(|id| is_asked(id)).filter(there);
        told.map(|id| Tombstone { id: id.clone(), removal: Removal::Hidden, at_ms: None }).collect()
    }

    /// The record, another one than this, that has the unique value among these.
    pub(super) fn holder(
        &self,
        cells: &BTreeMap<String, Value>,
        this: Option<&str>,
    ) -> Option<String> {
        let unique = self.unique.as_ref()?;
        let value = cells.get(unique)?;
        let has_it = |(id, record): &(&String, &Record)| {
            let other = this.is_none_or(|this| this != id.as_str());
            other && record.gone.is_none() && record.cells.get(unique) == Some(value)
        };
        self.records.iter().find(has_it).map(|(id, _)| id.clone())
    }

    /// Lag after which one version of a record is seen.
    fn lag_ms(&self, reading: Reading, version: &Record) -> i64 {
        let lag = &self.knobs.lag;
        let most = match reading {
            Reading::Changes => lag.changes_ms,
            Reading::List => lag.list_ms,
            Reading::Find => lag.find_ms,
            Reading::ById => lag.by_id_ms,
        };
        if !lag.uneven || most == 0 {
            return most;
        }
        let mixed = version.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        i64::try_from(mixed).unwrap() % (most + 1)
    }

    /// The record as this reading shows it now; nothing where it is not seen yet.
    pub(super) fn seen<'a>(
        &self,
        reading: Reading,
        record: &'a Record,
        now_ms: i64,
    ) -> Option<&'a Record> {
        let is_seen =
            |version: &&Record| version.modified_ms + self.lag_ms(reading, version) <= now_ms;
        if is_seen(&record) {
            return Some(record);
        }
        record.past.iter().rev().find(is_seen)
    }

    fn stamp_ms(&self, version: &Record) -> i64 {
        if self.knobs.whole_seconds {
            version.stamped_ms - version.stamped_ms.rem_euclid(1000)
        } else {
            version.stamped_ms
        }
    }

    pub(super) fn version(&self, version: &Record) -> Option<String> {
        match self.knobs.versions {
            Versions::Number | Versions::RowsOnly => Some(version.sequence.to_string()),
            Versions::Stamp => Some(self.stamp_ms(version).to_string()),
            Versions::None => None,
        }
    }

    /// True if this account cannot read a column for now.
    fn hides(&self, column: &str) -> bool {
        self.hidden.contains(column) || self.knobs.vanished.contains(column)
    }

    pub(super) fn row(&self, id: &str, version: &Record, columns: &[String]) -> Row {
        let cell = |column: &String| -> Cell {
            if column == "stamp" {
                return Some(version.stamp.as_deref().map_or(Value::Null, Value::from));
            }
            if column == MODIFIED_BY {
                let ours = version.by == Some(Who::Engine);
                return Some(if ours { "integration" } else { "person" }.into());
            }
            let value = || version.cells.get(column).cloned().unwrap_or(Value::Null);
            let absent = &self.knobs.absent;
            let is_absent = !absent.is_empty() && absent.contains(&(id.to_owned(), column.clone()));
            (!self.hides(column) && !is_absent).then(value)
        };
        Row {
            id: id.to_owned(),
            version: self.version(version),
            modified_ms: Some(self.stamp_ms(version)),
            cells: columns.iter().map(cell).collect(),
        }
    }

    pub(super) fn tombstone(&self, id: &str, version: &Record, removal: &Removal) -> Tombstone {
        let at_ms = Some(self.stamp_ms(version));
        Tombstone { id: id.to_owned(), removal: removal.clone(), at_ms }
    }
}

/// Position of a scan of changes: what changed since, where this run of pages began, and how far
/// it has come.
#[derive(Default)]
struct ChangesCursor {
    since: u64,
    began: Option<u64>,
    shown: u64,
    rows_done: bool,
}

impl ChangesCursor {
    fn parse(cursor: Option<&Vec<u8>>) -> Self {
        let text = cursor.map(|bytes| String::from_utf8(bytes.clone()).unwrap());
        let text = text.unwrap_or_else(|| "0".to_owned());
        let numbers: Vec<u64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
        match numbers.as_slice() {
            [since, began, shown, rows_done] => {
                let (began, rows_done) = (Some(*began), *rows_done == 1);
                Self { since: *since, began, shown: *shown, rows_done }
            }
            [since, ..] => Self { since: *since, ..Self::default() },
            [] => Self::default(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self.began {
            Some(began) => {
                let rows_done = u8::from(self.rows_done);
                format!("{} {began} {} {rows_done}", self.since, self.shown).into_bytes()
            }
            None => format!("{} ", self.since).into_bytes(),
        }
    }
}

impl World {
    pub(super) fn page(&mut self, at: &Place, request: &PageRequest) -> Page {
        if request.cursor.is_none() || request.scan == Scan::Changes {
            let expected = request.options.iter().find(|(code, _)| code == "expected-rows");
            let expected = expected.map(|(_, rows)| match rows {
                Value::Integer(rows) => *rows,
                other => panic!("{other:?}"),
            });
            self.scans.push((at.clone(), request.scan, expected));
        }
        let mut page = match (request.scan, self.tables.get(at)) {
            (_, None) => Page { cursor: b"0 ".to_vec(), ..Page::default() },
            (Scan::Changes, Some(table)) => self.changes(at, table, request),
            (Scan::Backfill | Scan::Sweep, Some(table)) => self.list(table, request),
        };
        page.batch.columns.clone_from(&request.columns);
        page
    }

    /// Everything that is there, by id, from where changes will go on.
    fn list(&self, table: &Table, request: &PageRequest) -> Page {
        let (mut start, mut from) = (self.unseen_since(table), String::new());
        if let Some(cursor) = &request.cursor {
            let text = String::from_utf8(cursor.clone()).unwrap();
            let (first, second) = text.split_once(' ').unwrap();
            start = first.parse().unwrap();
            from = second.to_owned();
        }
        let seen = table.records.iter().filter_map(|(id, record)| {
            let version = table.seen(request.scan.into(), record, self.now_ms)?;
            let there = version.gone.is_none() && !table.knobs.invisible.contains(id);
            (*id > from && there).then_some((id, version))
        });
        let wanted: Vec<_> = seen.take(request.limit as usize + 1).collect();
        let more = wanted.len() > request.limit as usize;
        let mut page = Page { more, ..Page::default() };
        let mut last = "";
        for (id, version) in wanted.into_iter().take(request.limit as usize) {
            last = id;
            page.batch.rows.push(table.row(id, version, &request.columns));
        }
        page.cursor = format!("{start} {}", if more { last } else { "" }).into_bytes();
        page
    }

    /// Records that may have changed since the cursor, one step of look-back included, so
    /// that everything is reported again and again.
    fn changes(&self, at: &Place, table: &Table, request: &PageRequest) -> Page {
        let mut cursor = ChangesCursor::parse(request.cursor.as_ref());
        let knobs = &table.knobs;
        let seen = table.records.iter().filter_map(|(id, record)| {
            let version = table.seen(Reading::Changes, record, self.now_ms)?;
            let is_new = version.sequence + 1 >= cursor.since
                || version.modified_ms + knobs.look_back_ms > self.now_ms;
            let can_be_seen =
                !knobs.invisible.contains(id) && !self.unseen.contains(&(at.clone(), id.clone()));
            (is_new && can_be_seen).then_some((id, version))
        });
        let mut seen: Vec<_> = seen.collect();
        let began = cursor.began.unwrap_or_else(|| self.unseen_since(table).max(cursor.since));
        let mut page = Page::default();
        if let Some(rows) = knobs.change_rows {
            seen.sort_by_key(|(_, version)| version.sequence);
            seen.retain(|(_, version)| version.sequence > cursor.shown);
            page.more = seen.len() > rows;
            seen.truncate(rows);
        }
        for (id, version) in &seen {
            let is_due = !knobs.removals_apart || cursor.rows_done == version.gone.is_some();
            match &version.gone {
                _ if !is_due => {}
                None => page.batch.rows.push(table.row(id, version, &request.columns)),
                Some(removal) => page.removed.push(table.tombstone(id, version, removal)),
            }
        }
        page.removed.extend(table.told_as_hidden(|_| true));
        cursor.began = Some(began);
        if page.more {
            cursor.shown = seen.last().map_or(0, |(_, version)| version.sequence);
        } else if knobs.removals_apart && !cursor.rows_done {
            page.more = true;
            cursor = ChangesCursor { shown: 0, rows_done: true, ..cursor };
        } else {
            // What changed while the pages were read is behind this mark, and shown again.
            cursor = ChangesCursor { since: began, ..ChangesCursor::default() };
        }
        page.cursor = cursor.bytes();
        page
    }

    /// The change after which something may not have been shown yet.
    fn unseen_since(&self, table: &Table) -> u64 {
        if table.knobs.lag.is_off() {
            return self.sequence;
        }
        let versions = table.records.values().flat_map(|record| record.past.iter().chain([record]));
        let hidden = versions.filter(|version| {
            version.modified_ms + table.lag_ms(Reading::Changes, version) > self.now_ms
        });
        hidden.map(|version| version.sequence).min().unwrap_or(self.sequence)
    }
}
