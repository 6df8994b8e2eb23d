//! Bulk jobs of both kinds: their state over virtual time, their input and what came of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::csv_rows::{CsvDelimiter, CsvSheet};
use crate::salesforce::error::ApiFault;
use crate::salesforce::ids::Serial;
use crate::salesforce::json::JsonPairs;
use crate::salesforce::schema::TableNumber;
use crate::salesforce::soql::SoqlPlan;

/// Time that a query job waits before its work, and rows that it reads per virtual ms.
pub(super) const QUERY_PACE: JobPace = JobPace { queued_ms: 200, rows_per_ms: 50 };
/// The same for an ingest job, which writes. Both paces are made up: the vendor promises none.
pub(super) const INGEST_PACE: JobPace = JobPace { queued_ms: 1_000, rows_per_ms: 2 };

pub(super) struct JobPace {
    pub(super) queued_ms: i64,
    pub(super) rows_per_ms: usize,
}

/// All jobs by id.
#[derive(Debug, Default)]
pub(crate) struct BulkJobs {
    pub(super) by_id: BTreeMap<String, BulkJob>,
    pub(super) issued: u64,
}

#[derive(Debug)]
pub(super) struct BulkJob {
    pub(super) kind: JobKind,
    pub(super) operation: String,
    pub(super) table: TableNumber,
    pub(super) delimiter: CsvDelimiter,
    pub(super) crlf: bool,
    pub(super) created_ms: i64,
    /// From when to when it is in progress, once it was closed.
    pub(super) run_ms: Option<(i64, i64)>,
    pub(super) aborted: bool,
    /// Steps of a query job that the ledger has heard of.
    pub(super) seen: HashSet<String>,
}

#[derive(Debug)]
pub(super) enum JobKind {
    Query(QueryJob),
    Ingest(IngestJob),
}

/// Plan and rows of a query job.
#[derive(Debug)]
pub(super) struct QueryJob {
    pub(super) plan: Arc<SoqlPlan>,
    pub(super) rows: Arc<Vec<Serial>>,
}

impl QueryJob {
    pub(super) fn info(&self, done: bool) -> JsonPairs {
        let mut pairs: JsonPairs = vec![("jobType".into(), "V2Query".into())];
        if done {
            pairs.push(("numberRecordsProcessed".into(), self.rows.len().into()));
            pairs.push(("retries".into(), 0.into()));
            pairs.push(("totalProcessingTime".into(), (self.rows.len() / 50).into()));
        }
        pairs
    }
}

/// An ingest job with its upload and, once run, its results.
#[derive(Debug, Default)]
pub(super) struct IngestJob {
    pub(super) key: Option<String>,
    pub(super) data: Option<Vec<u8>>,
    pub(super) run: bool,
    pub(super) upload: CsvSheet,
    pub(super) succeeded: Vec<Vec<String>>,
    pub(super) failed: Vec<Vec<String>>,
    pub(super) unprocessed: Vec<Vec<String>>,
    /// Reason why the job failed as a whole.
    pub(super) failure: Option<String>,
}

impl IngestJob {
    /// Lines of the upload, without the header.
    pub(super) fn row_count(&self) -> usize {
        let lines = self.data.as_deref().map_or(0, |data| data.split(|b| *b == b'\n').count());
        lines.saturating_sub(1)
    }

    pub(super) fn info(&self, id: &str, base: &str, done: bool) -> JsonPairs {
        let url = format!("{}/jobs/ingest/{id}/batches", base.trim_start_matches('/'));
        let mut pairs: JsonPairs = vec![("contentUrl".into(), url.into())];
        if let Some(key) = &self.key {
            pairs.push(("externalIdFieldName".into(), key.as_str().into()));
        }
        pairs.push(("jobType".into(), "V2Ingest".into()));
        if done {
            let processed = self.succeeded.len() + self.failed.len();
            pairs.push(("numberRecordsProcessed".into(), processed.into()));
            pairs.push(("numberRecordsFailed".into(), self.failed.len().into()));
            for name in
                ["retries", "totalProcessingTime", "apiActiveProcessingTime", "apexProcessingTime"]
            {
                pairs.push((name.into(), 0.into()));
            }
        }
        if let Some(failure) = self.failure.as_deref().filter(|_| done) {
            pairs.push(("errorMessage".into(), failure.into()));
        }
        pairs
    }
}

impl BulkJob {
    /// True if this is an ingest job that has yet to do its work.
    pub(super) fn waits(&self) -> bool {
        matches!(&self.kind, JobKind::Ingest(job) if !job.run) && !self.aborted
    }

    pub(super) fn ingest(&mut self) -> Result<&mut IngestJob, ApiFault> {
        match &mut self.kind {
            JobKind::Ingest(job) => Ok(job),
            JobKind::Query(_) => Err(ApiFault::not_found()),
        }
    }
}

impl BulkJob {
    pub(super) fn state(&self, now_ms: i64) -> &'static str {
        match self.run_ms {
            _ if self.aborted => "Aborted",
            None => "Open",
            Some((start, _)) if now_ms < start => "UploadComplete",
            Some((_, end)) if now_ms < end => "InProgress",
            Some(_) if self.failure().is_some() => "Failed",
            Some(_) => "JobComplete",
        }
    }

    pub(super) fn failure(&self) -> Option<&str> {
        match &self.kind {
            JobKind::Ingest(job) => job.failure.as_deref(),
            JobKind::Query(_) => None,
        }
    }

    /// Puts the job into the queue with so many rows to handle.
    pub(super) fn enqueue(&mut self, now_ms: i64, rows: usize, pace: &JobPace) {
        let start = now_ms + pace.queued_ms;
        let work_ms = i64::try_from(rows / pace.rows_per_ms).unwrap_or(i64::MAX);
        self.run_ms = Some((start, start + work_ms.max(1)));
    }
}

pub(super) fn invalid_job(message: &str) -> ApiFault {
    ApiFault::new(400, "INVALIDJOB", message)
}

pub(super) fn invalid_state(state: &str) -> ApiFault {
    ApiFault::new(400, "INVALIDJOBSTATE", format!("the job is in state {state}"))
}
