//! Scans: backfill by list, changes by search, sweep by list (`API.md`, H-list-2, H-search-4).
//!
//! Lists are complete and go by id, but cannot filter. Searches filter by time, but lag behind
//! writes and never show archived records. So a scan of changes searches from before the last
//! scan's beginning and then lists what is archived. The host applies its filter itself: a record
//! that ceases to match must still be seen.

mod cursor;

use std::collections::BTreeMap;

use renkei_sdk::cursor::{begin_changes, check_moment};
use renkei_sdk::http::{Request, escape};
use renkei_sdk::{Attributes, Error, Page, PageRequest, Scan, time};

use crate::client::search;
use crate::client::wire::{Record, Results};
use crate::client::{Answer, call};
use crate::config::Config;
use crate::find;
use crate::value::rows::{self, LinkSource, Selection};

use self::cursor::Cursor;

/// Rows per page of a list (H-list-1).
const LIST_MAX: u32 = 100;
/// The longest address that HubSpot takes (H-call-3); beyond it properties are read by batch.
const PATH_LEN_MAX: usize = 8_000;
/// Pages of archived records that one scan of changes reads; the next scan goes on from there,
/// so that many old archived records do not make every scan long.
const ARCHIVED_PAGES_MAX: u32 = 10;

/// The next page of a scan.
pub(crate) fn read_page(
    config: &Config,
    selection: &Selection<'_>,
    request: &PageRequest,
) -> Result<Page, Error> {
    let at = Cursor::decode(request.cursor.as_deref())?;
    let limit = request.limit.max(1);
    let options = &request.options;
    match (request.scan, at) {
        (Scan::Backfill, None) => read_backfill(selection, options, limit, None, None),
        (Scan::Backfill, Some(Cursor::Backfill { since, after })) => {
            read_backfill(selection, options, limit, Some(since), Some(after))
        }
        (Scan::Changes, None) => {
            read_changes(config, selection, options, limit, SearchPosition::default())
        }
        (Scan::Changes, Some(Cursor::Search { since, begun, last_id, archived })) => {
            check_moment(options, begun.unwrap_or(since))?;
            read_changes(
                config,
                selection,
                options,
                limit,
                SearchPosition { since, begun, last_id, archived },
            )
        }
        (Scan::Changes, Some(Cursor::Archived { since, after, pages })) => {
            check_moment(options, since)?;
            read_archived(selection, limit, since, after.as_deref(), pages)
        }
        (Scan::Sweep, None) => read_sweep(selection, options, limit, None, false, None),
        (Scan::Sweep, Some(Cursor::Sweep { since, archived, after })) => {
            read_sweep(selection, options, limit, Some(since), archived, after)
        }
        _ => Err(Error::cursor_lost("cursor-of-another-scan", "this cursor is of another scan")),
    }
}

fn read_backfill(
    selection: &Selection<'_>,
    options: &Attributes,
    limit: u32,
    since: Option<i64>,
    after: Option<String>,
) -> Result<Page, Error> {
    let mut request =
        make_list_request(selection, false, after.as_deref(), limit, &selection.properties());
    let fits = request.path.len() <= PATH_LEN_MAX;
    if !fits {
        request = make_list_request(selection, false, after.as_deref(), limit, &[]);
    }
    let answer: Answer<Results<Record>> = call(&request)?;
    let since = since.unwrap_or_else(|| find_scan_start(options, &answer));
    let cursor = match answer.body.after() {
        Some(after) => Cursor::Backfill { since, after: after.to_owned() },
        None => Cursor::changes(since, None),
    };
    let server_time = answer.server_time;
    let mut records = answer.body.results;
    if !fits {
        records = add_properties(selection, records)?;
    }
    let batch = selection.make_batch(&records, LinkSource::Listed)?;
    let more = matches!(cursor, Cursor::Backfill { .. });
    let removed = rows::merged_tombstones(&records);
    Ok(Page { removed, server_time, more, ..Page::last(batch, cursor.encode()?) })
}

/// Adds the properties to records that were listed without them.
fn add_properties(selection: &Selection<'_>, listed: Vec<Record>) -> Result<Vec<Record>, Error> {
    let ids: Vec<String> = listed.iter().map(|record| record.id.clone()).collect();
    let mut associations: BTreeMap<String, _> =
        listed.into_iter().map(|record| (record.id, record.associations)).collect();
    let read = find::read_batch(selection.object, &selection.properties(), None, &ids, false)?;
    // A record that was merged away in between answers as its survivor, which has its own row.
    let with = |mut record: Record| {
        record.associations = associations.remove(&record.id)?;
        Some(record)
    };
    Ok(read.into_iter().filter_map(with).collect())
}

/// The position of the search in a scan of changes; see [`Cursor::Search`].
#[derive(Default)]
struct SearchPosition {
    since: i64,
    begun: Option<i64>,
    last_id: Option<String>,
    archived: Option<String>,
}

