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
use crate::client::{call, send, uncertain};
use crate::error::{ApiError, CallFailure};
use crate::schema::Properties;
use crate::value::rows::View;

use self::plan::{Batch, Item, Step, Verb};

/// How long an operation waits that was not sent because another one's request failed.
pub(crate) const WAIT_MS: u64 = 1_000;

/// Writes all operations of a request.
pub(crate) fn write(
    request: &WriteRequest,
    properties: &Properties,
    stamp: &str,
) -> Result<Vec<Outcome>, Error> {
    let view = View::new(&request.object, &request.columns, properties);
    let outcomes = request.operations.iter().map(|_| None).collect();
    let mut job = Job { request, view, outcomes, relate_only: Vec::new() };
    let stamp = Some(stamp).filter(|stamp| properties.can_stamp(stamp));
    let batches = job.plan(stamp);
    let sent = batches.iter().try_for_each(|batch| job.send(batch));
    job.finish(sent)
}

/// A request under way.
struct Job<'a> {
    request: &'a WriteRequest,
    view: View<'a>,
    outcomes: Vec<Option<Outcome>>,
    /// Operations that change nothing but associations: their places and ids.
    relate_only: Vec<(usize, String)>,
}

impl<'a> Job<'a> {
    fn plan(&mut self, stamp: Option<&str>) -> Vec<Batch<'a>> {
        let request = self.request;
        let mut batches = Vec::new();
        for (index, operation) in request.operations.iter().enumerate() {
            match plan::step(request, operation, stamp) {
                Step::Send(verb, key) => {
                    Batch::place(&mut batches, verb, Item { index, key, operation });
                }
                Step::RelateOnly(id) => self.relate_only.push((index, id)),
                Step::Refuse(outcome) => self.settle(index, outcome),
            }
        }
        batches
    }

    /// # Errors
    /// What keeps further requests from being sent; operations without an outcome were not sent.
    fn send(&mut self, batch: &Batch<'a>) -> Result<(), Error> {
        let mut queue = vec![batch.items.clone()];
        while let Some(items) = queue.pop() {
            match self.answer(&batch.verb, &items) {
                Ok(answer) => queue.extend(self.read(&batch.verb, items, answer)),
                Err(CallFailure::Refused(status, refusal)) if refusal.is_unknown_object() => {
                    return Err(refusal.error(status));
                }
                Err(CallFailure::Refused(_, refusal)) => {
                    queue.extend(self.isolate(items, &refusal))
                }
                Err(CallFailure::Unknown(error)) => {
                    for item in &items {
                        self.settle(item.index, uncertain(&error));
                    }
                    return Err(error);
                }
                Err(CallFailure::Stopped(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn answer(&self, verb: &Verb, items: &[Item<'a>]) -> Result<Results<Record>, CallFailure> {
        let request = self.batch_request(verb, items);
        if *verb == Verb::Archive {
            send(&request)?;
            return Ok(Results { results: Vec::new(), paging: None, errors: Vec::new() });
        }
        Ok(call(&request)?.body)
    }

    fn batch_request(&self, verb: &Verb, items: &[Item<'a>]) -> Request {
        let name = match verb {
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Upsert(_) => "upsert",
            Verb::Archive => "archive",
        };
        let inputs: Vec<Json> =
            items.iter().map(|item| plan::input(self.request, verb, item)).collect();
        let path = format!("/crm/v3/objects/{}/batch/{name}", self.request.object);
        let request = Request::post(path).json(&json!({ "inputs": inputs }));
        // Everything but a create without a key comes to the same when it is done twice.
        if *verb == Verb::Create { request } else { request.repeatable() }
    }

    /// Takes the outcomes out of a batch's answer; what is left is to be sent again.
    fn read(
        &mut self,
        verb: &Verb,
        items: Vec<Item<'a>>,
        answer: Results<Record>,
    ) -> Vec<Vec<Item<'a>>> {
        if *verb == Verb::Archive {
            for item in items {
                self.settle(item.index, Applied::updated(item.key).into());
            }
            return Vec::new();
        }
        let alone = items.len() == 1;
        let mut again = Vec::new();
        let mut open = items;
        let mut unnamed = None;
        for refusal in answer.errors {
            let (named, others): (Vec<_>, _) =
                open.into_iter().partition(|item| names(&refusal, item));
            open = others;
            if refusal.is_conflict_within_batch() && !alone {
                again.extend(named.into_iter().map(|item| vec![item]));
                continue;
            }
            self.refuse(&named, &refusal);
            if named.is_empty() {
                unnamed = Some(refusal);
            }
        }
        let mut nameless = Vec::new();
        for record in answer.results {
            match open.iter().position(|item| answers(verb, &record, item)) {
                Some(position) => self.applied(verb, &open.remove(position), &record),
                None => nameless.push(record),
            }
        }
        // A merged-away id answers as its survivor; then only the order tells them apart.
        if nameless.len() == open.len() {
            for (item, record) in open.iter().zip(&nameless) {
                self.applied(verb, item, record);
            }
        } else if let Some(refusal) = unnamed {
            self.refuse(&open, &refusal);
        } else {
            for item in &open {
                let why = "the answer does not mention this record".to_owned();
                self.settle(item.index, Outcome::Uncertain(why));
            }
        }
        again
    }

    /// What is left to send after a batch was refused as a whole.
    fn isolate(&mut self, items: Vec<Item<'a>>, refusal: &ApiError) -> Vec<Vec<Item<'a>>> {
        if items.len() <= 1 {
            self.refuse(&items, refusal);
            return Vec::new();
        }
        let unknown = refusal.unknown_properties();
        let guilty = |item: &Item<'_>| {
            let mut written = self.request.present(item.operation);
            names(refusal, item)
                || written.any(|(column, _)| unknown.iter().any(|one| one == column))
        };
        let (guilty, mut others): (Vec<_>, Vec<_>) = items.into_iter().partition(guilty);
        if guilty.is_empty() {
            let second_half = others.split_off(others.len() / 2);
            // The queue is taken from its end: the first half goes first.
            return vec![second_half, others];
        }
        self.refuse(&guilty, refusal);
        if others.is_empty() { Vec::new() } else { vec![others] }
    }

    fn refuse(&mut self, items: &[Item<'a>], refusal: &ApiError) {
        for item in items {
            self.settle(item.index, refusal.outcome(item.operation.action));
        }
    }

    fn applied(&mut self, verb: &Verb, item: &Item<'a>, record: &Record) {
        let applied = Applied {
            id: record.id.clone(),
            created: record.new.unwrap_or(*verb == Verb::Create),
            version: record.updated_at.clone(),
            modified: record.modified_ms(),
            after: self.view.after(record),
        };
        self.settle(item.index, applied.into());
    }

    fn settle(&mut self, index: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(index) {
            *place = Some(outcome);
        }
    }

    /// Writes the associations of what was written, and closes the list of outcomes.
    fn finish(mut self, sent: Result<(), Error>) -> Result<Vec<Outcome>, Error> {
        let wait_ms = match sent {
            Ok(()) => {
                self.relate();
                WAIT_MS
            }
            Err(error) if !self.outcomes.iter().any(has_effect) => return Err(error),
            Err(error) => {
                // What lacks its associations is repeated as a whole, which is harmless.
                self.postpone(wait_of(&error));
                wait_of(&error)
            }
        };
        let outcomes = self.outcomes.into_iter();
        Ok(outcomes.map(|outcome| outcome.unwrap_or(Outcome::RetryAfter(wait_ms))).collect())
    }
}

/// Whether an outcome is of a request that was sent.
fn has_effect(outcome: &Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Applied(_) | Outcome::Uncertain(_) | Outcome::Exists(_)))
}

fn wait_of(error: &Error) -> u64 {
    match error {
        Error::RetryAfter(ms) => *ms,
        _ => WAIT_MS,
    }
}

/// Whether a refusal is about an item.
fn names(refusal: &ApiError, item: &Item<'_>) -> bool {
    let says = |name: &str, text: &str| refusal.context.texts(name).iter().any(|one| one == text);
    says("objectWriteTraceId", &item.index.to_string())
        || !item.key.is_empty() && (says("ids", &item.key) || says("id", &item.key))
}

/// Whether a record answers an item.
fn answers(verb: &Verb, record: &Record, item: &Item<'_>) -> bool {
    if let Some(trace) = &record.object_write_trace_id {
        return *trace == item.index.to_string();
    }
    match verb {
        Verb::Update => record.id == item.key,
        Verb::Upsert(property) => record.text(property) == Some(item.key.as_str()),
        Verb::Create | Verb::Archive => false,
    }
}

/// Whether an operation may have associations to write.
fn relates(action: Action) -> bool {
    matches!(action, Action::Create | Action::Update | Action::Upsert)
}

#[cfg(test)]
mod tests;
