//! The `/_sim/` control API of every simulator, for tests and the demo, never for connectors.
//!
//! The routes are generic over [`Vendor`], which each vendor's state machine implements; they
//! neither need a token nor count in the ledger. All bodies are JSON:
//! `GET ledger`, `POST ledger/reset`, `GET records?object=`, `POST edit|create|delete|merge|
//! convert|restore|link|unlink|faults|revoke|advance`, `GET faults`, `GET clock`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::SimClock;
use crate::faults::Faults;
use crate::http::{SimAnswer, SimRequest};
use crate::ledger::RequestLedger;

/// A vendor's state machine: pure, no I/O, one call at a time.
pub trait Vendor: Send + 'static {
    /// Answers one request of the vendor's own API.
    fn handle(&mut self, request: &SimRequest) -> SimAnswer;

    /// All records of an object, archived ones flagged, merged-away ones left out.
    fn records<'a>(&'a self, object: &str) -> Result<RecordViews<'a>, ControlError>;

    /// A human changes fields in the vendor's user interface.
    fn edit(
        &mut self,
        object: &str,
        id: &str,
        fields: &Map<String, Value>,
    ) -> Result<(), ControlError>;

    /// A human creates a record; returns its id.
    fn create(&mut self, object: &str, new: &NewRecord) -> Result<String, ControlError>;

    /// A human deletes a record.
    fn delete(&mut self, object: &str, id: &str) -> Result<(), ControlError>;

    /// A human merges `loser` into `winner`; returns the id of the surviving record.
    fn merge(&mut self, object: &str, winner: &str, loser: &str) -> Result<String, ControlError>;

    /// A human converts a lead; returns the ids of what came out of it.
    fn convert(&mut self, _id: &str) -> Result<Value, ControlError> {
        Err(ControlError::Unsupported("convert"))
    }

    /// A human takes a record out of the bin.
    fn restore(&mut self, object: &str, id: &str) -> Result<(), ControlError>;

    /// A human relates two records.
    fn link(&mut self, _link: &RecordLink) -> Result<(), ControlError> {
        Err(ControlError::Unsupported("link records but by a field"))
    }

    /// A human takes a relation away, whole or one of its labels.
    fn unlink(&mut self, _link: &RecordLink) -> Result<(), ControlError> {
        Err(ControlError::Unsupported("unlink records but by a field"))
    }

    /// Makes every token issued so far invalid.
    fn revoke(&mut self);

    /// The counts of its calls.
    fn ledger(&mut self) -> &mut RequestLedger;

    /// Its switches.
    fn faults(&self) -> &Faults;

    /// Replaces its switches; rules, options and the clock follow at once.
    fn set_faults(&mut self, faults: Faults);

    /// Its time.
    fn clock(&self) -> &SimClock;
}

/// Records one by one: those of a large account should not stand in memory at once.
pub type RecordViews<'a> = Box<dyn Iterator<Item = RecordView> + 'a>;

/// Reason why a control request was not done.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    #[error("no such object: {0}")]
    UnknownObject(String),
    #[error("no such record: {0}")]
    UnknownRecord(String),
    #[error("the vendor refuses this: {0}")]
    Refused(String),
    #[error("this system cannot {0}")]
    Unsupported(&'static str),
    #[error("malformed request: {0}")]
    Malformed(String),
}

/// Maker of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Seeded, or made through the control API.
    Human,
    /// Made through the vendor's API.
    Api,
}

/// A record as `GET /_sim/records` lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordView {
    pub id: String,
    /// Every field of the record with its value, in the vendor's own JSON type, or null.
    pub fields: BTreeMap<String, Value>,
    pub archived: bool,
    pub created_by: Origin,
    /// Ids of related records, by the name of their object.
    pub references: BTreeMap<String, Vec<String>>,
    /// Of these the one that is marked as primary, where the vendor marks one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub primary: BTreeMap<String, String>,
}

/// Body of `POST /_sim/create` beside the object.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct NewRecord {
    #[serde(default)]
    pub fields: Map<String, Value>,
    #[serde(default)]
    pub references: BTreeMap<String, Vec<String>>,
}

/// A relation that `POST /_sim/link` makes and `unlink` takes away.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordLink {
    pub object: String,
    pub id: String,
    pub to_object: String,
    pub to_id: String,
    /// Makes it the primary one; of `unlink`, takes only that away.
    #[serde(default)]
    pub primary: bool,
    /// The name of a label to add, or to take away alone.
    #[serde(default)]
    pub label: Option<String>,
}

