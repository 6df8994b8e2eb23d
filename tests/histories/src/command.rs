//! The commands that play histories: `histories` judges them, `contest` compares engines.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use renkei_worlds::contest::{COLUMNS, Contestant, Score, hold};
use renkei_worlds::histories::draw::KNOBS;
use renkei_worlds::histories::{run, tell_in_full, tell_shortest};

use crate::whole;

/// Commands that play histories.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play random histories and count broken promises.
    Histories(Histories),
    /// Play the same histories with our engine and with the loops that people write instead.
    Contest(Contest),
}

/// Arguments of `contest`.
#[derive(Debug, Args)]
pub struct Contest {
    /// Number of histories.
    #[arg(long, default_value_t = 100_000)]
    histories: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Behaviours that may be drawn, as in `histories`.
    #[arg(long, default_value = "all")]
    knobs: String,
    /// Print one JSON array with an object per engine.
    #[arg(long)]
    json: bool,
}

/// Arguments of `histories`.
#[derive(Debug, Args)]
pub struct Histories {
    /// Engine that is played.
    #[arg(long, value_enum, default_value = "planner")]
    engine: Engine,
    /// The range of seeds, such as 0..1000; a later run goes on where this one ended.
    #[arg(long)]
    seeds: String,
    /// Behaviours that may be drawn, separated by commas; or `all`, `none`.
    #[arg(long, default_value = "all")]
    knobs: String,
    /// Stop after so many failing histories.
    #[arg(long)]
    stop_after: Option<usize>,
    /// Print the shortest story of so many failing seeds to standard error.
    #[arg(long, default_value_t = 1)]
    stories: usize,
    /// Print the shortest story of the first seed with everything that happened in it.
    #[arg(long)]
    show: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    /// The engine's cycles over the store in memory and the model world.
    Planner,
    /// The engine's cycles over both stores, the connectors compiled natively, and the simulators.
    Whole,
}

/// The most failing seeds that scripts are told.
const SEEDS_SHOWN: usize = 1_000;

/// Result of a range of seeds, of either engine.
struct Found {
    histories: u64,
    violations: BTreeMap<String, u64>,
    seeds: BTreeMap<u64, Vec<String>>,
}

impl Command {
    /// Runs it; fails where a promise was broken.
    ///
    /// # Errors
    /// Arguments that cannot be read, and broken promises.
    pub fn run(self) -> Result<()> {
        // A panic of the engine is a finding, told once with its seed.
        std::panic::set_hook(Box::new(|_| {}));
        match self {
            Self::Histories(histories) => histories.run(),
            Self::Contest(contest) => contest.run(),
        }
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn parse_seeds(text: &str) -> Result<Range<u64>> {
    let (from, to) = text.split_once("..").context("--seeds wants a range such as 0..1000")?;
    Ok(from.trim().parse()?..to.trim().parse()?)
}

fn parse_knobs(text: &str) -> Result<Vec<&'static str>> {
    match text {
        "all" => return Ok(KNOBS.to_vec()),
        "none" => return Ok(Vec::new()),
        _ => {}
    }
    let find = |name: &str| {
        let known = KNOBS.iter().find(|knob| **knob == name).copied();
        known.with_context(|| format!("no knob {name}; there are {}", KNOBS.join(", ")))
    };
    text.split(',').map(|name| find(name.trim())).collect()
}

impl Histories {
    fn run(&self) -> Result<()> {
        let seeds = parse_seeds(&self.seeds)?;
        let knobs = parse_knobs(&self.knobs)?;
        if self.show {
            let story = match self.engine {
                Engine::Planner => tell_in_full(seeds.start, &knobs),
                Engine::Whole => whole::tell_in_full(seeds.start),
            };
            return Ok(writeln!(std::io::stdout().lock(), "{story}")?);
        }
        let found = self.play(seeds.clone(), &knobs);
        let mut stories = std::io::stderr().lock();
        for seed in found.seeds.keys().take(self.stories) {
            writeln!(stories, "{}", self.story(*seed, &knobs))?;
        }
        self.print(&seeds, &found)?;
        if !found.violations.is_empty() {
            bail!("promises were broken");
        }
        Ok(())
    }

