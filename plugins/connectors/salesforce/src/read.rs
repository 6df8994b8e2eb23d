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
use crate::client::soql::{Query, after_stamp, check_name, condition, quote};
use crate::value::iso;
use crate::value::rows::{Found, Scope, Wanted};

use self::cursor::{Cursor, Job, Step};
use self::query::{Fetched, PAGE_ROWS, PAGE_ROWS_MIN};

/// From this age on, a cursor may have missed rows that left the recycle bin early.
const STALE_MS: i64 = 24 * 3_600_000;

impl Salesforce {
    /// One page of a scan.
    pub(crate) fn page(&mut self, request: &PageRequest) -> Result<Page, Error> {
        check_name("object", &request.object)?;
        let cursor: Option<Cursor> = decode(request.cursor.as_deref())?;
        let (known, step) = cursor.map(|Cursor { shape, step }| (shape, step)).unzip();
        if let Some(shape) = known {
            self.remember(&request.object, shape);
        }
        match self.scan(request, step.clone()) {
            // The shape in the cursor is out of date: a column is gone, or the right to see it.
            Err(Error::Invalid(problem))
                if problem.code == "INVALID_FIELD" && self.forget(&request.object) =>
            {
                self.scan(request, step)
            }
            other => other,
        }
    }

    fn scan(&mut self, request: &PageRequest, step: Option<Step>) -> Result<Page, Error> {
        let shape = self.shape(&request.object, &request.columns)?;
        let scope = if request.scan == Scan::Changes { Scope::All } else { Scope::Live };
        let columns = &request.columns;
        let wanted = Wanted { object: &request.object, columns, shape: &shape, scope };
        let here = Reading { salesforce: self, request, wanted };
        match (request.scan, step) {
            (Scan::Changes, Some(Step::Since { at_ms })) => here.first_changes(at_ms),
            (Scan::Changes, Some(Step::Stamps { stamp_ms, id, since_ms })) => {
                let page = here.fetch_changes(after_stamp(stamp_ms, &id))?;
                here.changes(page, since_ms, stamp_ms)
            }
            (Scan::Backfill | Scan::Sweep, None) => here.first_by_id(),
            (Scan::Backfill | Scan::Sweep, Some(Step::After { id, since_ms })) => {
                here.by_id(&id, since_ms)
            }
            (Scan::Backfill | Scan::Sweep, Some(Step::Job(job))) => here.by_job(job),
            _ => Err(Error::cursor_lost("cursor-of-another-scan", "not a cursor of this scan")),
        }
    }
}

/// One call of `read-page`.
struct Reading<'a> {
    salesforce: &'a Salesforce,
    request: &'a PageRequest,
    wanted: Wanted<'a>,
}

