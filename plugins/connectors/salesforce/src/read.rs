//! Scans: backfill and sweep by id, changes by stamp (`API.md`, S-query-2, S-query-4).
//!
//! Every page is a query of its own that begins after the last row seen. So a cursor works after a
//! crash, after query locators expired, and with any number of equal stamps, for as many calls as
//! following locators would take. `SystemModstamp` is the stamp of a transaction, which may commit
//! later, so changes reach back by `lookback_ms` each time.

mod bulk;
mod cursor;
mod deleted;
pub(crate) mod query;

use renkei_sdk::cursor::{begin_changes, check_moment, decode, encode};
use renkei_sdk::{Error, Page, PageRequest, Scan, Value};

use crate::Salesforce;
use crate::client::soql::{Query, check_name, follow_stamp, quote, write_condition};
use crate::value::format_moment;
use crate::value::rows::{FoundRows, QueryScope, Selection};

use self::cursor::{Cursor, QueryJob, ScanStep};
use self::query::{PAGE_ROWS, PAGE_ROWS_MIN, QueryPage};

/// From this age on, a cursor may have missed rows that left the recycle bin early.
const STALE_MS: i64 = 24 * 3_600_000;

impl Salesforce {
    /// One page of a scan.
    pub(crate) fn read_scan_page(&mut self, request: &PageRequest) -> Result<Page, Error> {
        check_name("object", &request.object)?;
        let cursor: Option<Cursor> = decode(request.cursor.as_deref())?;
        let (known, step) = cursor.map(|Cursor { shape, step }| (shape, step)).unzip();
        if let Some(shape) = known {
            self.keep_shape(&request.object, shape);
        }
        match self.continue_scan(request, step.clone()) {
            // The shape in the cursor is out of date: a column is gone, or the right to see it.
            Err(Error::Invalid(problem))
                if problem.code == "INVALID_FIELD" && self.drop_shape(&request.object) =>
            {
                self.continue_scan(request, step)
            }
            other => other,
        }
    }

    fn continue_scan(
        &mut self,
        request: &PageRequest,
        step: Option<ScanStep>,
    ) -> Result<Page, Error> {
        let shape = self.get_shape(&request.object, &request.columns)?;
        let scope = if request.scan == Scan::Changes { QueryScope::All } else { QueryScope::Live };
        let columns = &request.columns;
        let selection = Selection { object: &request.object, columns, shape: &shape, scope };
        let here = PageRead { salesforce: self, request, selection };
        match (&request.scan, step) {
            (Scan::Other(scan), _) => Err(Error::unsupported(format!("scan {}", scan.code))),
            (Scan::Changes, Some(ScanStep::Since { at_ms })) => here.read_first_changes(at_ms),
            (Scan::Changes, Some(ScanStep::Stamps { stamp_ms, id, since_ms })) => {
                let page = here.fetch_changes(follow_stamp(stamp_ms, &id))?;
                here.finish_changes(page, since_ms, stamp_ms)
            }
            (Scan::Backfill | Scan::Sweep, None) => here.read_first_by_id(),
            (Scan::Backfill | Scan::Sweep, Some(ScanStep::After { id, since_ms })) => {
                here.read_by_id(&id, since_ms)
            }
            (Scan::Backfill | Scan::Sweep, Some(ScanStep::Job(job))) => here.continue_job(job),
            _ => Err(Error::cursor_lost("cursor-of-another-scan", "not a cursor of this scan")),
        }
    }
}

/// One call of `read-page`.
struct PageRead<'a> {
    salesforce: &'a Salesforce,
    request: &'a PageRequest,
    selection: Selection<'a>,
}

