//! `renkei status`: what is linked, what waits, and which questions are open; which systems asked
//! for a pause; and of a running `serve`, which plugins keep work waiting. Reads the database and
//! the record of calls and asks that `serve`, only.

use std::path::Path;

use renkei_runtime::PluginReport;
use renkei_sync::answers::why::moment;
use renkei_sync::model::review::standing;
use renkei_sync::model::state::{
    Failing, RecordKey, Review, ReviewStatus, ReviewSubject, Stream, Sweep, SweepStage,
};
use renkei_sync::model::value::{self, Cell, DisplayedValue};
use renkei_sync::store::codec::Layouts;
use renkei_sync::store::port::{ReviewFilter, ReviewQuery, Store as _, StoreCounts};
use serde_json::{Value, json};

use crate::admin_socket;
use crate::cli::StatusArgs;
use crate::command::plugin::standing as plugin_standing;
use crate::config::Config;
use crate::database::{self, Access};
use crate::failing;
use crate::failure::Failure;
use crate::host;
use crate::output::Output;
use crate::plain;
use crate::table;

/// The most reviews that are listed; the count is always complete.
const REVIEWS_SHOWN: usize = 50;
/// The most links, and records, whose failures are listed for scripts.
const FAILING_SHOWN: usize = 1_000;
/// The most failures that are listed for people.
const FAILURES_SHOWN: usize = 10;

/// Prints the numbers and the open reviews.
pub(crate) async fn run(args: &StatusArgs, output: Output) -> Result<(), Failure> {
    let dir = &args.dir.dir;
    let config = Config::read(dir).map_err(Failure::usage)?;
    let store = database::open(dir, &config.data, Layouts::default(), Access::Look)?;
    let counts = store.counts().await.map_err(Failure::store)?;
    let stand = if args.decided { ReviewFilter::Decided } else { ReviewFilter::Stopping };
    let query = ReviewQuery { stand, link: None, limit: REVIEWS_SHOWN };
    let reviews = store.reviews(&query).await.map_err(Failure::store)?;
    let failures = store.failures(i64::MIN, FAILING_SHOWN).await.map_err(Failure::store)?;
    let plugins = served(&config.data).await;
    let paused = match &plugins {
        Some(plugins) => plugins.iter().flat_map(|one| one.paused_systems.clone()).collect(),
        None => host::paused_systems(&config).await,
    };
    let mut facts = facts(&counts, &reviews);
    if let Some(facts) = facts.as_object_mut() {
        let failures: Vec<Value> = failures.iter().map(failing::facts).collect();
        facts.insert("failures".to_owned(), json!(failures));
        facts.insert("plugins".to_owned(), json!(plugins));
        facts.insert("paused_systems".to_owned(), json!(paused));
    }
    output.result(&facts, || {
        let plugins = match &plugins {
            Some(plugins) => amiss(dir, plugins.iter().filter_map(plugin_standing::amiss)),
            None => amiss(dir, paused.iter().map(plugin_standing::paused)),
        };
        let failures = list_failures(dir, &failures);
        format!("{}{failures}{plugins}", describe(dir, &counts, &reviews))
    })?;
    Ok(())
}

/// The plugins of a running `serve`. Without one nothing is loaded just to be looked at, and what
/// keeps a plugin from work is known only to who serves it.
async fn served(data: &Path) -> Option<Vec<PluginReport>> {
    admin_socket::served_plugins(data).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "how the plugins stand is not known");
        None
    })
}

/// A line per plugin that does not plainly serve, or per system that is left alone.
fn amiss(dir: &Path, lines: impl Iterator<Item = String>) -> String {
    let dir = quoted(&dir.display().to_string());
    lines.map(|line| format!("\n  {line}: renkei plugin list --dir {dir}")).collect()
}

/// The first failures, a line each, and what explains one.
fn list_failures(dir: &Path, failures: &[Failing]) -> String {
    let dir = quoted(&dir.display().to_string());
    let mut text = String::new();
    for failing in failures.iter().take(FAILURES_SHOWN) {
        let (line, subject) = failing::describe(failing);
        text.push_str(&format!("\n  {line}\n      renkei why {} --dir {dir}", quoted(&subject)));
    }
    if failures.len() > FAILURES_SHOWN {
        text.push_str("\n  and more: `renkei status --json` lists them");
    }
    text
}

