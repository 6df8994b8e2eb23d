//! Match keys of records, and aliases of ids that stand for another record now.

use renkei_model::state::{LinkId, RecordKey};
use renkei_model::store::port::Candidate;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::{column, links, records};

/// Hops that a chain of merges is followed, more than any has.
const HOPS_MAX: usize = 100;

/// A record with its match keys: pairs of key name and value.
type RecordKeys = (RecordKey, Vec<(String, String)>);

/// Replaces the match keys of a record. Keys of an unknown record match nothing and are not kept.
pub(crate) fn upsert_keys(
    connection: &Connection,
    record: &RecordKey,
    keys: &[(String, String)],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT number FROM record WHERE system = ?1 AND object = ?2 AND id = ?3",
    )?;
    let number: Option<i64> = statement
        .query_row(params![record.system, record.object, record.id], |row| row.get(0))
        .optional()?;
    let Some(number) = number else { return Ok(()) };
    connection.prepare_cached("DELETE FROM match_key WHERE record = ?1")?.execute([number])?;
    let mut statement = connection
        .prepare_cached("INSERT INTO match_key (record, name, value) VALUES (?1, ?2, ?3)")?;
    for (name, value) in keys {
        statement.execute(params![number, name, value])?;
    }
    Ok(())
}

pub(crate) fn get(connection: &Connection, keys: &[RecordKey]) -> Result<Vec<RecordKeys>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, value FROM match_key
         WHERE record = (SELECT number FROM record WHERE system = ?1 AND object = ?2 AND id = ?3)
         ORDER BY rowid",
    )?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let values = params![key.system, key.object, key.id];
        let pairs = statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let pairs: Vec<_> = pairs.collect::<Result<_>>()?;
        if !pairs.is_empty() {
            found.push((key.clone(), pairs));
        }
    }
    Ok(found)
}

pub(crate) fn candidates(
    connection: &Connection,
    entity: &str,
    name: &str,
    values: &[String],
) -> Result<Vec<Candidate>> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT record.system, record.object, record.id, record.link
         FROM match_key JOIN record ON record.number = match_key.record
         WHERE match_key.name = ?1 AND match_key.value = ?2
           AND record.entity = ?3 AND record.status IN ('live', 'missing')
         ORDER BY record.system, record.object, record.id",
    )?;
    let mut found = Vec::new();
    for value in values {
        let records = statement.query_map(params![name, value, entity], |row| {
            let link = column::link_or_none(row, 3)?;
            Ok(Candidate { value: value.clone(), record: column::key(row, 0)?, link })
        })?;
        for record in records {
            found.push(record?);
        }
    }
    Ok(found)
}

pub(crate) fn put_alias(connection: &Connection, from: &RecordKey, to: &RecordKey) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO alias (system, object, id, to_system, to_object, to_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (system, object, id) DO UPDATE
         SET to_system = excluded.to_system, to_object = excluded.to_object,
             to_id = excluded.to_id",
    )?;
    statement.execute(params![from.system, from.object, from.id, to.system, to.object, to.id])?;
    Ok(())
}

pub(crate) fn remove_alias(connection: &Connection, key: &RecordKey) -> Result<()> {
    let mut statement = connection
        .prepare_cached("DELETE FROM alias WHERE system = ?1 AND object = ?2 AND id = ?3")?;
    statement.execute(params![key.system, key.object, key.id])?;
    Ok(())
}

pub(crate) fn aliases(
    connection: &Connection,
    keys: &[RecordKey],
) -> Result<Vec<(RecordKey, RecordKey)>> {
    let mut found = Vec::new();
    for key in keys {
        if let Some(to) = final_alias(connection, key)? {
            found.push((key.clone(), to));
        }
    }
    Ok(found)
}

pub(crate) fn resolve(
    connection: &Connection,
    keys: &[RecordKey],
) -> Result<Vec<(RecordKey, LinkId)>> {
    let mut found = Vec::with_capacity(keys.len());
    let any_alias = connection.prepare_cached("SELECT 1 FROM alias")?.exists([])?;
    for key in keys {
        let stands_for = match any_alias && !records::is_there(connection, key)? {
            true => final_alias(connection, key)?,
            false => None,
        };
        let record = stands_for.as_ref().unwrap_or(key);
        let link = match records::link_of(connection, record)? {
            Some((link, true)) => links::united(connection, link, HOPS_MAX)?,
            Some((link, false)) => link,
            None => continue,
        };
        found.push((key.clone(), link));
    }
    Ok(found)
}

/// The live records of these links, each under the number that was asked for.
pub(crate) fn members(
    connection: &Connection,
    links: &[LinkId],
) -> Result<Vec<(LinkId, RecordKey)>> {
    let changed = links::all_united(connection, &column::list(links.iter().map(|link| link.0)))?;
    let mut now = Vec::with_capacity(links.len());
    for &link in links {
        let is_united = changed.contains(&link);
        now.push(if is_united { links::united(connection, link, HOPS_MAX)? } else { link });
    }
    let there = records::live_of_links(connection, &column::list(now.iter().map(|link| link.0)))?;
    let mut found = Vec::with_capacity(links.len());
    for (&link, now) in links.iter().zip(&now) {
        let records = there.get(now).into_iter().flatten();
        found.extend(records.map(|record| (link, record.clone())));
    }
    Ok(found)
}

fn final_alias(connection: &Connection, key: &RecordKey) -> Result<Option<RecordKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT to_system, to_object, to_id FROM alias
         WHERE system = ?1 AND object = ?2 AND id = ?3",
    )?;
    let mut found: Option<RecordKey> = None;
    for _ in 0..=HOPS_MAX {
        let from = found.as_ref().unwrap_or(key);
        let next = statement
            .query_row(params![from.system, from.object, from.id], |row| column::key(row, 0))
            .optional()?;
        match next {
            Some(next) if found.is_none() || next != *key => found = Some(next),
            _ => break,
        }
    }
    Ok(found)
}
