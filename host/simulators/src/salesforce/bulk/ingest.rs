//! Ingest jobs: one upload of CSV, then a write per row.
//!
//! An empty cell changes nothing and `#N/A` is null. A header that names no field fails the whole
//! job; a refused row fails alone. A job that stops early, or fails as a whole, keeps the rest of
//! its rows as unprocessed. Batches of a job run side by side, so results come in any order.

use super::csv_rows::{CsvSheet, read, write};
use super::job::{BulkJob, INGEST_PACE, IngestJob, JobKind, invalid_job, invalid_state};
use crate::salesforce::error::ApiFault;
use crate::salesforce::json::{Json, JsonPairs};
use crate::salesforce::org::Org;
use crate::salesforce::reply::{OrgCall, OrgReply};
use crate::salesforce::schema::{OrgObject, TableNumber};
use crate::salesforce::sobjects::{UpsertFault, locked};

/// Rows that take their locks together.
const BATCH_LEN: usize = 200;

impl Org {
    pub(super) fn create_ingest_job(&mut self, call: &OrgCall<'_>) -> Result<OrgReply, ApiFault> {
        let body = call.json()?;
        let name = body.text("object").unwrap_or_default();
        let table = self.store.schema.table(name).ok_or_else(|| {
            let message = format!("Unable to find object: {name}");
            ApiFault::new(400, "INVALIDJOB", message)
        })?;
        let key = match body.text("operation") {
            Some("insert" | "update" | "delete" | "hardDelete") => None,
            Some("upsert") => {
                let key = body.text("externalIdFieldName").unwrap_or_default();
                let known = self.key_field(table, key).map(|(_, field)| field.name.to_owned());
                Some(
                    known
                        .map_err(|_| invalid_job("externalIdFieldName is no key of the object"))?,
                )
            }
            _ => return Err(invalid_job("Unsupported operation")),
        };
        let job = IngestJob { key, ..IngestJob::default() };
        self.add_job(call, JobKind::Ingest(job), table, &body)
    }

    pub(super) fn upload(&mut self, call: &OrgCall<'_>, id: &str) -> Result<OrgReply, ApiFault> {
        let job = self.job("ingest", id)?;
        let state = job.state(call.now_ms);
        let ingest = job.ingest()?;
        if state != "Open" || ingest.data.is_some() {
            return Err(invalid_state(state));
        }
        ingest.data = Some(call.request.body.to_vec());
        let rows = ingest.row_count();
        self.ingest_step(id, Some("upload"));
        self.tally.rows = rows;
        Ok(OrgReply::empty(201))
    }

    /// Does the work of a job whose time has come, or as much of it as the fault lets it.
    pub(super) fn run_ingest(&mut self, id: &str) {
        let stops_after = match self.faults.salesforce.ingest_stops_after {
            0 => None,
            rows => Some(usize::try_from(rows).unwrap_or(usize::MAX)),
        };
        if self.run_rows(id, stops_after) > 0
            && let Some(job) = self.jobs.by_id.get_mut(id)
        {
            job.aborted = true;
        }
    }

    /// Does as much of a job's work as it had the time for.
    pub(super) fn run_part(&mut self, id: &str, now_ms: i64) {
        let Some(job) = self.jobs.by_id.get(id) else { return };
        let start_ms = job.run_ms.map_or(now_ms, |(start, _)| start);
        let ms = usize::try_from(now_ms - start_ms).unwrap_or(0);
        self.run_rows(id, Some(ms * INGEST_PACE.rows_per_ms));
    }

