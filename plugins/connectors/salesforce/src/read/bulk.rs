//! Bulk 2.0 query jobs, for scans of many rows (`API.md`, S-bulk-1, S-bulk-2).
//!
//! A job costs a call to start, calls to ask whether it is done, and a call per page of results;
//! its pages hold more rows than a query's. It is started only where that is cheaper, without
//! ORDER BY, which would keep Salesforce from splitting it (S-bulk-3). A guest cannot sleep
//! between pages, so a page without rows carries the fact `wait-ms` and the host asks again later.

use renkei_sdk::http::{Failure, Request};
use renkei_sdk::{Error, Value, log};
use serde::Deserialize;

use crate::client::soql::Query;
use crate::client::{parse, send};
use crate::config::Config;
use crate::error::read_error;
use crate::read::cursor::QueryJob;
use crate::read::query::{PAGE_ROWS, QueryPage};
use crate::value::ValueForm;
use crate::value::rows::{FoundRows, RowSource, Selection};

/// A page of results stays below so many bytes, so that the guest stays small.
const PAGE_BYTES: u64 = 8 * 1024 * 1024;
/// Calls of a job besides its results: start, and two questions whether it is done.
const JOB_CALLS: u64 = 3;

/// After half an hour of waiting, queries are faster.
const POLLS_MAX: u32 = 60;

/// The progress of a job.
#[derive(Debug)]
pub(crate) enum QueryJobProgress {
    /// Not done yet.
    Unfinished,
    /// A page of results, and the locator of the next.
    Rows(FoundRows, Option<String>),
    /// The page was larger than the host takes.
    TooLarge,
    /// Failed, aborted, forgotten or stuck.
    Lost,
}

/// Rows of a page of results, by the size of those of the first page.
pub(crate) fn count_page_rows(first: &QueryPage, limit: u32) -> u32 {
    let bytes_of_row = (first.bytes / first.rows.max(1)).max(1);
    let fitting = u32::try_from(PAGE_BYTES / bytes_of_row).unwrap_or(u32::MAX);
    fitting.clamp(PAGE_ROWS, limit.max(PAGE_ROWS))
}

/// True if a job for the rows after the first page costs fewer calls than queries.
pub(crate) fn saves_calls(first: &QueryPage, limit: u32, bulk_rows: u64) -> bool {
    let rest = first.total.saturating_sub(first.rows);
    let results = rest.div_ceil(u64::from(count_page_rows(first, limit)));
    rest > bulk_rows && JOB_CALLS + results < rest.div_ceil(u64::from(PAGE_ROWS))
}

/// The wait before asking again about the job: 2 s, doubling up to 32 s.
pub(crate) fn wait_ms(job: &QueryJob) -> i64 {
    2000 << job.polls.min(4)
}

#[derive(Deserialize)]
struct QueryJobInfo {
    id: String,
    state: String,
}