    fn story(&self, seed: u64, knobs: &[&'static str]) -> String {
        let story = match self.engine {
            Engine::Planner => tell_shortest(seed, knobs),
            Engine::Whole => whole::tell_shortest(seed),
        };
        story.unwrap_or_else(|| format!("seed {seed} keeps every promise"))
    }

    fn play(&self, seeds: Range<u64>, knobs: &[&'static str]) -> Found {
        let (from, total) = (seeds.start, seeds.end.saturating_sub(seeds.start));
        let step = if self.engine == Engine::Planner { 10_000 } else { 500 };
        let told = Mutex::new(0);
        let progress = |done: u64, failed: usize| {
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            if done / step > *told {
                *told = done / step;
                let mut out = std::io::stderr().lock();
                // Nobody reads it: nothing is lost.
                drop(writeln!(out, "{done} of {total} from seed {from}, {failed} failed"));
            }
            self.stop_after.is_none_or(|most| failed < most)
        };
        match self.engine {
            Engine::Planner => {
                let summary = run(seeds, knobs, threads(), progress);
                let named = summary.violations.iter();
                let named = named.map(|(promise, count)| (promise.to_string(), *count));
                let seeds = summary.seeds.iter().map(|(seed, promises)| {
                    (*seed, promises.iter().map(ToString::to_string).collect())
                });
                Found {
                    histories: summary.histories,
                    violations: named.collect(),
                    seeds: seeds.collect(),
                }
            }
            Engine::Whole => {
                let summary = whole::run(seeds, threads(), progress);
                let named = summary.violations.iter();
                let named = named.map(|(promise, count)| (promise.to_string(), *count));
                let seeds = summary.seeds.iter();
                let seeds = seeds.map(|(seed, failing)| (*seed, vec![failing.promise.to_string()]));
                Found {
                    histories: summary.histories,
                    violations: named.collect(),
                    seeds: seeds.collect(),
                }
            }
        }
    }

    fn print(&self, seeds: &Range<u64>, found: &Found) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let report = json!({
                "engine": if self.engine == Engine::Planner { "planner" } else { "whole" },
                "seeds": format!("{}..{}", seeds.start, seeds.end),
                "histories": found.histories,
                "violations": found.violations,
                "first_failing_seed": found.seeds.keys().next(),
                "failing_seeds": found.seeds.keys().take(SEEDS_SHOWN).collect::<Vec<_>>(),
            });
            return Ok(writeln!(out, "{report}")?);
        }
        writeln!(out, "{} histories", found.histories)?;
        for (promise, count) in &found.violations {
            let seeds = found.seeds.iter().filter(|(_, promises)| promises.contains(promise));
            let seeds: Vec<&u64> = seeds.map(|(seed, _)| seed).take(8).collect();
            writeln!(out, "{promise:18} {count:8}  seeds {seeds:?}")?;
        }
        Ok(())
    }
}

impl Contest {
    fn run(&self) -> Result<()> {
        let knobs = parse_knobs(&self.knobs)?;
        let progress = |number: u64| {
            if number > 0 && number.is_multiple_of(10_000) {
                // Nobody reads it: nothing is lost.
                drop(writeln!(std::io::stderr().lock(), "{number} of {}", self.histories));
            }
        };
        let scores = hold(self.seed, self.histories, &knobs, threads(), progress);
        let mut out = std::io::stdout().lock();
        if self.json {
            let rows: Vec<_> = scores.iter().map(|(who, score)| row(*who, score)).collect();
            return Ok(writeln!(out, "{}", json!(rows))?);
        }
        let titles: Vec<String> =
            COLUMNS.iter().map(|(_, title)| title.replace('_', " ")).collect();
        writeln!(out, "| engine | {} | writes | calls |", titles.join(" | "))?;
        writeln!(out, "|---|{}", "---:|".repeat(COLUMNS.len() + 2))?;
        for (who, score) in &scores {
            let counts: Vec<String> = COLUMNS
                .iter()
                .map(|(promise, _)| score.broken.get(promise).unwrap_or(&0).to_string())
                .collect();
            let (name, counts) = (who.name(), counts.join(" | "));
            writeln!(out, "| {name} | {counts} | {} | {} |", score.writes, score.calls)?;
        }
        Ok(())
    }
}

fn row(who: Contestant, score: &Score) -> serde_json::Value {
    let mut row = json!({
        "engine": who.name(),
        "histories": score.histories,
        "writes": score.writes,
        "calls": score.calls,
    });
    for (promise, title) in COLUMNS {
        row[title] = json!(score.broken.get(&promise).unwrap_or(&0));
    }
    row
}
