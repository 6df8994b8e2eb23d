//! `renkei status`: what is linked, what waits, what fails and what awaits a decision, in words.

use std::path::Path;
use std::sync::Arc;

use renkei_admin::failures::FailureReport;
use renkei_admin::status::{StatusQuery, StatusReport, StatusSources, SweepStatus, read_status};
use renkei_admin::text::{line, quote_for_shell};
use renkei_model::times::moment;
use renkei_store::Layouts;

use crate::cli::StatusArgs;
use crate::clock::SystemClock;
use crate::command::plugin::plugin_status;
use crate::command_error::CommandError;
use crate::config::Config;
use crate::database::{self, DatabaseAccess};
use crate::host;
use crate::output::Output;
use crate::table;

/// The most failures that are listed for people.
const FAILURES_SHOWN: usize = 10;

/// Prints the numbers, the reviews, the failures and the plugins that need a look.
pub(crate) async fn run(args: &StatusArgs, output: Output) -> Result<(), CommandError> {
    let dir = &args.dir.dir;
    let config = Config::read(dir)?;
    let store = database::open(dir, &config.data, Layouts::default(), DatabaseAccess::ReadOnly)?;
    let clock = Arc::new(SystemClock::program());
    let sources = StatusSources {
        store: &store,
        data: &config.data,
        call_records: &host::call_records(&config, &clock),
        clock,
        systems: &config.plugins_of_systems(),
    };
    let status = read_status(&sources, StatusQuery { decided: args.decided }).await?;
    output.result(&status, || {
        let plugins = match &status.plugins {
            Some(plugins) => {
                list_troubles(dir, plugins.iter().filter_map(plugin_status::describe_trouble))
            }
            None => {
                list_troubles(dir, status.paused_systems.iter().map(plugin_status::describe_pause))
            }
        };
        let failures = list_failures(dir, &status.failures);
        format!("{}{failures}{plugins}", describe(dir, &status))
    })?;
    Ok(())
}

/// A line per plugin that needs a look, or per paused system.
fn list_troubles(dir: &Path, lines: impl Iterator<Item = String>) -> String {
    let dir = quote_for_shell(&dir.display().to_string());
    lines.map(|line| format!("\n  {line}: renkei plugin list --dir {dir}")).collect()
}

/// The first failures, a line each, and what explains one.
fn list_failures(dir: &Path, failures: &[FailureReport]) -> String {
    let dir = quote_for_shell(&dir.display().to_string());
    let mut text = String::new();
    for FailureReport { line, subject, .. } in failures.iter().take(FAILURES_SHOWN) {
        let subject = quote_for_shell(subject);
        text.push_str(&format!("\n  {line}\n      renkei why {subject} --dir {dir}"));
    }
    if failures.len() > FAILURES_SHOWN {
        text.push_str("\n  and more: `renkei status --json` lists them");
    }
    text
}

fn describe(dir: &Path, status: &StatusReport) -> String {
    let rows = status.entities.iter().map(|entity| {
        let records = entity
            .records
            .iter()
            .map(|records| format!("{}.{} {}", records.system, records.object, records.live));
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
        status.planned, status.sent, status.waiting, status.reviews_open, status.failing
    ));
    text.push_str(&describe_sweeps(&status.sweeps));
    for review in &status.reviews {
        let subject = match (&review.link, &review.record) {
            (Some(link), _) => format!("{}/{link}", review.entity),
            (None, Some(record)) => record.clone(),
            (None, None) => review.entity.clone(),
        };
        let whole = format!("{}  {subject}: {} ({})", review.id, review.about, review.standing);
        text.push_str(&format!("\n  {}", line(&whole)));
        for answer in &review.answers {
            let (id, dir) = (&review.id, quote_for_shell(&dir.display().to_string()));
            let meaning = answer.meaning.as_ref();
            let meaning = meaning.map(|meaning| format!("  # {meaning}")).unwrap_or_default();
            let whole = format!("renkei decide {id} {} --dir {dir}{meaning}", answer.words);
            text.push_str(&format!("\n      {}", line(&whole)));
        }
    }
    text
}

/// One line per stream; one for all where they say the same.
fn describe_sweeps(sweeps: &[SweepStatus]) -> String {
    let lines: Vec<String> = sweeps.iter().map(describe_sweep).collect();
    match lines.split_first() {
        Some((first, rest)) if rest.iter().all(|line| line == first) => {
            format!("\n  sweep: {first}")
        }
        _ => (sweeps.iter().zip(&lines))
            .map(|(sweep, line)| format!("\n  sweep of {}.{}: {line}", sweep.system, sweep.object))
            .collect(),
    }
}

