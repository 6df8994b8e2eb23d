//! Links with their truth, the marks of those that need a plan, and the events that they wait for.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::codec::Layouts;
use renkei_model::state::{Awaited, Link, LinkId, LinkStatus, LinkView, newest};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use crate::{column, failures, outbox, records, reviews};

pub(crate) fn upsert_link(connection: &Connection, layouts: &Layouts, link: &Link) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO link (number, entity, status, successor, version, truth, failures,
                           failing_ms, failing, restored)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (number) DO UPDATE
         SET entity = excluded.entity, status = excluded.status, successor = excluded.successor,
             version = excluded.version, truth = excluded.truth,
             failures = excluded.failures, failing_ms = excluded.failing_ms,
             failing = excluded.failing, restored = excluded.restored",
    )?;
    let (status, successor) = match link.status {
        LinkStatus::Active => ("active", None),
        LinkStatus::Ended => ("ended", None),
        LinkStatus::MergedInto(successor) => ("merged", Some(column::number(successor.0))),
    };
    let failing = newest(&link.failures);
    statement.execute(params![
        column::number(link.id.0),
        link.entity,
        status,
        successor,
        column::number(link.version),
        layouts.encode(&link.entity, &link.truth).map_err(column::unwritable)?,
        failures::text(&link.failures)?,
        failing.map(|(newest_ms, _)| newest_ms),
        failing.map_or(0, |(_, count)| column::number(count)),
        link.restored,
    ])?;
    Ok(())
}

/// The highest link number ever used; links are never deleted.
pub(crate) fn last(connection: &Connection) -> Result<LinkId> {
    let mut statement = connection.prepare_cached("SELECT ifnull(max(number), 0) FROM link")?;
    statement.query_row([], |row| column::link(row, 0))
}

/// The link that this one has become through all unions, at most `hops_max` of them.
pub(crate) fn united(connection: &Connection, link: LinkId, hops_max: usize) -> Result<LinkId> {
    let mut statement =
        connection.prepare_cached("SELECT successor FROM link WHERE number = ?1")?;
    let mut found = link;
    for _ in 0..hops_max {
        let next = statement
            .query_row([column::number(found.0)], |row| column::link_or_none(row, 0))
            .optional()?;
        match next.flatten() {
            Some(next) => found = next,
            None => break,
        }
    }
    Ok(found)
}

/// Links by a list of numbers, a JSON array.
pub(crate) const OF_NUMBERS: &str = "SELECT number, entity, status, successor, version, truth, failures, restored FROM link \
     WHERE number IN (SELECT value FROM json_each(?1))";

/// The numbers of links that were united with others, out of a list of numbers.
pub(crate) const UNITED: &str = "SELECT number FROM link \
     WHERE number IN (SELECT value FROM json_each(?1)) AND successor IS NOT NULL";

/// The links that were united with others, out of these.
pub(crate) fn all_united(connection: &Connection, ids: &str) -> Result<BTreeSet<LinkId>> {
    let mut statement = connection.prepare_cached(UNITED)?;
    statement.query_map([ids], |row| column::link(row, 0))?.collect()
}

/// These links with their records and reviews, ordered by number. A few statements serve all of
/// them, because a statement per link costs more than its rows (RULES.md Q1).
pub(crate) fn views(
    connection: &Connection,
    layouts: &Layouts,
    ids: &[LinkId],
) -> Result<Vec<LinkView>> {
    let ids = column::list(ids.iter().map(|id| id.0));
    let mut statement = connection.prepare_cached(OF_NUMBERS)?;
    let links = statement.query_map([&ids], |row| read(row, layouts))?;
    let view = |link: Result<Link>| {
        let (records, reviews) = (Vec::new(), Vec::new());
        Ok(LinkView { link: Arc::new(link?), records, reviews, busy: false })
    };
    let mut views: Vec<LinkView> = links.map(view).collect::<Result<_>>()?;
    views.sort_unstable_by_key(|view| view.link.id);
    let mut with = |link: LinkId, put: &mut dyn FnMut(&mut LinkView)| {
        let place = views.binary_search_by_key(&link, |view| view.link.id);
        place.ok().and_then(|place| views.get_mut(place)).into_iter().for_each(put);
    };
    records::of_links(connection, layouts, &ids, |link, record| {
        let mut record = Some(Arc::new(record));
        with(link, &mut |view| view.records.extend(record.take()));
    })?;
    reviews::stopping(connection, &ids, |link, review| {
        let mut review = Some(review);
        with(link, &mut |view| view.reviews.extend(review.take()));
    })?;
    outbox::busy(connection, &ids, |link| with(link, &mut |view| view.busy = true))?;
    for view in &mut views {
        view.records.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    }
    Ok(views)
}