    /// Writes the first `most` rows; how many are left over.
    fn run_rows(&mut self, id: &str, most: Option<usize>) -> usize {
        let Some(job) = self.jobs.by_id.get_mut(id) else { return 0 };
        let end_ms = job.run_ms.map_or(0, |(_, end)| end);
        let (operation, table, delimiter) = (job.operation.clone(), job.table, job.delimiter);
        let Ok(ingest) = job.ingest() else { return 0 };
        ingest.run = true;
        let key = ingest.key.clone();
        let data = ingest.data.take().unwrap_or_default();
        let mut sheet = match read(&data, delimiter) {
            Ok(sheet) => sheet,
            Err(error) => {
                ingest.failure = Some(format!("InvalidBatch : {error}"));
                return 0;
            }
        };
        let object = self.store.schema.object(table);
        let unknown = |name: &&String| !object.is_some_and(|object| known(object, name));
        if let Some(name) = sheet.header.iter().find(unknown) {
            ingest.failure = Some(format!("InvalidBatch : Field name not found : {name}"));
            ingest.upload.header = sheet.header;
            ingest.unprocessed = sheet.rows;
            return 0;
        }
        let unprocessed = sheet.rows.split_off(most.unwrap_or(usize::MAX).min(sheet.rows.len()));
        let row_writer = RowWriter { operation: &operation, table, key: key.as_deref(), end_ms };
        let (succeeded, failed) = self.write_rows(&sheet, &row_writer);
        let left = unprocessed.len();
        if let Some(Ok(ingest)) = self.jobs.by_id.get_mut(id).map(BulkJob::ingest) {
            ingest.upload.header = sheet.header;
            ingest.succeeded = shuffled(succeeded);
            ingest.failed = shuffled(failed);
            ingest.unprocessed = unprocessed;
        }
        left
    }

    /// The result rows of those that succeeded and of those that failed.
    fn write_rows(
        &mut self,
        sheet: &CsvSheet,
        writer: &RowWriter<'_>,
    ) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
        let (mut succeeded, mut failed) = (Vec::new(), Vec::new());
        let mut hit = false;
        for (place, row) in sheet.rows.iter().enumerate() {
            if place % BATCH_LEN == 0 {
                hit = self.locks.hits(self.faults.lock_error_every);
            }
            self.store.begin();
            let done = if hit && place % 3 == 0 {
                Err((String::new(), locked("")))
            } else {
                writer.write(self, &sheet.header, row)
            };
            let (list, front) = match done {
                Ok((id, created)) => (&mut succeeded, [id, created.to_string()]),
                Err((id, fault)) => (&mut failed, [id, fault.in_csv()]),
            };
            list.push(front.into_iter().chain(row.iter().cloned()).collect());
        }
        (succeeded, failed)
    }

    pub(super) fn ingest_results(
        &mut self,
        call: &OrgCall<'_>,
        id: &str,
        which: &str,
    ) -> Result<OrgReply, ApiFault> {
        let job = self.job("ingest", id)?;
        let state = job.state(call.now_ms);
        let (delimiter, crlf) = (job.delimiter, job.crlf);
        let ingest = job.ingest()?;
        if !matches!(state, "JobComplete" | "Failed" | "Aborted") {
            return Err(invalid_state(state));
        }
        let header = |front: &[&str]| -> Vec<String> {
            let front = front.iter().map(|&name| name.to_owned());
            front.chain(ingest.upload.header.iter().cloned()).collect()
        };
        let sheet = match which {
            "successfulResults" => CsvSheet {
                header: header(&["sf__Id", "sf__Created"]),
                rows: ingest.succeeded.clone(),
            },
            "failedResults" => {
                CsvSheet { header: header(&["sf__Id", "sf__Error"]), rows: ingest.failed.clone() }
            }
            which if which.eq_ignore_ascii_case("unprocessedrecords") => match &ingest.data {
                // Stopped before it began.
                Some(data) => read(data, delimiter).unwrap_or_default(),
                None => CsvSheet { header: header(&[]), rows: ingest.unprocessed.clone() },
            },
            _ => return Err(ApiFault::not_found()),
        };
        let step = match which {
            "successfulResults" => "successful",
            "failedResults" => "failed",
            _ => "unprocessed",
        };
        // The job says how many of each there are, so nobody needs to ask for an empty list.
        self.ingest_step(id, (!sheet.rows.is_empty()).then_some(step));
        Ok(OrgReply::text("text/csv;charset=UTF-8", write(&sheet, delimiter, crlf)))
    }
}

