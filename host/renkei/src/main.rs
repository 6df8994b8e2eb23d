//! Renkei: keeps CRMs in step.
//!
//! `main` parses, starts logging and dispatches; one file per command under `command/`. To follow
//! one record through the program read `command/sync.rs`, then `host.rs` (what is opened),
//! `cycle_report.rs` (one cycle and its report) and `renkei_sync::cycle` (what happens in it).

mod cli;
mod clock;
mod command;
mod command_error;
mod config;
mod cycle_report;
mod database;
mod demo;
mod discover;
mod first_sync;
mod fitting;
mod host;
mod io_hints;
mod output;
mod preflight;
mod stop;
mod table;
mod tokens;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use clap::error::ErrorKind;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};
use command_error::CommandError;
use output::Output;

/// A cycle allocates for every value of every record, so the allocator decides much of its speed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything else runs or is read: the process that compiles plugins limits itself.
    renkei_runtime::compile_as_child(std::env::args_os()).unwrap_or_else(start)
}

/// Threads that are still busy when a command is done are not waited for longer.
const AFTERMATH: Duration = Duration::from_secs(2);

fn start() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            Output::new(false).failure(&CommandError::from(anyhow::Error::from(error)));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(command());
    runtime.shutdown_timeout(AFTERMATH);
    code
}

async fn command() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return mistyped(&error),
    };
    start_log(&cli);
    if let Some(clock) = cli.trial_clock {
        clock.start_trial();
    }
    let output = Output::new(cli.json);
    match run(&cli.command, output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

/// Reports that what was typed is no command; `--help` is not a mistake.
fn mistyped(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    let needs_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !error.use_stderr() || (needs_help && !json) {
        // A terminal that has gone away needs no help.
        drop(error.print());
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let failure = cli::mistake(error);
    Output::new(json).failure(&failure);
    failure.exit_code()
}

async fn run(command: &Command, output: Output) -> Result<(), CommandError> {
    match command {
        Command::Demo(args) => command::demo::run(args, output).await,
        Command::Sim(args) => command::sim::run(args, output).await,
        Command::Init(args) => command::init::run(args, output),
        Command::Check(args) => command::check::run(args, output).await,
        Command::Describe(args) => command::describe::run(args, output).await,
        Command::Plan(args) => command::plan::run(args, output).await,
        Command::Sync(args) => command::sync::run(args, output).await,
        Command::Serve(args) => command::serve::run(args, output).await,
        Command::Status(args) => command::status::run(args, output).await,
        Command::Why(args) => command::why::run(args, output).await,
        Command::Decide(args) => command::decide::run(args, output).await,
        Command::Backup(args) => command::backup::run(args, output).await,
        Command::Restore(args) => command::restore::run(args, output).await,
        Command::Account(command) => command::account::run(command, output).await,
        Command::Auth(command) => command::auth::run(command, output).await,
        Command::Plugin(command) => command::plugin::run(command, output).await,
    }
}

/// The log target of changes of plugins and of who asked for them.
const AUDIT: &str = "renkei::audit";

/// Logs go to standard error; they hold names, ids and counts, never values or secrets.
fn start_log(cli: &Cli) {
    let serves = matches!(cli.command, Command::Serve(_));
    let filter = filter(&cli.log, serves);
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr);
    if cli.log_json { log.json().init() } else { log.init() }
}

/// The filter of the log. `serve` always logs audit events, unless the filter has a directive of
/// that target. Other commands print what they do by themselves.
fn filter(wanted: &str, serves: bool) -> EnvFilter {
    let filter = EnvFilter::new(wanted);
    match format!("{AUDIT}=info").parse() {
        Ok(directive) if serves && !wanted.contains(AUDIT) => filter.add_directive(directive),
        _ => filter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serve_always_logs_audit_events() {
        for (wanted, serves, expected) in [
            ("warn", true, true),
            ("off", true, true),
            ("renkei_runtime=debug", true, true),
            ("warn", false, false),
            ("info,renkei::audit=off", true, false),
            ("warn,renkei::audit=info", false, true),
        ] {
            let log = tracing_subscriber::fmt().with_env_filter(filter(wanted, serves)).finish();
            tracing::subscriber::with_default(log, || {
                let audits = tracing::enabled!(target: "renkei::audit", tracing::Level::INFO);
                assert_eq!(audits, expected, "{wanted}");
            });
        }
    }
}
