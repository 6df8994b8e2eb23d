//! Reviews: questions to people, and their answers.

use renkei_model::state::{LinkId, Review, ReviewStatus};
use renkei_model::store::port::{ReviewFilter, ReviewQuery};
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use crate::column;

/// Reviews of links that still stop something; a query per chunk of planned links (RULES.md Q1).
/// The plus keeps SQLite from the index by status, because many reviews may be open.
pub(crate) const STOPPING: &str = "SELECT link, body FROM review \
     WHERE link IN (SELECT value FROM json_each(?1)) AND +status IN ('open', 'chosen') ORDER BY id";

pub(crate) fn upsert_review(connection: &Connection, review: &Review) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO review (id, link, status, at_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE
         SET link = excluded.link, status = excluded.status, at_ms = excluded.at_ms,
             body = excluded.body",
    )?;
    statement.execute(params![
        review.id,
        review.link.map(|link| column::number(link.0)),
        status_word(review.status),
        review.at_ms,
        column::json(review)?,
    ])?;
    Ok(())
}

pub(crate) fn get(connection: &Connection, id: &str) -> Result<Option<Review>> {
    connection
        .prepare_cached("SELECT body FROM review WHERE id = ?1")?
        .query_row([id], |row| column::read_json(row, 0))
        .optional()
}

/// Reviews of these links that still stop something, ordered by id.
pub(crate) fn stopping(
    connection: &Connection,
    ids: &str,
    mut found: impl FnMut(LinkId, Review),
) -> Result<()> {
    let mut statement = connection.prepare_cached(STOPPING)?;
    let mut rows = statement.query([ids])?;
    while let Some(row) = rows.next()? {
        found(column::link(row, 0)?, column::read_json(row, 1)?);
    }
    Ok(())
}

/// Reviews, the oldest first.
pub(crate) fn query(connection: &Connection, query: &ReviewQuery) -> Result<Vec<Review>> {
    let status = match query.stand {
        ReviewFilter::All => "true",
        ReviewFilter::Stopping => "status IN ('open', 'chosen')",
        ReviewFilter::Decided => "status = 'decided'",
    };
    let link = if query.link.is_some() { "link = ?1" } else { "?1 IS NULL" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT body FROM review WHERE {status} AND {link} ORDER BY at_ms, id LIMIT ?2"
    ))?;
    let limit = if query.limit == 0 { -1 } else { column::length(query.limit) };
    let values = params![query.link.map(|link| column::number(link.0)), limit];
    statement.query_map(values, |row| column::read_json(row, 0))?.collect()
}

pub(crate) fn count_open(connection: &Connection) -> Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM review WHERE status = 'open'")?
        .query_row([], |row| column::unsigned(row, 0))
}

fn status_word(status: ReviewStatus) -> &'static str {
    match status {
        ReviewStatus::Open => "open",
        ReviewStatus::Decided => "decided",
        ReviewStatus::Chosen => "chosen",
        ReviewStatus::Closed => "closed",
    }
}