/// Starts a job; nothing where the org does not allow one. Repeatable: an orphaned job is harmless.
pub(crate) fn start_job(config: &Config, query: &Query<'_>) -> Result<Option<String>, Error> {
    let query = Query { order: "", ..query.clone() };
    let body = serde_json::json!({"operation": "query", "query": query.to_string()});
    let request = Request::post(format!("{}/jobs/query", config.root)).json(&body).repeatable();
    match send(&request) {
        Ok(answer) => Ok(Some(parse::<QueryJobInfo>(&answer.body)?.id)),
        Err(Error::Invalid(problem) | Error::Forbidden(problem) | Error::NotFound(problem)) => {
            log::warn("no bulk job, reading by queries", &[("code", &problem.code)]);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Asks whether a new job is done, and reads the next page of one that is.
pub(crate) fn continue_job(
    config: &Config,
    selection: &Selection<'_>,
    job: &QueryJob,
) -> Result<QueryJobProgress, Error> {
    let path = format!("{}/jobs/query/{}", config.root, job.id);
    if job.locator.is_none() {
        match send(&Request::get(&path)) {
            Ok(answer) => match parse::<QueryJobInfo>(&answer.body)?.state.as_str() {
                "JobComplete" => {}
                "Failed" | "Aborted" => return Ok(report_lost(job)),
                _ if job.polls >= POLLS_MAX => return Ok(report_lost(job)),
                _ => return Ok(QueryJobProgress::Unfinished),
            },
            Err(Error::NotFound(_)) => return Ok(report_lost(job)),
            Err(error) => return Err(error),
        }
    }
    let mut results = Request::get(format!("{path}/results"))
        .query("maxRecords", &job.rows.to_string())
        .header("accept", "text/csv");
    if let Some(locator) = &job.locator {
        results = results.query("locator", locator);
    }
    let answer = match results.send() {
        Err(Failure::TooLarge(_)) => return Ok(QueryJobProgress::TooLarge),
        other => other?,
    };
    match answer.status {
        200 => {}
        400 | 404 => return Ok(report_lost(job)),
        _ => return Err(read_error(&answer)),
    }
    // The last page says so with the word `null`.
    let next = answer.header("sforce-locator").filter(|next| *next != "null" && !next.is_empty());
    Ok(QueryJobProgress::Rows(read_csv(selection, &answer.body)?, next.map(str::to_owned)))
}

fn report_lost(job: &QueryJob) -> QueryJobProgress {
    log::warn("the bulk job is lost, reading by queries", &[("job", &job.id)]);
    QueryJobProgress::Lost
}

/// One row of results with the header's columns.
struct CsvRow<'a> {
    header: &'a csv::StringRecord,
    cells: &'a csv::ByteRecord,
}

impl RowSource for CsvRow<'_> {
    fn value(&self, column: &str, form: ValueForm) -> Option<Value> {
        let index = self.header.iter().position(|name| name == column)?;
        // What is no text becomes a NUL, with which the host names the cell.
        Some(form.read_text(std::str::from_utf8(self.cells.get(index)?).unwrap_or("\0")))
    }
}

fn read_csv(selection: &Selection<'_>, body: &[u8]) -> Result<FoundRows, Error> {
    let broken = |fault: csv::Error| {
        let line = fault.position().map_or(0, csv::Position::line);
        Error::bug(format!("a page of bulk results is not CSV at line {line}"))
    };
    let mut found = selection.empty();
    let mut reader = csv::Reader::from_reader(body);
    let header = reader.headers().map_err(broken)?.clone();
    let mut cells = csv::ByteRecord::new();
    while reader.read_byte_record(&mut cells).map_err(broken)? {
        found.add_row(selection, &CsvRow { header: &header, cells: &cells })?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ObjectShape;
    use crate::value::rows::QueryScope;

    fn first_page(total: u64, bytes: u64) -> QueryPage {
        let shape = ObjectShape::default();
        let selection =
            Selection { object: "Lead", columns: &[], shape: &shape, scope: QueryScope::Live };
        let found = selection.empty();
        QueryPage { found, more: true, total, rows: 2000, bytes, server_ms: None }
    }

    #[test]
    fn job_is_started_only_where_it_saves_calls() {
        let check = |total, bytes, limit, expected| {
            assert_eq!(
                saves_calls(&first_page(total, bytes), limit, 2000),
                expected,
                "{total} {limit}"
            );
        };
        check(20_000, 1_000_000, 10_000, true);
        check(20_000, 1_000_000, 2000, false);
        check(8000, 1_000_000, 10_000, false);
        check(4000, 1_000_000, 10_000, false);
        // Rows of 50 kB: a page holds no more of them than a query's.
        check(20_000, 100_000_000, 10_000, false);
    }

    #[test]
    fn csv_is_read_by_form() {
        let columns = ["LastName", "Amount", "Tags__c"].map(str::to_owned);
        let forms = columns.iter().cloned().zip([
            Some(ValueForm::Text),
            Some(ValueForm::Decimal),
            Some(ValueForm::Choices),
        ]);
        let shape = ObjectShape { forms: forms.collect(), ..ObjectShape::default() };
        let selection =
            Selection { object: "Lead", columns: &columns, shape: &shape, scope: QueryScope::Live };
        let body = "\"Id\",\"SystemModstamp\",\"LastName\",\"Amount\",\"Tags__c\"\n\
            \"00Q1\",\"2026-05-01T07:25:37.000Z\",\"山田 \"\"T\"\"\n太郎\",\"1.50\",\"\"\n\
            \"00Q2\",\"2026-05-01T07:25:37.000Z\",\"\",\"\",\"a;b\"\n";
        let found = read_csv(&selection, body.as_bytes()).unwrap();
        let cells = |row: usize| found.batch.rows[row].cells.clone();
        assert_eq!(
            cells(0),
            [
                Some("山田 \"T\"\n太郎".into()),
                Some(Value::Decimal("1.5".into())),
                Some(Value::Null)
            ]
        );
        assert_eq!(cells(1)[2], Some(Value::Choices(vec!["a".into(), "b".into()])));
        assert_eq!(found.batch.rows[1].version.as_deref(), Some("1777620337000"));
    }

    #[test]
    fn wait_doubles_up_to_a_bound() {
        let job = |polls| QueryJob {
            id: String::new(),
            locator: None,
            after: String::new(),
            rows: 1,
            polls,
            since_ms: 0,
        };
        assert_eq!([0, 1, 4, 50].map(|polls| wait_ms(&job(polls))), [2000, 4000, 32_000, 32_000]);
    }
}
