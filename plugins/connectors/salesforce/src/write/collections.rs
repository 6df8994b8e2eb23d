//! sObject Collections: 200 rows in a call, results in the order of the rows, HTTP 200 even where
//! all of them fail (`API.md`, S-collection-2).

use std::collections::BTreeMap;

use renkei_sdk::http::Request;
use renkei_sdk::{Action, Applied, Operation, Outcome, Value, WriteRequest};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::call::{CallOutcome, WriteCall, WriteVerb};
use crate::Salesforce;
use crate::client::{parse, send_write};
use crate::error::{ApiError, CallFailure, row_outcome};
use crate::value::Written;

/// A row of a collection, with its `attributes` first (S-collection-3).
pub(super) struct CollectionRecord<'a> {
    pub(super) object: &'a str,
    /// The field that names the row, and its value.
    pub(super) key: Option<(&'a str, &'a str)>,
    pub(super) fields: Vec<(&'a str, &'a Value)>,
}

impl Serialize for CollectionRecord<'_> {
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
    records: Vec<CollectionRecord<'a>>,
}

/// The result of one row.
#[derive(Debug, Deserialize)]
pub(super) struct RowResult {
    pub(super) id: Option<String>,
    success: bool,
    #[serde(default)]
    pub(super) created: bool,
    #[serde(default)]
    errors: Vec<ApiError>,
}

impl Salesforce {
    /// Sends one collection.
    pub(super) fn send_collection(&self, request: &WriteRequest, call: &WriteCall) -> CallOutcome {
        let why = match send_write(&self.make_request(request, call)) {
            Ok(answer) => match parse(&answer.body) {
                Ok(results) => {
                    let mut outcomes = BTreeMap::new();
                    assign_results(request, call, results, &mut outcomes);
                    return CallOutcome::Written { outcomes, declined: Vec::new() };
                }
                Err(_) => "the answer cannot be read".to_owned(),
            },
            Err(CallFailure::Unknown(why)) => why,
            Err(CallFailure::Refused(error)) => return CallOutcome::Refused(error),
        };
        let outcomes =
            call.rows.iter().map(|row| (*row, Outcome::Uncertain(why.clone()))).collect();
        CallOutcome::Written { outcomes, declined: Vec::new() }
    }

    fn make_request(&self, request: &WriteRequest, call: &WriteCall) -> Request {
        let path = format!("{}/composite/sobjects", self.config.root);
        let operations = call.rows.iter().filter_map(|row| request.operations.get(*row));
        if call.verb == WriteVerb::Delete {
            let ids: Vec<&str> = operations.filter_map(|op| op.id.as_deref()).collect();
            return Request::delete(path).query("ids", &ids.join(",")).query("allOrNone", "false");
        }
        let records = operations.map(|op| self.make_record(request, op, &call.verb)).collect();
        let body = Collection { all_or_none: false, records };
        match &call.verb {
            WriteVerb::Upsert(key) => {
                Request::patch(format!("{path}/{}/{key}", request.object)).json(&body).repeatable()
            }
            WriteVerb::Update => Request::patch(path).json(&body).repeatable(),
            WriteVerb::Insert | WriteVerb::Delete => Request::post(path).json(&body),
        }
    }

    fn make_record<'a>(
        &'a self,
        request: &'a WriteRequest,
        operation: &'a Operation,
        verb: &WriteVerb,
    ) -> CollectionRecord<'a> {
        let key = match (verb, operation.action) {
            (WriteVerb::Update, _) => operation.id.as_deref().map(|id| ("Id", id)),
            (WriteVerb::Upsert(_), Action::Create) => {
                Some((self.config.stamp_field.as_str(), operation.intent.as_str()))
            }
            _ => None,
        };
        CollectionRecord {
            object: &request.object,
            key,
            fields: request.present(operation).collect(),
        }
    }
}

/// Hands the results of a request to the operations it carried.
pub(super) fn assign_results(
    request: &WriteRequest,
    call: &WriteCall,
    results: Vec<RowResult>,
    outcomes: &mut BTreeMap<usize, Outcome>,
) {
    for (row, result) in call.rows.iter().zip(results) {
        let Some(operation) = request.operations.get(*row) else { continue };
        let id = result.id.or_else(|| operation.id.clone());
        let outcome = match id {
            Some(id) if result.success => {
                let created = result.created || call.verb == WriteVerb::Insert;
                Outcome::Applied(Applied { created, ..Applied::updated(id) })
            }
            _ => row_outcome(operation.action, &result.errors),
        };
        outcomes.insert(*row, outcome);
    }
}
