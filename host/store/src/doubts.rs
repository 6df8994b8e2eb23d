//! Doubts about records, only while they last.

use renkei_model::state::{Doubt, RecordKey, Stream};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::column;

/// Replaces the doubt about a stored record, or ends it.
pub(crate) fn upsert_doubt(
    connection: &Connection,
    key: &RecordKey,
    doubt: Option<&Doubt>,
) -> Result<()> {
    let RecordKey { system, object, id } = key;
    let Some(doubt) = doubt else {
        let mut statement = connection.prepare_cached(
            "DELETE FROM doubt WHERE record =
                 (SELECT number FROM record WHERE system = ?1 AND object = ?2 AND id = ?3)",
        )?;
        statement.execute(params![system, object, id])?;
        return Ok(());
    };
    let mut statement = connection.prepare_cached(
        "INSERT INTO doubt (record, system, object, due_ms, body)
         SELECT number, ?1, ?2, ?4, ?5 FROM record
         WHERE system = ?1 AND object = ?2 AND id = ?3
         ON CONFLICT (record) DO UPDATE SET due_ms = excluded.due_ms, body = excluded.body",
    )?;
    statement.execute(params![system, object, id, doubt.due_ms, column::json(doubt)?])?;
    Ok(())
}

/// The doubts of these records, in the order of `keys`. Usually the table is empty; then no record
/// is looked up.
pub(crate) fn find_doubts(
    connection: &Connection,
    keys: &[RecordKey],
) -> Result<Vec<(RecordKey, Doubt)>> {
    let is_any = connection.prepare_cached("SELECT 1 FROM doubt LIMIT 1")?.exists([])?;
    if !is_any {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(
        "SELECT body FROM doubt WHERE record =
             (SELECT number FROM record WHERE system = ?1 AND object = ?2 AND id = ?3)",
    )?;
    let mut found = Vec::new();
    for key in keys {
        let values = params![key.system, key.object, key.id];
        let doubt = statement.query_row(values, |row| column::read_json(row, 0)).optional()?;
        found.extend(doubt.map(|doubt| (key.clone(), doubt)));
    }
    Ok(found)
}

pub(crate) fn due(
    connection: &Connection,
    stream: &Stream,
    now_ms: i64,
    limit: usize,
) -> Result<Vec<(RecordKey, Doubt)>> {
    let mut statement = connection.prepare_cached(
        "SELECT record.system, record.object, record.id, doubt.body
         FROM doubt JOIN record ON record.number = doubt.record
         WHERE doubt.system = ?1 AND doubt.object = ?2 AND doubt.due_ms <= ?3
         ORDER BY doubt.due_ms, record.id LIMIT ?4",
    )?;
    let values = params![stream.system, stream.object, now_ms, column::length(limit)];
    statement
        .query_map(values, |row| Ok((column::key(row, 0)?, column::read_json(row, 3)?)))?
        .collect()
}
