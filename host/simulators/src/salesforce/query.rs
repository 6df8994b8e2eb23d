//! `/query`, `/queryAll` and their next pages.
//!
//! A query runs once; its cursor keeps the serials found, and the locator names cursor and offset.
//! A user has ten open cursors: the eleventh closes the oldest. Pages show values as they are when
//! the page is asked for, and rows that went in between are missing from their page.

use std::sync::Arc;

use super::cursors::QueryCursor;
use super::error::ApiFault;
use super::ids::Serial;
use super::json::Json;
use super::org::{CallTally, Org};
use super::reply::{OrgCall, OrgReply};
use super::soql::{self, PlanOutput, SoqlPlan};
use crate::ledger::CallShape;

const PAGE_MAX: usize = 2000;
const PAGE_MIN: usize = 200;
const CURSORS_MAX: usize = 10;
const SOQL_LEN_MAX: usize = 100_000;

impl Org {
    pub(super) fn query(
        &mut self,
        call: &OrgCall<'_>,
        path: &[&str],
        all: bool,
    ) -> Result<OrgReply, ApiFault> {
        if call.method != "GET" {
            return Err(call.refuse("HEAD,GET"));
        }
        match path {
            [] => self.first_page(call, all),
            [locator] => self.next_page(call, locator),
            _ => Err(ApiFault::not_found()),
        }
    }

    /// Parses and checks a query.
    pub(super) fn plan(&self, soql: &str, now_ms: i64) -> Result<SoqlPlan, ApiFault> {
        if soql.chars().count() > SOQL_LEN_MAX {
            let message = "SOQL statements cannot be longer than 100000 characters.";
            return Err(ApiFault::new(400, "MALFORMED_QUERY", message));
        }
        let query = soql::parse(soql)?;
        let plan = soql::bind(&self.store, soql, &query, now_ms)?;
        self.check_failing(plan.table)?;
        Ok(plan)
    }

    fn first_page(&mut self, call: &OrgCall<'_>, all: bool) -> Result<OrgReply, ApiFault> {
        let soql = call.request.query("q").unwrap_or_default();
        let plan = self.plan(soql, call.now_ms)?;
        let rows = soql::select(self.seen(), &plan, all);
        if !matches!(plan.output, PlanOutput::Rows(_)) {
            self.tally_page(&plan, true, 1);
            return Ok(self.single(call, &plan, &rows));
        }
        self.cursors.issued += 1;
        let cursor = QueryCursor {
            locator: format!("0r8xx{:013}", self.cursors.issued),
            plan: Arc::new(plan),
            rows: Arc::new(rows),
            page_len: batch_size(call),
            all,
            used_at_ms: call.now_ms,
        };
        let (reply, done) = self.page(call, &cursor, 0, true);
        if !done {
            if self.cursors.open.len() == CURSORS_MAX {
                self.cursors.open.pop_front();
            }
            self.cursors.open.push_back(cursor);
        }
        Ok(reply)
    }

    /// The answer of `COUNT()` and of aggregates, which have no pages.
    fn single(&self, call: &OrgCall<'_>, plan: &SoqlPlan, rows: &[Serial]) -> OrgReply {
        let records = soql::render(self.seen(), plan, rows, call.base);
        let size =
            if matches!(plan.output, PlanOutput::Count) { rows.len() } else { records.len() };
        OrgReply::ok(Json::object([
            ("totalSize", size.into()),
            ("done", true.into()),
            ("records", Json::List(records)),
        ]))
    }

    fn next_page(&mut self, call: &OrgCall<'_>, locator: &str) -> Result<OrgReply, ApiFault> {
        let invalid = || ApiFault::new(400, "INVALID_QUERY_LOCATOR", "invalid query locator");
        let (name, offset) = locator.rsplit_once('-').ok_or_else(invalid)?;
        let offset: usize = offset.parse().map_err(|_| invalid())?;
        let lifetime_ms = self.faults.salesforce.cursor_lifetime_ms;
        self.cursors.open.retain(|cursor| call.now_ms - cursor.used_at_ms < lifetime_ms);
        let mut open = self.cursors.open.iter_mut();
        let cursor = open.find(|cursor| cursor.locator == name).ok_or_else(invalid)?;
        cursor.used_at_ms = call.now_ms;
        let cursor = cursor.clone();
        Ok(self.page(call, &cursor, offset, false).0)
    }

    /// The page at `offset`, and whether it is the last.
    fn page(
        &mut self,
        call: &OrgCall<'_>,
        cursor: &QueryCursor,
        offset: usize,
        first: bool,
    ) -> (OrgReply, bool) {
        let mut len = cursor.page_len;
        if self.pages.hits(self.faults.short_pages_every) {
            len /= 2;
        }
        let end = offset.saturating_add(len).min(cursor.rows.len());
        let rows = cursor.rows.get(offset..end).unwrap_or_default();
        let visible: Vec<Serial> = rows
            .iter()
            .copied()
            .filter(|serial| {
                let row = self.seen().shared(cursor.plan.table, *serial);
                row.is_some_and(|row| cursor.all || !row.deleted())
            })
            .collect();
        let records = soql::render(self.seen(), &cursor.plan, &visible, call.base);
        self.tally_page(&cursor.plan, first, records.len());
        let done = end == cursor.rows.len();
        let mut pairs =
            vec![("totalSize".into(), cursor.rows.len().into()), ("done".into(), done.into())];
        if !done {
            let next = format!("{}/query/{}-{end}", call.base, cursor.locator);
            pairs.push(("nextRecordsUrl".into(), next.into()));
        }
        pairs.push(("records".into(), Json::List(records)));
        (OrgReply::ok(Json::Object(pairs)), done)
    }

    /// Setup objects are read once as metadata; everything else is a scan.
    fn tally_page(&mut self, plan: &SoqlPlan, first: bool, rows: usize) {
        let object = self.store.object(plan.table);
        let name = object.map_or("", |object| object.name).to_owned();
        let setup = object.is_some_and(|object| !object.writable);
        let shape = if setup { CallShape::Metadata } else { CallShape::Page { first } };
        self.tally = CallTally { kind: "query", object: name, shape, rows, cap: PAGE_MAX };
    }
}

/// `Sforce-Query-Options: batchSize=n`, taken within its bounds.
fn batch_size(call: &OrgCall<'_>) -> usize {
    let header = call.request.header("sforce-query-options").unwrap_or_default();
    header
        .split([',', ';'])
        .find_map(|option| option.trim().strip_prefix("batchSize=")?.trim().parse().ok())
        .map_or(PAGE_MAX, |size: usize| size.clamp(PAGE_MIN, PAGE_MAX))
}
