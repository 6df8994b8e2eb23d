//! `renkei status`: what is linked, what waits, and which questions are open. Reads the database
//! only.

use renkei_sync::codec::Layouts;
use renkei_sync::state::{Matter, Review, Sweep, SweepStage};
use renkei_sync::store::{Counts, ReviewQuery, Store as _};
use renkei_sync::why::moment;
use serde_json::{Value, json};

use crate::cli::DirArgs;
use crate::config::Config;
use crate::database::{self, Access};
use crate::failure::Failure;
use crate::output::Output;
use crate::table;

/// The most reviews that are listed; the count is always complete.
const REVIEWS_SHOWN: usize = 50;

/// Prints the numbers and the open reviews.
pub(crate) async fn run(args: &DirArgs, output: Output) -> Result<(), Failure> {
    let config = Config::read(&args.dir).map_err(Failure::usage)?;
    let store = database::open(&args.dir, &config.data, Layouts::default(), Access::Look)?;
    let counts = store.counts().await.map_err(Failure::store)?;
    let query = ReviewQuery { open_only: true, link: None, limit: REVIEWS_SHOWN };
    let reviews = store.reviews(&query).await.map_err(Failure::store)?;
    output.result(&facts(&counts, &reviews), || describe(&counts, &reviews))?;
    Ok(())
}

fn facts(counts: &Counts, reviews: &[Review]) -> Value {
    json!({
        "entities": counts.entities.iter().map(|entity| json!({
            "entity": entity.entity,
            "links": entity.links,
            "dirty": entity.dirty,
            "unlinked": entity.unlinked,
            "records": entity.records.iter()
                .map(|(system, object, count)| json!({ "system": system, "object": object, "live": count }))
                .collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "planned": counts.planned,
        "sent": counts.sent,
        "waiting": counts.waiting,
        "reviews_open": counts.reviews_open,
        "sweeps": counts.sweeps.iter().map(|(stream, sweep)| json!({
            "system": stream.system,
            "object": stream.object,
            "under_way": sweep.stage != SweepStage::Resting,
            "swept": sweep.counts.rows,
            "last_ms": sweep.last.map(|(ended_ms, _)| ended_ms),
            "last": sweep.last.map(|(_, found)| found),
        })).collect::<Vec<_>>(),
        "reviews": reviews.iter().map(|review| json!({
            "id": review.id,
            "entity": review.entity,
            "link": review.link,
            "record": review.record.as_ref().map(ToString::to_string),
            "status": review.status,
            "about": about(&review.matter),
        })).collect::<Vec<_>>(),
    })
}

fn describe(counts: &Counts, reviews: &[Review]) -> String {
    let rows = counts.entities.iter().map(|entity| {
        let records =
            entity.records.iter().map(|(system, object, n)| format!("{system}.{object} {n}"));
        vec![
            entity.entity.clone(),
            entity.links.to_string(),
            entity.dirty.to_string(),
            entity.unlinked.to_string(),
            records.collect::<Vec<_>>().join(", "),
        ]
    });
    let mut text =
        table::plain(&["entity", "links", "to plan", "without link", "live records"], rows);
    text.push_str(&format!(
        "\n\n{} operation(s) planned, {} without a known outcome, {} link(s) waiting for another, {} open review(s)",
        counts.planned, counts.sent, counts.waiting, counts.reviews_open
    ));
    for (stream, sweep) in &counts.sweeps {
        text.push_str(&format!(
            "\n  sweep of {}.{}: {}",
            stream.system,
            stream.object,
            swept(sweep)
        ));
    }
    for review in reviews {
        let subject = match (&review.link, &review.record) {
            (Some(link), _) => format!("{}/{link}", review.entity),
            (None, Some(record)) => record.to_string(),
            (None, None) => review.entity.clone(),
        };
        let (matter, stands) = (about(&review.matter), review.status.words());
        text.push_str(&format!("\n  {}  {subject}: {matter} ({stands})", review.id));
    }
    text
}

/// The last sweep of a stream, and how far the present one is.
fn swept(sweep: &Sweep) -> String {
    let mut text = match sweep.last {
        None => "none is completed yet".to_owned(),
        Some((ended_ms, found)) => format!(
            "{}, {} record(s), {} missed by the cursor, {} out of sight",
            moment(ended_ms),
            found.rows,
            found.missed,
            found.missing
        ),
    };
    if sweep.stage != SweepStage::Resting {
        text.push_str(&format!("; one is under way, {} record(s) so far", sweep.counts.rows));
    }
    text
}

/// A review in plain words, without values.
pub(crate) fn about(matter: &Matter) -> String {
    match matter {
        Matter::Conflict { field, policy, .. } => {
            format!("{field} differs and a person must decide ({policy})")
        }
        Matter::Oscillation { field, .. } => {
            format!("{field} went to and fro too often and stands still")
        }
        Matter::Cleared { field, system, .. } => format!("{field} was emptied in {system}"),
        Matter::Ambiguous { key, records } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            format!("several records match by {key}: {}", records.join(", "))
        }
        Matter::Surplus { active, surplus } => {
            format!("{surplus} stands for the same thing as {active}: merge them there")
        }
        Matter::Deleted { gone } => format!("{gone} is gone; archive the others or leave them?"),
        Matter::Missing { record } => format!(
            "{record} is neither listed nor answered, but not reported as deleted: approve to treat it as deleted, or leave?"
        ),
        Matter::Successor { gone, records } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            format!("{gone} is gone; which one takes its place: {}?", records.join(", "))
        }
        Matter::Deletions { count, limit } => {
            format!("{count} deletions are more than the {limit} allowed")
        }
        Matter::Creations { limit } => {
            format!("more than the {limit} creations allowed in one go wait")
        }
        Matter::Uncertain { records, .. } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            let found =
                if records.is_empty() { "no record".to_owned() } else { records.join(", ") };
            format!(
                "a create got no answer and {found} may be what it made; `with` that record, `separate` to send it again, `leave` to give it up"
            )
        }
    }
}