#[derive(Deserialize)]
struct RecordTarget {
    object: String,
    id: String,
}

#[derive(Deserialize)]
struct EditAct {
    object: String,
    id: String,
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
struct CreateAct {
    object: String,
    #[serde(flatten)]
    new: NewRecord,
}

#[derive(Deserialize)]
struct MergeAct {
    object: String,
    winner: String,
    loser: String,
}

#[derive(Deserialize)]
struct ConvertAct {
    id: String,
}

#[derive(Deserialize)]
struct AdvanceClock {
    ms: i64,
}

/// Answers one request whose path begins with `/_sim/`; errors are `{"error": text}`.
pub fn answer(system: &mut dyn Vendor, request: &SimRequest) -> SimAnswer {
    let answer = if request.path == "/_sim/records" {
        listed(system, request.query("object").unwrap_or_default())
    } else {
        route(system, request).map(|value| SimAnswer::json(StatusCode::OK, &value))
    };
    answer.unwrap_or_else(|error| {
        let status = match error {
            ControlError::UnknownObject(_) | ControlError::UnknownRecord(_) => {
                StatusCode::NOT_FOUND
            }
            _ => StatusCode::BAD_REQUEST,
        };
        SimAnswer::json(status, &json!({"error": error.to_string()}))
    })
}

fn listed(system: &dyn Vendor, object: &str) -> Result<SimAnswer, ControlError> {
    let mut body = Vec::from(b"[");
    for record in system.records(object)? {
        if body.len() > 1 {
            body.push(b',');
        }
        let written = serde_json::to_writer(&mut body, &record);
        written.map_err(|error| ControlError::Malformed(error.to_string()))?;
    }
    body.push(b']');
    Ok(SimAnswer::typed(StatusCode::OK, "application/json", body))
}

fn route(system: &mut dyn Vendor, request: &SimRequest) -> Result<Value, ControlError> {
    let done = json!({"ok": true});
    match (request.method.as_str(), request.path.trim_start_matches("/_sim/")) {
        ("GET", "ledger") => Ok(json!(system.ledger().report())),
        ("POST", "ledger/reset") => {
            system.ledger().reset();
            Ok(done)
        }
        ("POST", "edit") => {
            let edit: EditAct = body(request)?;
            system.edit(&edit.object, &edit.id, &edit.fields)?;
            Ok(done)
        }
        ("POST", "create") => {
            let create: CreateAct = body(request)?;
            Ok(json!({"id": system.create(&create.object, &create.new)?}))
        }
        ("POST", "delete") => {
            let target: RecordTarget = body(request)?;
            system.delete(&target.object, &target.id)?;
            Ok(done)
        }
        ("POST", "merge") => {
            let merge: MergeAct = body(request)?;
            Ok(json!({"id": system.merge(&merge.object, &merge.winner, &merge.loser)?}))
        }
        ("POST", "restore") => {
            let target: RecordTarget = body(request)?;
            system.restore(&target.object, &target.id)?;
            Ok(done)
        }
        ("POST", "link") => {
            system.link(&body(request)?)?;
            Ok(done)
        }
        ("POST", "unlink") => {
            system.unlink(&body(request)?)?;
            Ok(done)
        }
        ("POST", "convert") => system.convert(&body::<ConvertAct>(request)?.id),
        ("GET", "faults") => Ok(json!(system.faults())),
        ("POST", "faults") => change_faults(system, &body(request)?),
        ("POST", "revoke") => {
            system.revoke();
            Ok(done)
        }
        ("GET", "clock") => Ok(json!({"now_ms": system.clock().now_ms()})),
        ("POST", "advance") => advance(system, &body(request)?),
        (method, path) => Err(ControlError::Malformed(format!("no route {method} /_sim/{path}"))),
    }
}

fn change_faults(system: &mut dyn Vendor, patch: &Value) -> Result<Value, ControlError> {
    let faults =
        system.faults().patched(patch).map_err(|e| ControlError::Malformed(e.to_string()))?;
    system.set_faults(faults.clone());
    Ok(json!(faults))
}

fn advance(system: &mut dyn Vendor, by: &AdvanceClock) -> Result<Value, ControlError> {
    if !system.clock().advance(by.ms) {
        return Err(ControlError::Unsupported("advance a clock that follows the real time"));
    }
    Ok(json!({"now_ms": system.clock().now_ms()}))
}

fn body<T: DeserializeOwned>(request: &SimRequest) -> Result<T, ControlError> {
    serde_json::from_slice(&request.body).map_err(|e| ControlError::Malformed(e.to_string()))
}
