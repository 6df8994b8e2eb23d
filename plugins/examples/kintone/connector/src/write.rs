//! `write`: up to 100 records a request, which is done whole or not at all (K-write-1).
//!
//! So a refusal is taken apart: whoever the answer or a reading blames gets its outcome, and the
//! rest goes out again. Where nobody can be blamed, halves go out.

mod isolate;
mod plan;
mod send;

use crate::bindings::exports::renkei::plugin::connector::{Applied, Outcome, WriteRequest};
use crate::bindings::renkei::plugin::http::Failure;
use crate::bindings::renkei::plugin::types::Error;
use crate::client::Job;
use crate::client::form::Form;
use crate::config::App;
use crate::error::{CallFailure, problem, unanswered_outcome};

use self::plan::Item;

/// The wait of what was not sent because another request was refused for good.
const LATER_MS: u64 = 1_000;

/// One call of `write`.
struct Writer<'a> {
    job: &'a Job,
    app: &'a App,
    form: &'a Form,
    outcomes: Vec<Option<Outcome>>,
    /// Something was written or may have been, so an error would hide outcomes.
    wrote: bool,
}

/// Writes all operations; one outcome each, in order.
///
/// # Errors
/// Those that stop the whole call before anything was written: credentials, rights, a missing app.
pub(crate) fn write_records(job: &Job, request: &WriteRequest) -> Result<Vec<Outcome>, Error> {
    let app = job.config.app(&request.object)?;
    let form = job.form(app)?;
    let outcomes = vec![None; request.operations.len()];
    let mut writer = Writer { job, app, form: &form, outcomes, wrote: false };
    let (items, refused) = plan::plan(&form, request);
    for (index, outcome) in refused {
        writer.answer(index, outcome);
    }
    for group in plan::group(items) {
        writer.write_group(group)?;
    }
    let missing =
        || Outcome::Rejected(vec![problem("plan", "no request was made of it", "plugin")]);
    Ok(writer.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect())
}

impl Writer<'_> {
    fn answer(&mut self, index: usize, outcome: Outcome) {
        if let Some(place) = self.outcomes.get_mut(index) {
            *place = Some(outcome);
        }
    }

    fn answer_all(&mut self, group: &[Item], outcome: &Outcome) {
        for item in group {
            self.answer(item.index, outcome.clone());
        }
    }

    /// Sends a group until each of its records has an outcome.
    fn write_group(&mut self, group: Vec<Item>) -> Result<(), Error> {
        let mut groups = vec![group];
        while let Some(group) = groups.pop() {
            match send::send(self.job, self.app, &group) {
                Ok(Some(applied)) => self.answer_applied(&group, applied),
                Ok(None) => {
                    self.wrote = true;
                    let reason = "kintone's answer does not fit the request".to_owned();
                    self.answer_all(&group, &Outcome::Uncertain(reason));
                }
                Err(CallFailure::Refused(refusal)) => {
                    if let Some(error) = refusal.system_error() {
                        self.stop(&group, error)?;
                    } else if let Some(outcome) = refusal.common_outcome() {
                        self.wrote |= matches!(outcome, Outcome::Uncertain(_));
                        self.answer_all(&group, &outcome);
                    } else {
                        self.isolate(group, &refusal, &mut groups);
                    }
                }
                Err(CallFailure::Unanswered(failure)) => match failure {
                    Failure::Unauthorized(_) | Failure::Denied(_) => {
                        self.stop(&group, CallFailure::Unanswered(failure).into())?;
                    }
                    failure => {
                        let outcome = unanswered_outcome(&failure);
                        self.wrote |= matches!(outcome, Outcome::Uncertain(_));
                        self.answer_all(&group, &outcome);
                    }
                },
            }
        }
        Ok(())
    }

    fn answer_applied(&mut self, group: &[Item], applied: Vec<Applied>) {
        self.wrote = true;
        for (item, applied) in group.iter().zip(applied) {
            self.answer(item.index, Outcome::Applied(applied));
        }
    }

    /// Ends the call while nothing is written; else the rest waits, and the next call will say why.
    fn stop(&mut self, group: &[Item], error: Error) -> Result<(), Error> {
        if !self.wrote {
            return Err(error);
        }
        self.answer_all(group, &Outcome::RetryAfter(LATER_MS));
        Ok(())
    }
}
