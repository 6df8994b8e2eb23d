//! `renkei decide`: a person answers a review, or reverses what a rule decided. Takes effect in the
//! next cycle.

use renkei_store::SqliteStore;
use renkei_sync::canonical::canonical;
use renkei_sync::codec::Layouts;
use renkei_sync::ports::Clock as _;
use renkei_sync::resolve::{ResolveError, resolve};
use renkei_sync::state::{Choice, Matter, Review};
use renkei_sync::store::{ReviewQuery, Store as _};
use renkei_sync::value::Value;
use serde_json::json;

use super::why::parse_record;
use crate::cli::{Answer, DecideArgs};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::failure::Failure;
use crate::host;
use crate::output::Output;

/// Exit code 2 when the review does not exist, is over, or asks something else.
pub(crate) async fn run(args: &DecideArgs, output: Output) -> Result<(), Failure> {
    let dir = &args.dir.dir;
    let config = Config::read(dir).map_err(Failure::usage)?;
    let runtime = host::plugins(dir).await?;
    let spec = host::spec(&config, &runtime)?;
    let store = SqliteStore::open(&config.data, Layouts::of(&spec)).map_err(Failure::store)?;
    let review = find(&store, &args.review).await?;
    let choice = choice(&args.answer, &review, &spec)?;
    let now_ms = SystemClock::real().now_ms();
    let decided =
        resolve(&store, &review.id, choice, now_ms).await.map_err(|error| match error {
            ResolveError::Store(error) => Failure::store(error),
            other => Failure::usage(other),
        })?;
    output.result(&json!({ "review": decided.id, "status": decided.status }), || {
        "decided; the next cycle acts on it".to_owned()
    })?;
    Ok(())
}

/// The one review whose id begins so.
async fn find(store: &SqliteStore, start: &str) -> Result<Review, Failure> {
    let all = ReviewQuery { open_only: false, link: None, limit: 0 };
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

fn choice(
    answer: &Answer,
    review: &Review,
    spec: &renkei_sync::spec::Spec,
) -> Result<Choice, Failure> {
    Ok(match answer {
        Answer::Approve => Choice::Approve,
        Answer::Leave => Choice::Leave,
        Answer::Separate => Choice::Separate,
        Answer::With { record } => Choice::LinkWith(parse_record(record)?),
        Answer::Clear => Choice::Value(Some(Value::Null)),
        Answer::Take { system } => Choice::Value(value_of(review, system)?),
        Answer::Value { text } => {
            let field = review.field().and_then(|name| {
                let entity = spec.entity(&review.entity)?;
                entity.field(name).map(|(_, field)| field)
            });
            let field = field.ok_or_else(|| Failure::usage("this review is not about a field"))?;
            let cell = Some(Value::Text(text.clone()));
            Choice::Value(canonical(&field.kind, &cell).map_err(|_| {
                Failure::usage(format!("`{text}` does not fit the field `{}`", field.name))
            })?)
        }
    })
}

/// The value that a system holds in the conflict.
fn value_of(review: &Review, system: &str) -> Result<renkei_sync::value::Cell, Failure> {
    let Matter::Conflict { values, .. } = &review.matter else {
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
