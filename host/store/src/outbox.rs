//! Planned effects: written before they are sent, removed with their outcome.

use renkei_model::state::{LinkId, OutboxEntry, OutboxState};
use renkei_model::store::port::OutboxQuery;
use rusqlite::{Connection, Result, params};

use crate::column;

/// Inserts or replaces by intent; a replaced entry keeps its place in the order.
pub(crate) fn upsert_entry(connection: &Connection, entry: &OutboxEntry) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO outbox (intent, link, entity, system, object, action, state, not_before_ms, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (intent) DO UPDATE
         SET link = excluded.link, entity = excluded.entity, system = excluded.system,
             object = excluded.object, action = excluded.action, state = excluded.state, not_before_ms = excluded.not_before_ms, body = excluded.body",
    )?;
    statement.execute(params![
        entry.intent,
        column::number(entry.link.0),
        entry.entity,
        entry.system,
        entry.object,
        entry.effect.kind().word(),
        state_word(entry.state),
        entry.not_before_ms,
        column::json(entry)?,
    ])?;
    Ok(())
}

pub(crate) fn remove(connection: &Connection, intent: &str) -> Result<()> {
    connection.prepare_cached("DELETE FROM outbox WHERE intent = ?1")?.execute([intent])?;
    Ok(())
}

/// Links with operations; a query per chunk of planned links (RULES.md Q1).
pub(crate) const BUSY: &str =
    "SELECT DISTINCT link FROM outbox WHERE link IN (SELECT value FROM json_each(?1))";

/// The links with operations, out of these.
pub(crate) fn busy(
    connection: &Connection,
    ids: &str,
    mut found: impl FnMut(LinkId),
) -> Result<()> {
    let mut statement = connection.prepare_cached(BUSY)?;
    let mut rows = statement.query([ids])?;
    while let Some(row) = rows.next()? {
        found(column::link(row, 0)?);
    }
    Ok(())
}

/// Operations in the order of their first insertion.
pub(crate) fn query(connection: &Connection, query: &OutboxQuery) -> Result<Vec<OutboxEntry>> {
    // Equalities on a prefix of the index keep the order of numbers, so a limit ends the scan
    // early.
    let filter = match (&query.entity, &query.system) {
        (Some(_), Some(_)) => "AND entity = ?2 AND system = ?3",
        (Some(_), None) => "AND entity = ?2 AND ?3 IS NULL",
        (None, Some(_)) => "AND ?2 IS NULL AND system = ?3",
        (None, None) => "AND ?2 IS NULL AND ?3 IS NULL",
    };
    let kind = match query.kind {
        Some(_) => "AND object = ?6 AND action = ?7",
        None => "AND ?6 IS NULL AND ?7 IS NULL",
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT body FROM outbox WHERE state = ?1 {filter} AND not_before_ms <= ?4 {kind}
         ORDER BY number LIMIT ?5"
    ))?;
    let values = params![
        state_word(query.state),
        query.entity,
        query.system,
        query.due_ms,
        column::length(query.limit),
        query.kind.as_ref().map(|(object, _)| object),
        query.kind.as_ref().map(|(_, kind)| kind.word()),
    ];
    statement.query_map(values, |row| column::read_json(row, 0))?.collect()
}

pub(crate) fn count(connection: &Connection, state: OutboxState) -> Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM outbox WHERE state = ?1")?
        .query_row([state_word(state)], |row| column::unsigned(row, 0))
}

fn state_word(state: OutboxState) -> &'static str {
    match state {
        OutboxState::Planned => "planned",
        OutboxState::Sent => "sent",
    }
}
