//! Numbers for `status`, from indexes alone.

use std::collections::BTreeMap;

use renkei_model::state::{OutboxState, Stream};
use renkei_model::store::port::{EntityCounts, StoreCounts};
use rusqlite::{Connection, Result};

use crate::{column, failures, journal, outbox, reviews, sweeps};

pub(crate) fn get(connection: &Connection) -> Result<StoreCounts> {
    let waiting = connection
        .prepare_cached("SELECT count(DISTINCT link) FROM wait")?
        .query_row([], |row| column::unsigned(row, 0))?;
    Ok(StoreCounts {
        entities: entities(connection)?,
        planned: outbox::count(connection, OutboxState::Planned)?,
        sent: outbox::count(connection, OutboxState::Sent)?,
        waiting,
        reviews_open: reviews::count_open(connection)?,
        failures: failures::count(connection)?,
        journal: journal::count(connection)?,
        sweeps: sweeps::all(connection)?,
    })
}

pub(crate) fn count_live(connection: &Connection, entity: &str, stream: &Stream) -> Result<u64> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM record
         WHERE entity = ?1 AND status = 'live' AND system = ?2 AND object = ?3",
    )?;
    let values = [entity, stream.system.as_str(), stream.object.as_str()];
    statement.query_row(values, |row| column::unsigned(row, 0))
}

/// Entities with active links or live records, ordered by name.
fn entities(connection: &Connection) -> Result<Vec<EntityCounts>> {
    let mut entities: BTreeMap<String, EntityCounts> = BTreeMap::new();
    let mut count = |sql: &str, put: fn(&mut EntityCounts, u64)| -> Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            put(entities.entry(row.get(0)?).or_default(), column::unsigned(row, 1)?);
        }
        Ok(())
    };
    count(
        "SELECT entity, count(*) FROM link WHERE status = 'active' GROUP BY entity",
        |counts, links| counts.links = links,
    )?;
    count(
        "SELECT dirty.entity, count(*) FROM dirty JOIN link ON link.number = dirty.link
         WHERE link.status = 'active' GROUP BY dirty.entity",
        |counts, dirty| counts.dirty = dirty,
    )?;
    count(
        "SELECT entity, count(*) FROM record WHERE work = 'unlinked' GROUP BY entity",
        |counts, unlinked| counts.unlinked = unlinked,
    )?;
    let mut statement = connection.prepare_cached(
        "SELECT entity, system, object, count(*) FROM record WHERE status = 'live'
         GROUP BY entity, system, object ORDER BY entity, system, object",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let counts = entities.entry(row.get(0)?).or_default();
        counts.records.push((row.get(1)?, row.get(2)?, column::unsigned(row, 3)?));
    }
    for (name, counts) in &mut entities {
        counts.entity.clone_from(name);
    }
    Ok(entities.into_values().collect())
}
