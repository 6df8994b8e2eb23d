//! `read-page`: scans in the order of ids.
//!
//! The stamp of a change says its minute only (K-value-3), and an import gives thousands of
//! records the same one, so no scan pages by it. Each pages by id (K-read-2): a scan of changes
//! reads the records whose stamp is not before a moment, and the next one begins a little before
//! this one began. A change during a scan behind its position has a later stamp than that, so the
//! next scan shows it.
//!
//! kintone lists no deletions (K-read-6): a deleted record is simply not in a sweep.

pub(crate) mod cursor;

use crate::bindings::exports::renkei::plugin::connector::{Page, PageRequest, Scan};
use crate::bindings::renkei::plugin::http::Failure;
use crate::bindings::renkei::plugin::types::{Batch, Error, Value};
use crate::client::Job;
use crate::client::form::Form;
use crate::client::query::literal;
use crate::config::App;
use crate::error::CallFailure;
use crate::value::rows::{Listing, RECORDS_MAX, list_records};
use crate::value::time::{floor_to_minute, format_moment};

use self::cursor::Cursor;

/// The next page of a scan.
///
/// # Errors
/// `cursor-lost` for bytes that are no cursor of such a scan.
pub(crate) fn read_page(job: &Job, request: &PageRequest) -> Result<Page, Error> {
    let app = job.config.app(&request.object)?;
    let form = job.form(app)?;
    let here = Cursor::read(&request.scan, request.cursor.as_deref())?;
    let condition = condition(&here, &form)?;
    let fields = form.wanted(&request.columns);
    let (listing, limit) = list_what_fits(job, app, &condition, request.limit, &fields)?;

    let next = here.next.unwrap_or_else(|| {
        next_changes(listing.server_time, now_ms(&request.options), job.config.lookback_ms)
    });
    let mut facts = Vec::new();
    let rows = listing.records.iter();
    let rows = rows.filter_map(|record| record.make_row(&form, &request.columns, &mut facts));
    let batch = Batch { columns: request.columns.clone(), rows: rows.collect() };
    let last = listing.records.last().and_then(|record| record.id()).map(|(_, id)| id);
    let more = listing.records.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let after = match (last, more) {
        (Some(after), true) => Cursor { after, next: Some(next), ..here },
        // A sweep reads no columns, so changes cannot go on from it: they would begin anew.
        _ if request.scan == Scan::Sweep => Cursor::changes_since(0),
        _ => Cursor::changes_since(next),
    };
    Ok(Page {
        batch,
        removed: Vec::new(),
        cursor: after.write(),
        more,
        server_time: listing.server_time,
        facts,
    })
}

fn condition(cursor: &Cursor, form: &Form) -> Result<String, Error> {
    let behind = format!("$id > {}", cursor.after);
    let Some(since) = cursor.since else {
        return Ok(behind);
    };
    let updated = form.updated.as_deref().ok_or_else(|| {
        Error::Unsupported("changes of an app that shows no time of change".to_owned())
    })?;
    Ok(format!("{updated} >= {} and {behind}", literal(&format_moment(since))))
}

/// A page, made smaller while its answer is larger than the host takes; with the limit it has.
fn list_what_fits(
    job: &Job,
    app: &App,
    condition: &str,
    wanted: u32,
    fields: &[&str],
) -> Result<(Listing, u32), Error> {
    let mut limit = wanted.clamp(1, RECORDS_MAX);
    loop {
        match list_records(job, app, condition, limit, fields) {
            Ok(listing) => return Ok((listing, limit)),
            Err(CallFailure::Unanswered(Failure::TooLarge(_))) if limit > 1 => limit /= 2,
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// The moment from which the scan after this one reads: a little before this one began, on the
/// earlier of both clocks. Without a clock it is the beginning of time.
fn next_changes(server: Option<i64>, host: Option<i64>, lookback_ms: i64) -> i64 {
    let clocks = server.into_iter().chain(host);
    clocks.min().map_or(0, |began| floor_to_minute(began - lookback_ms).max(0))
}

fn now_ms(options: &[(String, Value)]) -> Option<i64> {
    let found = options.iter().find(|(name, _)| name == "now-ms");
    found.and_then(|(_, value)| match value {
        Value::Integer(ms) => Some(*ms),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Cursor, condition, next_changes};
    use crate::client::form::tests::form;

    #[test]
    fn every_scan_pages_by_id() {
        let backfill = Cursor { after: 500, since: None, next: Some(1) };
        assert_eq!(condition(&backfill, &form()).unwrap(), "$id > 500");
        let changes = Cursor { since: Some(1_709_251_140_000), ..backfill };
        assert_eq!(
            condition(&changes, &form()).unwrap(),
            r#"更新日時 >= "2024-02-29T23:59:00Z" and $id > 500"#
        );
    }

    #[test]
    fn next_scan_begins_before_this_one_on_the_earlier_clock() {
        let minute = 60_000;
        let next = |server, host| next_changes(server, host, minute);
        assert_eq!(next(Some(10 * minute + 5), Some(20 * minute)), 9 * minute);
        assert_eq!(next(Some(20 * minute), Some(10 * minute + 59_999)), 9 * minute);
        assert_eq!(next(None, Some(10 * minute)), 9 * minute);
        assert_eq!(next(None, None), 0);
        assert_eq!(next(Some(5), None), 0);
    }
}
