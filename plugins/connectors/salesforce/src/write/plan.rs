//! The requests of a write, and the operations in each (`API.md`, S-collection-4). Pure.

use std::collections::{BTreeMap, BTreeSet};

use renkei_sdk::{Action, Operation, Outcome, Problem, Remedy, Value, WriteRequest};

use super::call::{IngestJob, ROWS_MAX, WriteCall, WriteVerb};
use super::ingest;
use crate::client::soql::check_name;
use crate::config::Config;

/// Sorts the operations into requests; what cannot be sent has its outcome at once.
pub(super) fn plan_calls(
    request: &WriteRequest,
    stamp: Option<&str>,
    config: &Config,
    outcomes: &mut BTreeMap<usize, Outcome>,
) -> Vec<WriteCall> {
    let mut by_verb: BTreeMap<WriteVerb, Vec<usize>> = BTreeMap::new();
    for (row, operation) in request.operations.iter().enumerate() {
        match choose_verb(operation, stamp) {
            Ok(verb) => by_verb.entry(verb).or_default().push(row),
            Err(problem) => drop(outcomes.insert(row, Outcome::rejected(*problem))),
        }
    }
    let mut calls = Vec::new();
    for (verb, mut rows) in by_verb {
        rows.sort_by_key(|row| find_parent(request, *row));
        let jobs = plan_jobs(request, &verb, &rows, config);
        let by_job: BTreeSet<usize> = jobs.iter().flat_map(|job| job.rows.clone()).collect();
        rows.retain(|row| !by_job.contains(row));
        calls.extend(jobs);
        calls.extend(cut_calls(request, &verb, &rows));
    }
    calls
}

/// The jobs that write some of these rows, most often all of them, for fewer calls. No job has the
/// same record twice, because its rows are written in no order. Unless the settings allow more,
/// jobs only create: nobody edits a record that is not there yet, while a change that waits in a
/// job for minutes would overwrite what a person edits meanwhile.
fn plan_jobs(
    request: &WriteRequest,
    verb: &WriteVerb,
    rows: &[usize],
    config: &Config,
) -> Vec<WriteCall> {
    let creates = |row: &usize| {
        let operation = request.operations.get(*row);
        operation.is_some_and(|operation| operation.action == Action::Create)
    };
    let allowed = config.bulk_changes || rows.iter().all(creates);
    let pays = |rows: &[usize]| ingest::saves_calls(rows.len(), config.bulk_rows);
    if !allowed || !pays(rows) {
        return Vec::new();
    }
    let job = IngestJob { request, verb, rows };
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for (row, operation) in rows.iter().zip(job.operations()) {
        let again = ingest::row_key(&job, operation).is_some_and(|name| !named.insert(name));
        if again || !ingest::fits_csv(&job, operation) {
            continue;
        }
        let bytes = ingest::count_bytes(&job, operation);
        match parts.last_mut() {
            Some(part) if bytes <= room => part.push(*row),
            _ => {
                room = ingest::UPLOAD_BYTES;
                parts.push(vec![*row]);
            }
        }
        room = room.saturating_sub(bytes);
    }
    let paying = parts.into_iter().filter(|rows| pays(rows));
    paying.map(|rows| WriteCall { verb: verb.clone(), rows, by_job: true }).collect()
}

pub(super) fn choose_verb(
    operation: &Operation,
    stamp: Option<&str>,
) -> Result<WriteVerb, Box<Problem>> {
    let refuse = |code: &str, message| Box::new(Problem::new(code, message, Remedy::Plugin));
    let with_id = |verb| match operation.id {
        Some(_) => Ok(verb),
        None => Err(refuse("id-missing", "an update or archive names its record")),
    };
    match operation.action {
        Action::Create => {
            Ok(stamp.map_or(WriteVerb::Insert, |stamp| WriteVerb::Upsert(stamp.to_owned())))
        }
        Action::Upsert => match operation.key.as_slice() {
            [key] if check_name("column", key).is_ok() => Ok(WriteVerb::Upsert(key.clone())),
            [_, _, ..] => Err(refuse("unsupported", "an upsert has one external id")),
            _ => Err(refuse("key-missing", "an upsert names its unique column")),
        },
        Action::Update => with_id(WriteVerb::Update),
        Action::Archive => with_id(WriteVerb::Delete),
        Action::Restore => {
            Err(refuse("restore-unsupported", "REST cannot take records out of the recycle bin"))
        }
    }
}

/// The first record that the row points at, its owner aside.
fn find_parent(request: &WriteRequest, row: usize) -> Option<&str> {
    let operation = request.operations.get(row)?;
    request.present(operation).find_map(|(column, value)| match value {
        Value::References(ids) if column != "OwnerId" => ids.first().map(String::as_str),
        _ => None,
    })
}

/// Cuts rows into requests of at most 200, none with the same record twice, which Salesforce
/// refuses.
pub(super) fn cut_calls(
    request: &WriteRequest,
    verb: &WriteVerb,
    rows: &[usize],
) -> Vec<WriteCall> {
    let mut calls: Vec<WriteCall> = Vec::new();
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut part = Vec::new();
    for row in rows {
        let operation = request.operations.get(*row);
        let name = operation.and_then(|op| match op.action {
            Action::Create => Some(op.intent.as_str()),
            Action::Upsert => request.cell(op, op.one_key()?)?.as_text(),
            _ => op.id.as_deref(),
        });
        let repeated = name.is_some_and(|name| !named.insert(name));
        if repeated || part.len() == ROWS_MAX {
            let rows = std::mem::take(&mut part);
            calls.push(WriteCall { verb: verb.clone(), rows, by_job: false });
            named = name.into_iter().collect();
        }
        part.push(*row);
    }
    if !part.is_empty() {
        calls.push(WriteCall { verb: verb.clone(), rows: part, by_job: false });
    }
    calls
}