fn facts(counts: &StoreCounts, reviews: &[Review]) -> Value {
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
        "failing": counts.failures,
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
            "about": about(review),
            "entities": match &review.matter {
                ReviewSubject::FirstSync { entities } => json!(entities),
                _ => Value::Null,
            },
            "answers": answers(review).iter().map(|(words, _)| words).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn describe(dir: &Path, counts: &StoreCounts, reviews: &[Review]) -> String {
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
        "\n\n{} operation(s) planned, {} without a known outcome, {} link(s) waiting for another, {} open review(s), {} failure(s) of records",
        counts.planned, counts.sent, counts.waiting, counts.reviews_open, counts.failures
    ));
    text.push_str(&sweeps(&counts.sweeps));
    for review in reviews {
        let subject = match (&review.link, &review.record) {
            (Some(link), _) => format!("{}/{link}", review.entity),
            (None, Some(record)) => record.to_string(),
            (None, None) => review.entity.clone(),
        };
        let (matter, stands) = (about(review), standing(review));
        let line = format!("{}  {subject}: {matter} ({stands})", review.id);
        text.push_str(&format!("\n  {}", plain::line(&line)));
        for (words, meaning) in answers(review) {
            let (id, dir) = (&review.id, quoted(&dir.display().to_string()));
            let meaning = meaning.map(|meaning| format!("  # {meaning}")).unwrap_or_default();
            let line = format!("renkei decide {id} {words} --dir {dir}{meaning}");
            text.push_str(&format!("\n      {}", plain::line(&line)));
        }
    }
    text
}

/// The answers that a question takes (`renkei_sync::answers::resolve`), as `renkei decide` wants them, and
/// what one means where its word does not say it.
fn answers(review: &Review) -> Vec<(String, Option<String>)> {
    let plain = |words: &str| (words.to_owned(), None);
    let meant = |words: &str, meaning: &str| (words.to_owned(), Some(meaning.to_owned()));
    let with = |records: &[RecordKey]| -> Vec<(String, Option<String>)> {
        let others = records.iter().filter(|record| review.record.as_ref() != Some(record));
        others.map(|record| (format!("with {}", quoted(&typed(record))), None)).collect()
    };
    match &review.matter {
        ReviewSubject::Conflict { values, .. } => {
            // An older program named some twice, or the hub's value by no system.
            let is_first = |(index, (system, _)): &(usize, &(String, _))| {
                let before = values.iter().take(*index);
                !system.is_empty() && before.clone().all(|(other, _)| other != system)
            };
            let take = values.iter().enumerate().filter(is_first).map(|(_, (system, value))| {
                meant(&format!("take {system}"), &DisplayedValue(value).to_string())
            });
            let held = values.iter().map(|(_, value)| value);
            take.chain([plain(given(held)), plain("clear")]).collect()
        }
        ReviewSubject::Oscillation { values, .. } => {
            vec![plain(given(values.iter())), plain("clear")]
        }
        ReviewSubject::Cleared { value, .. } => vec![plain(given([value])), plain("clear")],
        ReviewSubject::Ambiguous { records, .. } => {
            let mut list = with(records);
            list.push(meant("separate", "it is a thing of its own"));
            list
        }
        ReviewSubject::Successor { records, .. } => with(records),
        ReviewSubject::Uncertain { records, .. } => {
            let mut list = with(records);
            if list.is_empty() {
                list.push(meant("with SYSTEM.OBJECT/ID", "this is what it made"));
            }
            list.push(meant("separate", "send it again"));
            list.push(meant("leave", "give it up"));
            list
        }
        ReviewSubject::Surplus { mergeable: true, .. } => {
            vec![meant("approve", "merge them there"), plain("leave")]
        }
        ReviewSubject::Surplus { .. } => vec![meant("leave", "they stay as they are")],
        ReviewSubject::Taken { .. } => {
            vec![meant("leave", "ask no more; it stays listed as a failure")]
        }
        ReviewSubject::Stopped { .. } => Vec::new(),
        ReviewSubject::Missing { .. } => {
            vec![meant("approve", "treat it as deleted"), plain("leave")]
        }
        ReviewSubject::Deleted { .. } => {
            vec![meant("approve", "archive the others"), plain("leave")]
        }
        ReviewSubject::Deletions { .. } => vec![
            meant("approve", "go on with the deletions"),
            meant("leave", "keep the others, and no longer keep them in step"),
        ],
        ReviewSubject::Creations { .. } => vec![meant("approve", "go on with the creations")],
        ReviewSubject::FirstSync { .. } => {
            vec![meant("approve", "write it"), meant("leave", "write nothing for now")]
        }
        ReviewSubject::TookAlong { .. } => vec![
            meant("approve", "archive the others too"),
            meant("separate", "make it again"),
            meant("leave", "no longer keep the others in step"),
        ],
    }
}

