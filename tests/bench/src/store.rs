//! Cost of the store over SQLite itself: commits through the port against bare inserts of the
//! very rows that they left behind.
//!
//! Both sides have the same schema with the same indexes, the same pragmas, the same number of
//! transactions and a disk that is waited for; only the bare side has its rows ready and looks
//! nothing up. Time is the wall's, for the store writes on a thread of its own; what all threads
//! together took of the processor is told besides, for other programs disturb it less.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use futures::executor::block_on;
use renkei_model::reason::Reason;
use renkei_model::spec::Spec;
use renkei_model::state::JournalEntry;
use renkei_model::store::port::{Changes, Store as _};
use renkei_store::Layouts;
use renkei_store::SqliteStore;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::figures::{Figures, Target};
use crate::people;
use crate::timing::{Spent, median, spend};

const PEOPLE: u64 = 10_000;
const COMMITS: u64 = 20;
const ROUNDS: usize = 5;
/// Time of commits over that of bare inserts.
const OVER_BARE: f64 = 1.35;

/// A table's name and its rows in the order in which they were inserted.
type Rows = (String, Vec<Vec<Value>>);

/// Runs it.
pub(crate) fn run() -> Result<Figures> {
    let spec = people::spec()?;
    let (mut port, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let mut processor = Vec::new();
    let (mut records, mut bytes) = (0, 0);
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir()?;
        let through = commits(&spec, &dir.path().join("port"))?;
        let (schema, rows) = read_back(&dir.path().join("port"))?;
        records = rows.iter().find(|(name, _)| name == "record").map_or(0, |(_, r)| r.len());
        bytes = rows.iter().flat_map(|(_, rows)| rows).flatten().map(length).sum();
        let straight = inserts(&schema, &rows, &dir.path().join("bare.db"))?;
        let seconds = |spent: Spent| (spent.wall.as_secs_f64(), spent.all.as_secs_f64());
        let ((through, through_cpu), (straight, straight_cpu)) =
            (seconds(through), seconds(straight));
        ratios.push(through / straight);
        processor.push(through_cpu / straight_cpu);
        port.push(through);
        bare.push(straight);
    }
    ensure!(records as u64 > PEOPLE, "only {records} records were stored");
    let mut figures = Figures::default();
    figures.record("records_per_second", records as f64 / median(port));
    figures.record("bare_records_per_second", records as f64 / median(bare));
    figures.record("bytes_per_record", bytes as f64 / records as f64);
    figures.record("processor_ratio", median(processor));
    figures.ratio(median(ratios), Target::AtMost(OVER_BARE));
    Ok(figures)
}

/// Changes that linking so many new people commits, one set per chunk.
fn changes(layouts: &Layouts) -> Vec<Changes> {
    let chunk = PEOPLE / COMMITS;
    (0..COMMITS)
        .map(|number| {
            let mut changes = Changes::default();
            for person in number * chunk..(number + 1) * chunk {
                people::put_person(&mut changes, layouts, person, PEOPLE);
            }
            for record in &changes.records {
                let mail = (String::from("mail"), format!("{}@example.jp", record.key.id));
                changes.match_keys.push((record.key.clone(), vec![mail]));
                changes.journal.push(JournalEntry {
                    at_ms: 1_700_000_000_000,
                    entity: record.entity.clone(),
                    link: record.link,
                    record: Some(record.key.clone()),
                    field: None,
                    intent: None,
                    generation: Some(format!("hubspot@0.1.0 {}", "0".repeat(64))),
                    reason: Reason::Founded,
                });
            }
            changes
        })
        .collect()
}

/// Time of all commits through the port.
fn commits(spec: &Spec, dir: &Path) -> Result<Spent> {
    let layouts = Layouts::from_spec(spec);
    let changes = changes(&layouts);
    let store = SqliteStore::open(dir, layouts)?;
    let (done, spent) =
        spend(|| changes.into_iter().try_for_each(|changes| block_on(store.commit(changes))));
    done?;
    Ok(spent)
}

/// The statements that make the schema, and every row.
fn read_back(dir: &Path) -> Result<(Vec<String>, Vec<Rows>)> {
    let connection = Connection::open_with_flags(
        dir.join("renkei.db"),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    let mut schema = connection.prepare(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL
         AND name NOT LIKE 'sqlite_%' ORDER BY type = 'index'",
    )?;
    let items = schema.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let items: Vec<(String, String, String)> = items.collect::<rusqlite::Result<_>>()?;
    let mut rows = Vec::new();
    for (_, name, _) in items.iter().filter(|(kind, ..)| kind == "table") {
        let mut statement =
            connection.prepare(&format!("SELECT * FROM \"{name}\" ORDER BY rowid"))?;
        let columns = statement.column_count();
        let table = statement.query_map([], |row| (0..columns).map(|c| row.get(c)).collect())?;
        rows.push((name.clone(), table.collect::<rusqlite::Result<_>>()?));
    }
    Ok((items.into_iter().map(|(.., sql)| sql).collect(), rows))
}

/// Time of the same rows in as many transactions, each with its share of every table.
fn inserts(schema: &[String], rows: &[Rows], path: &Path) -> Result<Spent> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "page_size", 8192)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    for statement in schema {
        connection.execute(statement, []).with_context(|| statement.clone())?;
    }
    let (done, spent) = spend(|| -> Result<()> {
        for number in 0..COMMITS as usize {
            let transaction = connection.transaction()?;
            for (table, rows) in rows {
                let share = rows.len().div_ceil(COMMITS as usize).max(1);
                let Some(rows) = rows.chunks(share).nth(number) else { continue };
                let marks = vec!["?"; rows.first().map_or(0, Vec::len)].join(", ");
                let insert = format!("INSERT INTO \"{table}\" VALUES ({marks})");
                let mut insert = transaction.prepare_cached(&insert)?;
                for row in rows {
                    insert.execute(params_from_iter(row))?;
                }
            }
            transaction.commit()?;
        }
        Ok(())
    });
    done?;
    Ok(spent)
}

fn length(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null => 0,
        Value::Integer(_) | Value::Real(_) => 8,
    }
}