impl Reading<'_> {
    /// The server's clock as far as the host's allows, or the last stamp on the page.
    fn now(&self, fetched: &Fetched) -> Option<i64> {
        let last = fetched.found.last.as_ref().map(|(stamp_ms, _)| *stamp_ms);
        begin_changes(&self.request.options, fetched.server_ms, last)
    }

    fn rows(&self) -> u32 {
        self.request.limit.clamp(1, PAGE_ROWS)
    }

    fn page(&self, found: Found, step: Step, server_ms: Option<i64>) -> Result<Page, Error> {
        let more = !matches!(step, Step::Since { .. });
        let shape = self.wanted.shape.of_columns(self.wanted.columns);
        let cursor = encode(&Cursor { shape, step })?;
        let Found { batch, removed, .. } = found;
        // A query shows what was committed when it ran.
        Ok(Page { removed, more, server_time: server_ms, ..Page::last(batch, cursor) }.lag(0))
    }

    /// The query of a backfill or sweep; the rows that a filter keeps out are no changes, so only a
    /// backfill has it.
    fn query_by_id(&self, after: Option<&str>) -> Query<'_> {
        let mut conditions = self.wanted.conditions();
        conditions.extend(after.map(|id| format!("Id > {}", quote(id))));
        if self.request.scan == Scan::Backfill {
            let filter = self.request.filter.iter();
            conditions
                .extend(filter.filter_map(|(field, op, values)| condition(field, op, values)));
        }
        Query {
            select: self.wanted.select(),
            from: self.wanted.object,
            conditions,
            order: "Id",
            limit: None,
        }
    }

    /// The first page tells how many rows there are, where a Bulk 2.0 job could be cheaper.
    fn first_by_id(&self) -> Result<Page, Error> {
        for (field, ..) in &self.request.filter {
            check_name("column", field)?;
        }
        let counted = self.request.limit > PAGE_ROWS;
        let query = self.query_by_id(None);
        let fetched = self.salesforce.fetch(&self.wanted, query, self.rows(), counted)?;
        let since_ms = self.now(&fetched).unwrap_or(0);
        let pays =
            counted && bulk::pays(&fetched, self.request.limit, self.salesforce.config.bulk_rows);
        match (pays, &fetched.found.last) {
            (true, Some((_, id))) => {
                let after = id.clone();
                self.start_job(fetched, after, since_ms)
            }
            _ => self.after_ids(fetched, since_ms),
        }
    }

    fn by_id(&self, after: &str, since_ms: i64) -> Result<Page, Error> {
        let query = self.query_by_id(Some(after));
        let fetched = self.salesforce.fetch(&self.wanted, query, self.rows(), false)?;
        self.after_ids(fetched, since_ms)
    }

    fn after_ids(&self, fetched: Fetched, since_ms: i64) -> Result<Page, Error> {
        let step = match (fetched.more, &fetched.found.last) {
            (true, Some((_, id))) => Step::After { id: id.clone(), since_ms },
            _ => Step::Since { at_ms: since_ms },
        };
        self.page(fetched.found, step, fetched.server_ms)
    }

    fn start_job(&self, fetched: Fetched, after: String, since_ms: i64) -> Result<Page, Error> {
        let query = self.query_by_id(Some(&after));
        let Some(id) = bulk::start(&self.salesforce.config, &query)? else {
            return self.after_ids(fetched, since_ms);
        };
        let rows = bulk::rows_of_page(&fetched, self.request.limit);
        let job = Job { id, locator: None, after, rows, polls: 0, since_ms };
        let wait_ms = bulk::wait_ms(&job);
        let page = self.page(fetched.found, Step::Job(job), fetched.server_ms)?;
        Ok(waiting(page, wait_ms))
    }

    fn by_job(&self, job: Job) -> Result<Page, Error> {
        match bulk::go_on(&self.salesforce.config, &self.wanted, &job)? {
            bulk::Progress::Unfinished => {
                let job = Job { polls: job.polls + 1, ..job };
                let wait_ms = bulk::wait_ms(&job);
                let page = self.page(self.wanted.nothing(), Step::Job(job), None)?;
                Ok(waiting(page, wait_ms))
            }
            bulk::Progress::Rows(found, Some(locator)) => {
                let job = Job { locator: Some(locator), ..job };
                self.page(found, Step::Job(job), None)
            }
            bulk::Progress::Rows(found, None) => {
                self.page(found, Step::Since { at_ms: job.since_ms }, None)
            }
            bulk::Progress::TooLarge => {
                let job = Job { rows: (job.rows / 2).max(PAGE_ROWS_MIN), ..job };
                self.page(self.wanted.nothing(), Step::Job(job), None)
            }
            bulk::Progress::Lost => self.by_id(&job.after, job.since_ms),
        }
    }

    fn fetch_changes(&self, from: String) -> Result<Fetched, Error> {
        let mut conditions = self.wanted.conditions();
        conditions.push(from);
        let query = Query {
            select: self.wanted.select(),
            from: self.wanted.object,
            conditions,
            order: "SystemModstamp, Id",
            limit: None,
        };
        self.salesforce.fetch(&self.wanted, query, self.rows(), false)
    }

    /// The first page of changes fixes where the next changes begin: at the server's clock now.
    fn first_changes(&self, at_ms: i64) -> Result<Page, Error> {
        check_moment(&self.request.options, at_ms)?;
        let from_ms = (at_ms - self.salesforce.config.lookback_ms).max(0) / 1000 * 1000;
        let from = format!("SystemModstamp >= {}", iso(from_ms));
        let mut fetched = self.fetch_changes(from)?;
        let since_ms = self.now(&fetched);
        if let Some(now_ms) = since_ms.filter(|now_ms| now_ms - from_ms > STALE_MS) {
            let gone = self.salesforce.deleted_since(&self.wanted, from_ms, now_ms)?;
            fetched.found.removed.extend(gone);
        }
        self.changes(fetched, since_ms, at_ms)
    }

    fn changes(&self, fetched: Fetched, since: Option<i64>, seen_ms: i64) -> Result<Page, Error> {
        let step = match (fetched.more, &fetched.found.last) {
            (true, Some((stamp_ms, id))) => {
                Step::Stamps { stamp_ms: *stamp_ms, id: id.clone(), since_ms: since }
            }
            (_, last) => {
                let last_ms = last.as_ref().map_or(seen_ms, |(stamp_ms, _)| *stamp_ms);
                Step::Since { at_ms: since.unwrap_or(last_ms) }
            }
        };
        self.page(fetched.found, step, fetched.server_ms)
    }
}

/// Asks the host to wait before it asks for the next page.
fn waiting(mut page: Page, wait_ms: i64) -> Page {
    page.facts.push(("wait-ms".to_owned(), Value::Integer(wait_ms)));
    page
}
