//! Renkei: keeps CRMs in step.
//!
//! `main` parses, starts logging and dispatches; one file per command under `command/`. To follow
//! one record through the program read `command/sync.rs`, then `host.rs` (what is opened),
//! `cycle.rs` (one cycle and its report) and `renkei_sync::cycle` (what happens in it).

mod cli;
mod clock;
mod command;
mod config;
mod control;
mod cycle;
mod database;
mod demo;
mod failure;
mod host;
mod output;
mod plain;
mod preflight;
mod stop;
mod table;
mod tokens;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};
use failure::Failure;
use output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(&cli);
    let output = Output::new(cli.json);
    match run(&cli.command, output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

async fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => command::demo::run(args, output).await,
        Command::Sim(args) => command::sim::run(args, output).await,
        Command::Init(args) => command::init::run(args, output),
        Command::Check(args) => command::check::run(args, output).await,
        Command::Plan(args) => command::plan::run(args, output).await,
        Command::Sync(args) => command::sync::run(args, output).await,
        Command::Serve(args) => command::serve::run(args, output).await,
        Command::Status(args) => command::status::run(args, output).await,
        Command::Why(args) => command::why::run(args, output).await,
        Command::Decide(args) => command::decide::run(args, output).await,
        Command::Plugin(command) => command::plugin::run(command, output).await,
    }
}

/// Logs go to standard error; they hold names, ids and counts, never values or secrets.
fn start_log(cli: &Cli) {
    let filter = EnvFilter::new(&cli.log);
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr);
    if cli.log_json { log.json().init() } else { log.init() }
}