/// Writer of the rows of one job.
struct RowWriter<'a> {
    operation: &'a str,
    table: TableNumber,
    key: Option<&'a str>,
    end_ms: i64,
}

impl RowWriter<'_> {
    /// Writes one row; gives its id and whether it is new, or the id and what went wrong.
    fn write(
        &self,
        org: &mut Org,
        header: &[String],
        row: &[String],
    ) -> Result<(String, bool), (String, ApiFault)> {
        let mut fields = pairs(header, row);
        let id = remove_field(&mut fields, "Id").unwrap_or_default();
        let done = self.write_fields(org, &id, fields);
        done.map_err(|fault| (id, fault))
    }

    fn write_fields(
        &self,
        org: &mut Org,
        id: &str,
        mut fields: JsonPairs,
    ) -> Result<(String, bool), ApiFault> {
        let (table, by) = (self.table, org.client(self.end_ms));
        let (serial, created) = match self.operation {
            "insert" => (org.store.create(table, &fields, &by)?, true),
            "upsert" => {
                let field = self.key.unwrap_or("Id");
                let key = remove_field(&mut fields, field).unwrap_or_default();
                if key.is_empty() {
                    let message = format!("{field} not specified");
                    return Err(ApiFault::on("MISSING_ARGUMENT", message, &[field]));
                }
                let done = org.upsert(table, field, &key, &fields, false, self.end_ms);
                let done = done.map_err(|fault| match fault {
                    UpsertFault::Fault(fault) => fault,
                    UpsertFault::Several(many) => match org.key_field(table, field) {
                        Ok((_, of)) => org.store.several(table, of, &many),
                        Err(fault) => fault,
                    },
                })?;
                (done.serial, done.created)
            }
            _ if id.is_empty() => {
                let message = "Id not specified in an update call";
                return Err(ApiFault::on("MISSING_ARGUMENT", message, &["Id"]));
            }
            operation => {
                let serial = org.member(table, id)?;
                match operation {
                    "update" => org.store.update(table, serial, &fields, &by)?,
                    _ => org.store.delete(table, serial, &by)?,
                }
                if operation == "hardDelete" {
                    org.store.erase(table, serial);
                }
                (serial, false)
            }
        };
        Ok((org.store.id(table, serial), created))
    }
}

/// The rows in another order.
fn shuffled(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut placed: Vec<_> = rows.into_iter().enumerate().collect();
    placed.sort_by_key(|(place, _)| (place * 7_919 + 5) % 10_007);
    placed.into_iter().map(|(_, row)| row).collect()
}

/// True if a column names the id, a field, or a parent's key such as `Account.Renkei_Id__c`.
fn known(object: &OrgObject, name: &str) -> bool {
    let parent = name.split_once('.').map(|(parent, _)| parent);
    parent
        .map_or_else(|| object.slot(name).is_some(), |parent| object.relationship(parent).is_some())
}

/// The fields of a row: empty cells are left out, `#N/A` is null.
fn pairs(header: &[String], row: &[String]) -> JsonPairs {
    let cells = header.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    let fields = cells.map(|(name, cell)| {
        let value = if cell == "#N/A" { Json::Null } else { cell.as_str().into() };
        match name.split_once('.') {
            Some((parent, key)) => {
                let key = vec![(key.to_owned().into(), value)];
                (parent.to_owned().into(), Json::Object(key))
            }
            None => (name.clone().into(), value),
        }
    });
    fields.collect()
}

/// Takes the text of a field out of the fields.
fn remove_field(fields: &mut JsonPairs, name: &str) -> Option<String> {
    let place = fields.iter().position(|(key, _)| key.eq_ignore_ascii_case(name))?;
    match fields.remove(place).1 {
        Json::Text(text) => Some(text),
        _ => None,
    }
}