/// Marks all active links of an entity as dirty.
pub(crate) fn put_dirty_entity(connection: &Connection, entity: &str) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO dirty (link, entity)
         SELECT number, entity FROM link WHERE entity = ?1 AND status = 'active'",
    )?;
    statement.execute([entity]).map(drop)
}

/// Marks a link as dirty: it needs a plan. A number without a link is ignored.
pub(crate) fn put_dirty(connection: &Connection, link: LinkId) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT OR IGNORE INTO dirty (link, entity)
         SELECT number, entity FROM link WHERE number = ?1",
    )?;
    statement.execute([column::number(link.0)])?;
    Ok(())
}

pub(crate) fn put_clean(connection: &Connection, link: LinkId) -> Result<()> {
    let mut statement = connection.prepare_cached("DELETE FROM dirty WHERE link = ?1")?;
    statement.execute([column::number(link.0)])?;
    Ok(())
}

/// Dirty links without an operation in the outbox, in the order of their numbers.
pub(crate) fn dirty(
    connection: &Connection,
    entity: &str,
    after: LinkId,
    limit: usize,
) -> Result<Vec<LinkId>> {
    let mut statement = connection.prepare_cached(
        "SELECT link FROM dirty
         WHERE entity = ?1 AND link > ?2
           AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.link = dirty.link)
         ORDER BY link LIMIT ?3",
    )?;
    let values = params![entity, column::number(after.0), column::length(limit)];
    statement.query_map(values, |row| column::link(row, 0))?.collect()
}

/// Dirty active links with a removed record, in the order of their numbers.
pub(crate) fn pending_deletions(
    connection: &Connection,
    entity: &str,
    after: LinkId,
    limit: usize,
) -> Result<Vec<LinkId>> {
    let mut statement = connection.prepare_cached(
        "SELECT dirty.link FROM dirty JOIN link ON link.number = dirty.link
         WHERE dirty.entity = ?1 AND dirty.link > ?2 AND link.status = 'active'
           AND EXISTS (SELECT 1 FROM record WHERE record.link = dirty.link
                       AND record.status IN ('deleted', 'archived', 'withdrawn'))
         ORDER BY dirty.link LIMIT ?3",
    )?;
    let values = params![entity, column::number(after.0), column::length(limit)];
    statement.query_map(values, |row| column::link(row, 0))?.collect()
}

pub(crate) fn active(connection: &Connection, entity: &str) -> Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM link WHERE entity = ?1 AND status = 'active'")?
        .query_row([entity], |row| column::unsigned(row, 0))
}

/// Replaces the events that a link waits for.
pub(crate) fn put_waits(connection: &Connection, link: LinkId, awaited: &[Awaited]) -> Result<()> {
    let link = column::number(link.0);
    connection.prepare_cached("DELETE FROM wait WHERE link = ?1")?.execute([link])?;
    let mut statement =
        connection.prepare_cached("INSERT INTO wait (link, awaited) VALUES (?1, ?2)")?;
    for awaited in awaited {
        statement.execute(params![link, column::json(awaited)?])?;
    }
    Ok(())
}

pub(crate) fn awaited_by(connection: &Connection, link: LinkId) -> Result<Vec<Awaited>> {
    let mut statement =
        connection.prepare_cached("SELECT awaited FROM wait WHERE link = ?1 ORDER BY rowid")?;
    statement.query_map([column::number(link.0)], |row| column::read_json(row, 0))?.collect()
}

/// Links that wait for one of these, each once, in the order of their numbers.
pub(crate) fn links_waiting_for(
    connection: &Connection,
    awaited: &[Awaited],
) -> Result<Vec<LinkId>> {
    // An event always has the same text, so a query can compare texts.
    let mut statement = connection.prepare_cached("SELECT link FROM wait WHERE awaited = ?1")?;
    let mut found = BTreeSet::new();
    for awaited in awaited {
        for link in statement.query_map([column::json(awaited)?], |row| column::link(row, 0))? {
            found.insert(link?);
        }
    }
    Ok(found.into_iter().collect())
}

fn read(row: &Row<'_>, layouts: &Layouts) -> Result<Link> {
    let entity: String = row.get(1)?;
    let status = match column::text(row, 2)? {
        "active" => LinkStatus::Active,
        "ended" => LinkStatus::Ended,
        "merged" => LinkStatus::MergedInto(column::link(row, 3)?),
        other => return Err(column::unknown_word(2, other)),
    };
    let truth = layouts
        .decode(&entity, column::text(row, 5)?)
        .map_err(|error| column::unreadable(5, error))?;
    Ok(Link {
        id: column::link(row, 0)?,
        entity,
        status,
        version: column::unsigned(row, 4)?,
        truth,
        failures: failures::read(row, 6)?,
        restored: row.get(7)?,
    })
}
