//! The cursor of each stream.

use renkei_model::state::{Cursor, Stream};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::column;

pub(crate) fn upsert_cursor(
    connection: &Connection,
    stream: &Stream,
    cursor: &Cursor,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO cursor (system, object, position, backfilled, more, digest, lag_ms,
             meanings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (system, object) DO UPDATE
         SET position = excluded.position, backfilled = excluded.backfilled,
             more = excluded.more, digest = excluded.digest, lag_ms = excluded.lag_ms,
             meanings = excluded.meanings",
    )?;
    let Cursor { position, backfilled, more, digest, lag_ms, meanings } = cursor;
    let meanings = column::json(meanings)?;
    let Stream { system, object } = stream;
    statement
        .execute(params![system, object, position, backfilled, more, digest, lag_ms, meanings])?;
    Ok(())
}

pub(crate) fn get(connection: &Connection, stream: &Stream) -> Result<Option<Cursor>> {
    let mut statement = connection.prepare_cached(
        "SELECT position, backfilled, more, digest, lag_ms, meanings FROM cursor
         WHERE system = ?1 AND object = ?2",
    )?;
    let cursor = statement.query_row(params![stream.system, stream.object], |row| {
        let (position, backfilled) = (row.get(0)?, row.get(1)?);
        let (more, digest, lag_ms) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let meanings = column::read_json(row, 5)?;
        Ok(Cursor { position, backfilled, more, digest, lag_ms, meanings })
    });
    cursor.optional()
}
