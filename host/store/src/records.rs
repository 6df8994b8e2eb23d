//! Records as last seen.

use std::collections::HashMap;

use crate::codec::Layouts;
use renkei_model::spec::FieldIndex;
use renkei_model::state::{LinkId, LinkWork, RecordKey, RecordState, RecordStatus, Stream, newest};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use crate::{column, failures};

/// The columns of [`read`], in its order.
const COLUMNS: &str =
    "system, object, id, entity, link, version, modified_ms, status, successor, fields, raw,
     failures";

/// All records of links; a query per chunk of planned links (RULES.md Q1).
pub(crate) const OF_LINKS: &str = "SELECT system, object, id, entity, link, version, modified_ms, \
     status, successor, fields, raw, failures FROM record \
     WHERE link IN (SELECT value FROM json_each(?1))";

/// The keys of the live records of links; a query per chunk of references to them (RULES.md Q1).
pub(crate) const LIVE_OF_LINKS: &str = "SELECT system, object, id, link FROM record \
     WHERE link IN (SELECT value FROM json_each(?1)) AND status = 'live'";

/// The link of a record, with the link that it was united with; a query per reference.
pub(crate) const LINK_OF: &str = "SELECT record.link, link.successor FROM record \
     LEFT JOIN link ON link.number = record.link \
     WHERE record.system = ?1 AND record.object = ?2 AND record.id = ?3";

pub(crate) fn upsert_record(
    connection: &Connection,
    layouts: &Layouts,
    record: &RecordState,
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO record (system, object, id, entity, link, version, modified_ms, status,
                             successor, work, fields, raw, failures, failing_ms, failing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (system, object, id) DO UPDATE
         SET entity = excluded.entity, link = excluded.link, version = excluded.version,
             modified_ms = excluded.modified_ms, status = excluded.status,
             successor = excluded.successor, work = excluded.work, fields = excluded.fields,
             raw = excluded.raw, failures = excluded.failures,
             failing_ms = excluded.failing_ms, failing = excluded.failing",
    )?;
    let fields = layouts.encode(&record.entity, &record.fields).map_err(column::unwritable)?;
    let failing = newest(&record.failures);
    let RecordKey { system, object, id } = &record.key;
    statement.execute(params![
        system,
        object,
        id,
        record.entity,
        record.link.map(|link| column::number(link.0)),
        record.version,
        record.modified_ms,
        status_word(&record.status),
        record.status.successor().map(column::json).transpose()?,
        record.link_work().map(work_word),
        fields,
        column::json(&record.raw)?,
        failures::text(&record.failures)?,
        failing.map(|(newest_ms, _)| newest_ms),
        failing.map_or(0, |(_, count)| column::number(count)),
    ])?;
    Ok(())
}

pub(crate) fn get(
    connection: &Connection,
    layouts: &Layouts,
    keys: &[RecordKey],
) -> Result<Vec<RecordState>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record WHERE system = ?1 AND object = ?2 AND id = ?3"
    ))?;
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let record = statement
            .query_row(params![key.system, key.object, key.id], |row| read(row, layouts))
            .optional()?;
        found.extend(record);
    }
    Ok(found)
}

/// All records of these links, in any order.
pub(crate) fn of_links(
    connection: &Connection,
    layouts: &Layouts,
    ids: &str,
    mut found: impl FnMut(LinkId, RecordState),
) -> Result<()> {
    let mut statement = connection.prepare_cached(OF_LINKS)?;
    let mut rows = statement.query([ids])?;
    while let Some(row) = rows.next()? {
        found(column::link(row, 4)?, read(row, layouts)?);
    }
    Ok(())
}

/// Keys of the live records of these links, by link, ordered.
pub(crate) fn live_of_links(
    connection: &Connection,
    ids: &str,
) -> Result<HashMap<LinkId, Vec<RecordKey>>> {
    let mut statement = connection.prepare_cached(LIVE_OF_LINKS)?;
    let mut rows = statement.query([ids])?;
    let mut found: HashMap<LinkId, Vec<RecordKey>> = HashMap::new();
    while let Some(row) = rows.next()? {
        found.entry(column::link(row, 3)?).or_default().push(column::key(row, 0)?);
    }
    found.values_mut().for_each(|keys| keys.sort_unstable());
    Ok(found)
}

/// The link in the record itself; true if that was united with another.
pub(crate) fn link_of(connection: &Connection, key: &RecordKey) -> Result<Option<(LinkId, bool)>> {
    let mut statement = connection.prepare_cached(LINK_OF)?;
    let link = statement.query_row(params![key.system, key.object, key.id], |row| {
        let successor = column::link_or_none(row, 1)?;
        Ok(column::link_or_none(row, 0)?.map(|link| (link, successor.is_some())))
    });
    Ok(link.optional()?.flatten())
}

