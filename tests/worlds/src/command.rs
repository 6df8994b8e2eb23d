//! The commands that play histories: `histories` judges them, `contest` compares engines.

use std::io::Write as _;
use std::ops::Range;
use std::sync::Mutex;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::contest::{COLUMNS, Contestant, Score, hold};
use crate::histories::draw::KNOBS;
use crate::histories::{Summary, run, tell_in_full, tell_shortest};

/// What can be played.
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
    /// How many histories.
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
    /// What is played.
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
        ensure!(self.engine == Engine::Planner);
        if self.show {
            return show(seeds.start, &knobs);
        }
        let summary = self.play(seeds.clone(), &knobs);
        let mut stories = std::io::stderr().lock();
        for seed in summary.seeds.keys().take(self.stories) {
            let story = tell_shortest(*seed, &knobs).unwrap_or_default();
            writeln!(stories, "{story}")?;
        }
        self.print(&seeds, &summary)?;
        if !summary.violations.is_empty() {
            bail!("promises were broken");
        }
        Ok(())
    }

    fn play(&self, seeds: Range<u64>, knobs: &[&'static str]) -> Summary {
        let (from, total) = (seeds.start, seeds.end.saturating_sub(seeds.start));
        let told = Mutex::new(0);
        let progress = |done: u64, failed: usize| {
            let mut told = told.lock().unwrap();
            if done / 10_000 > *told {
                *told = done / 10_000;
                let mut out = std::io::stderr().lock();
                // Nobody reads it: nothing is lost.
                drop(writeln!(out, "{done} of {total} from seed {from}, {failed} failed"));
            }
            self.stop_after.is_none_or(|most| failed < most)
        };
        run(seeds, knobs, threads(), progress)
    }

    fn print(&self, seeds: &Range<u64>, summary: &Summary) -> Result<()> {
        let first = summary.seeds.keys().next();
        let mut out = std::io::stdout().lock();
        if self.json {
            let report = json!({
                "engine": "planner",
                "seeds": format!("{}..{}", seeds.start, seeds.end),
                "histories": summary.histories,
                "violations": summary.violations,
                "first_failing_seed": first,
            });
            return Ok(writeln!(out, "{report}")?);
        }
        writeln!(out, "{} histories", summary.histories)?;
        for (promise, count) in &summary.violations {
            let seeds = summary.seeds.iter().filter(|(_, promises)| promises.contains(promise));
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
        row[title] = json!(score.broken.get(promise).unwrap_or(&0));
    }
    row
}

fn show(seed: u64, knobs: &[&'static str]) -> Result<()> {
    Ok(writeln!(std::io::stdout().lock(), "{}", tell_in_full(seed, knobs))?)
}
