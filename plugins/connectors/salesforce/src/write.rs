//! Writes: sorts operations into requests and sends them; one outcome per operation, in order.
//!
//! Few rows travel as sObject Collections (`API.md`, S-collection-1), many of them by a Bulk 2.0
//! job (S-bulk-4) where that costs fewer calls. A create is an upsert by the stamp field where the
//! object has one, so that repeating it makes no second record. Without one it is a plain create,
//! sent once, and never by a job, whose results could not be told apart. Rows of one parent go next
//! to each other, because parallel batches lock parents (S-collection-7).

mod call;
mod collections;
mod duplicates;
mod ingest;
mod plan;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use renkei_sdk::{Action, Error, Outcome, WriteRequest};

use crate::Salesforce;
use crate::client::soql::check_name;

use self::call::{CallOutcome, IngestJob, WriteCall};
use self::ingest::IngestEnd;
use self::plan::{cut_calls, plan_calls};

/// The wait of operations that could not be sent.
const UNSENT_MS: u64 = 1_000;

impl Salesforce {
    /// One outcome per operation, in order.
    ///
    /// # Errors
    /// Only where nothing at all was written.
    pub(crate) fn write_operations(
        &mut self,
        request: &WriteRequest,
    ) -> Result<Vec<Outcome>, Error> {
        check_name("object", &request.object)?;
        let creates = request.operations.iter().any(|op| op.action == Action::Create);
        let stamped = creates && self.get_shape(&request.object, &[])?.stamped;
        let stamp = stamped.then(|| self.config.stamp_field.clone());
        let mut outcomes = BTreeMap::new();
        let planned = plan_calls(request, stamp.as_deref(), &self.config, &mut outcomes);
        let mut calls = VecDeque::from(planned);
        let mut stopped = None;
        let mut effects = false;
        while let Some(call) = calls.pop_front() {
            let sent = match stopped {
                Some(after_ms) => CallOutcome::Refused(Error::RetryAfter(after_ms)),
                None if call.by_job => self.send_job(request, &call),
                None => self.send_collection(request, &call),
            };
            match sent {
                CallOutcome::Written { outcomes: known, declined } => {
                    effects |= !known.is_empty();
                    outcomes.extend(known);
                    for part in cut_calls(request, &call.verb, &declined).into_iter().rev() {
                        calls.push_front(part);
                    }
                }
                CallOutcome::Refused(error) if !effects => return Err(error),
                CallOutcome::Refused(error) => {
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
        let silent = || Outcome::Uncertain("the answer has no result for this row".to_owned());
        let all = 0..request.operations.len();
        Ok(all.map(|row| outcomes.remove(&row).unwrap_or_else(silent)).collect())
    }

    fn send_job(&self, request: &WriteRequest, call: &WriteCall) -> CallOutcome {
        match ingest::run_job(
            &self.config,
            &IngestJob { request, verb: &call.verb, rows: &call.rows },
        ) {
            IngestEnd::Known(results, why) => {
                let ingest::IngestResults { mut outcomes, declined, .. } = results;
                let elsewhere: BTreeSet<&usize> = declined.iter().collect();
                for row in call.rows.iter().filter(|row| !elsewhere.contains(row)) {
                    outcomes.entry(*row).or_insert_with(|| Outcome::Uncertain(why.clone()));
                }
                CallOutcome::Written { outcomes, declined }
            }
            IngestEnd::Refused(error) => CallOutcome::Refused(error),
            IngestEnd::Declined => {
                CallOutcome::Written { outcomes: BTreeMap::new(), declined: call.rows.clone() }
            }
        }
    }
}

#[cfg(test)]
mod tests;
