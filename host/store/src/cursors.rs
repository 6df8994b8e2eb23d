//! Where reading each stream goes on.

use renkei_sync::state::{Cursor, Stream};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

pub(crate) fn put(connection: &Connection, stream: &Stream, cursor: &Cursor) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO cursor (system, object, position, backfilled, digest)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (system, object) DO UPDATE
         SET position = excluded.position, backfilled = excluded.backfilled,
             digest = excluded.digest",
    )?;
    let Cursor { position, backfilled, digest } = cursor;
    statement.execute(params![stream.system, stream.object, position, backfilled, digest])?;
    Ok(())
}

pub(crate) fn get(connection: &Connection, stream: &Stream) -> Result<Option<Cursor>> {
    let mut statement = connection.prepare_cached(
        "SELECT position, backfilled, digest FROM cursor WHERE system = ?1 AND object = ?2",
    )?;
    let cursor = statement.query_row(params![stream.system, stream.object], |row| {
        Ok(Cursor { position: row.get(0)?, backfilled: row.get(1)?, digest: row.get(2)? })
    });
    cursor.optional()
}
