//! Writes: sorts operations into requests, sends them, one outcome for each operation, in order.
//!
//! Few rows travel as sObject Collections, 200 in a call; many of them by a Bulk 2.0 job where that
//! costs fewer calls. A create is an upsert by the stamp field where the object has one, so that
//! repeating it makes no second record; without one it is a plain create, sent once, and never by a
//! job, whose results could not be told apart. Rows of one parent go next to each other, as
//! parallel batches lock parents (apis/salesforce.md 5 and 12).

mod collections;
mod duplicates;
mod ingest;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use renkei_sdk::{Action, Error, Operation, Outcome, Problem, Remedy, Value, WriteRequest};

use crate::Salesforce;
use crate::client::soql::check_name;
use crate::config::Config;

use self::ingest::Ran;

/// Rows of one collection.
pub(crate) const ROWS_MAX: usize = 200;
/// How long the host leaves operations alone that could not be sent.
const UNSENT_MS: u64 = 1_000;

/// What one request does with its rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verb {
    Insert,
    /// By this external id.
    Upsert(String),
    Update,
    Delete,
}

/// One request: what it does, and the operations it carries, by index.
#[derive(Debug)]
struct Call {
    verb: Verb,
    rows: Vec<usize>,
    /// By a job, not by a collection.
    by_job: bool,
}

/// The rows of a job, with what is done to them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'a> {
    pub(crate) request: &'a WriteRequest,
    pub(crate) verb: &'a Verb,
    pub(crate) rows: &'a [usize],
}

impl<'a> Job<'a> {
    /// The operations of the rows, in their order.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &'a Operation> + use<'a> {
        let request = self.request;
        self.rows.iter().filter_map(move |row| request.operations.get(*row))
    }
}

/// What became of one request.
enum Sent {
    /// What is known of its rows, and the rows that must travel as a collection instead.
    Written { outcomes: BTreeMap<usize, Outcome>, declined: Vec<usize> },
    /// Nothing was written.
    Refused(Error),
}

impl Salesforce {
    /// One outcome per operation, in order.
    ///
    /// # Errors
    /// Only where nothing at all was written.
    pub(crate) fn write_all(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
        check_name("object", &request.object)?;
        let creates = request.operations.iter().any(|op| op.action == Action::Create);
        let stamped = creates && self.shape(&request.object, &[])?.stamped;
        let stamp = stamped.then(|| self.config.stamp_field.clone());
        let mut outcomes = BTreeMap::new();
        let planned = plan(request, stamp.as_deref(), &self.config, &mut outcomes);
        let mut calls = VecDeque::from(planned);
        let mut stopped = None;
        let mut effects = false;
        while let Some(call) = calls.pop_front() {
            let sent = match stopped {
                Some(after_ms) => Sent::Refused(Error::RetryAfter(after_ms)),
                None if call.by_job => self.send_job(request, &call),
                None => self.send_collection(request, &call),
            };
            match sent {
                Sent::Written { outcomes: known, declined } => {
                    effects |= !known.is_empty();
                    outcomes.extend(known);
                    for part in calls_of(request, &call.verb, &declined).into_iter().rev() {
                        calls.push_front(part);
                    }
                }
                Sent::Refused(error) if !effects => return Err(error),
                Sent::Refused(error) => {
                    let after_ms = match error {
                        Error::RetryAfter(after_ms) => after_ms,
                        _ => UNSENT_MS,
                    };
                    stopped = Some(after_ms);
                    let again = |row| (row, Outcome::RetryAfter(after_ms));
                    outcomes.extend(call.rows.into_iter().map(again));
                }
            }
        }
        if stopped.is_none() {
            self.name_duplicates(request, stamp.as_deref(), &mut outcomes);
        }
        let silent = || ingest::uncertain("the answer has no result for this row");
        let all = 0..request.operations.len();
        Ok(all.map(|row| outcomes.remove(&row).unwrap_or_else(silent)).collect())
    }

    fn send_job(&self, request: &WriteRequest, call: &Call) -> Sent {
        match ingest::run(&self.config, &Job { request, verb: &call.verb, rows: &call.rows }) {
            Ran::Known(results, why) => {
                let ingest::Results { mut outcomes, declined, .. } = results;
                let elsewhere: BTreeSet<&usize> = declined.iter().collect();
                for row in call.rows.iter().filter(|row| !elsewhere.contains(row)) {
                    outcomes.entry(*row).or_insert_with(|| ingest::uncertain(&why));
                }
                Sent::Written { outcomes, declined }
            }
            Ran::Refused(error) => Sent::Refused(error),
            Ran::Declined => {
                Sent::Written { outcomes: BTreeMap::new(), declined: call.rows.clone() }
            }
        }
    }
}

