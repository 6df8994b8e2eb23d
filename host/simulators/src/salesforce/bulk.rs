//! Bulk API 2.0: query and ingest jobs that run over virtual time (S-bulk-1, S-bulk-4).
//!
//! A job is UploadComplete, then InProgress, then done; an ingest job does its work at the moment
//! it becomes done, row by row, as if its rows had come through collections. One that is aborted in
//! progress has done part of it.

mod csv_rows;
mod ingest;
pub(super) mod job;
mod query;

use std::collections::HashSet;

use self::csv_rows::DELIMITERS;
use self::job::{BulkJob, INGEST_PACE, JobKind, QUERY_PACE, invalid_job, invalid_state};
use super::error::ApiFault;
use super::json::Json;
use super::org::{CallTally, Org};
use super::reply::{OrgCall, OrgReply};
use super::schema::TableNumber;
use super::value::wire_time;
use crate::ledger::CallShape;

impl Org {
    pub(super) fn jobs(
        &mut self,
        call: &OrgCall<'_>,
        kind: &str,
        path: &[&str],
    ) -> Result<OrgReply, ApiFault> {
        match (call.method, kind, path) {
            ("POST", "query", []) => self.create_query_job(call),
            ("POST", "ingest", []) => self.create_ingest_job(call),
            ("GET", "query" | "ingest", []) => Ok(self.list_jobs(call, kind)),
            ("GET", _, [id]) => self.job_status(call, kind, id),
            ("PATCH", _, [id]) => self.change_job(call, kind, id),
            ("DELETE", _, [id]) => {
                self.job(kind, id)?;
                self.common_step(id, "delete", false);
                self.jobs.by_id.remove(*id);
                Ok(OrgReply::empty(204))
            }
            ("PUT", "ingest", [id, "batches"]) => self.upload(call, id),
            ("GET", "query", [id, "results"]) => self.query_results(call, id),
            ("GET", "ingest", [id, which]) => self.ingest_results(call, id, which),
            _ => Err(ApiFault::not_found()),
        }
    }