/// True if the record stands in its system, as far as known.
pub(crate) fn is_there(connection: &Connection, key: &RecordKey) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM record WHERE system = ?1 AND object = ?2 AND id = ?3
         AND status IN ('live', 'surplus', 'missing', 'returned')",
    )?;
    statement.exists(params![key.system, key.object, key.id])
}

pub(crate) fn link_work(
    connection: &Connection,
    layouts: &Layouts,
    entity: &str,
    work: LinkWork,
    after: Option<&RecordKey>,
    limit: usize,
) -> Result<Vec<RecordState>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record
         WHERE entity = ?1 AND work = ?2 AND (system, object, id) > (?3, ?4, ?5)
         ORDER BY system, object, id LIMIT ?6"
    ))?;
    // Three empty words are lower than any key.
    let (system, object, id) = match after {
        Some(key) => (key.system.as_str(), key.object.as_str(), key.id.as_str()),
        None => ("", "", ""),
    };
    let values = params![entity, work_word(work), system, object, id, column::length(limit)];
    statement.query_map(values, |row| read(row, layouts))?.collect()
}

/// Keys of records that refer to one of these ids, in the order of ids. The query searches the
/// bodies: only rare deletions need it, and an index would cost every write.
pub(crate) fn referring(
    connection: &Connection,
    layouts: &Layouts,
    entity: &str,
    stream: &Stream,
    field: FieldIndex,
    ids: &[String],
) -> Result<Vec<RecordKey>> {
    let Some(name) = layouts.fields(entity).get(field.0) else { return Ok(Vec::new()) };
    let mut statement = connection.prepare_cached(
        "SELECT system, object, id FROM record
         WHERE entity = ?1 AND status IN ('live', 'surplus') AND system = ?2 AND object = ?3
           AND EXISTS (SELECT 1 FROM json_each(record.fields, ?4) AS refers
                       WHERE refers.value IN (SELECT value FROM json_each(?5)))
         ORDER BY system, object, id",
    )?;
    let path = format!("$.{}.seen.references", column::json(name)?);
    let values = params![entity, stream.system, stream.object, path, column::json(&ids)?];
    statement.query_map(values, |row| column::key(row, 0))?.collect()
}

fn read(row: &Row<'_>, layouts: &Layouts) -> Result<RecordState> {
    let entity: String = row.get(3)?;
    let fields = layouts
        .decode(&entity, column::text(row, 9)?)
        .map_err(|error| column::unreadable(9, error))?;
    Ok(RecordState {
        key: column::key(row, 0)?,
        entity,
        link: column::link_or_none(row, 4)?,
        version: row.get(5)?,
        modified_ms: row.get(6)?,
        status: read_status(row)?,
        fields,
        raw: column::read_json(row, 10)?,
        failures: failures::read(row, 11)?,
    })
}

fn status_word(status: &RecordStatus) -> &'static str {
    match status {
        RecordStatus::Live => "live",
        RecordStatus::Surplus => "surplus",
        RecordStatus::Missing => "missing",
        RecordStatus::Archived => "archived",
        RecordStatus::Withdrawn => "withdrawn",
        RecordStatus::Deleted => "deleted",
        RecordStatus::Replaced => "replaced",
        RecordStatus::Returned => "returned",
        RecordStatus::MergedInto(_) => "merged",
        RecordStatus::ConvertedTo(_) => "converted",
        RecordStatus::SurplusInto(_) => "surplus-moved",
    }
}

fn read_status(row: &Row<'_>) -> Result<RecordStatus> {
    Ok(match column::text(row, 7)? {
        "live" => RecordStatus::Live,
        "surplus" => RecordStatus::Surplus,
        "missing" => RecordStatus::Missing,
        "archived" => RecordStatus::Archived,
        "withdrawn" => RecordStatus::Withdrawn,
        "deleted" => RecordStatus::Deleted,
        "replaced" => RecordStatus::Replaced,
        "returned" => RecordStatus::Returned,
        "merged" => RecordStatus::MergedInto(column::read_json(row, 8)?),
        "converted" => RecordStatus::ConvertedTo(column::read_json(row, 8)?),
        "surplus-moved" => RecordStatus::SurplusInto(column::read_json(row, 8)?),
        other => return Err(column::unknown_word(7, other)),
    })
}

fn work_word(work: LinkWork) -> &'static str {
    match work {
        LinkWork::Moved => "moved",
        LinkWork::Returned => "returned",
        LinkWork::GoneUnread => "stray",
        LinkWork::Unlinked => "unlinked",
    }
}