/// The last sweep of a stream, and how far the present one is.
fn describe_sweep(sweep: &SweepStatus) -> String {
    let mut text = match sweep.last_ms.zip(sweep.last) {
        None => "none completed yet".to_owned(),
        Some((ended_ms, found)) => format!(
            "{}, {} record(s), {} missed by the cursor, {} missing",
            moment(ended_ms),
            found.rows,
            found.missed,
            found.missing
        ),
    };
    if sweep.under_way {
        text.push_str(&format!("; one is under way, {} record(s) so far", sweep.swept));
    }
    text
}

#[cfg(test)]
mod tests {
    use renkei_admin::reviews::ReviewReport;
    use renkei_model::state::{
        RecordKey, Review, ReviewStatus, ReviewSubject, Stream, Sweep, SweepStage,
    };
    use renkei_model::store::port::StoreCounts;
    use renkei_model::value::Value;

    use super::*;

    fn status_with(review: &Review) -> StatusReport {
        let reviews = vec![ReviewReport::from(review)];
        StatusReport { reviews, ..StatusReport::from(&StoreCounts::default()) }
    }

    fn record(id: &str) -> RecordKey {
        let (system, object) = ("hubspot".to_owned(), "contacts".to_owned());
        RecordKey { system, object, id: id.to_owned() }
    }

    fn check(subject: ReviewSubject, expected: &[&str]) {
        let review = Review {
            id: "3f2a".to_owned(),
            entity: "person".to_owned(),
            link: None,
            record: Some(record("1")),
            subject,
            status: ReviewStatus::Open,
            choice: None,
            at_ms: 0,
        };
        let text = describe(Path::new("my sync"), &status_with(&review));
        let said = text.lines().filter_map(|line| line.trim().strip_prefix("renkei decide 3f2a "));
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn status_lists_the_commands_that_answer_a_review() {
        check(
            ReviewSubject::Conflict {
                field: "mobile".to_owned(),
                base: None,
                values: vec![
                    ("hubspot".to_owned(), Some("090\u{1b}-1".into())),
                    ("salesforce".to_owned(), Some(Value::Null)),
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
                value: Some(Value::References(vec!["2".into()])),
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
                "separate --dir 'my sync'  # keep the record apart",
            ],
        );
    }

    /// `RULES.md R9`, `RULES.md R23`: an id of the vendor makes no line of its own.
    #[test]
    fn id_with_a_line_feed_stays_on_its_line() {
        let forged = "1\n  3f2a  person/2: all is well\n      renkei decide 3f2a approve";
        let review = Review {
            id: "3f2a".to_owned(),
            entity: "person".to_owned(),
            link: None,
            record: Some(record(forged)),
            subject: ReviewSubject::Ambiguous {
                key: "mail\u{202e}".to_owned(),
                records: vec![record("2'\n\\"), record("3")],
            },
            status: ReviewStatus::Open,
            choice: None,
            at_ms: 0,
        };
        let text = describe(Path::new("sync"), &status_with(&review));
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("3f2a")).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].contains("1\\n  3f2a") && lines[0].contains("\\u{202e}"), "{text}");
        let told = r"renkei decide 3f2a with $'hubspot.contacts/2\'\U0000000a\\' --dir sync";
        assert_eq!(lines[1].trim(), told);
    }

    #[test]
    fn sweeps_that_say_the_same_are_one_line() {
        let stream =
            |object: &str| Stream { system: "hubspot".to_owned(), object: object.to_owned() };
        let described = |sweeps: &[(Stream, Sweep)]| {
            describe_sweeps(&sweeps.iter().map(SweepStatus::from).collect::<Vec<_>>())
        };
        let idle =
            vec![(stream("contacts"), Sweep::default()), (stream("deals"), Sweep::default())];
        assert_eq!(described(&idle), "\n  sweep: none completed yet");
        assert_eq!(described(&[]), "");
        let under_way = Sweep { stage: SweepStage::Scanning(None), ..Sweep::default() };
        let mixed = [(stream("contacts"), Sweep::default()), (stream("deals"), under_way)];
        assert_eq!(described(&mixed).lines().count(), 3, "{}", described(&mixed));
    }
}
