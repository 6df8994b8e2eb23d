//! Failed readings and writes: a body in the row of their link or record, found by its newest time.

use renkei_model::state::{Failing, Failure, LinkId};
use rusqlite::{Connection, Result, Row, params};

use crate::column;

/// The body; `None` for most links and records, which have no failures.
pub(crate) fn text(failures: &[Failure]) -> Result<Option<String>> {
    if failures.is_empty() { Ok(None) } else { column::json(&failures).map(Some) }
}

pub(crate) fn read(row: &Row<'_>, index: usize) -> Result<Vec<Failure>> {
    match row.get_ref(index)? {
        rusqlite::types::ValueRef::Null => Ok(Vec::new()),
        _ => column::read_json(row, index),
    }
}

/// Failures of links by number, then of records by key.
pub(crate) fn query(connection: &Connection, since_ms: i64, limit: usize) -> Result<Vec<Failing>> {
    let mut found = Vec::new();
    for sql in [
        "SELECT entity, number, failures FROM link WHERE failing_ms >= ?1
         ORDER BY number LIMIT ?2",
        "SELECT entity, link, failures FROM record WHERE failing_ms >= ?1
         ORDER BY system, object, id LIMIT ?2",
    ] {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query(params![since_ms, column::length(limit)])?;
        while let Some(row) = rows.next()? {
            let entity: String = row.get(0)?;
            let link = column::link_or_none(row, 1)?;
            let failures = read(row, 2)?.into_iter();
            let recent = failures.filter(|one| one.is_listed() && one.last_ms >= since_ms);
            found.extend(recent.map(|failure| Failing { entity: entity.clone(), link, failure }));
        }
    }
    Ok(found)
}

/// Active links whose newest failure is of this time or older.
pub(crate) fn links(connection: &Connection, before_ms: i64, limit: usize) -> Result<Vec<LinkId>> {
    let mut statement = connection.prepare_cached(
        "SELECT number FROM link WHERE failing_ms <= ?1 AND status = 'active'
         ORDER BY number LIMIT ?2",
    )?;
    statement
        .query_map(params![before_ms, column::length(limit)], |row| column::link(row, 0))?
        .collect()
}

/// The number of listed failures.
pub(crate) fn count(connection: &Connection) -> Result<u64> {
    let mut statement = connection.prepare_cached(
        "SELECT (SELECT ifnull(sum(failing), 0) FROM link WHERE failing_ms IS NOT NULL)
              + (SELECT ifnull(sum(failing), 0) FROM record WHERE failing_ms IS NOT NULL)",
    )?;
    statement.query_row([], |row| column::unsigned(row, 0))
}