impl PageRead<'_> {
    /// The server's clock as far as the host's allows, or the last stamp on the page.
    fn find_scan_start(&self, fetched: &QueryPage) -> Option<i64> {
        let last = fetched.found.last.as_ref().map(|(stamp_ms, _)| *stamp_ms);
        begin_changes(&self.request.options, fetched.server_ms, last)
    }

    fn page_rows(&self) -> u32 {
        self.request.limit.clamp(1, PAGE_ROWS)
    }

    fn make_page(
        &self,
        found: FoundRows,
        step: ScanStep,
        server_ms: Option<i64>,
    ) -> Result<Page, Error> {
        let more = !matches!(step, ScanStep::Since { .. });
        let shape = self.selection.shape.only_columns(self.selection.columns);
        let cursor = encode(&Cursor { shape, step })?;
        let FoundRows { batch, removed, .. } = found;
        // A query shows what was committed when it ran.
        Ok(Page { removed, more, server_time: server_ms, ..Page::last(batch, cursor) }.lag(0))
    }

    /// The query of a backfill or sweep; the rows that a filter keeps out are no changes, so only a
    /// backfill has it.
    fn make_id_query(&self, after: Option<&str>) -> Query<'_> {
        let mut conditions = self.selection.conditions();
        conditions.extend(after.map(|id| format!("Id > {}", quote(id))));
        if self.request.scan == Scan::Backfill {
            let filter = self.request.filter.iter();
            conditions.extend(
                filter.filter_map(|(field, op, values)| write_condition(field, op, values)),
            );
        }
        Query {
            select: self.selection.columns_to_ask(),
            from: self.selection.object,
            conditions,
            order: "Id",
            limit: None,
        }
    }

    /// The first page tells how many rows there are, where a Bulk 2.0 job could be cheaper.
    fn read_first_by_id(&self) -> Result<Page, Error> {
        for (field, ..) in &self.request.filter {
            check_name("column", field)?;
        }
        let counted = self.request.limit > PAGE_ROWS;
        let query = self.make_id_query(None);
        let fetched = self.salesforce.fetch(&self.selection, query, self.page_rows(), counted)?;
        let since_ms = self.find_scan_start(&fetched).unwrap_or(0);
        let pays = counted
            && bulk::saves_calls(&fetched, self.request.limit, self.salesforce.config.bulk_rows);
        match (pays, &fetched.found.last) {
            (true, Some((_, id))) => {
                let after = id.clone();
                self.start_job(fetched, after, since_ms)
            }
            _ => self.finish_by_id(fetched, since_ms),
        }
    }

    fn read_by_id(&self, after: &str, since_ms: i64) -> Result<Page, Error> {
        let query = self.make_id_query(Some(after));
        let fetched = self.salesforce.fetch(&self.selection, query, self.page_rows(), false)?;
        self.finish_by_id(fetched, since_ms)
    }

    fn finish_by_id(&self, fetched: QueryPage, since_ms: i64) -> Result<Page, Error> {
        let step = match (fetched.more, &fetched.found.last) {
            (true, Some((_, id))) => ScanStep::After { id: id.clone(), since_ms },
            _ => ScanStep::Since { at_ms: since_ms },
        };
        self.make_page(fetched.found, step, fetched.server_ms)
    }

    fn start_job(&self, fetched: QueryPage, after: String, since_ms: i64) -> Result<Page, Error> {
        let query = self.make_id_query(Some(&after));
        let Some(id) = bulk::start_job(&self.salesforce.config, &query)? else {
            return self.finish_by_id(fetched, since_ms);
        };
        let rows = bulk::count_page_rows(&fetched, self.request.limit);
        let job = QueryJob { id, locator: None, after, rows, polls: 0, since_ms };
        let wait_ms = bulk::wait_ms(&job);
        let page = self.make_page(fetched.found, ScanStep::Job(job), fetched.server_ms)?;
        Ok(ask_to_wait(page, wait_ms))
    }

    fn continue_job(&self, job: QueryJob) -> Result<Page, Error> {
        match bulk::continue_job(&self.salesforce.config, &self.selection, &job)? {
            bulk::QueryJobProgress::Unfinished => {
                let job = QueryJob { polls: job.polls + 1, ..job };
                let wait_ms = bulk::wait_ms(&job);
                let page = self.make_page(self.selection.empty(), ScanStep::Job(job), None)?;
                Ok(ask_to_wait(page, wait_ms))
            }
            bulk::QueryJobProgress::Rows(found, Some(locator)) => {
                let job = QueryJob { locator: Some(locator), ..job };
                self.make_page(found, ScanStep::Job(job), None)
            }
            bulk::QueryJobProgress::Rows(found, None) => {
                self.make_page(found, ScanStep::Since { at_ms: job.since_ms }, None)
            }
            bulk::QueryJobProgress::TooLarge => {
                let job = QueryJob { rows: (job.rows / 2).max(PAGE_ROWS_MIN), ..job };
                self.make_page(self.selection.empty(), ScanStep::Job(job), None)
            }
            bulk::QueryJobProgress::Lost => self.read_by_id(&job.after, job.since_ms),
        }
    }

    fn fetch_changes(&self, from: String) -> Result<QueryPage, Error> {
        let mut conditions = self.selection.conditions();
        conditions.push(from);
        let query = Query {
            select: self.selection.columns_to_ask(),
            from: self.selection.object,
            conditions,
            order: "SystemModstamp, Id",
            limit: None,
        };
        self.salesforce.fetch(&self.selection, query, self.page_rows(), false)
    }

    /// The first page of changes fixes where the next changes begin: at the server's clock now.
    fn read_first_changes(&self, at_ms: i64) -> Result<Page, Error> {
        check_moment(&self.request.options, at_ms)?;
        let from_ms = (at_ms - self.salesforce.config.lookback_ms).max(0) / 1000 * 1000;
        let from = format!("SystemModstamp >= {}", format_moment(from_ms));
        let mut fetched = self.fetch_changes(from)?;
        let since_ms = self.find_scan_start(&fetched);
        if let Some(now_ms) = since_ms.filter(|now_ms| now_ms - from_ms > STALE_MS) {
            let gone = self.salesforce.deleted_since(&self.selection, from_ms, now_ms)?;
            fetched.found.removed.extend(gone);
        }
        self.finish_changes(fetched, since_ms, at_ms)
    }

    fn finish_changes(
        &self,
        fetched: QueryPage,
        since: Option<i64>,
        seen_ms: i64,
    ) -> Result<Page, Error> {
        let step = match (fetched.more, &fetched.found.last) {
            (true, Some((stamp_ms, id))) => {
                ScanStep::Stamps { stamp_ms: *stamp_ms, id: id.clone(), since_ms: since }
            }
            (_, last) => {
                let last_ms = last.as_ref().map_or(seen_ms, |(stamp_ms, _)| *stamp_ms);
                ScanStep::Since { at_ms: since.unwrap_or(last_ms) }
            }
        };
        self.make_page(fetched.found, step, fetched.server_ms)
    }
}

/// Asks the host to wait before it asks for the next page.
fn ask_to_wait(mut page: Page, wait_ms: i64) -> Page {
    page.facts.push(("wait-ms".to_owned(), Value::Integer(wait_ms)));
    page
}
