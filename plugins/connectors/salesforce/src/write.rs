//! Writes as sObject Collections: 200 rows in a call, one outcome for each operation, in order.
//!
//! A create is an upsert by the stamp field where the object has one, so that repeating it makes no
//! second record; without one it is a plain create, sent once. Rows of one parent go next to each
//! other, as parallel batches lock parents (apis/salesforce.md 5 and 12).

use std::collections::{BTreeMap, BTreeSet};

use renkei_sdk::http::{Failure, Request};
use renkei_sdk::{
    Action, Applied, Error, Operation, Outcome, Problem, Remedy, Value, WriteRequest,
};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::Salesforce;
use crate::client::parse;
use crate::error::{Fault, of_answer, of_row};
use crate::soql::check_name;
use crate::value::Written;

/// Rows of one collection.
const ROWS_MAX: usize = 200;
/// How long the host leaves operations alone that could not be sent.
const UNSENT_MS: u64 = 1_000;

/// What one request does with its rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
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
}

/// A row of a collection. `attributes` comes first or Salesforce refuses the row.
struct Record<'a> {
    object: &'a str,
    /// The field that names the row, and its value.
    key: Option<(&'a str, &'a str)>,
    fields: Vec<(&'a str, &'a Value)>,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        map.serialize_entry("attributes", &BTreeMap::from([("type", self.object)]))?;
        if let Some((field, value)) = self.key {
            map.serialize_entry(field, value)?;
        }
        for (field, value) in &self.fields {
            if self.key.is_none_or(|(key, _)| key != *field) {
                map.serialize_entry(field, &Written(value))?;
            }
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Collection<'a> {
    all_or_none: bool,
    records: Vec<Record<'a>>,
}

/// What the API says of one row.
#[derive(Debug, Deserialize)]
struct RowResult {
    id: Option<String>,
    success: bool,
    #[serde(default)]
    created: bool,
    #[serde(default)]
    errors: Vec<Fault>,
}

/// What became of one request.
enum Sent {
    /// A result for each row.
    Results(Vec<RowResult>),
    /// Nothing was written.
    Refused(Error),
    /// No answer, or none that tells: the effect is unknown.
    Unknown(String),
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
        let calls = plan(request, stamp.as_deref(), &mut outcomes);
        let mut stopped = None;
        let mut effects = false;
        for call in calls {
            let sent = match stopped {
                Some(after_ms) => Sent::Refused(Error::RetryAfter(after_ms)),
                None => self.send_call(request, &call),
            };
            match sent {
                Sent::Results(results) => {
                    effects = true;
                    settle(request, &call, results, &mut outcomes);
                }
                Sent::Unknown(why) => {
                    effects = true;
                    let uncertain = |row| (row, Outcome::Uncertain(why.clone()));
                    outcomes.extend(call.rows.into_iter().map(uncertain));
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
        let silent = || Outcome::Uncertain("the answer has no result for this row".to_owned());
        let all = 0..request.operations.len();
        Ok(all.map(|row| outcomes.remove(&row).unwrap_or_else(silent)).collect())
    }

    fn send_call(&self, request: &WriteRequest, call: &Call) -> Sent {
        let http = self.http_request(request, call);
        match http.send() {
            Ok(answer) if answer.is_success() => match parse(&answer.body) {
                Ok(results) => Sent::Results(results),
                Err(_) => Sent::Unknown("the answer cannot be read".to_owned()),
            },
            Ok(answer) if matches!(answer.status, 500 | 502 | 504) => {
                Sent::Unknown(format!("answer {}", answer.status))
            }
            Ok(answer) => Sent::Refused(of_answer(&answer)),
            Err(Failure::NoAnswer(why)) => Sent::Unknown(format!("no answer: {why}")),
            Err(Failure::Timeout) => Sent::Unknown("timeout".to_owned()),
            Err(Failure::Cancelled) => Sent::Unknown("cancelled".to_owned()),
            Err(Failure::TooLarge(_)) => Sent::Unknown("the answer is too large".to_owned()),
            Err(failure) => Sent::Refused(failure.into()),
        }
    }

    fn http_request(&self, request: &WriteRequest, call: &Call) -> Request {
        let path = format!("{}/composite/sobjects", self.config.root);
        let operations = call.rows.iter().filter_map(|row| request.operations.get(*row));
        if call.verb == Verb::Delete {
            let ids: Vec<&str> = operations.filter_map(|op| op.id.as_deref()).collect();
            return Request::delete(path).query("ids", &ids.join(",")).query("allOrNone", "false");
        }
        let records = operations.map(|op| self.record(request, op, &call.verb)).collect();
        let body = Collection { all_or_none: false, records };
        match &call.verb {
            Verb::Upsert(key) => {
                Request::patch(format!("{path}/{}/{key}", request.object)).json(&body).repeatable()
            }
            Verb::Update => Request::patch(path).json(&body).repeatable(),
            Verb::Insert | Verb::Delete => Request::post(path).json(&body),
        }
    }

    fn record<'a>(
        &'a self,
        request: &'a WriteRequest,
        operation: &'a Operation,
        verb: &Verb,
    ) -> Record<'a> {
        let key = match (verb, operation.action) {
            (Verb::Update, _) => operation.id.as_deref().map(|id| ("Id", id)),
            (Verb::Upsert(_), Action::Create) => {
                Some((self.config.stamp_field.as_str(), operation.intent.as_str()))
            }
            _ => None,
        };
        Record { object: &request.object, key, fields: request.present(operation).collect() }
    }
}

/// Sorts the operations into requests; what cannot be sent has its outcome at once.
fn plan(
    request: &WriteRequest,
    stamp: Option<&str>,
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
        calls.extend(calls_of(request, &verb, &rows));
    }
    calls
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
            calls.push(Call { verb: verb.clone(), rows: std::mem::take(&mut part) });
            named = name.into_iter().collect();
        }
        part.push(*row);
    }
    if !part.is_empty() {
        calls.push(Call { verb: verb.clone(), rows: part });
    }
    calls
}

/// Hands the results of a request to the operations it carried.
fn settle(
    request: &WriteRequest,
    call: &Call,
    results: Vec<RowResult>,
    outcomes: &mut BTreeMap<usize, Outcome>,
) {
    for (row, result) in call.rows.iter().zip(results) {
        let Some(operation) = request.operations.get(*row) else { continue };
        let id = result.id.or_else(|| operation.id.clone());
        let outcome = match id {
            Some(id) if result.success => {
                let created = result.created || call.verb == Verb::Insert;
                Outcome::Applied(Applied { created, ..Applied::updated(id) })
            }
            _ => of_row(operation.action, &result.errors),
        };
        outcomes.insert(*row, outcome);
    }
}

#[cfg(test)]
mod tests;
