//! The database's own facts: its accounts, its epochs, and the mark of a restore.

use renkei_model::store::port::Restored;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

pub(crate) fn put_account(connection: &Connection, system: &str, id: &str) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO account (system, id) VALUES (?1, ?2)
         ON CONFLICT (system) DO UPDATE SET id = excluded.id",
    )?;
    statement.execute(params![system, id])?;
    Ok(())
}

pub(crate) fn account(connection: &Connection, system: &str) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT id FROM account WHERE system = ?1")?;
    statement.query_row([system], |row| row.get(0)).optional()
}

pub(crate) fn systems_of(connection: &Connection, account: &str) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare_cached("SELECT system FROM account WHERE id = ?1 ORDER BY system")?;
    statement.query_map([account], |row| row.get(0))?.collect()
}

pub(crate) fn put_epoch(connection: &Connection, epoch: &str) -> Result<()> {
    let mut statement = connection.prepare_cached("INSERT OR IGNORE INTO epoch VALUES (?1)")?;
    statement.execute([epoch])?;
    Ok(())
}

pub(crate) fn epochs(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM epoch ORDER BY name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

pub(crate) fn restored_ms(connection: &Connection) -> Result<Option<i64>> {
    connection.prepare_cached("SELECT restored_ms FROM store")?.query_row([], |row| row.get(0))
}

/// Sets or clears the mark of a restored database, and marks its active links.
pub(crate) fn put_restored(connection: &Connection, restored: Restored) -> Result<()> {
    let Restored::Noticed(at_ms) = restored else {
        return connection.execute("UPDATE store SET restored_ms = NULL", []).map(drop);
    };
    let noticed = connection
        .execute("UPDATE store SET restored_ms = ?1 WHERE restored_ms IS NULL", [at_ms])?;
    if noticed > 0 {
        connection.execute_batch(
            "UPDATE link SET restored = 1 WHERE status = 'active';
             INSERT OR IGNORE INTO dirty (link, entity)
             SELECT number, entity FROM link WHERE status = 'active';",
        )?;
    }
    Ok(())
}