    /// Does the work of every ingest job whose time has come.
    pub(super) fn run_jobs(&mut self, now_ms: i64) {
        let due: Vec<String> = self
            .jobs
            .by_id
            .iter()
            .filter(|(_, job)| job.waits() && job.run_ms.is_some_and(|(_, end)| end <= now_ms))
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.run_ingest(&id);
        }
    }

    fn add_job(
        &mut self,
        call: &OrgCall<'_>,
        kind: JobKind,
        table: TableNumber,
        body: &Json,
    ) -> Result<OrgReply, ApiFault> {
        let wanted = body.text("columnDelimiter").unwrap_or("COMMA");
        let delimiter = DELIMITERS.into_iter().find(|delimiter| delimiter.name == wanted);
        let delimiter = delimiter.ok_or_else(|| invalid_job("invalid columnDelimiter"))?;
        self.jobs.issued += 1;
        let id = super::ids::render("750", self.jobs.issued);
        let mut job = BulkJob {
            kind,
            operation: body.text("operation").unwrap_or_default().to_owned(),
            table,
            delimiter,
            crlf: body.text("lineEnding") == Some("CRLF"),
            created_ms: call.now_ms,
            run_ms: None,
            aborted: false,
            seen: HashSet::new(),
        };
        if let JobKind::Query(query) = &job.kind {
            let rows = query.rows.len();
            job.enqueue(call.now_ms, rows, &QUERY_PACE);
        }
        self.jobs.by_id.insert(id.clone(), job);
        self.common_step(&id, "create", true);
        self.info(call, &id)
    }

    /// A job of this kind.
    fn job(&mut self, kind: &str, id: &str) -> Result<&mut BulkJob, ApiFault> {
        let job = self.jobs.by_id.get_mut(id).ok_or_else(ApiFault::not_found)?;
        let fits = matches!(
            (&job.kind, kind),
            (JobKind::Query(_), "query") | (JobKind::Ingest(_), "ingest")
        );
        if fits { Ok(job) } else { Err(ApiFault::not_found()) }
    }

    /// Tells the ledger of a step of a query job; `once` steps are needed the first time only.
    fn step(&mut self, id: &str, step: &str, once: bool) {
        let Some(job) = self.jobs.by_id.get_mut(id) else { return };
        let needed = job.seen.insert(step.to_owned()) && once;
        let object = self.store.schema.object(job.table).map_or("", |object| object.name);
        let shape = CallShape::Step { needed };
        self.tally = CallTally { shape, ..CallTally::batch("bulk-query", object, 0) };
    }

    /// Tells the ledger of a step of an ingest job; without a name, of one that nobody needs.
    fn ingest_step(&mut self, id: &str, step: Option<&'static str>) {
        let Some(job) = self.jobs.by_id.get(id) else { return };
        let object = self.store.schema.object(job.table).map_or("", |object| object.name);
        let kind = match job.operation.as_str() {
            "insert" => "bulk-insert",
            "update" => "bulk-update",
            "upsert" => "bulk-upsert",
            _ => "bulk-delete",
        };
        let shape = step.map_or(CallShape::Batch, CallShape::SharedStep);
        self.tally = CallTally { shape, ..CallTally::batch(kind, object, 0) };
    }

    /// Tells the ledger of a step of a job of either kind.
    fn common_step(&mut self, id: &str, step: &'static str, needed: bool) {
        match self.jobs.by_id.get(id).map(|job| &job.kind) {
            Some(JobKind::Ingest(_)) => self.ingest_step(id, needed.then_some(step)),
            _ => self.step(id, step, needed),
        }
    }

    fn job_status(
        &mut self,
        call: &OrgCall<'_>,
        kind: &str,
        id: &str,
    ) -> Result<OrgReply, ApiFault> {
        self.job(kind, id)?;
        self.common_step(id, "status", true);
        self.info(call, id)
    }

    fn change_job(
        &mut self,
        call: &OrgCall<'_>,
        kind: &str,
        id: &str,
    ) -> Result<OrgReply, ApiFault> {
        let body = call.json()?;
        let job = self.job(kind, id)?;
        let state = job.state(call.now_ms);
        match (body.text("state"), state) {
            (Some("UploadComplete"), "Open") => {
                let rows = match &job.kind {
                    JobKind::Ingest(ingest) => ingest.row_count(),
                    JobKind::Query(_) => 0,
                };
                job.enqueue(call.now_ms, rows, &INGEST_PACE);
                self.common_step(id, "close", true);
            }
            (Some("Aborted"), "Open" | "UploadComplete" | "InProgress") => {
                if state == "InProgress" && kind == "ingest" {
                    self.run_part(id, call.now_ms);
                }
                self.job(kind, id)?.aborted = true;
                self.common_step(id, "abort", false);
            }
            _ => return Err(invalid_state(state)),
        }
        self.info(call, id)
    }

    fn list_jobs(&mut self, call: &OrgCall<'_>, kind: &str) -> OrgReply {
        let ids: Vec<String> = self.jobs.by_id.keys().cloned().collect();
        let mut records = Vec::new();
        for id in ids {
            if self.job(kind, &id).is_ok() {
                records.extend(self.job_json(call, &id));
            }
        }
        OrgReply::ok(Json::object([
            ("done", true.into()),
            ("nextRecordsUrl", Json::Null),
            ("records", Json::List(records)),
        ]))
    }

    fn info(&self, call: &OrgCall<'_>, id: &str) -> Result<OrgReply, ApiFault> {
        self.job_json(call, id).map(OrgReply::ok).ok_or_else(ApiFault::not_found)
    }

    fn job_json(&self, call: &OrgCall<'_>, id: &str) -> Option<Json> {
        let job = self.jobs.by_id.get(id)?;
        let object = self.store.object(job.table)?;
        let version = serde_json::Number::from_f64(call.version())?;
        let mut pairs = match Json::object([
            ("id", id.into()),
            ("operation", job.operation.as_str().into()),
            ("object", object.name.into()),
            ("createdById", self.sessions.login.user_id.as_str().into()),
            ("createdDate", wire_time(job.created_ms).into()),
            ("systemModstamp", wire_time(call.now_ms).into()),
            ("state", job.state(call.now_ms).into()),
            ("concurrencyMode", "Parallel".into()),
            ("contentType", "CSV".into()),
            ("apiVersion", Json::Number(version)),
            ("lineEnding", if job.crlf { "CRLF" } else { "LF" }.into()),
            ("columnDelimiter", job.delimiter.name.into()),
        ]) {
            Json::Object(pairs) => pairs,
            _ => return None,
        };
        let done = matches!(job.state(call.now_ms), "JobComplete" | "Failed" | "Aborted");
        let own = match &job.kind {
            JobKind::Query(query) => query.info(done),
            JobKind::Ingest(ingest) => ingest.info(id, call.base, done),
        };
        pairs.extend(own);
        Some(Json::Object(pairs))
    }
}
