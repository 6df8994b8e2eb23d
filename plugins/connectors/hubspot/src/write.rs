//! Writes in batches of 100, one outcome per operation (`API.md`, H-batch-5).
//!
//! Each input carries an `objectWriteTraceId`, with which HubSpot answers row by row. Where it
//! refuses a batch as a whole all the same, the rows that the answer names are taken out. If it
//! names none, the batch is sent in halves. A call fails as a whole only if nothing was written.

pub(crate) mod merge;
mod plan;
mod relate;

use renkei_sdk::http::Request;
use renkei_sdk::{Action, Applied, Error, Outcome, WriteRequest};
use serde_json::{Value as Json, json};

use crate::client::wire::{Record, Results};
use crate::client::{call, make_uncertain, send};
use crate::error::{ApiError, CallFailure};
use crate::schema::Properties;
use crate::value::rows::Selection;

use self::plan::{BatchVerb, PlannedOperation, PlannedStep, WriteBatch};

/// The wait of an operation that was not sent because another one's request failed.
pub(crate) const WAIT_MS: u64 = 1_000;

/// Writes all operations of a request.
pub(crate) fn write_records(
    request: &WriteRequest,
    properties: &Properties,
    stamp: &str,
) -> Result<Vec<Outcome>, Error> {
    let selection = Selection::new(&request.object, &request.columns, properties);
    let outcomes = request.operations.iter().map(|_| None).collect();
    let mut job = WriteJob { request, selection, outcomes, relate_only: Vec::new() };
    let stamp = Some(stamp).filter(|stamp| properties.can_stamp(stamp));
    let batches = job.plan_batches(stamp);
    let sent = batches.iter().try_for_each(|batch| job.send_batch(batch));
    job.finish(sent)
}

/// A request under way.
struct WriteJob<'a> {
    request: &'a WriteRequest,
    selection: Selection<'a>,
    outcomes: Vec<Option<Outcome>>,
    /// Operations that change nothing but associations: their places and ids.
    relate_only: Vec<(usize, String)>,
}

