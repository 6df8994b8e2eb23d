//! `renkei decide`: a person answers a review, or reverses what a rule decided. Takes effect in the
//! next cycle.
//!
//! Only one process works on a database. Where `renkei serve` does, it decides, asked through its
//! control socket; otherwise this process does. Both run [`decide`]. In the middle of a long cycle
//! a decision is noted (`noted.rs`), so that nobody waits for a system that hangs.

use std::path::Path;

use renkei_store::SqliteStore;
use renkei_sync::answers::resolve::{self, ResolveError};
use renkei_sync::model::spec::Spec;
use renkei_sync::model::state::{Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_sync::model::value::Value;
use renkei_sync::ports::Clock as _;
use renkei_sync::store::codec::Layouts;
use renkei_sync::store::port::{ReviewQuery, Store as _};
use serde::{Deserialize, Serialize};

use super::why::parse_record;
use crate::admin_socket;
use crate::cli::{Answer, DecideArgs};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::database::{self, Access};
use crate::failure::Failure;
use crate::host;
use crate::noted;
use crate::output::Output;

/// What is to be decided, as it was typed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Decision {
    /// The review's id or the beginning of it.
    pub(crate) review: String,
    pub(crate) answer: Answer,
}

/// What was decided.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Decided {
    pub(crate) review: String,
    pub(crate) status: ReviewStatus,
    /// A cycle runs: the answer is kept beside the database and given when that has ended.
    #[serde(default)]
    pub(crate) noted: bool,
}

/// Exit code 2 when the review does not exist, is over, or asks something else.
pub(crate) async fn run(args: &DecideArgs, output: Output) -> Result<(), Failure> {
    let dir = &args.dir.dir;
    let config = Config::read(dir).map_err(Failure::usage)?;
    let decision = Decision { review: args.review.clone(), answer: args.answer.clone() };
    let decided = match admin_socket::ask(&config.data, &decision).await? {
        Some(decided) => decided,
        None => decide_here(dir, &config, &decision).await?,
    };
    output.result(&decided, || {
        if decided.noted {
            return "noted: a cycle runs now, and the answer counts when that has ended; until \
                    then `renkei status` shows the question as it is"
                .to_owned();
        }
        let dir = dir.display();
        format!("decided; the next cycle acts on it, and `renkei plan --dir {dir}` shows how")
    })?;
    Ok(())
}

/// Nobody serves. Where another command is in the middle of a cycle, the decision is noted.
async fn decide_here(dir: &Path, config: &Config, decision: &Decision) -> Result<Decided, Failure> {
    let runtime = host::plugins(dir, Access::Look).await?;
    let spec = host::spec(config, &runtime)?;
    let now_ms = SystemClock::program().now_ms();
    let open = |access| database::open(dir, &config.data, Layouts::from_spec(&spec), access);
    match open(Access::Keep) {
        Ok(store) => {
            noted::act(&config.data, &store, &spec, now_ms, false).await?;
            decide(&store, &spec, now_ms, decision).await
        }
        Err(failure) if failure.is_in_use() => {
            let store = open(Access::Look)?;
            noted::add(&config.data, &store, &spec, now_ms, decision).await
        }
        Err(failure) => Err(failure),
    }
}

/// What deciding so would come to when the cycle that runs has ended. Changes nothing.
pub(crate) async fn consider(
    store: &SqliteStore,
    spec: &Spec,
    decision: &Decision,
) -> Result<Decided, Failure> {
    let review = find(store, &decision.review).await?;
    let choice = choice(store, spec, &review, &decision.answer).await?;
    let review = resolve::consider(store, spec, &review.id, &choice).await.map_err(failure)?;
    Ok(Decided { review: review.id, status: review.status, noted: true })
}

/// Decides in the database that the caller has, between two cycles.
pub(crate) async fn decide(
    store: &SqliteStore,
    spec: &Spec,
    now_ms: i64,
    decision: &Decision,
) -> Result<Decided, Failure> {
    let review = find(store, &decision.review).await?;
    let choice = choice(store, spec, &review, &decision.answer).await?;
    let decided = resolve::resolve(store, spec, &review.id, choice, now_ms).await;
    let decided = decided.map_err(failure)?;
    Ok(Decided { review: decided.id, status: decided.status, noted: false })
}

fn failure(error: ResolveError) -> Failure {
    match error {
        ResolveError::Store(error) => Failure::store(error),
        other => Failure::usage(other),
    }
}

/// The one review whose id begins so.
async fn find(store: &SqliteStore, start: &str) -> Result<Review, Failure> {
    let all = ReviewQuery::default();
    let reviews = store.reviews(&all).await.map_err(Failure::store)?;
    let mut found = reviews.into_iter().filter(|review| review.id.starts_with(start));
    match (found.next(), found.next()) {
        (Some(review), None) => Ok(review),
        (None, _) => Err(Failure::usage(format!(
            "there is no review {start}; `renkei status` lists those that are open"
        ))),
        _ => {
            Err(Failure::usage(format!("several reviews begin with {start}; give more of the id")))
        }
    }
}

async fn choice(
    store: &SqliteStore,
    spec: &Spec,
    review: &Review,
    answer: &Answer,
) -> Result<ReviewChoice, Failure> {
    Ok(match answer {
        Answer::Approve => ReviewChoice::Approve,
        Answer::Leave => ReviewChoice::Leave,
        Answer::Separate => ReviewChoice::Separate,
        Answer::With { record } => ReviewChoice::LinkWith(parse_record(record)?),
        Answer::Clear => ReviewChoice::Value(Some(Value::Null)),
        Answer::Take { system } => ReviewChoice::Value(value_of(review, system)?),
        Answer::Value { text } => {
            let value =
                resolve::parse_given_value(store, spec, review, text).await.map_err(failure)?;
            ReviewChoice::Value(Some(value))
        }
    })
}

/// The value that a system holds in the conflict.
fn value_of(review: &Review, system: &str) -> Result<renkei_sync::model::value::Cell, Failure> {
    let ReviewSubject::Conflict { values, .. } = &review.matter else {
        return Err(Failure::usage("only a conflict between systems takes the value of one"));
    };
    let held = values.iter().find(|(name, _)| name == system).map(|(_, cell)| cell.clone());
    held.ok_or_else(|| {
        let systems: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        Failure::usage(format!(
            "`{system}` is not in this conflict, which is between {}",
            systems.join(", ")
        ))
    })
}
