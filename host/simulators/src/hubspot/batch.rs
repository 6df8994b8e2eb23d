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

use super::errors::{ApiError, Refusal};
use super::kinds::Kind;
use super::objects::{NewObject, is_true};
use super::route::BATCH_CAP;
use super::store::{Checked, repeated};
use super::view::{Batch, Named, Projection, id_text};
use super::{HubSpot, Outcome, Reply, body};
use crate::serve::{Answer, Request};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs<T> {
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
    inputs: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Change {
    #[serde(deserialize_with = "id_text")]
    id: String,
    #[serde(default)]
    id_property: Option<String>,
    properties: Map<String, Value>,
    #[serde(default)]
    object_write_trace_id: Option<String>,
}

/// Which batch write a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Create,
    Update,
    Upsert,
}

/// One input after its check: what to do, or why not.
type Verdict = Result<Write, Refusal>;

enum Write {
    Create(Checked),
    Change(u64, Checked),
}

/// Values that earlier inputs of the same batch have taken, with the record that takes them.
type Taken = HashMap<(String, Box<str>), Option<u64>>;

impl HubSpot {
    pub(super) fn batch_read(&self, kind: Kind, request: &Request) -> Outcome {
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
        for Named { id } in &read.inputs {
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
        let batch = Batch::new(results, errors, self.clock.now_ms());
        Ok(reply(StatusCode::OK, &batch, read.inputs.len()))
    }

    pub(super) fn batch_create(&mut self, kind: Kind, request: &Request) -> Outcome {
        let Inputs { inputs }: Inputs<NewObject> = body(request)?;
        check_size(inputs.len(), BATCH_CAP)?;
        let partial = inputs.iter().all(|input| input.object_write_trace_id.is_some());
        let mut links = Vec::new();
        for input in &inputs {
            links.push(self.check_links(kind, &input.associations)?);
        }
        let mut taken = Taken::new();
        let verdicts: Vec<Verdict> = inputs
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
        self.written(Sort::Create, kind, &written, errors, fields)
    }

    pub(super) fn batch_update(&mut self, kind: Kind, request: &Request) -> Outcome {
        let Inputs { inputs }: Inputs<Change> = body(request)?;
        self.check_changes(kind, &inputs)?;
        let mut taken = Taken::new();
        let verdicts = inputs
            .iter()
            .map(|input| {
                let found = self.store.find(kind, &input.id, input.id_property.as_deref());
                let id = found.ok_or_else(|| Refusal::Missing { id: input.id.clone() })?;
                self.check_change(kind, id, &input.properties, &mut taken)
            })
            .collect();
        self.write_changes(Sort::Update, kind, &inputs, verdicts)
    }

    pub(super) fn batch_upsert(&mut self, kind: Kind, request: &Request) -> Outcome {
        let Inputs { inputs }: Inputs<Change> = body(request)?;
        self.check_changes(kind, &inputs)?;
        let mut taken = Taken::new();
        let verdicts = inputs
            .iter()
            .map(|input| match self.store.find(kind, &input.id, input.id_property.as_deref()) {
                Some(id) => self.check_change(kind, id, &input.properties, &mut taken),
                None => match input.id_property.as_deref() {
                    None | Some("hs_object_id") => Err(Refusal::Missing { id: input.id.clone() }),
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
        self.write_changes(Sort::Upsert, kind, &inputs, verdicts)
    }

    pub(super) fn batch_archive(&mut self, kind: Kind, request: &Request) -> Outcome {
        let Inputs { inputs }: Inputs<Named> = body(request)?;
        check_size(inputs.len(), BATCH_CAP)?;
        let now_ms = self.clock.now_ms();
        for Named { id } in &inputs {
            self.store.archive(kind, id.parse().unwrap_or_default(), now_ms);
        }
        Ok(Reply { answer: Answer::empty(StatusCode::NO_CONTENT), rows: inputs.len() })
    }

    fn check_changes(&self, kind: Kind, inputs: &[Change]) -> Result<(), ApiError> {
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

    fn check_new(&self, kind: Kind, fields: &Map<String, Value>, taken: &mut Taken) -> Verdict {
        let checked = self.store.check(kind, fields)?;
        self.store.check_required(kind, &checked)?;
        self.store.check_unique(kind, &checked, None)?;
        self.take(kind, &checked, None, taken)?;
        Ok(Write::Create(checked))
    }

    fn check_change(
        &self,
        kind: Kind,
        id: u64,
        fields: &Map<String, Value>,
        taken: &mut Taken,
    ) -> Verdict {
        let checked = self.store.check(kind, fields)?;
        self.store.check_unique(kind, &checked, Some(id))?;
        self.take(kind, &checked, Some(id), taken)?;
        Ok(Write::Change(id, checked))
    }

    /// Refuses a unique value that an earlier input of the batch has.
    fn take(
        &self,
        kind: Kind,
        checked: &Checked,
        id: Option<u64>,
        taken: &mut Taken,
    ) -> Result<(), Refusal> {
        for property in self.store.unique_properties(kind) {
            let Some(Some(value)) = checked.get(&property) else { continue };
            let before = taken.insert((property.to_string(), value.clone()), id);
            if let Some(holder) = before.filter(|holder| id.is_none() || *holder != id) {
                return Err(Refusal::Conflict { existing: holder.unwrap_or_default() });
            }
        }
        Ok(())
    }

    fn write_changes(
        &mut self,
        sort: Sort,
        kind: Kind,
        inputs: &[Change],
        verdicts: Vec<Verdict>,
    ) -> Outcome {
        let partial = inputs.iter().all(|input| input.object_write_trace_id.is_some());
        let traces: Vec<_> = inputs.iter().map(|input| &input.object_write_trace_id).collect();
        let (written, errors) = self.write_all(kind, verdicts, &traces, partial)?;
        let fields = |place| inputs.get(place).map(|input: &Change| &input.properties);
        self.written(sort, kind, &written, errors, fields)
    }

    /// Writes what passed; without `partial` a refusal other than a missing id stops everything.
    fn write_all(
        &mut self,
        kind: Kind,
        verdicts: Vec<Verdict>,
        traces: &[&Option<String>],
        partial: bool,
    ) -> Result<(Vec<Written>, Vec<ApiError>), ApiError> {
        if !partial {
            let fatal = verdicts.iter().find_map(|verdict| match verdict {
                Err(Refusal::Missing { .. }) | Ok(_) => None,
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
                Ok(Write::Create(checked)) => {
                    written.push((place, self.store.insert(kind, checked, author), true));
                    continue;
                }
                Ok(Write::Change(id, checked)) => {
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
                Refusal::Missing { id } if trace.is_none() => missing.push(id),
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
        sort: Sort,
        kind: Kind,
        written: &[Written],
        errors: Vec<ApiError>,
        fields: impl Fn(usize) -> Option<&'f Map<String, Value>>,
    ) -> Outcome {
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
                Some(if sort == Sort::Upsert { shown.with_new(*new) } else { shown })
            })
            .collect();
        let batch = Batch::new(results, errors, self.clock.now_ms());
        let status = if sort == Sort::Create { StatusCode::CREATED } else { StatusCode::OK };
        Ok(reply(status, &batch, written.len()))
    }
}

/// Place among the inputs, id, and whether it is new.
type Written = (usize, u64, bool);

/// A batch answer: 207 when it has errors.
pub(super) fn reply<R: serde::Serialize>(
    status: StatusCode,
    batch: &Batch<R>,
    rows: usize,
) -> Reply {
    let status = if batch.has_errors() { StatusCode::MULTI_STATUS } else { status };
    Reply { answer: Answer::json(status, batch), rows }
}

/// Refuses an empty batch and one beyond the cap.
pub(super) fn check_size(count: usize, cap: usize) -> Result<(), ApiError> {
    if count == 0 {
        return Err(ApiError::invalid("The batch has no inputs"));
    }
    if count > cap {
        let message = format!("The maximum number of inputs supported in a batch request is {cap}");
        return Err(ApiError::invalid(message));
    }
    Ok(())
}
