//! Measures Renkei: `cargo run --release -p renkei-bench -- [NAME ...] --json`.
//!
//! Not a test: nothing here passes or fails. Each name runs what it compares in turn (A, B, A, B,
//! ...) within one process and tells medians of ratios, because machines differ and other programs
//! run meanwhile. `README.md` says what each name measures and which target it has.

mod boundary;
mod compile;
mod density;
mod figures;
mod first_sync;
mod instantiate;
mod neighbour;
mod people;
mod planner;
mod server;
mod stage;
mod store;
mod swap;
mod timing;

use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value};

use figures::Figures;
use renkei_histories::command::Command;

/// The host's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "renkei-bench", about = "Measures Renkei: ratios within one run")]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    play: Option<Command>,
    /// Measure these names only. Default: all.
    names: Vec<Name>,
    /// Print one JSON object instead of lines of text.
    #[arg(long)]
    json: bool,
    /// Number of people in the world of `first-sync`; the design's size is 100000.
    #[arg(long, default_value_t = 5_000)]
    people: u32,
    /// Run one sync with the plugins in this directory against those simulated systems.
    #[arg(long, hide = true, num_args = 2, value_names = ["DIR", "SYSTEMS"])]
    sync: Option<Vec<String>>,
    /// Load the plugins in this directory, with so many systems, and print the memory in KiB.
    #[arg(long, hide = true, num_args = 2, value_names = ["DIR", "SYSTEMS"])]
    load: Option<Vec<String>>,
}

/// Names that can be measured, in the order of the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Boundary,
    Instantiate,
    Compile,
    Swap,
    Density,
    Neighbour,
    FirstSync,
    Planner,
    Store,
}

impl Name {
    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn run(self, people: u32) -> Result<Figures> {
        match self {
            Self::Boundary => boundary::run(),
            Self::Instantiate => instantiate::run(),
            Self::Compile => compile::run(),
            Self::Swap => swap::run(),
            Self::Density => density::run(),
            Self::Neighbour => neighbour::run(),
            Self::FirstSync => first_sync::run(people),
            Self::Planner => planner::run(),
            Self::Store => store::run(),
        }
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(play) = cli.play {
        return play.run();
    }
    if let Some([dir, systems]) = cli.sync.as_deref() {
        let report = first_sync::sync(Path::new(dir), systems)?;
        return Ok(writeln!(std::io::stdout(), "{report}")?);
    }
    if let Some([dir, systems]) = cli.load.as_deref() {
        let kib = density::load(Path::new(dir), systems.parse()?)?;
        return Ok(writeln!(std::io::stdout(), "{kib}")?);
    }
    measure(&cli)
}

fn measure(cli: &Cli) -> Result<()> {
    let names = if cli.names.is_empty() { Name::value_variants() } else { &cli.names };
    let mut all = Map::new();
    for name in names {
        // To the error stream, so that the output stays one object.
        writeln!(std::io::stderr(), "measuring {} ...", name.word())?;
        let before = timing::load();
        let mut figures = name.run(cli.people)?;
        figures.record("load_before", before);
        figures.record("load_after", timing::load());
        all.insert(name.word(), Value::Object(figures.into_map()));
    }
    let mut out = std::io::stdout().lock();
    if cli.json {
        writeln!(out, "{}", Value::Object(all))?;
    } else {
        for (name, figures) in &all {
            for (figure, value) in figures.as_object().into_iter().flatten() {
                writeln!(out, "{name:12} {figure:36} {value}")?;
            }
        }
    }
    Ok(())
}