impl<'a> WriteJob<'a> {
    fn plan_batches(&mut self, stamp: Option<&str>) -> Vec<WriteBatch<'a>> {
        let request = self.request;
        let mut batches = Vec::new();
        for (index, operation) in request.operations.iter().enumerate() {
            match plan::plan_step(request, operation, stamp) {
                PlannedStep::Send(verb, key) => {
                    WriteBatch::place_operation(
                        &mut batches,
                        verb,
                        PlannedOperation { index, key, operation },
                    );
                }
                PlannedStep::RelateOnly(id) => self.relate_only.push((index, id)),
                PlannedStep::Refuse(outcome) => self.set_outcome(index, outcome),
            }
        }
        batches
    }

    /// # Errors
    /// The failure that keeps further requests from being sent; operations without an outcome were
    /// not sent.
    fn send_batch(&mut self, batch: &WriteBatch<'a>) -> Result<(), Error> {
        let mut queue = vec![batch.items.clone()];
        while let Some(items) = queue.pop() {
            match self.call_batch(&batch.verb, &items) {
                Ok(answer) => queue.extend(self.read_answer(&batch.verb, items, answer)),
                Err(CallFailure::Refused(status, refusal)) if refusal.is_unknown_object() => {
                    return Err(refusal.error(status));
                }
                Err(CallFailure::Refused(_, refusal)) => {
                    queue.extend(self.isolate_refused(items, &refusal))
                }
                Err(CallFailure::Unknown(error)) => {
                    for item in &items {
                        self.set_outcome(item.index, make_uncertain(&error));
                    }
                    return Err(error);
                }
                Err(CallFailure::Stopped(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn call_batch(
        &self,
        verb: &BatchVerb,
        items: &[PlannedOperation<'a>],
    ) -> Result<Results<Record>, CallFailure> {
        let request = self.batch_request(verb, items);
        if *verb == BatchVerb::Archive {
            send(&request)?;
            return Ok(Results { results: Vec::new(), paging: None, errors: Vec::new() });
        }
        Ok(call(&request)?.body)
    }

    fn batch_request(&self, verb: &BatchVerb, items: &[PlannedOperation<'a>]) -> Request {
        let name = match verb {
            BatchVerb::Create => "create",
            BatchVerb::Update => "update",
            BatchVerb::Upsert(_) => "upsert",
            BatchVerb::Archive => "archive",
        };
        let inputs: Vec<Json> =
            items.iter().map(|item| plan::make_input(self.request, verb, item)).collect();
        let path = format!("/crm/v3/objects/{}/batch/{name}", self.request.object);
        let request = Request::post(path).json(&json!({ "inputs": inputs }));
        // Everything but a create without a key comes to the same when it is done twice.
        if *verb == BatchVerb::Create { request } else { request.repeatable() }
    }

    /// Takes the outcomes out of a batch's answer; what is left is to be sent again.
    fn read_answer(
        &mut self,
        verb: &BatchVerb,
        items: Vec<PlannedOperation<'a>>,
        answer: Results<Record>,
    ) -> Vec<Vec<PlannedOperation<'a>>> {
        if *verb == BatchVerb::Archive {
            for item in items {
                self.set_outcome(item.index, Applied::updated(item.key).into());
            }
            return Vec::new();
        }
        let alone = items.len() == 1;
        let mut again = Vec::new();
        let mut open = items;
        let mut unnamed = None;
        for refusal in answer.errors {
            let (named, others): (Vec<_>, _) =
                open.into_iter().partition(|item| is_about(&refusal, item));
            open = others;
            if refusal.is_conflict_within_batch() && !alone {
                again.extend(named.into_iter().map(|item| vec![item]));
                continue;
            }
            self.refuse_operations(&named, &refusal);
            if named.is_empty() {
                unnamed = Some(refusal);
            }
        }
        let mut nameless = Vec::new();
        for record in answer.results {
            match open.iter().position(|item| is_answer_to(verb, &record, item)) {
                Some(position) => self.set_applied(verb, &open.remove(position), &record),
                None => nameless.push(record),
            }
        }
        // A merged-away id answers as its survivor; then only the order tells them apart.
        if nameless.len() == open.len() {
            for (item, record) in open.iter().zip(&nameless) {
                self.set_applied(verb, item, record);
            }
        } else if let Some(refusal) = unnamed {
            self.refuse_operations(&open, &refusal);
        } else {
            for item in &open {
                let why = "the answer does not mention this record".to_owned();
                self.set_outcome(item.index, Outcome::Uncertain(why));
            }
        }
        again
    }

    /// The operations left to send after a batch was refused as a whole.
    fn isolate_refused(
        &mut self,
        items: Vec<PlannedOperation<'a>>,
        refusal: &ApiError,
    ) -> Vec<Vec<PlannedOperation<'a>>> {
        if items.len() <= 1 {
            self.refuse_operations(&items, refusal);
            return Vec::new();
        }
        let unknown = refusal.unknown_properties();
        let named = |item: &PlannedOperation<'_>| {
            let mut written = self.request.present(item.operation);
            is_about(refusal, item)
                || written.any(|(column, _)| unknown.iter().any(|one| one == column))
        };
        let (named, mut others): (Vec<_>, Vec<_>) = items.into_iter().partition(named);
        if named.is_empty() {
            let second_half = others.split_off(others.len() / 2);
            // The queue is taken from its end: the first half goes first.
            return vec![second_half, others];
        }
        self.refuse_operations(&named, refusal);
        if others.is_empty() { Vec::new() } else { vec![others] }
    }

    fn refuse_operations(&mut self, items: &[PlannedOperation<'a>], refusal: &ApiError) {
        for item in items {
            self.set_outcome(item.index, refusal.outcome(item.operation.action));
        }
    }

    fn set_applied(&mut self, verb: &BatchVerb, item: &PlannedOperation<'a>, record: &Record) {
        let applied = Applied {
            created: record.new.unwrap_or(*verb == BatchVerb::Create),
            version: record.updated_at.clone(),
            modified: record.modified_ms(),
            after: self.selection.cells_after_write(record),
            ..Applied::updated(&record.id)
        };
        self.set_outcome(item.index, applied.into());
    }

    fn set_outcome(&mut self, index: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(index) {
            *place = Some(outcome);
        }
    }

    /// Writes the associations of what was written, and closes the list of outcomes.
    fn finish(mut self, sent: Result<(), Error>) -> Result<Vec<Outcome>, Error> {
        let wait_ms = match sent {
            Ok(()) => {
                self.write_associations();
                WAIT_MS
            }
            Err(error) if !self.outcomes.iter().any(has_effect) => return Err(error),
            Err(error) => {
                // What lacks its associations is repeated as a whole, which is harmless.
                self.postpone(read_wait_ms(&error));
                read_wait_ms(&error)
            }
        };
        let outcomes = self.outcomes.into_iter();
        Ok(outcomes.map(|outcome| outcome.unwrap_or(Outcome::RetryAfter(wait_ms))).collect())
    }
}

/// True for the outcome of a request that was sent.
fn has_effect(outcome: &Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Applied(_) | Outcome::Uncertain(_) | Outcome::Exists(_)))
}

fn read_wait_ms(error: &Error) -> u64 {
    match error {
        Error::RetryAfter(ms) => *ms,
        _ => WAIT_MS,
    }
}

/// True if a refusal is about this operation.
fn is_about(refusal: &ApiError, item: &PlannedOperation<'_>) -> bool {
    let says = |name: &str, text: &str| refusal.context.texts(name).iter().any(|one| one == text);
    says("objectWriteTraceId", &item.index.to_string())
        || !item.key.is_empty() && (says("ids", &item.key) || says("id", &item.key))
}

/// True if a record is the answer to this operation.
fn is_answer_to(verb: &BatchVerb, record: &Record, item: &PlannedOperation<'_>) -> bool {
    if let Some(trace) = &record.object_write_trace_id {
        return *trace == item.index.to_string();
    }
    match verb {
        BatchVerb::Update => record.id == item.key,
        BatchVerb::Upsert(property) => record.text(property) == Some(item.key.as_str()),
        BatchVerb::Create | BatchVerb::Archive => false,
    }
}

/// True for an action that may have associations to write.
fn may_relate(action: Action) -> bool {
    matches!(action, Action::Create | Action::Update | Action::Upsert)
}

#[cfg(test)]
mod tests;