/// How a value of one's own is given where the systems hold these.
fn given<'a>(held: impl IntoIterator<Item = &'a Cell>) -> &'static str {
    match held.into_iter().flatten().find(|value| !value.is_null()) {
        Some(value::Value::References(_)) => "value SYSTEM.OBJECT/ID",
        Some(value::Value::Choices(_)) => "value 'TEXT;TEXT'",
        _ => "value TEXT",
    }
}

/// A record as `renkei decide` wants it, to the character.
fn typed(record: &RecordKey) -> String {
    let RecordKey { system, object, id } = record;
    format!("{system}.{object}/{id}")
}

/// A word for a shell: ids and paths are others' text. What does not show is written as the escapes
/// of `$'...'`, so that the line can be read and still be typed.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-/:@+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if !word.chars().any(plain::is_unseen) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let escaped = word.chars().map(|c| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if plain::is_unseen(c) => format!("\\U{:08x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("$'{}'", escaped.collect::<String>())
}

/// One line per stream; one for all where they say the same.
fn sweeps(sweeps: &[(Stream, Sweep)]) -> String {
    let lines: Vec<String> = sweeps.iter().map(|(_, sweep)| swept(sweep)).collect();
    match lines.split_first() {
        Some((first, rest)) if rest.iter().all(|line| line == first) => {
            format!("\n  sweep: {first}")
        }
        _ => (sweeps.iter().zip(&lines))
            .map(|((stream, _), line)| {
                format!("\n  sweep of {}.{}: {line}", stream.system, stream.object)
            })
            .collect(),
    }
}

