//! Bulk 2.0 ingest jobs, for writes of many rows (`API.md`, S-bulk-4).
//!
//! A job costs a call to start, one to upload, one to close, calls to ask whether it is done, and a
//! call per list of results; collections cost a call per 200 rows. Nothing is written before the
//! close, so whatever fails until then leaves nothing behind. After it, a row that the job does not
//! tell of is uncertain. Results come in any order and are known by the key that was uploaded with
//! the row.

mod results;
mod sheet;

use renkei_sdk::http::{Request, wait};
use renkei_sdk::{Error, log};
use serde::Deserialize;

use crate::client::{parse, send, send_write};
use crate::config::Config;
use crate::error::CallFailure;
use crate::write::call::{IngestJob, ROWS_MAX, WriteVerb};

pub(crate) use results::IngestResults;
pub(crate) use sheet::{count_bytes, fits_csv, row_key};

/// Calls of a job: start, upload, close, three questions whether it is done, two lists of results.
const JOB_CALLS: usize = 8;
/// An upload stays below so many bytes, so that it and its results, which repeat it, pass the
/// host's limits; the API takes 100 MB.
pub(crate) const UPLOAD_BYTES: usize = 8 * 1024 * 1024;
/// The first question comes after this and a millisecond for each row (S-bulk-10).
const FIRST_WAIT_MS: u64 = 1_000;
/// Later pauses grow by half up to this.
const WAIT_MAX_MS: u64 = 30_000;
/// So many questions in a row may fail before the job is given up.
const FAULTS_MAX: u32 = 3;

/// True if a job for so many rows costs fewer calls than collections. With the default of
/// `bulk_rows` the vendor's own advice decides (more than 2,000 rows); below 1,600 rows a job would
/// cost more calls than it saves.
pub(crate) fn saves_calls(rows: usize, bulk_rows: u64) -> bool {
    u64::try_from(rows).is_ok_and(|rows| rows > bulk_rows) && JOB_CALLS < rows.div_ceil(ROWS_MAX)
}

/// The end of a job.
#[derive(Debug)]
pub(crate) enum IngestEnd {
    /// The known outcomes of its rows; the others are uncertain for this reason.
    Known(IngestResults, String),
    /// Nothing was written.
    Refused(Error),
    /// Nothing was written, and no job can be had for these rows.
    Declined,
}

/// The description of a job.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IngestJobInfo {
    id: String,
    state: String,
    #[serde(default)]
    error_message: String,
    number_records_processed: Option<usize>,
    number_records_failed: Option<usize>,
}

/// Writes rows by a job and waits for it.
pub(crate) fn run_job(config: &Config, job: &IngestJob<'_>) -> IngestEnd {
    let id = match start_job(config, job) {
        Ok(Some(id)) => id,
        Ok(None) => return IngestEnd::Declined,
        Err(error) => return IngestEnd::Refused(error),
    };
    let path = format!("{}/jobs/ingest/{id}", config.root);
    if let Err(error) = upload_rows(&path, job) {
        abort_job(&path);
        return IngestEnd::Refused(error);
    }
    if let Err(error) = close_job(&path) {
        abort_job(&path);
        return IngestEnd::Refused(error);
    }
    match await_job(&path, job) {
        Ok(info) => read_results(&path, job, &info),
        Err(why) => IngestEnd::Known(IngestResults::default(), why),
    }
}