/// As many searches as the host wants rows, so that the associations of all of them are read at
/// once.
fn read_changes(
    config: &Config,
    selection: &Selection<'_>,
    options: &Attributes,
    limit: u32,
    at: SearchPosition,
) -> Result<Page, Error> {
    let from_ms = at.since.saturating_sub(config.lookback_ms).max(0);
    let filter = search::filter_modified_since(selection.object, from_ms);
    let properties = selection.properties();
    let (mut begun, mut server_time) = (at.begun, None);
    let mut last_id = at.last_id;
    let mut records: Vec<Record> = Vec::new();
    let mut left = limit;
    while left > 0 {
        let request =
            search::request_page(selection.object, &filter, last_id.as_deref(), &properties, left);
        let answer: Answer<Results<Record>> = match call(&request) {
            Ok(answer) => answer,
            // What was read is kept; the next page meets the failure again, if it lasts.
            Err(_) if !records.is_empty() => break,
            Err(failure) => return Err(failure.into()),
        };
        begun = begun.or_else(|| Some(find_scan_start(options, &answer).max(at.since)));
        server_time = answer.server_time;
        let more = answer.body.after().is_some();
        let found = answer.body.results;
        left = left.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        last_id = found.last().map(|record| record.id.clone()).filter(|_| more);
        records.extend(found);
        if last_id.is_none() {
            break;
        }
    }
    let begun = begun.unwrap_or(at.since);
    let cursor = match last_id {
        Some(id) => Cursor::Search {
            since: at.since,
            begun: Some(begun),
            last_id: Some(id),
            archived: at.archived,
        },
        None => Cursor::Archived { since: begun, after: at.archived, pages: 0 },
    };
    let batch = selection.make_batch(&records, LinkSource::Apart)?;
    let removed = rows::merged_tombstones(&records);
    let page = Page::more(batch, cursor.encode()?);
    Ok(Page { removed, server_time, ..page }.lag(search::LAG_MS))
}

fn read_archived(
    selection: &Selection<'_>,
    limit: u32,
    since: i64,
    after: Option<&str>,
    pages: u32,
) -> Result<Page, Error> {
    let request = make_list_request(selection, true, after, limit, &selection.merge_properties());
    let answer: Answer<Results<Record>> = call(&request)?;
    let pages = pages + 1;
    let next = answer.body.after().map(str::to_owned);
    let more = next.is_some() && pages < ARCHIVED_PAGES_MAX;
    let cursor = if more {
        Cursor::Archived { since, after: next, pages }
    } else {
        Cursor::changes(since, next)
    };
    let batch = selection.make_batch(&[], LinkSource::Listed)?;
    let removed = rows::archived_tombstones(&answer.body.results);
    let page = Page::last(batch, cursor.encode()?);
    Ok(Page { removed, more, server_time: answer.server_time, ..page })
}

fn read_sweep(
    selection: &Selection<'_>,
    options: &Attributes,
    limit: u32,
    since: Option<i64>,
    archived: bool,
    after: Option<String>,
) -> Result<Page, Error> {
    let request =
        make_list_request(selection, archived, after.as_deref(), limit, &selection.properties());
    let answer: Answer<Results<Record>> = call(&request)?;
    let since = since.unwrap_or_else(|| find_scan_start(options, &answer));
    let cursor = match (answer.body.after(), archived) {
        (Some(after), _) => Cursor::Sweep { since, archived, after: Some(after.to_owned()) },
        (None, false) => Cursor::Sweep { since, archived: true, after: None },
        (None, true) => Cursor::changes(since, None),
    };
    let records = &answer.body.results;
    let (live, removed) = if archived {
        (&[][..], rows::archived_tombstones(records))
    } else {
        (records.as_slice(), rows::merged_tombstones(records))
    };
    let batch = selection.make_batch(live, LinkSource::Listed)?;
    let more = matches!(cursor, Cursor::Sweep { .. });
    let page = Page::last(batch, cursor.encode()?);
    Ok(Page { removed, more, server_time: answer.server_time, ..page })
}

fn make_list_request(
    selection: &Selection<'_>,
    archived: bool,
    after: Option<&str>,
    limit: u32,
    properties: &[String],
) -> Request {
    let mut path =
        format!("/crm/v3/objects/{}?limit={}", selection.object, limit.clamp(1, LIST_MAX));
    if archived {
        path.push_str("&archived=true");
    }
    if let Some(after) = after {
        path.push_str("&after=");
        path.push_str(&escape(after));
    }
    // Names are letters, digits and underscores, so the commas may stay as they are.
    if !properties.is_empty() {
        path.push_str("&properties=");
        path.push_str(&properties.join(","));
    }
    let targets: Vec<&str> = selection.relations().map(|relation| relation.to).collect();
    if !archived && !targets.is_empty() {
        path.push_str("&associations=");
        path.push_str(&targets.join(","));
    }
    Request::get(path)
}

/// The server's clock, or the newest time that it mentions, as far as the host's clock allows.
fn find_scan_start(options: &Attributes, answer: &Answer<Results<Record>>) -> i64 {
    let times = answer.body.results.iter().filter_map(|record| record.updated_at.as_deref());
    let newest = times.filter_map(time::parse).max();
    begin_changes(options, answer.server_time, newest).unwrap_or_default()
}

#[cfg(test)]
mod tests;
