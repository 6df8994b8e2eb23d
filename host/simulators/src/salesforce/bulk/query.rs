//! Query jobs: the rows are found when the job is made and shown in pages of CSV.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::csv_rows::{CsvSheet, write};
use super::job::{JobKind, QueryJob, invalid_job, invalid_state};
use crate::salesforce::error::ApiFault;
use crate::salesforce::org::Org;
use crate::salesforce::reply::{OrgCall, OrgReply};
use crate::salesforce::soql;

/// Rows of a result page where the client names no number.
const PAGE_MAX: usize = 50_000;

impl Org {
    pub(super) fn create_query_job(&mut self, call: &OrgCall<'_>) -> Result<OrgReply, ApiFault> {
        let body = call.json()?;
        let all = match body.text("operation") {
            Some("query") => false,
            Some("queryAll") => true,
            _ => return Err(invalid_job("operation must be query or queryAll")),
        };
        let plan = self.plan(body.text("query").unwrap_or_default(), call.now_ms)?;
        if !soql::flat(&plan) {
            let message = "Aggregates, counts and child queries are not supported in bulk queries";
            return Err(ApiFault::new(400, "API_ERROR", message));
        }
        let table = plan.table;
        let rows = Arc::new(soql::select(self.seen(), &plan, all));
        let job = QueryJob { plan: Arc::new(plan), rows };
        self.add_job(call, JobKind::Query(job), table, &body)
    }

    pub(super) fn query_results(
        &mut self,
        call: &OrgCall<'_>,
        id: &str,
    ) -> Result<OrgReply, ApiFault> {
        let job = self.job("query", id)?;
        let state = job.state(call.now_ms);
        let (delimiter, crlf) = (job.delimiter, job.crlf);
        let (plan, rows) = match &job.kind {
            JobKind::Query(query) if state == "JobComplete" => {
                (Arc::clone(&query.plan), Arc::clone(&query.rows))
            }
            _ => return Err(invalid_state(state)),
        };
        let wanted = call.request.query("maxRecords").and_then(|count| count.parse().ok());
        let len = wanted.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let start = match call.request.query("locator") {
            None | Some("") => 0,
            Some(locator) => offset(locator)
                .ok_or_else(|| ApiFault::new(400, "INVALIDLOCATOR", "invalid locator"))?,
        };
        let end = start.saturating_add(len).min(rows.len());
        let page = rows.get(start..end).unwrap_or_default();
        let (header, rows_out) = soql::sheet(self.seen(), &plan, page);
        let locator = if end < rows.len() {
            URL_SAFE_NO_PAD.encode(end.to_string())
        } else {
            "null".to_owned()
        };
        self.step(id, &format!("results {start}"), true);
        self.tally.rows = page.len();
        let text = write(&CsvSheet { header, rows: rows_out }, delimiter, crlf);
        Ok(OrgReply::text("text/csv;charset=UTF-8", text)
            .with_header("sforce-numberofrecords", page.len().to_string())
            .with_header("sforce-locator", locator))
    }
}

fn offset(locator: &str) -> Option<usize> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(locator).ok()?).ok()?.parse().ok()
}