/// The last sweep of a stream, and how far the present one is.
fn swept(sweep: &Sweep) -> String {
    let mut text = match sweep.last {
        None => "none completed yet".to_owned(),
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
fn about(review: &Review) -> String {
    match &review.matter {
        ReviewSubject::Conflict { field, policy, .. } if review.status == ReviewStatus::Decided => {
            format!("{field} differed; decided by: {policy}")
        }
        ReviewSubject::Conflict { field, policy, .. } => {
            format!("{field} differs and a person must decide ({policy})")
        }
        ReviewSubject::Oscillation { field, .. } => {
            format!("{field} went to and fro too often and stands still")
        }
        ReviewSubject::Cleared { field, system, .. } => format!("{field} was emptied in {system}"),
        ReviewSubject::Ambiguous { key, records } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            format!("several records match by {key}: {}", records.join(", "))
        }
        ReviewSubject::Surplus { active, surplus, mergeable: true } => {
            format!("{surplus} stands for the same thing as {active}: merge them there")
        }
        ReviewSubject::Surplus { active, surplus, .. } => format!(
            "{surplus} stands for the same thing as {active}, and Renkei cannot merge them: merge or remove one there by hand, or leave"
        ),
        ReviewSubject::Taken { record } => format!(
            "the system takes what is to be written for a duplicate of {record}, which stands for something else: change or merge one there; the write is tried again daily"
        ),
        ReviewSubject::Stopped { field, system, object, missing } => {
            format!(
                "{field} stands still in {system}.{object}: {missing}; it goes on when that is there again"
            )
        }
        ReviewSubject::Deleted { gone } => {
            format!("{gone} is gone; archive the others or leave them?")
        }
        ReviewSubject::Missing { record } => format!(
            "{record} is neither listed nor answered, but not reported as deleted: approve to treat it as deleted, or leave?"
        ),
        ReviewSubject::Successor { gone, records } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            format!("{gone} is gone; which one takes its place: {}?", records.join(", "))
        }
        ReviewSubject::Deletions { count, limit, along, .. } if along.is_empty() => {
            format!("{count} deletions wait: {limit} are allowed in 24 hours")
        }
        ReviewSubject::Deletions { count, along, .. } => {
            let along: Vec<String> =
                along.iter().map(|(object, count)| format!("{count} {object}")).collect();
            format!("{count} deletions wait; {} of them go along", along.join(", "))
        }
        ReviewSubject::Creations { limit, count } => {
            format!("{count} creations wait: {limit} are allowed in 24 hours")
        }
        ReviewSubject::FirstSync { entities } => {
            let plans: Vec<String> = entities.iter().map(ToString::to_string).collect();
            format!("the first sync waits and would write: {}", plans.join("; "))
        }
        ReviewSubject::TookAlong { with } => format!(
            "records went along when {with} was archived for a deletion elsewhere; what of the others?"
        ),
        ReviewSubject::Uncertain { records, .. } => {
            let records: Vec<String> = records.iter().map(ToString::to_string).collect();
            let found =
                if records.is_empty() { "no record".to_owned() } else { records.join(", ") };
            format!(
                "a create got no answer and {found} may be what it made; `with` that record, `separate` to send it again, `leave` to give it up"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str) -> RecordKey {
        let (system, object) = ("hubspot".to_owned(), "contacts".to_owned());
        RecordKey { system, object, id: id.to_owned() }
    }

    fn check(matter: ReviewSubject, expected: &[&str]) {
        let review = Review {
            id: "3f2a".to_owned(),
            entity: "person".to_owned(),
            link: None,
            record: Some(record("1")),
            matter,
            status: ReviewStatus::Open,
            choice: None,
            at_ms: 0,
        };
        let text = describe(Path::new("my sync"), &StoreCounts::default(), &[review]);
        let said = text.lines().filter_map(|line| line.trim().strip_prefix("renkei decide 3f2a "));
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_question_names_the_commands_that_answer_it() {
        check(
            ReviewSubject::Conflict {
                field: "mobile".to_owned(),
                base: None,
                values: vec![
                    ("hubspot".to_owned(), Some("090\u{1b}-1".into())),
                    ("salesforce".to_owned(), Some(renkei_sync::model::value::Value::Null)),
                ],
                policy: "a person decides".to_owned(),
                chosen: None,
            },
            &[
                "take hubspot --dir 'my sync'  # \"090\\u{1b}-1\"",
                "take salesforce --dir 'my sync'  # (empty)",
                "value TEXT --dir 'my sync'",
                "clear --dir 'my sync'",
            ],
        );
        check(
            ReviewSubject::Cleared {
                field: "company".to_owned(),
                system: "hubspot".to_owned(),
                value: Some(value::Value::References(vec!["2".into()])),
            },
            &["value SYSTEM.OBJECT/ID --dir 'my sync'", "clear --dir 'my sync'"],
        );
        check(
            ReviewSubject::Ambiguous {
                key: "mail".to_owned(),
                records: vec![record("1"), record("2;x")],
            },
            &[
                "with 'hubspot.contacts/2;x' --dir 'my sync'",
                "separate --dir 'my sync'  # it is a thing of its own",
            ],
        );
    }

    /// `RULES.md R9`, `RULES.md R23`: an id of the vendor makes no line of its own.
    #[test]
    fn an_id_with_a_line_feed_stays_on_its_line() {
        let forged = "1\n  3f2a  person/2: all is well\n      renkei decide 3f2a approve";
        let review = Review {
            id: "3f2a".to_owned(),
            entity: "person".to_owned(),
            link: None,
            record: Some(record(forged)),
            matter: ReviewSubject::Ambiguous {
                key: "mail\u{202e}".to_owned(),
                records: vec![record("2'\n\\"), record("3")],
            },
            status: ReviewStatus::Open,
            choice: None,
            at_ms: 0,
        };
        let text = describe(Path::new("sync"), &StoreCounts::default(), &[review]);
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("3f2a")).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].contains("1\\n  3f2a") && lines[0].contains("\\u{202e}"), "{text}");
        let told = r"renkei decide 3f2a with $'hubspot.contacts/2\'\U0000000a\\' --dir sync";
        assert_eq!(lines[1].trim(), told);
    }

    #[test]
    fn what_a_rule_decided_is_no_question() {
        let matter = ReviewSubject::Conflict {
            field: "website".to_owned(),
            base: None,
            values: Vec::new(),
            policy: "first link, salesforce preferred".to_owned(),
            chosen: None,
        };
        let mut review = Review {
            id: "3f2a".to_owned(),
            entity: "company".to_owned(),
            link: None,
            record: None,
            matter,
            status: ReviewStatus::Open,
            choice: None,
            at_ms: 0,
        };
        let open = "website differs and a person must decide (first link, salesforce preferred)";
        assert_eq!(about(&review), open);
        review.status = ReviewStatus::Decided;
        let decided = "website differed; decided by: first link, salesforce preferred";
        assert_eq!(about(&review), decided);
    }

    #[test]
    fn sweeps_that_say_the_same_are_one_line() {
        let stream =
            |object: &str| Stream { system: "hubspot".to_owned(), object: object.to_owned() };
        let idle =
            vec![(stream("contacts"), Sweep::default()), (stream("deals"), Sweep::default())];
        assert_eq!(sweeps(&idle), "\n  sweep: none completed yet");
        assert_eq!(sweeps(&[]), "");
        let under_way = Sweep { stage: SweepStage::Scanning(None), ..Sweep::default() };
        let mixed = [(stream("contacts"), Sweep::default()), (stream("deals"), under_way)];
        assert_eq!(sweeps(&mixed).lines().count(), 3, "{}", sweeps(&mixed));
    }
}
