//! Counts of deletions and creations for the guards, by the hour, and the entities whose first sync
//! was approved.

use renkei_model::state::GuardCounts;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::column;

/// Hours that are kept before the newest one that is counted.
const KEPT_HOURS: i64 = 48;

pub(crate) fn add(
    connection: &Connection,
    entity: &str,
    hour: i64,
    counts: GuardCounts,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO guard (entity, hour, deleted, created, may_delete, may_create)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (entity, hour) DO UPDATE
         SET deleted = deleted + excluded.deleted, created = created + excluded.created,
             may_delete = may_delete + excluded.may_delete,
             may_create = may_create + excluded.may_create",
    )?;
    statement.execute(params![
        entity,
        hour,
        column::number(counts.deleted),
        column::number(counts.created),
        column::number(counts.may_delete),
        column::number(counts.may_create),
    ])?;
    connection
        .prepare_cached("DELETE FROM guard WHERE entity = ?1 AND hour < ?2")?
        .execute(params![entity, hour.saturating_sub(KEPT_HOURS)])?;
    Ok(())
}

pub(crate) fn sum(connection: &Connection, entity: &str, first_hour: i64) -> Result<GuardCounts> {
    let mut statement = connection.prepare_cached(
        "SELECT ifnull(sum(deleted), 0), ifnull(sum(created), 0), ifnull(sum(may_delete), 0),
                ifnull(sum(may_create), 0)
         FROM guard WHERE entity = ?1 AND hour >= ?2",
    )?;
    statement.query_row(params![entity, first_hour], |row| {
        Ok(GuardCounts {
            deleted: column::unsigned(row, 0)?,
            created: column::unsigned(row, 1)?,
            may_delete: column::unsigned(row, 2)?,
            may_create: column::unsigned(row, 3)?,
        })
    })
}

pub(crate) fn begin(connection: &Connection, entity: &str, covered: u64) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO begun (entity, covered) VALUES (?1, ?2)
         ON CONFLICT (entity) DO UPDATE SET covered = excluded.covered",
    )?;
    statement.execute(params![entity, column::number(covered)])?;
    Ok(())
}

/// The first sync of the entity is asked about again.
pub(crate) fn take_back_begin(connection: &Connection, entity: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM begun WHERE entity = ?1")?.execute([entity])?;
    Ok(())
}

pub(crate) fn begun(connection: &Connection, entity: &str) -> Result<Option<u64>> {
    connection
        .prepare_cached("SELECT covered FROM begun WHERE entity = ?1")?
        .query_row([entity], |row| column::unsigned(row, 0))
        .optional()
}
