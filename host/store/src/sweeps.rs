//! The progress of each stream's sweep, and the records that its present round has seen.

use renkei_model::state::{RecordKey, Stream, Sweep};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::column;

pub(crate) fn upsert_sweep(connection: &Connection, stream: &Stream, sweep: &Sweep) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO sweep (system, object, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (system, object) DO UPDATE SET body = excluded.body",
    )?;
    statement.execute(params![stream.system, stream.object, column::json(sweep)?])?;
    Ok(())
}

pub(crate) fn get(connection: &Connection, stream: &Stream) -> Result<Option<Sweep>> {
    let mut statement =
        connection.prepare_cached("SELECT body FROM sweep WHERE system = ?1 AND object = ?2")?;
    let sweep =
        statement.query_row(params![stream.system, stream.object], |row| column::read_json(row, 0));
    sweep.optional()
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<(Stream, Sweep)>> {
    let mut statement = connection
        .prepare_cached("SELECT system, object, body FROM sweep ORDER BY system, object")?;
    let read = |row: &rusqlite::Row<'_>| {
        let stream = Stream { system: row.get(0)?, object: row.get(1)? };
        Ok((stream, column::read_json(row, 2)?))
    };
    statement.query_map([], read)?.collect()
}

/// Marks a known record as seen in this round; an unknown one is left out.
pub(crate) fn mark(connection: &Connection, key: &RecordKey, round: u64) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO swept (record, round)
         SELECT number, ?4 FROM record WHERE system = ?1 AND object = ?2 AND id = ?3
         ON CONFLICT (record) DO UPDATE SET round = excluded.round",
    )?;
    statement.execute(params![key.system, key.object, key.id, column::number(round)])?;
    Ok(())
}

/// Live and surplus records that this round has not seen. An empty `after` is lower than any id.
pub(crate) fn unswept(
    connection: &Connection,
    stream: &Stream,
    round: u64,
    after: &str,
    limit: usize,
) -> Result<Vec<RecordKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT system, object, id FROM record
         WHERE system = ?1 AND object = ?2 AND id > ?3 AND status IN ('live', 'surplus')
           AND NOT EXISTS (SELECT 1 FROM swept WHERE record = record.number AND round = ?4)
         ORDER BY id LIMIT ?5",
    )?;
    let values =
        params![stream.system, stream.object, after, column::number(round), column::length(limit)];
    statement.query_map(values, |row| column::key(row, 0))?.collect()
}

pub(crate) fn stream_records(
    connection: &Connection,
    stream: &Stream,
    after: &str,
    limit: usize,
) -> Result<Vec<RecordKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT system, object, id FROM record
         WHERE system = ?1 AND object = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
    )?;
    let values = params![stream.system, stream.object, after, column::length(limit)];
    statement.query_map(values, |row| column::key(row, 0))?.collect()
}
