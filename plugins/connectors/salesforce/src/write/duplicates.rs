//! The record that a duplicate rule of Salesforce found (`host/sync/RULES.md` V20; `API.md`,
//! S-error-5).
//!
//! The answer to a collection or a job has the code alone; that to a single record names what the
//! rule found. So rows that were refused like this are written once more, each alone, 25 in a call.

use std::collections::BTreeMap;

use renkei_sdk::http::Request;
use renkei_sdk::{Applied, Operation, Outcome, Value, WriteRequest, http};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::call::WriteVerb;
use super::collections::RowResult;
use super::plan::choose_verb;
use crate::Salesforce;
use crate::client::{BATCH_MAX, BatchAnswer, parse, send_write};
use crate::error::{ApiError, CallFailure, DUPLICATES_DETECTED, row_outcome};
use crate::value::Written;

/// Rows of one write that are asked about; those beyond stay refused without a name.
const ROWS_MAX: usize = 1000;

/// The fields of a record by itself.
struct Fields<'a>(Vec<(&'a str, &'a Value)>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        for (field, value) in &self.0 {
            map.serialize_entry(field, &Written(value))?;
        }
        map.end()
    }
}

impl Salesforce {
    /// Finds out what rows are duplicates of, where a rule of the org says that they are.
    pub(super) fn name_duplicates(
        &self,
        request: &WriteRequest,
        stamp: Option<&str>,
        outcomes: &mut BTreeMap<usize, Outcome>,
    ) {
        let nameless = outcomes.iter().filter(|(_, outcome)| is_nameless(outcome));
        let rows: Vec<usize> = nameless.map(|(row, _)| *row).take(ROWS_MAX).collect();
        for part in rows.chunks(BATCH_MAX) {
            let singles = part.iter().filter_map(|row| {
                let operation = request.operations.get(*row)?;
                let verb = choose_verb(operation, stamp).ok()?;
                Some((*row, operation, self.make_subrequest(request, operation, &verb)?, verb))
            });
            let singles: Vec<(usize, &Operation, Json, WriteVerb)> = singles.collect();
            let bodies: Vec<&Json> = singles.iter().map(|(_, _, body, _)| body).collect();
            let call = Request::post(format!("{}/composite/batch", self.config.root))
                .json(&json!({ "batchRequests": bodies }));
            let once = singles.iter().any(|(.., verb)| *verb == WriteVerb::Insert);
            let doubt = |why: &str| {
                let unknown = Outcome::Uncertain(why.to_owned());
                singles.iter().map(move |(row, ..)| (*row, unknown.clone()))
            };
            let answer = match send_write(&if once { call } else { call.repeatable() }) {
                Ok(answer) => answer,
                // Nothing was done, and what was refused stays refused.
                Err(CallFailure::Refused(_)) => return,
                Err(CallFailure::Unknown(why)) => return outcomes.extend(doubt(&why)),
            };
            let Ok(batch) = parse::<BatchAnswer<'_>>(&answer.body) else {
                return outcomes.extend(doubt("the answer cannot be read"));
            };
            for ((row, operation, _, verb), result) in singles.iter().zip(&batch.results) {
                let news = read_outcome(operation, verb, result.status_code, result.result.get());
                outcomes.extend(news.map(|outcome| (*row, outcome)));
            }
        }
    }

    /// The subrequest that writes one row (S-record-1, S-record-2).
    fn make_subrequest(
        &self,
        request: &WriteRequest,
        operation: &Operation,
        verb: &WriteVerb,
    ) -> Option<Json> {
        let object = &request.object;
        let (method, below, key) = match verb {
            WriteVerb::Insert => ("POST", String::new(), None),
            WriteVerb::Upsert(key) => {
                let stamp = (*key == self.config.stamp_field).then_some(operation.intent.as_str());
                let given = request.cell(operation, key).and_then(Value::as_text).or(stamp)?;
                ("PATCH", format!("/{key}/{}", http::escape(given)), Some(key.as_str()))
            }
            WriteVerb::Update => ("PATCH", format!("/{}", operation.id.as_deref()?), None),
            WriteVerb::Delete => return None,
        };
        let fields = request.present(operation).filter(|(column, _)| Some(*column) != key);
        let version = self.config.version();
        Some(json!({
            "method": method,
            "url": format!("{version}/sobjects/{object}{below}"),
            "richInput": Fields(fields.collect()),
        }))
    }
}

fn is_nameless(outcome: &Outcome) -> bool {
    let Outcome::Rejected(problems) = outcome else { return false };
    problems.iter().any(|problem| problem.code == DUPLICATES_DETECTED)
}

/// The outcome of a row by itself; nothing where the answer does not say.
fn read_outcome(
    operation: &Operation,
    verb: &WriteVerb,
    status: u16,
    body: &str,
) -> Option<Outcome> {
    if (200..300).contains(&status) {
        let result: Option<RowResult> = serde_json::from_str(body).ok()?;
        let created = *verb == WriteVerb::Insert || result.as_ref().is_some_and(|one| one.created);
        let id = result.and_then(|one| one.id).or_else(|| operation.id.clone())?;
        return Some(Outcome::Applied(Applied { created, ..Applied::updated(id) }));
    }
    let errors: Vec<ApiError> = serde_json::from_str(body).ok()?;
    (!errors.is_empty()).then(|| row_outcome(operation.action, &errors))
}
