//! Batches of records, with the partial failures that were recorded (H-batch-1, H-batch-4,
//! H-batch-7).
//!
//! - read, update and upsert report missing ids as one item of a 207 (H-batch-3);
//! - a bad value or a conflict fails the whole batch with 400 or 409, unless every input carries
//!   an `objectWriteTraceId`: then the good inputs are written and the bad ones are items, in no
//!   promised order (H-batch-8).

use std::collections::HashMap;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::account::HubSpot;
use super::errors::{ApiError, WriteRefusal};
use super::kinds::ObjectKind;
use super::objects::NewObject;
use super::reply::{HandlerResult, HubSpotReply, body, check_size, is_true, reply};
use super::route::BATCH_CAP;
use super::store::{CheckedValues, repeated};
use super::view::{BatchAnswer, NamedId, Projection, id_text};
use crate::http::{SimAnswer, SimRequest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchInputs<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReadBatch {
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    properties_with_history: Vec<String>,
    #[serde(default)]
    id_property: Option<String>,
    inputs: Vec<NamedId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChangeInput {
    #[serde(deserialize_with = "id_text")]
    id: String,
    #[serde(default)]
    id_property: Option<String>,
    properties: Map<String, Value>,
    #[serde(default)]
    object_write_trace_id: Option<String>,
}

/// Kind of a batch write.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BatchKind {
    Create,
    Update,
    Upsert,
}

/// One input after its check: what to do, or why not.
type InputVerdict = Result<CheckedWrite, WriteRefusal>;

enum CheckedWrite {
    Create(CheckedValues),
    Change(u64, CheckedValues),
}

/// Values that earlier inputs of the same batch have taken, with the record that takes them.
type TakenValues = HashMap<(String, Box<str>), Option<u64>>;

impl HubSpot {
    pub(super) fn batch_read(&self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let read: ReadBatch = body(request)?;
        let id_property = read.id_property.as_deref();
        check_size(read.inputs.len(), BATCH_CAP)?;
        self.check_id_property(kind, id_property)?;
        let names = &read.properties;
        let projection = Projection::new(&self.store, kind, names, &read.properties_with_history);
        let archived = is_true(request.query("archived"));
        let now_ms = self.clock.now_ms();
        let mut shown: Vec<u64> = Vec::new();
        let mut records = Vec::new();
        let mut missing = Vec::new();
        for NamedId { id } in &read.inputs {
            let found = if archived {
                let found = id.parse().ok().and_then(|id| self.store.shown(kind, id, now_ms));
                found.filter(|record| record.archived_ms.is_some())
            } else {
                self.store.shown_as(kind, id, id_property, now_ms)
            };
            match found {
                // Two ids that were merged name one record.
                Some(record) if shown.contains(&record.row.id) => {}
                Some(record) => {
                    shown.push(record.row.id);
                    records.push(record);
                }
                None => missing.push(id.clone()),
            }
        }
        let results: Vec<_> =
            records.into_iter().map(|record| projection.show(&self.store, record)).collect();
        let errors =
            if missing.is_empty() { vec![] } else { vec![ApiError::missing_ids(kind, missing)] };
        let batch = BatchAnswer::new(results, errors, self.clock.now_ms());
        Ok(reply(StatusCode::OK, &batch, read.inputs.len()))
    }

    pub(super) fn batch_create(&mut self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let BatchInputs { inputs }: BatchInputs<NewObject> = body(request)?;
        check_size(inputs.len(), BATCH_CAP)?;
        let partial = inputs.iter().all(|input| input.object_write_trace_id.is_some());
        let mut links = Vec::new();
        for input in &inputs {
            links.push(self.check_links(kind, &input.associations)?);
        }
        let mut taken = TakenValues::new();
        let verdicts: Vec<InputVerdict> = inputs
            .iter()
            .map(|input| self.check_new(kind, &input.properties, &mut taken))
            .collect();
        let traces: Vec<_> = inputs.iter().map(|input| &input.object_write_trace_id).collect();
        let (written, errors) = self.write_all(kind, verdicts, &traces, partial)?;
        for ((_, id, _), links) in
            written.iter().filter_map(|done| Some((done, links.get(done.0)?)))
        {
            self.make_links(*id, links);
        }
        let fields = |place| inputs.get(place).map(|input: &NewObject| &input.properties);
        self.written(BatchKind::Create, kind, &written, errors, fields)
    }

    pub(super) fn batch_update(&mut self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let BatchInputs { inputs }: BatchInputs<ChangeInput> = body(request)?;
        self.check_changes(kind, &inputs)?;
        let mut taken = TakenValues::new();
        let verdicts = inputs
            .iter()
            .map(|input| {
                let found = self.store.find(kind, &input.id, input.id_property.as_deref());
                let id = found.ok_or_else(|| WriteRefusal::Missing { id: input.id.clone() })?;
                self.check_change(kind, id, &input.properties, &mut taken)
            })
            .collect();
        self.write_changes(BatchKind::Update, kind, &inputs, verdicts)
    }

    pub(super) fn batch_upsert(&mut self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let BatchInputs { inputs }: BatchInputs<ChangeInput> = body(request)?;
        self.check_changes(kind, &inputs)?;
        let mut taken = TakenValues::new();
        let verdicts = inputs
            .iter()
            .map(|input| match self.store.find(kind, &input.id, input.id_property.as_deref()) {
                Some(id) => self.check_change(kind, id, &input.properties, &mut taken),
                None => match input.id_property.as_deref() {
                    None | Some("hs_object_id") => {
                        Err(WriteRefusal::Missing { id: input.id.clone() })
                    }
                    Some(property) => {
                        let mut fields = input.properties.clone();
                        fields
                            .entry(property.to_owned())
                            .or_insert_with(|| Value::String(input.id.clone()));
                        self.check_new(kind, &fields, &mut taken)
                    }
                },
            })
            .collect();
        self.write_changes(BatchKind::Upsert, kind, &inputs, verdicts)
    }

    pub(super) fn batch_archive(
        &mut self,
        kind: ObjectKind,
        request: &SimRequest,
    ) -> HandlerResult {
        let BatchInputs { inputs }: BatchInputs<NamedId> = body(request)?;
        check_size(inputs.len(), BATCH_CAP)?;
        let now_ms = self.clock.now_ms();
        for NamedId { id } in &inputs {
            self.store.archive(kind, id.parse().unwrap_or_default(), now_ms);
        }
        Ok(HubSpotReply { answer: SimAnswer::empty(StatusCode::NO_CONTENT), rows: inputs.len() })
    }

    fn check_changes(&self, kind: ObjectKind, inputs: &[ChangeInput]) -> Result<(), ApiError> {
        check_size(inputs.len(), BATCH_CAP)?;
        for input in inputs {
            self.check_id_property(kind, input.id_property.as_deref())?;
        }
        let repeated = repeated(inputs.iter().map(|input| input.id.as_str()));
        if repeated.is_empty() {
            return Ok(());
        }
        let ids = repeated.join(", ");
        let message = format!("Duplicate IDs found in batch input: [{ids}]. IDs must be unique");
        Err(ApiError::invalid(message).with("ids", repeated))
    }

    fn check_new(
        &self,
        kind: ObjectKind,
        fields: &Map<String, Value>,
        taken: &mut TakenValues,
    ) -> InputVerdict {
        let checked = self.store.check(kind, fields)?;
        self.store.check_required(kind, &checked)?;
        self.store.check_unique(kind, &checked, None)?;
        self.reserve_values(kind, &checked, None, taken)?;
        Ok(CheckedWrite::Create(checked))
    }

    fn check_change(
        &self,
        kind: ObjectKind,
        id: u64,
        fields: &Map<String, Value>,
        taken: &mut TakenValues,
    ) -> InputVerdict {
        let checked = self.store.check(kind, fields)?;
        self.store.check_unique(kind, &checked, Some(id))?;
        self.reserve_values(kind, &checked, Some(id), taken)?;
        Ok(CheckedWrite::Change(id, checked))
    }

    /// Refuses a unique value that an earlier input of the batch has.
    fn reserve_values(
        &self,
        kind: ObjectKind,
        checked: &CheckedValues,
        id: Option<u64>,
        taken: &mut TakenValues,
    ) -> Result<(), WriteRefusal> {
        for property in self.store.unique_properties(kind) {
            let Some(Some(value)) = checked.get(&property) else { continue };
            let before = taken.insert((property.to_string(), value.clone()), id);
            if let Some(holder) = before.filter(|holder| id.is_none() || *holder != id) {
                return Err(WriteRefusal::Conflict { existing: holder.unwrap_or_default() });
            }
        }
        Ok(())
    }

    fn write_changes(
        &mut self,
        sort: BatchKind,
        kind: ObjectKind,
        inputs: &[ChangeInput],
        verdicts: Vec<InputVerdict>,
    ) -> HandlerResult {
        let partial = inputs.iter().all(|input| input.object_write_trace_id.is_some());
        let traces: Vec<_> = inputs.iter().map(|input| &input.object_write_trace_id).collect();
        let (written, errors) = self.write_all(kind, verdicts, &traces, partial)?;
        let fields = |place| inputs.get(place).map(|input: &ChangeInput| &input.properties);
        self.written(sort, kind, &written, errors, fields)
    }

    /// Writes what passed; without `partial` a refusal other than a missing id stops everything.
    fn write_all(
        &mut self,
        kind: ObjectKind,
        verdicts: Vec<InputVerdict>,
        traces: &[&Option<String>],
        partial: bool,
    ) -> Result<(Vec<WrittenInput>, Vec<ApiError>), ApiError> {
        if !partial {
            let fatal = verdicts.iter().find_map(|verdict| match verdict {
                Err(WriteRefusal::Missing { .. }) | Ok(_) => None,
                Err(refusal) => Some(refusal.clone()),
            });
            if let Some(refusal) = fatal {
                return Err(refusal.whole_batch(kind));
            }
        }
        let author = self.author();
        let (mut written, mut errors, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (place, verdict) in verdicts.into_iter().enumerate() {
            let trace = traces.get(place).and_then(|trace| trace.as_deref());
            let refusal = match verdict {
                Ok(CheckedWrite::Create(checked)) => {
                    written.push((place, self.store.insert(kind, checked, author), true));
                    continue;
                }
                Ok(CheckedWrite::Change(id, checked)) => {
                    match self.store.change(kind, id, checked, author) {
                        Ok(()) => {
                            written.push((place, id, false));
                            continue;
                        }
                        Err(refusal) => refusal,
                    }
                }
                Err(refusal) => refusal,
            };
            match refusal {
                WriteRefusal::Missing { id } if trace.is_none() => missing.push(id),
                refusal => errors.push(refusal.item(kind, trace)),
            }
        }
        if !missing.is_empty() {
            errors.push(ApiError::missing_ids(kind, missing));
        }
        Ok((written, errors))
    }

    fn written<'f>(
        &self,
        sort: BatchKind,
        kind: ObjectKind,
        written: &[WrittenInput],
        errors: Vec<ApiError>,
        fields: impl Fn(usize) -> Option<&'f Map<String, Value>>,
    ) -> HandlerResult {
        // The answer shows the properties that any input of the batch wrote.
        let mut names: Vec<String> = Vec::new();
        for (place, ..) in written {
            for name in fields(*place).into_iter().flat_map(Map::keys) {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        let projection = Projection::new(&self.store, kind, &names, &[]);
        let results: Vec<_> = written
            .iter()
            .filter_map(|(_, id, new)| {
                let shown = projection.show(&self.store, self.store.live(kind, *id)?);
                Some(if sort == BatchKind::Upsert { shown.with_new(*new) } else { shown })
            })
            .collect();
        let batch = BatchAnswer::new(results, errors, self.clock.now_ms());
        let status = if sort == BatchKind::Create { StatusCode::CREATED } else { StatusCode::OK };
        Ok(reply(status, &batch, written.len()))
    }
}

/// Place among the inputs, id, and whether it is new.
type WrittenInput = (usize, u64, bool);