/// Sorts the operations into requests; what cannot be sent has its outcome at once.
fn plan(
    request: &WriteRequest,
    stamp: Option<&str>,
    config: &Config,
    outcomes: &mut BTreeMap<usize, Outcome>,
) -> Vec<Call> {
    let mut by_verb: BTreeMap<Verb, Vec<usize>> = BTreeMap::new();
    for (row, operation) in request.operations.iter().enumerate() {
        match verb(operation, stamp) {
            Ok(verb) => by_verb.entry(verb).or_default().push(row),
            Err(problem) => drop(outcomes.insert(row, Outcome::rejected(*problem))),
        }
    }
    let mut calls = Vec::new();
    for (verb, mut rows) in by_verb {
        rows.sort_by_key(|row| parent(request, *row));
        let jobs = jobs_of(request, &verb, &rows, config);
        let by_job: BTreeSet<usize> = jobs.iter().flat_map(|job| job.rows.clone()).collect();
        rows.retain(|row| !by_job.contains(row));
        calls.extend(jobs);
        calls.extend(calls_of(request, &verb, &rows));
    }
    calls
}

/// The jobs that write some of these rows, most often all of them, for fewer calls. No job has the
/// same record twice, because its rows are written in no order. Unless the settings allow more,
/// jobs only create: nobody edits a record that is not there yet, while a change that waits in a
/// job for minutes would overwrite what a person edits meanwhile.
fn jobs_of(request: &WriteRequest, verb: &Verb, rows: &[usize], config: &Config) -> Vec<Call> {
    let creates = |row: &usize| {
        let operation = request.operations.get(*row);
        operation.is_some_and(|operation| operation.action == Action::Create)
    };
    let allowed = config.bulk_changes || rows.iter().all(creates);
    let pays = |rows: &[usize]| ingest::pays(rows.len(), config.bulk_rows);
    if !allowed || !pays(rows) {
        return Vec::new();
    }
    let job = Job { request, verb, rows };
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for (row, operation) in rows.iter().zip(job.operations()) {
        let again = ingest::name(&job, operation).is_some_and(|name| !named.insert(name));
        if again || !ingest::fits(&job, operation) {
            continue;
        }
        let bytes = ingest::bytes(&job, operation);
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
    paying.map(|rows| Call { verb: verb.clone(), rows, by_job: true }).collect()
}

fn verb(operation: &Operation, stamp: Option<&str>) -> Result<Verb, Box<Problem>> {
    let refuse = |code: &str, message| Box::new(Problem::new(code, message, Remedy::Plugin));
    let with_id = |verb| match operation.id {
        Some(_) => Ok(verb),
        None => Err(refuse("id-missing", "an update or archive names its record")),
    };
    match operation.action {
        Action::Create => Ok(stamp.map_or(Verb::Insert, |stamp| Verb::Upsert(stamp.to_owned()))),
        Action::Upsert => match &operation.key {
            Some(key) if check_name("column", key).is_ok() => Ok(Verb::Upsert(key.clone())),
            _ => Err(refuse("key-missing", "an upsert names its unique column")),
        },
        Action::Update => with_id(Verb::Update),
        Action::Archive => with_id(Verb::Delete),
        Action::Restore => {
            Err(refuse("restore-unsupported", "REST cannot take records out of the recycle bin"))
        }
    }
}

/// The first record that the row points at, its owner aside.
fn parent(request: &WriteRequest, row: usize) -> Option<&str> {
    let operation = request.operations.get(row)?;
    request.present(operation).find_map(|(column, value)| match value {
        Value::References(ids) if column != "OwnerId" => ids.first().map(String::as_str),
        _ => None,
    })
}

/// Cuts rows into requests of at most 200, none with the same record twice, which Salesforce
/// refuses.
fn calls_of(request: &WriteRequest, verb: &Verb, rows: &[usize]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut part = Vec::new();
    for row in rows {
        let operation = request.operations.get(*row);
        let name = operation.and_then(|op| match op.action {
            Action::Create => Some(op.intent.as_str()),
            Action::Upsert => request.cell(op, op.key.as_deref()?)?.as_text(),
            _ => op.id.as_deref(),
        });
        let repeated = name.is_some_and(|name| !named.insert(name));
        if repeated || part.len() == ROWS_MAX {
            let rows = std::mem::take(&mut part);
            calls.push(Call { verb: verb.clone(), rows, by_job: false });
            named = name.into_iter().collect();
        }
        part.push(*row);
    }
    if !part.is_empty() {
        calls.push(Call { verb: verb.clone(), rows: part, by_job: false });
    }
    calls
}

#[cfg(test)]
mod tests;