/// Starts a job; nothing where the org does not allow one. Repeatable: a job that is never closed
/// does nothing.
fn start_job(config: &Config, job: &IngestJob<'_>) -> Result<Option<String>, Error> {
    let mut body = serde_json::json!({
        "object": job.request.object,
        "operation": match job.verb {
            WriteVerb::Insert => "insert",
            WriteVerb::Upsert(_) => "upsert",
            WriteVerb::Update => "update",
            WriteVerb::Delete => "delete",
        },
        "contentType": "CSV",
        "lineEnding": "LF",
    });
    if let (WriteVerb::Upsert(key), Some(fields)) = (job.verb, body.as_object_mut()) {
        fields.insert("externalIdFieldName".to_owned(), key.as_str().into());
    }
    let request = Request::post(format!("{}/jobs/ingest", config.root)).json(&body).repeatable();
    match send(&request) {
        Ok(answer) => Ok(Some(parse::<IngestJobInfo>(&answer.body)?.id)),
        Err(Error::Invalid(problem) | Error::Forbidden(problem) | Error::NotFound(problem)) => {
            log::warn("no ingest job, writing by collections", &[("code", &problem.code)]);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A second upload is refused, so one whose answer was lost cannot be told from a broken one; the
/// job is thrown away and the rows come again.
fn upload_rows(path: &str, job: &IngestJob<'_>) -> Result<(), Error> {
    let sheet = sheet::write_sheet(job)?;
    let request = Request::put(format!("{path}/batches")).body(sheet, "text/csv; charset=UTF-8");
    match send(&request) {
        Ok(_) => Ok(()),
        Err(Error::RetryAfter(after_ms)) => Err(Error::RetryAfter(after_ms)),
        Err(Error::Unauthorized(problem)) => Err(Error::Unauthorized(problem)),
        Err(_) => Err(Error::RetryAfter(results::AGAIN_MS)),
    }
}

/// Hands the job over. An answer that was lost is no error here: the job says where it stands.
fn close_job(path: &str) -> Result<(), Error> {
    let request = Request::patch(path).json(&serde_json::json!({"state": "UploadComplete"}));
    match send_write(&request) {
        Ok(_) | Err(CallFailure::Unknown(_)) => Ok(()),
        Err(CallFailure::Refused(error)) => Err(error),
    }
}

/// Stops a job; whether it is certain to do nothing more.
fn abort_job(path: &str) -> bool {
    let request = Request::patch(path).json(&serde_json::json!({"state": "Aborted"}));
    let answer = send(&request).and_then(|answer| Ok(parse::<IngestJobInfo>(&answer.body)?.state));
    let aborted = answer.is_ok_and(|state| state == "Aborted");
    log::warn("an ingest job was given up", &[("aborted", if aborted { "yes" } else { "no" })]);
    aborted
}

/// Asks until the job has ended; the error says why that is not known. A job that is not done when
/// the host waits no longer is stopped, so that it cannot write old values hours later.
fn await_job(path: &str, job: &IngestJob<'_>) -> Result<IngestJobInfo, String> {
    let rows = u64::try_from(job.rows.len()).unwrap_or(u64::MAX);
    let mut pause_ms = FIRST_WAIT_MS.saturating_add(rows).min(WAIT_MAX_MS);
    let mut faults = 0;
    loop {
        if wait(pause_ms).is_err() {
            return stop_job(path, "the job takes longer than the host waits");
        }
        pause_ms = (pause_ms.saturating_mul(3) / 2).min(WAIT_MAX_MS);
        match read_info(path) {
            Ok(info) => match info.state.as_str() {
                "JobComplete" | "Failed" | "Aborted" => return Ok(info),
                // The close was lost on its way and must not arrive later.
                "Open" => return stop_job(path, "the job could not be closed"),
                _ => faults = 0,
            },
            Err(Error::RetryAfter(after_ms)) if after_ms > WAIT_MAX_MS => {
                return Err("the job cannot be asked: no calls are left".to_owned());
            }
            Err(error) => {
                faults += 1;
                if faults == FAULTS_MAX {
                    return Err(format!("the job does not answer: {error}"));
                }
            }
        }
    }
}

fn read_info(path: &str) -> Result<IngestJobInfo, Error> {
    parse(&send(&Request::get(path))?.body)
}

/// Stops the job and asks how far it came.
fn stop_job(path: &str, why: &str) -> Result<IngestJobInfo, String> {
    if !abort_job(path) {
        return Err(why.to_owned());
    }
    read_info(path).map_err(|_| why.to_owned())
}

/// Fetches the lists of results that have rows. A list that cannot be had leaves its rows
/// uncertain.
fn read_results(path: &str, job: &IngestJob<'_>, info: &IngestJobInfo) -> IngestEnd {
    let processed = info.number_records_processed.unwrap_or(usize::MAX);
    let failed = info.number_records_failed.unwrap_or(usize::MAX);
    let complete = info.state == "JobComplete";
    let mut results = IngestResults::new(job);
    let mut why = "the job has no result for this row".to_owned();
    let lists = [
        ("successfulResults", processed > failed || processed == usize::MAX),
        ("failedResults", failed > 0),
        ("unprocessedrecords", !complete || processed < job.rows.len()),
    ];
    for (list, _) in lists.into_iter().filter(|(_, has_rows)| *has_rows) {
        let request = Request::get(format!("{path}/{list}")).header("accept", "text/csv");
        let read = send(&request).and_then(|answer| results.read_list(job, list, &answer.body));
        if let Err(error) = read {
            log::warn("results of an ingest job are missing", &[("list", list)]);
            why = format!("the results of the job are missing: {error}");
        }
    }
    // The upload as a whole is at fault (S-bulk-9): row by row the fault has a name and a field.
    if info.state == "Failed" && info.error_message.starts_with("InvalidBatch") {
        results.decline_unprocessed();
    }
    log::info("an ingest job ended", &[("state", &info.state), ("object", &job.request.object)]);
    IngestEnd::Known(results, why)
}

#[cfg(test)]
mod tests;
