//! The history: one line per reason, appended and never changed.

use std::collections::HashMap;

use renkei_model::state::{JournalEntry, RecordKey};
use renkei_model::store::port::JournalQuery;
use rusqlite::{Connection, Result, Row, params};

use crate::column;

pub(crate) fn append(connection: &Connection, lines: &[JournalEntry]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO journal (at_ms, entity, link, system, object, id, field, intent, generation,
                              reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut generations = HashMap::new();
    for line in lines {
        let record = line.record.as_ref();
        statement.execute(params![
            line.at_ms,
            line.entity,
            line.link.map(|link| column::number(link.0)),
            record.map(|key| &key.system),
            record.map(|key| &key.object),
            record.map(|key| &key.id),
            line.field,
            line.intent,
            generation(connection, &mut generations, line.generation.as_deref())?,
            column::json(&line.reason)?,
        ])?;
    }
    Ok(())
}

/// Lines about a link or a record, the newest first.
pub(crate) fn query(connection: &Connection, query: &JournalQuery) -> Result<Vec<JournalEntry>> {
    let mut statement = connection.prepare_cached(
        "SELECT at_ms, entity, link, system, object, id, field, intent, generation.name, reason
         FROM journal LEFT JOIN generation ON generation.number = journal.generation
         WHERE link = ?1 OR (id = ?4 AND system = ?2 AND object = ?3)
         ORDER BY journal.number DESC LIMIT ?5",
    )?;
    let record = query.record.as_ref();
    let values = params![
        query.link.map(|link| column::number(link.0)),
        record.map(|key| &key.system),
        record.map(|key| &key.object),
        record.map(|key| &key.id),
        column::length(query.limit),
    ];
    statement.query_map(values, read)?.collect()
}

pub(crate) fn count(connection: &Connection) -> Result<u64> {
    // Lines are never removed, so the last number is the count.
    connection
        .prepare_cached("SELECT ifnull(max(number), 0) FROM journal")?
        .query_row([], |row| column::unsigned(row, 0))
}

/// The number of a generation, whose name is long; one commit looks each name up once.
fn generation<'line>(
    connection: &Connection,
    known: &mut HashMap<&'line str, i64>,
    name: Option<&'line str>,
) -> Result<Option<i64>> {
    let Some(name) = name else { return Ok(None) };
    if let Some(number) = known.get(name) {
        return Ok(Some(*number));
    }
    connection
        .prepare_cached("INSERT OR IGNORE INTO generation (name) VALUES (?1)")?
        .execute([name])?;
    let number = connection
        .prepare_cached("SELECT number FROM generation WHERE name = ?1")?
        .query_row([name], |row| row.get(0))?;
    known.insert(name, number);
    Ok(Some(number))
}

fn read(row: &Row<'_>) -> Result<JournalEntry> {
    let record: Option<RecordKey> = match row.get::<_, Option<String>>(3)? {
        Some(_) => Some(column::key(row, 3)?),
        None => None,
    };
    Ok(JournalEntry {
        at_ms: row.get(0)?,
        entity: row.get(1)?,
        link: column::link_or_none(row, 2)?,
        record,
        field: row.get(6)?,
        intent: row.get(7)?,
        generation: row.get(8)?,
        reason: column::read_json(row, 9)?,
    })
}
