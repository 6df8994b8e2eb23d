//! `renkei decide`: a person answers a review, or reverses what a rule decided.
//!
//! A running `renkei serve` has the database and decides, asked through its control socket;
//! otherwise this process does. While another command runs a cycle, the decision is noted.

use std::path::Path;

use renkei_admin::RequestError;
use renkei_admin::decisions::{Decided, ReviewAnswer, ReviewDecision, decide_review};
use renkei_admin::noted_decisions::{apply_noted_decisions, note_decision};
use renkei_admin::socket::request_decision;
use renkei_model::ports::Clock as _;
use renkei_store::Layouts;

use crate::cli::{AnswerCommand, DecideArgs};
use crate::clock::SystemClock;
use crate::command_error::CommandError;
use crate::config::Config;
use crate::database::{self, DatabaseAccess};
use crate::host;
use crate::output::Output;

/// Exit code 2 when the review does not exist, is over, or does not take the answer.
pub(crate) async fn run(args: &DecideArgs, output: Output) -> Result<(), CommandError> {
    let dir = &args.dir.dir;
    let config = Config::read(dir)?;
    let decision =
        ReviewDecision { review: args.review.clone(), answer: args.answer.clone().into() };
    let decided = match request_decision(&config.data, &decision).await? {
        Some(decided) => decided,
        None => decide_here(dir, &config, &decision).await?,
    };
    output.result(&decided, || {
        if decided.noted {
            return "noted: a cycle runs now, and the answer counts when that has ended; until \
                    then `renkei status` shows the review as it is"
                .to_owned();
        }
        let dir = dir.display();
        format!("decided; the next cycle acts on it, and `renkei plan --dir {dir}` shows how")
    })?;
    Ok(())
}

/// Decides in this process: nobody serves.
async fn decide_here(
    dir: &Path,
    config: &Config,
    decision: &ReviewDecision,
) -> Result<Decided, CommandError> {
    let runtime = host::plugins(dir, DatabaseAccess::ReadOnly).await?;
    let spec = host::spec(config, &runtime)?;
    let now_ms = SystemClock::program().now_ms();
    let open = |access| database::open(dir, &config.data, Layouts::from_spec(&spec), access);
    let decided: Result<Decided, RequestError> = match open(DatabaseAccess::ReadWrite) {
        Ok(store) => {
            apply_noted_decisions(&config.data, &store, &spec, now_ms, false).await?;
            decide_review(&store, &spec, now_ms, decision).await
        }
        Err(failure) if failure.is_in_use() => {
            let store = open(DatabaseAccess::ReadOnly)?;
            note_decision(&config.data, &store, &spec, now_ms, decision).await
        }
        Err(failure) => return Err(failure),
    };
    Ok(decided?)
}

impl From<AnswerCommand> for ReviewAnswer {
    fn from(answer: AnswerCommand) -> Self {
        match answer {
            AnswerCommand::Take { system } => Self::Take { system },
            AnswerCommand::Value { text } => Self::Value { text },
            AnswerCommand::Clear => Self::Clear,
            AnswerCommand::With { record } => Self::With { record },
            AnswerCommand::Separate => Self::Separate,
            AnswerCommand::Approve => Self::Approve,
            AnswerCommand::Leave => Self::Leave,
        }
    }
}
