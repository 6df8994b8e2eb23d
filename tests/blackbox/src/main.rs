//! Random histories of people who edit two simulated CRMs while the real program syncs, serves, is
//! killed, swapped, started twice and restored from a backup. The judge keeps its own ledger of who
//! typed what and knows nothing of the program's store.
//!
//! `tests/blackbox/run --seeds A..B --binary PATH` is the way to start it. A failing history is
//! shortened and printed step by step.

#![expect(
    clippy::indexing_slicing,
    reason = "indexing a JSON value never panics, and a panic here is a failed trial"
)]

mod simulators;
mod site;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use serde_json::json;

use renkei_blackbox::history::{History, calm};
use renkei_blackbox::judge::Violation;
use renkei_blackbox::play::play;
use renkei_blackbox::shrink::shrink;

use simulators::Simulators;
use site::{Site, Template};

#[derive(Debug, Parser)]
#[command(
    about = "Random histories of people, judged from outside",
    after_help = "Examples:
  tests/blackbox/run --seeds 0..50 --binary target/release/renkei
  tests/blackbox/run --seeds 17..18 --binary target/release/renkei --shrink 60"
)]
struct Arguments {
    /// The seeds to play, FIRST..END.
    #[arg(long, value_parser = range, value_name = "A..B")]
    seeds: Range<u64>,
    /// The program under test.
    #[arg(long, value_name = "PATH")]
    binary: PathBuf,
    /// Histories that are played at the same time.
    #[arg(long, default_value_t = 2, value_name = "N")]
    workers: usize,
    /// The most runs to shorten the first failing history; 0 leaves it as it is.
    #[arg(long, default_value_t = 40, value_name = "N")]
    shrink: u32,
    /// Print one JSON object: histories, violations by promise, first failing seed.
    #[arg(long)]
    json: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("expected FIRST..END, such as 0..50")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    Ok(number(first)?..number(end)?)
}

/// Findings so far.
#[derive(Default)]
struct Found {
    played: u64,
    broken: BTreeMap<&'static str, u64>,
    first: Option<(u64, Violation)>,
    trouble: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let repository = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let template = Template::make(&arguments.binary, &repository)?;
    let found = play_all(&template, &arguments);
    if let Some((seed, violation)) = &found.first {
        report(&template, &arguments, *seed, violation)?;
    }
    for trouble in &found.trouble {
        print_line(&format!("could not be played: {trouble}"));
    }
    let failed: u64 = found.broken.values().sum();
    let first = found.first.as_ref().map(|(seed, _)| seed);
    if arguments.json {
        let summary = json!({
            "histories": found.played,
            "violations": found.broken,
            "first_failing_seed": first,
            "not_played": found.trouble.len(),
        });
        print_line(&summary.to_string());
    } else {
        print_line(&format!(
            "{} histories, {failed} violation(s) {:?}",
            found.played, found.broken
        ));
    }
    let good = failed == 0 && found.trouble.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn play_all(template: &Template, arguments: &Arguments) -> Found {
    let found = Mutex::new(Found::default());
    let next = AtomicU64::new(arguments.seeds.start);
    std::thread::scope(|scope| {
        for _ in 0..arguments.workers.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= arguments.seeds.end {
                        return;
                    }
                    let end = play_once(template, &History::draw(seed));
                    note(&found, seed, end);
                }
            });
        }
    });
    found.into_inner().unwrap_or_default()
}

/// Plays a history on simulators and a directory of its own.
fn play_once(template: &Template, history: &History) -> anyhow::Result<Option<Violation>> {
    let simulators = Simulators::start(&template.binary, &calm())?;
    let systems = simulators.systems();
    let site = Site::new(template, simulators)?;
    Ok(play(history, systems, site)?.0)
}

fn note(found: &Mutex<Found>, seed: u64, end: anyhow::Result<Option<Violation>>) {
    let Ok(mut found) = found.lock() else { return };
    match end {
        Ok(None) => found.played += 1,
        Ok(Some(violation)) => {
            found.played += 1;
            *found.broken.entry(violation.promise.name()).or_default() += 1;
            print_error(&format!("seed {seed}: {}: {}", violation.promise, violation.story));
            if found.first.as_ref().is_none_or(|(first, _)| seed < *first) {
                found.first = Some((seed, violation));
            }
        }
        Err(error) => found.trouble.push(format!("seed {seed}: {error:#}")),
    }
    if found.played % 10 == 0 {
        print_error(&format!("{} histories played", found.played));
    }
}

/// The shortest history that breaks the same promise, as a story.
fn report(
    template: &Template,
    arguments: &Arguments,
    seed: u64,
    violation: &Violation,
) -> anyhow::Result<()> {
    let history = History::draw(seed);
    let (short, violation) =
        shrink(history, violation, arguments.shrink, |shorter| play_once(template, shorter))?;
    print_error(&format!("seed {seed} breaks `{}`: {}", violation.promise, violation.story));
    for (number, step) in short.steps.iter().enumerate() {
        print_error(&format!("  {}. {step:?}", number + 1));
    }
    Ok(())
}

fn print_line(text: &str) {
    #[expect(clippy::print_stdout, reason = "the result of this program")]
    {
        println!("{text}");
    }
}

fn print_error(text: &str) {
    eprintln!("{text}");
}
